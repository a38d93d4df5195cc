//! What containers leave: layers, images and volumes.

use std::path::Path;

use tests::engines::{Docker, Engine, Image, NAME};
use tests::{Host, skip_for};

use super::{ALONE, node};

#[test]
fn what_a_container_changed_is_listed_and_becomes_an_image() {
    let host = Host::for_engines();
    let image = Image::make(&host);
    let docker = Docker::start(&host, node(ALONE), &image);
    docker.ok(&[
        "run",
        "--name",
        "one",
        NAME,
        "sh",
        "-c",
        "echo kept > /new; rm /www/index.html; chmod 700 /tmp",
    ]);
    let changed = docker.ok(&["diff", "one"]);
    for line in ["A /new", "D /www/index.html", "C /tmp"] {
        assert!(changed.lines().any(|told| told == line), "{line}: {changed}");
    }
    docker.ok(&["commit", "-m", "what it did", "-c", "CMD [\"cat\", \"/new\"]", "one", "made:1"]);
    assert_eq!(docker.ok(&["run", "--rm", "made:1"]), "kept");
    assert!(docker.ok(&["history", "made:1"]).contains("what it did"));
    let file = host.files().join("exported.tar").to_string_lossy().into_owned();
    docker.ok(&["export", "-o", &file, "one"]);
    docker.ok(&["import", &file, "flat:1"]);
    assert_eq!(docker.ok(&["run", "--rm", "flat:1", "/bin/cat", "/new"]), "kept");
    docker.ok(&["tag", "made:1", "other/made:2"]);
    assert_eq!(docker.ok(&["images", "-q", "made"]), docker.ok(&["images", "-q", "other/made"]));
    docker.ok(&["rmi", "made:1"]);
    assert_eq!(docker.ok(&["run", "--rm", "other/made:2"]), "kept");
    // Both ways, of directories too.
    let tree = host.files().join("tree");
    std::fs::create_dir_all(tree.join("below")).unwrap();
    std::fs::write(tree.join("below/file"), "in\n").unwrap();
    docker.ok(&["cp", tree.to_str().unwrap(), "one:/tree"]);
    docker.ok(&["cp", "one:/tree/below", host.files().join("back").to_str().unwrap()]);
    assert_eq!(std::fs::read_to_string(host.files().join("back/file")).unwrap(), "in\n");
    docker.ok(&["rm", "one"]);
}

#[test]
fn volumes_are_named_anonymous_shared_and_read_only() {
    let host = Host::for_engines();
    let image = Image::make(&host);
    let docker = Docker::start(&host, node(ALONE), &image);
    let volumes = || docker.ok(&["volume", "ls", "-q"]);
    let _ = docker.container(&["--rm", "-v", "/data"], &["touch", "/data/x"]).ok();
    assert_eq!(volumes(), "", "an anonymous one goes with its container");
    // What the image has there is in the new volume.
    let found =
        docker.container(&["--name", "one", "-v", "named:/www"], &["cat", "/www/index.html"]).ok().out;
    assert!(found.contains("hello"), "{found}");
    assert_eq!(volumes(), "named");
    let _ = docker.container(&["--rm", "--volumes-from", "one"], &["sh", "-c", "echo more > /www/more"]).ok();
    let mount = ["--rm", "--mount", "type=volume,source=named,target=/v,readonly"];
    assert_eq!(docker.container(&mount, &["cat", "/v/more"]).ok().out, "more\n");
    let _ = docker.container(&mount, &["touch", "/v/x"]).fails().says(&["read-only"]);
    let place = docker.ok(&["volume", "inspect", "-f", "{{.Mountpoint}}", "named"]);
    assert!(Path::new(&place).join("more").exists(), "{place}");
    let refused = docker.run(&["volume", "rm", "named"]).fails();
    assert!(refused.err.contains("in use"), "{refused:?}");
    let tmpfs = ["--rm", "--mount", "type=tmpfs,destination=/t,tmpfs-size=1048576"];
    let mounts = docker.container(&tmpfs, &["cat", "/proc/mounts"]).ok().out;
    let line = mounts.lines().find(|line| line.contains(" /t tmpfs "));
    assert!(line.is_some_and(|line| line.contains("size=1024k")), "{mounts}");
    docker.ok(&["rm", "-v", "one"]);
    docker.ok(&["volume", "rm", "named"]);
}

/// A file with everything that a build does with the runtime.
const RECIPE: &str = "ARG WORD=none\nRUN echo $WORD > /word && id -u >> /word\nWORKDIR /made\nCOPY file .\nUSER 1000\n\
                      RUN test $(id -u) = 1000 && cat file > /tmp/copied\nENV SAID=yes\n\
                      ENTRYPOINT [\"sh\", \"-c\"]\nCMD [\"cat /word /tmp/copied; echo $SAID; pwd\"]\n";

/// Builds by either builder and runs what was built.
fn builds(docker: &Docker<'_>, host: &Host, builder: &str) {
    let context = host.files().join("context");
    std::fs::create_dir_all(&context).unwrap();
    std::fs::write(context.join("file"), "copied\n").unwrap();
    std::fs::write(context.join("Dockerfile"), format!("FROM {NAME}\n{RECIPE}")).unwrap();
    let place = context.to_str().unwrap();
    let call = |words: &[&str]| {
        let words = [&["build", "--network", "none", "-t", "built:1"], words, &[place]].concat();
        docker.call(&words).with(|command| {
            command.env("DOCKER_BUILDKIT", builder);
        })
    };
    let _ = call(&["--build-arg", "WORD=given"]).run().ok();
    assert_eq!(docker.ok(&["run", "--rm", "built:1"]), "given\n0\ncopied\nyes\n/made");
    std::fs::write(context.join("Dockerfile"), format!("FROM {NAME}\nRUN exit 9\n")).unwrap();
    let failed = call(&[]).run().fails();
    assert!(format!("{}{}", failed.out, failed.err).contains("code: 9"), "{failed:?}");
}

#[test]
fn an_image_is_built_by_the_classic_builder() {
    let host = Host::for_engines();
    let image = Image::make(&host);
    let docker = Docker::start(&host, node(ALONE), &image);
    builds(&docker, &host, "0");
}

#[test]
fn an_image_is_built_by_buildkit() {
    skip_for!(Crun, "it may not be called runc");
    let host = Host::for_engines();
    let image = Image::make(&host);
    let docker = Docker::start(&host, node(ALONE), &image);
    builds(&docker, &host, "1");
}
