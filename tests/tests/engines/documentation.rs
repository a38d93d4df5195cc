//! The pages about engines: what they say to write is written, word by word, and works.

use std::path::PathBuf;

use tests::engines::cri::container;
use tests::engines::cri::message::PortMapping;
use tests::engines::{Containerd, Cri, Docker, Engine, Image, NAME, Node, PAUSE, Podman};
use tests::{Call, Host, eventually};

use crate::networks::{SERVER, fetches, is_clean};

/// The blocks of one language on a page, with the places that a test has.
fn blocks(page: &str, language: &str, host: &Host) -> Vec<String> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../runtime/docs").join(page);
    let text = std::fs::read_to_string(path).unwrap();
    let program = host.runtime().program().display().to_string();
    let plugins = tests::plugins()[0].display().to_string();
    let fence = format!("```{language}\n");
    let found: Vec<String> = text
        .split(&fence)
        .skip(1)
        .map(|rest| rest.split("```").next().unwrap())
        .map(|block| {
            block.replace("/usr/local/bin/tare", &program).replace("/usr/local/libexec/cni", &plugins)
        })
        .collect();
    assert!(!found.is_empty(), "{page} has no {language}");
    found
}

#[test]
fn containerd_knows_the_runtime_as_its_page_says() {
    let host = Host::for_engines();
    let file = host.files().join("config.toml");
    std::fs::write(&file, &blocks("containerd.md", "toml", &host)[0]).unwrap();
    let dumped = host.tool(&["containerd", "--config", &file.to_string_lossy(), "config", "dump"]).out;
    let program = host.runtime().program().display().to_string();
    assert!(dumped.contains(&format!("BinaryName = \"{program}\"")), "{dumped}");
    assert!(dumped.contains("default_runtime_name = \"tare\""), "{dumped}");
    let image = Image::make(&host);
    let engine = Containerd::start(&host, &tests::plugins(), &image);
    let line = blocks("containerd.md", "sh", &host)[0].replace("docker.io/library/busybox:latest", NAME);
    let words: Vec<&str> = line.split_whitespace().skip(1).collect();
    assert_eq!(engine.run(&words).ok().out, "hello\n");
}

#[test]
fn pods_run_by_containerds_page() {
    let host = Host::for_engines();
    // What else a test machine needs; the file that names the version is the test's own.
    let more = "[plugins.\"io.containerd.grpc.v1.cri\"]\nrestrict_oom_score_adj = true\n";
    let lines = blocks("containerd.md", "toml", &host)[0].replace("version = 2\n", "") + more;
    let mut cri = Cri::configured(&host, &lines, "tare");
    let (image, pause) = (Image::make(&host), Image::pause(&host));
    for image in [&image, &pause] {
        cri.daemon().import(image);
    }
    // The page names no image for a pod's own container: it is the default one.
    cri.daemon().run(&["image", "tag", PAUSE, "registry.k8s.io/pause:3.6"]).ok();
    std::fs::create_dir_all("/etc/cni/net.d").unwrap();
    let network = &blocks("containerd.md", "json", &host)[0];
    std::fs::write("/etc/cni/net.d/10-tare.conflist", network).unwrap();
    eventually("the network is ready", || cri.is_ready("NetworkReady"));
    let mut config = cri.pod("page");
    config.port_mappings = vec![PortMapping { container_port: 80, host_port: 18080, ..Default::default() }];
    let pod = cri.run_pod(&config);
    let _ = cri.run(&pod, container("web", SERVER));
    eventually("it answers", || fetches("127.0.0.1:18080"));
    cri.end_pod(&pod);
    is_clean(&host);
}

#[test]
fn docker_runs_by_its_page() {
    let host = Host::for_engines();
    let image = Image::make(&host);
    let file = "/tmp/test/daemon.json";
    std::fs::write(file, &blocks("docker.md", "json", &host)[0]).unwrap();
    let node = Node { name: "page", network: None, options: &["--config-file", "/tmp/test/daemon.json"] };
    let docker = Docker::start(&host, node, &image);
    assert_eq!(docker.ok(&["info", "-f", "{{.DefaultRuntime}}"]), "tare");
    assert_eq!(docker.container(&["--rm"], &["echo", "hello"]).ok().out, "hello\n");
    assert_eq!(docker.container(&["--rm", "--runtime", "tare"], &["echo", "hello"]).ok().out, "hello\n");
}

#[test]
fn podman_runs_by_its_page() {
    let host = Host::for_engines();
    let image = Image::make(&host);
    let podman = Podman::start(&host, &tests::plugins(), &image);
    let page = blocks("podman.md", "toml", &host).join("\n");
    let networks = podman.networks();
    // Only what a test machine needs besides: places of its own, and limits that it may set.
    let own = format!(
        "{page}\nnetwork_config_dir = \"{}\"\n[containers]\ndefault_ulimits = [\"nofile=20000:20000\", \"nproc=32768:32768\"]\n",
        networks.display()
    );
    std::fs::write(podman.directory().join("containers.conf"), own).unwrap();
    assert_eq!(podman.container(&["--rm", "--network", "none"], &["echo", "hello"]).ok().out, "hello\n");
    assert!(podman.container(&["--rm"], &["ip", "-o", "link"]).ok().out.contains("eth0"));
    // runc does not know what Podman passes for it.
    if host.runtime().kind() != tests::Kind::Runc {
        let _ = podman.container(&["--rm", "--network", "none", "--cgroups", "disabled"], &["true"]).ok();
    }
}

#[test]
fn buildah_builds_by_the_variable_that_the_page_names() {
    let host = Host::for_engines();
    let image = Image::make(&host);
    let place = |name: &str| host.files().join(name).to_string_lossy().into_owned();
    let buildah = |words: &[&str]| {
        let call = Call::new("buildah", host.files()).with(|command| {
            command.env("BUILDAH_RUNTIME", host.runtime().program()).env("TARE_TEST", host.marker());
            command.args([
                "--root",
                &place("root"),
                "--runroot",
                &place("runroot"),
                "--storage-driver",
                "vfs",
            ]);
        });
        call.args(words).run()
    };
    let archive = format!("oci-archive:{}", image.archive().display());
    buildah(&["from", "--name", "work", &archive]).ok();
    let run = |words: &[&str]| {
        buildah(&[&["run", "--network", "none", "--isolation", "oci", "work"], words].concat())
    };
    assert_eq!(run(&["sh", "-c", "echo built > /b; cat /b"]).ok().out, "built\n");
    assert_eq!(run(&["sh", "-c", "exit 5"]).code, 5);
    assert_eq!(run(&["cat", "/b"]).ok().out, "built\n");
    buildah(&["rm", "work"]).ok();
    // The default roots of runtimes: empty, or they hold a leak.
    for root in ["/run/tare", "/run/crun", "/run/runc"] {
        let _ = std::fs::remove_dir(root);
    }
    for path in ["/run/lock", "/run/containers", "/run/libpod"] {
        let _ = std::fs::remove_dir_all(path);
    }
}
