//! Mounts whose ids are mapped: by their own mappings, or as the container's user namespace does.

use std::os::unix::fs::chown;
use std::path::PathBuf;

use nix::mount::{MntFlags, umount2};
use serde_json::{Value, json};
use tare_bundle::config::Config;
use tests::{Host, skip_for};

const FIRST: u32 = 100_000;

/// A tree of the host: `file` is user 0's, `other` user 7's, and below `sub` another file system is mounted, whose
/// `file` is user 0's too.
fn source(host: &Host) -> Tree {
    let path = host.files().join("source");
    std::fs::create_dir_all(path.join("sub")).unwrap();
    host.tool(&["mount", "-t", "tmpfs", "sub", path.join("sub").to_str().unwrap()]);
    for (file, owner) in [("file", 0), ("other", 7), ("sub/file", 0)] {
        std::fs::write(path.join(file), "").unwrap();
        chown(path.join(file), Some(owner), Some(owner)).unwrap();
    }
    Tree(path)
}

/// The tree. Nothing of it is left mounted.
struct Tree(PathBuf);

impl Tree {
    fn text(&self) -> String {
        self.0.to_string_lossy().into_owned()
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        umount2(&self.0.join("sub"), MntFlags::MNT_DETACH).unwrap();
    }
}

fn mapping(first: u32) -> Value {
    json!([{"containerID": 0, "hostID": first, "size": 65_536}])
}

fn mapped(config: Config, source: &str, at: &str, (options, first): (&[&str], u32)) -> Config {
    let map = mapping(first);
    config.mount(json!({"destination": at, "type": "bind", "source": source, "options": options,
        "uidMappings": map, "gidMappings": map}))
}

/// The owners of the paths as the container sees them.
#[track_caller]
fn owners(host: &Host, config: Config, paths: &[&str]) -> Vec<String> {
    let report = host.report(config, paths);
    paths
        .iter()
        .map(|path| format!("{}:{}", report["paths"][path]["uid"], report["paths"][path]["gid"]))
        .collect()
}

fn paths(at: &str) -> [String; 3] {
    ["file", "other", "sub/file"].map(|file| format!("{at}/{file}"))
}

#[track_caller]
fn seen(host: &Host, config: Config, at: &str) -> Vec<String> {
    let paths = paths(at);
    owners(host, config, &paths.each_ref().map(String::as_str))
}

#[test]
fn in_a_user_namespace_with_the_same_mapping_owners_are_those_on_disk() {
    skip_for!(Runc, "Debian's is older than that");
    skip_for!(Crun, "its mappings are the other way round");
    let host = Host::new();
    let tree = source(&host);
    let text = tree.text();
    let users = || host.config(&[]).map_users(FIRST, 65_536).tmpfs("/tmp", &[]);
    // What is mounted below is mapped only when that is asked for.
    let overflow = "65534:65534";
    for options in [&["rbind"][..], &["rbind", "idmap"]] {
        let config = mapped(users(), &text, "/tmp/mnt", (options, FIRST));
        assert_eq!(seen(&host, config, "/tmp/mnt"), ["0:0", "7:7", overflow], "{options:?}");
    }
    let config = mapped(users(), &text, "/tmp/mnt", (&["rbind", "ridmap"], FIRST));
    assert_eq!(seen(&host, config, "/tmp/mnt"), ["0:0", "7:7", "0:0"]);
    // Next to it, a plain bind shows files of the overflow ID; and without mappings the container's own count.
    let config = mapped(users(), &text, "/tmp/mnt", (&["bind"], FIRST)).bind(&text, "/tmp/plain", &[]);
    assert_eq!(owners(&host, config, &["/tmp/mnt/file", "/tmp/plain/file"]), ["0:0", overflow]);
    let config = users().bind(&text, "/tmp/mnt", &["idmap"]).bind(&text, "/tmp/all", &["rbind", "ridmap"]);
    assert_eq!(owners(&host, config, &["/tmp/mnt/other", "/tmp/all/sub/file"]), ["7:7", "0:0"]);
}

#[test]
fn without_a_user_namespace_owners_are_the_mapped_ones() {
    skip_for!(Runc, "Debian's is older than that");
    skip_for!(Crun, "its mappings are the other way round");
    let host = Host::new();
    let tree = source(&host);
    let text = tree.text();
    let config = mapped(host.config(&[]), &text, "/tmp/mnt", (&["rbind", "idmap"], FIRST));
    assert_eq!(seen(&host, config, "/tmp/mnt"), ["100000:100000", "100007:100007", "0:0"]);
    let config = mapped(host.config(&[]), &text, "/tmp/mnt", (&["rbind", "ridmap"], FIRST));
    assert_eq!(seen(&host, config, "/tmp/mnt")[2], "100000:100000");
}

#[test]
fn one_source_can_be_mounted_with_several_mappings_also_by_a_link() {
    skip_for!(Runc, "Debian's is older than that");
    skip_for!(Crun, "its mappings are the other way round");
    let host = Host::new();
    let tree = source(&host);
    let link = host.files().join("link");
    std::os::unix::fs::symlink(&tree.0, &link).unwrap();
    let (text, link) = (tree.text(), link.to_string_lossy().into_owned());
    let mut config = host.config(&[]);
    for number in 1..=20 {
        config = mapped(
            config,
            if number % 2 == 0 { &text } else { &link },
            &format!("/m{number}"),
            (&["bind"], number * 1000),
        );
    }
    let limit = json!([{"type": "RLIMIT_NOFILE", "soft": 20, "hard": 20}]);
    let owners =
        owners(&host, config.set("/process/rlimits", limit), &["/m1/file", "/m2/other", "/m20/file"]);
    assert_eq!(owners, ["1000:1000", "2007:2007", "20000:20000"]);
}

#[test]
fn what_is_written_through_a_mapped_mount_is_the_writers_on_disk() {
    skip_for!(Runc, "Debian's is older than that");
    skip_for!(Crun, "its mappings are the other way round");
    let host = Host::new();
    let tree = source(&host);
    let text = tree.text();
    let config = host.config(&[]).map_users(FIRST, 65_536).tmpfs("/tmp", &[]);
    let config = mapped(config, &text, "/tmp/mnt", (&["bind"], FIRST)).args(&[
        "/bin/payload",
        "write",
        "/tmp/mnt/new",
        "x",
    ]);
    let _ = host.run(config).ok();
    let stat = std::fs::metadata(tree.0.join("new")).unwrap();
    assert_eq!(std::os::unix::fs::MetadataExt::uid(&stat), 0);
}

#[test]
fn a_mapped_mount_may_be_shared() {
    skip_for!(Runc, "Debian's is older than that");
    let host = Host::new();
    let tree = source(&host);
    let mapping = json!([{"containerID": 0, "hostID": FIRST, "size": 10}]);
    let mount = json!({
        "destination": "/mapped", "type": "bind", "source": tree.text(), "options": ["bind", "shared"],
        "uidMappings": mapping, "gidMappings": mapping,
    });
    let report = host.report(host.config(&[]).mount(mount), &["/mapped/file"]);
    let mounts = report["mounts"].as_array().unwrap();
    let mapped = mounts.iter().find(|mount| mount["point"] == "/mapped").unwrap();
    assert!(mapped["propagation"].as_str().unwrap().starts_with("shared:"), "{mapped}");
    assert_eq!(report["paths"]["/mapped/file"]["uid"], FIRST);
}

#[test]
fn a_mapping_may_have_many_extents() {
    skip_for!(Runc, "Debian's is older than that");
    let host = Host::new();
    let tree = source(&host);
    let extents: Vec<Value> =
        (0..100).map(|one| json!({"containerID": one, "hostID": FIRST + 2 * one, "size": 1})).collect();
    let mount = json!({
        "destination": "/mapped", "type": "bind", "source": tree.text(), "options": ["bind"],
        "uidMappings": extents, "gidMappings": extents,
    });
    let report = host.report(host.config(&[]).mount(mount), &["/mapped/file", "/mapped/other"]);
    assert_eq!(report["paths"]["/mapped/file"]["uid"], FIRST);
    assert_eq!(report["paths"]["/mapped/other"]["uid"], FIRST + 14);
}

#[test]
fn many_mapped_mounts_need_few_descriptors() {
    skip_for!(Runc, "Debian's is older than that");
    let host = Host::new();
    let tree = source(&host);
    let mapping = json!([{"containerID": 0, "hostID": FIRST, "size": 10}]);
    let mut config = host.config(&["report", "/many/0/file", "/many/79/file"]);
    for number in 0..80 {
        config = config.mount(json!({
            "destination": format!("/many/{number}"), "type": "bind", "source": tree.text(), "options": ["bind"],
            "uidMappings": mapping, "gidMappings": mapping,
        }));
    }
    let mut container = host.container(config);
    let bundle = container.bundle().to_string_lossy().into_owned();
    let program = host.runtime().program().to_string_lossy().into_owned();
    let root = host.runtime().root().to_string_lossy().into_owned();
    let line = format!("ulimit -n 40; exec {program} --root {root} run --bundle {bundle} {}", container.id());
    let report = host.tool(&["sh", "-c", &line]).json();
    for path in ["/many/0/file", "/many/79/file"] {
        assert_eq!(report["paths"][path]["uid"], FIRST, "{path}");
    }
    container.deleted_already();
}

#[test]
fn a_joined_user_namespace_gives_its_mapping() {
    skip_for!(Runc, "Debian's is older than that");
    skip_for!(Crun, "its mappings are the other way round");
    let host = Host::new();
    let tree = source(&host);
    let text = tree.text();
    let mut first = host.container(host.config(&["sleep", "60"]).map_users(FIRST, 65_536));
    first.create();
    let path = format!("/proc/{}/ns/user", first.pid());
    let config = host.config(&[]).join("user", &path).tmpfs("/tmp", &[]).bind(&text, "/tmp/mnt", &["idmap"]);
    assert_eq!(owners(&host, config, &["/tmp/mnt/other"]), ["7:7"]);
    first.force_delete().ok();
}

#[test]
fn a_mount_that_cannot_be_mapped_is_reported_with_its_file_system_and_place() {
    skip_for!(Runc, "Debian's is older than that");
    skip_for!(Crun, "its words are others");
    let host = Host::new();
    let config = mapped(host.config(&["true"]), "/sys", "/tmp/mnt", (&["bind"], FIRST));
    let _ = host.run(config).fails().says(&["mounts[7]", "/sys", "on sysfs"]);
    let config = host.config(&["true"]).bind("/etc", "/tmp/mnt", &["idmap"]);
    let _ = host.run(config).fails().says(&["mounts[7].options[1]", "uidMappings", "user namespace"]);
    let config = host.config(&["true"]).tmpfs("/tmp/mnt", &["idmap"]);
    let _ = host.run(config).fails().says(&["mounts[7].options[0]", "user namespace"]);
}

#[test]
fn a_new_file_system_can_map_ids_too() {
    skip_for!(Runc, "it maps ids of binds alone");
    skip_for!(Crun, "its mappings are the other way round");
    let host = Host::new();
    let map = json!([{"containerID": 0, "hostID": FIRST, "size": 65_536}]);
    let config = host.config(&[]).mount(json!({"destination": "/mine", "type": "tmpfs", "source": "tmpfs",
        "options": ["mode=755"], "uidMappings": map, "gidMappings": map}));
    assert_eq!(owners(&host, config, &["/mine"]), ["100000:100000"]);
}

#[test]
fn who_is_not_mapped_can_not_write() {
    skip_for!(Runc, "Debian's is older than that");
    skip_for!(Crun, "its mappings are the other way round");
    let host = Host::new();
    let tree = source(&host);
    std::fs::set_permissions(&tree.0, std::os::unix::fs::PermissionsExt::from_mode(0o777)).unwrap();
    let text = tree.text();
    let map = json!([{"containerID": 0, "hostID": FIRST, "size": 1}]);
    let config = host.config(&["write", "/tmp/mnt/new", "x"]).map_users(FIRST, 65_536).tmpfs("/tmp", &[]);
    let config = config
        .mount(json!({"destination": "/tmp/mnt", "type": "bind", "source": text, "options": ["bind"],
            "uidMappings": map, "gidMappings": map}))
        .set("/process/user", json!({"uid": 1000, "gid": 1000}));
    let output = host.run(config);
    assert!(output.err.contains("too large for defined data type"), "{output:#?}");
}
