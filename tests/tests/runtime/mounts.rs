//! Mounts: kinds, options, order, sources, propagation.

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::PathBuf;

use serde_json::{Value, json};
use tests::{Host, skip_for};

#[track_caller]
fn mount_of(report: &Value, point: &str) -> Value {
    let mounts = report["mounts"].as_array().unwrap();
    mounts
        .iter()
        .rfind(|mount| mount["point"] == point)
        .unwrap_or_else(|| panic!("nothing at {point}: {mounts:#?}"))
        .clone()
}

fn has(mount: &Value, option: &str) -> bool {
    ["options", "super"]
        .iter()
        .any(|field| mount[field].as_str().unwrap().split(',').any(|one| one == option))
}

/// A directory of the host with a file in it.
fn source(host: &Host) -> PathBuf {
    let path = host.files().join("source");
    std::fs::create_dir_all(path.join("inner")).unwrap();
    std::fs::write(path.join("file"), "of the host\n").unwrap();
    path
}

#[test]
fn the_default_file_systems_are_mounted() {
    let host = Host::new();
    let report = host.report(host.config(&[]), &[]);
    for (point, kind) in [
        ("/proc", "proc"),
        ("/dev", "tmpfs"),
        ("/dev/pts", "devpts"),
        ("/dev/shm", "tmpfs"),
        ("/dev/mqueue", "mqueue"),
        ("/sys", "sysfs"),
    ] {
        assert_eq!(mount_of(&report, point)["type"], kind, "{point}");
    }
    assert!(has(&mount_of(&report, "/proc"), "nosuid"));
    assert!(has(&mount_of(&report, "/sys"), "ro"));
}

#[test]
fn each_option_of_the_table_is_applied() {
    let host = Host::new();
    for option in ["ro", "nosuid", "nodev", "noexec", "noatime", "nodiratime", "relatime", "sync", "dirsync"]
    {
        let report = host.report(host.config(&[]).tmpfs("/tmp", &[option]), &[]);
        assert!(has(&mount_of(&report, "/tmp"), option), "{option}: {}", mount_of(&report, "/tmp"));
    }
    // Those undo another, and the last one counts.
    for (options, absent) in [
        (["ro", "rw"], "ro"),
        (["nosuid", "suid"], "nosuid"),
        (["nodev", "dev"], "nodev"),
        (["noexec", "exec"], "noexec"),
        (["noatime", "atime"], "noatime"),
        (["noatime", "strictatime"], "noatime"),
    ] {
        let report = host.report(host.config(&[]).tmpfs("/tmp", &options), &[]);
        assert!(!has(&mount_of(&report, "/tmp"), absent), "{options:?}");
    }
}

#[test]
fn options_that_are_data_reach_the_file_system() {
    let host = Host::new();
    let config = host.config(&[]).tmpfs("/data", &["size=64k", "mode=0700", "uid=7", "gid=8"]);
    let report = host.report(config, &["/data"]);
    assert!(has(&mount_of(&report, "/data"), "size=64k"));
    assert_eq!(report["paths"]["/data"]["mode"], 0o700);
    assert_eq!(report["paths"]["/data"]["uid"], 7);
    assert_eq!(report["paths"]["/data"]["gid"], 8);
}

#[test]
fn an_empty_option_is_passed_over() {
    let host = Host::new();
    let source = source(&host).to_string_lossy().into_owned();
    let config = host.config(&[]).tmpfs("/size", &["", "size=64k"]).bind(&source, "/data", &["", "ro"]);
    let report = host.report(config, &[]);
    assert!(has(&mount_of(&report, "/size"), "size=64k") && has(&mount_of(&report, "/data"), "ro"));
}

#[test]
fn a_tmpfs_without_a_mode_keeps_that_of_the_directory() {
    let host = Host::new();
    let mut container = host.container(host.config(&["report", "/data"]).tmpfs("/data", &[]));
    std::fs::create_dir(container.rootfs().join("data")).unwrap();
    std::fs::set_permissions(container.rootfs().join("data"), std::fs::Permissions::from_mode(0o710))
        .unwrap();
    let report = container.run().ok().json();
    assert_eq!(mount_of(&report, "/data")["type"], "tmpfs");
    assert_eq!(report["paths"]["/data"]["mode"], 0o710);
}

#[test]
fn a_directory_and_a_file_of_the_host_are_bound() {
    let host = Host::new();
    let source = source(&host).to_string_lossy().into_owned();
    let config = host.config(&["cat", "/data/file", "/file"]);
    let config = config.bind(&source, "/data", &["rw"]).bind(&format!("{source}/file"), "/file", &[]);
    assert_eq!(host.run(config).ok().out, "of the host\nof the host\n");
}

#[test]
fn a_source_may_be_relative_to_the_bundle() {
    let host = Host::new();
    let mut container = host.container(host.config(&["cat", "/data/file"]).bind("local", "/data", &[]));
    std::fs::create_dir(container.bundle().join("local")).unwrap();
    std::fs::write(container.bundle().join("local/file"), "of the bundle").unwrap();
    assert_eq!(container.run().ok().out, "of the bundle");
}

#[test]
fn a_bind_is_read_only_when_asked_and_the_hosts_side_is_not() {
    let host = Host::new();
    let source = source(&host);
    let text = source.to_string_lossy().into_owned();
    let config = host.config(&[]).bind(&text, "/data", &["ro", "nosuid", "nodev", "noexec"]);
    let report = host.report(config, &["/data", "/data/file"]);
    assert_eq!(report["paths"]["/data"]["write"], "EROFS");
    for option in ["ro", "nosuid", "nodev", "noexec"] {
        assert!(has(&mount_of(&report, "/data"), option), "{option}");
    }
    std::fs::write(source.join("file"), "still writable").unwrap();
}

#[test]
fn a_recursive_bind_takes_the_mounts_below_and_a_plain_one_does_not() {
    let host = Host::new();
    let source = source(&host);
    let inner = source.join("inner").to_string_lossy().into_owned();
    let _ = host.tool(&["mount", "-t", "tmpfs", "below", &inner]);
    std::fs::write(source.join("inner/deep"), "deep").unwrap();
    let text = source.to_string_lossy().into_owned();
    for (option, seen) in [("rbind", true), ("bind", false)] {
        let config = host.config(&[]).bind(&text, "/data", if option == "rbind" { &["rbind"] } else { &[] });
        assert_eq!(
            host.report(config, &["/data/inner/deep"])["paths"]["/data/inner/deep"]["exists"],
            seen,
            "{option}"
        );
    }
    let _ = host.tool(&["umount", &inner]);
}

#[test]
fn rro_reaches_the_mounts_below_and_ro_does_not() {
    let host = Host::new();
    skip_for!(Runc, "Debian's kernel interface is older");
    let source = source(&host);
    let inner = source.join("inner").to_string_lossy().into_owned();
    let _ = host.tool(&["mount", "-t", "tmpfs", "below", &inner]);
    let text = source.to_string_lossy().into_owned();
    for (option, below) in [("ro", "ok"), ("rro", "EROFS")] {
        let config = host.config(&[]).bind(&text, "/data", &["rbind", option]);
        let report = host.report(config, &["/data", "/data/inner"]);
        assert_eq!(report["paths"]["/data"]["write"], "EROFS", "{option}");
        assert_eq!(report["paths"]["/data/inner"]["write"], below, "{option}");
    }
    let _ = host.tool(&["umount", &inner]);
}

#[test]
fn mounts_are_made_in_the_order_of_the_list() {
    let host = Host::new();
    let source = source(&host).to_string_lossy().into_owned();
    let config = host.config(&["list", "/tmp"]).tmpfs("/tmp", &[]).bind(&source, "/tmp/over", &[]);
    assert_eq!(host.run(config.clone()).ok().out, "over\n");
    let config = host.config(&["list", "/tmp"]).bind(&source, "/tmp/under", &[]).tmpfs("/tmp", &[]);
    assert_eq!(host.run(config).ok().out, "");
}

#[test]
fn a_later_entry_may_change_an_earlier_mount() {
    let host = Host::new();
    let config = host.config(&[]).tmpfs("/tmp", &["size=64k", "nosuid"]).tmpfs("/tmp", &["remount", "ro"]);
    let report = host.report(config, &["/tmp"]);
    assert_eq!(report["paths"]["/tmp"]["write"], "EROFS");
    let all = report["mounts"].as_array().unwrap();
    assert_eq!(all.iter().filter(|mount| mount["point"] == "/tmp").count(), 1, "nothing more is mounted");
    if tests::under_test() == tests::Kind::Tare {
        assert!(has(&mount_of(&report, "/tmp"), "nosuid"), "what is not named stays");
        let config = host.config(&["true"]).tmpfs("/tmp", &[]).tmpfs("/tmp", &["remount", "size=1m"]);
        let _ = host.run(config).fails().says(&["mounts[8].options[1]", "remount"]);
    }
}

#[test]
fn a_missing_destination_is_made() {
    let host = Host::new();
    let source = source(&host).to_string_lossy().into_owned();
    let config = host.config(&["cat", "/very/deep/place/file", "/other/deep"]);
    let config =
        config.bind(&source, "/very/deep/place", &[]).bind(&format!("{source}/file"), "/other/deep", &[]);
    assert_eq!(host.run(config).ok().out, "of the host\nof the host\n");
}

#[test]
fn a_destination_behind_a_link_stays_inside_the_root() {
    let host = Host::new();
    let source = source(&host).to_string_lossy().into_owned();
    let outside = host.files().join("outside");
    std::fs::create_dir(&outside).unwrap();
    let config = host.config(&["report", "/link/place"]).bind(&source, "/link/place", &[]);
    let mut container = host.container(config);
    std::os::unix::fs::symlink(&outside, container.rootfs().join("link")).unwrap();
    let output = container.run();
    assert_eq!(std::fs::read_dir(&outside).unwrap().count(), 0, "something was made outside the root");
    // A runtime may refuse such a link; ours follows it within the root.
    assert!(output.code != 0 || output.json()["paths"]["/link/place"]["exists"] == true, "{output:?}");
}

#[test]
fn a_destination_with_dots_stays_inside_the_root() {
    let host = Host::new();
    let source = source(&host).to_string_lossy().into_owned();
    let config = host.config(&["cat", "/data/file"]).bind(&source, "/../../../data", &[]);
    assert_eq!(host.run(config).ok().out, "of the host\n");
}

#[test]
fn a_destination_may_have_several_slashes() {
    let host = Host::new();
    let report = host.report(host.config(&[]).tmpfs("//tmp///inner//", &[]), &[]);
    assert_eq!(mount_of(&report, "/tmp/inner")["type"], "tmpfs");
}

#[test]
fn a_tmpfs_may_begin_with_what_it_covers() {
    let host = Host::new();
    let config = host.config(&[]).tmpfs("/etc", &["tmpcopyup"]);
    let report = host.report(config, &["/etc/passwd"]);
    assert_eq!(mount_of(&report, "/etc")["type"], "tmpfs");
    assert_eq!(report["paths"]["/etc/passwd"]["write"], "ok");
    assert!(report["paths"]["/etc/passwd"]["read"].as_u64().unwrap() > 0);
}

#[test]
fn proc_can_be_entered_by_all() {
    let host = Host::new();
    assert_eq!(host.report(host.config(&[]), &["/proc"])["paths"]["/proc"]["mode"], 0o555);
}

#[test]
fn a_source_that_only_the_host_can_reach_is_bound() {
    let host = Host::new();
    let closed = host.files().join("closed");
    std::fs::create_dir_all(closed.join("open")).unwrap();
    std::fs::write(closed.join("open/file"), "reached\n").unwrap();
    std::fs::set_permissions(&closed, std::fs::Permissions::from_mode(0o700)).unwrap();
    let config = host.config(&["cat", "/var/file"]).map_users(100_000, 65_536);
    let config = config.bind(&closed.join("open").to_string_lossy(), "/var", &[]);
    assert_eq!(host.run(config).ok().out, "reached\n");
}

#[test]
fn an_overlay_is_mounted_by_its_options() {
    let host = Host::new();
    for directory in ["lower", "upper", "work"] {
        std::fs::create_dir(host.files().join(directory)).unwrap();
    }
    std::fs::write(host.files().join("lower/file"), "below\n").unwrap();
    let path = |name: &str| format!("{name}dir={}", host.files().join(name).display());
    let mount = json!({
        "destination": "/data", "type": "overlay", "source": "overlay",
        "options": [path("lower"), path("upper"), path("work")],
    });
    let config = host.config(&["do", "cat /data/file", "write /data/other above"]).mount(mount);
    assert_eq!(host.run(config).ok().out, "below\n");
    assert_eq!(std::fs::read_to_string(host.files().join("upper/other")).unwrap(), "above");
}

#[test]
fn a_container_needs_no_mount() {
    skip_for!(Runc, "it looks for its own descriptors in the container's /proc");
    let host = Host::new();
    let config = host.config(&["echo", "bare"]).set("/mounts", json!([]));
    let config = config.remove("/linux/maskedPaths").remove("/linux/readonlyPaths");
    assert_eq!(host.run(config).ok().out, "bare\n");
}

#[test]
fn bind_together_with_rbind_takes_nothing_away() {
    let host = Host::new();
    let source = source(&host).to_string_lossy().into_owned();
    host.tool(&["mount", "-t", "tmpfs", "below", &format!("{source}/inner")]);
    let mount =
        json!({"destination": "/data", "type": "bind", "source": source, "options": ["rbind", "bind"]});
    let report = host.report(host.config(&[]).mount(mount), &[]);
    host.tool(&["umount", &format!("{source}/inner")]);
    assert_eq!(
        mount_of(&report, "/data")["propagation"].as_str().map(|text| text.contains("shared")),
        Some(false)
    );
}

#[test]
fn a_bind_keeps_the_flags_of_its_source_that_are_not_named() {
    let host = Host::new();
    let source = source(&host);
    let text = source.to_string_lossy().into_owned();
    let _ = host.tool(&["mount", "-t", "tmpfs", "-o", "nodev,nosuid,noexec", "source", &text]);
    let report = host.report(host.config(&[]).bind(&text, "/data", &[]), &[]);
    for option in ["nodev", "nosuid", "noexec"] {
        assert!(has(&mount_of(&report, "/data"), option), "{option}");
    }
    let _ = host.tool(&["umount", &text]);
}

#[test]
fn propagation_is_as_configured() {
    let host = Host::new();
    let source = source(&host).to_string_lossy().into_owned();
    let _ = host.tool(&["mount", "--bind", &source, &source]);
    let _ = host.tool(&["mount", "--make-shared", &source]);
    // Without an option it is a slave of the host's mount, since the whole tree is (mount_namespaces(7)).
    for (option, shared, slave) in
        [("rshared", true, true), ("rslave", false, true), ("rprivate", false, false)]
    {
        let config = host.config(&[]).bind(&source, "/data", &["rbind", option]);
        let mount = mount_of(&host.report(config, &[]), "/data");
        let propagation = mount["propagation"].as_str().unwrap();
        let seen = (propagation.contains("shared:"), propagation.contains("master:"));
        assert_eq!(seen, (shared, slave), "{option}: {mount}");
    }
    let _ = host.tool(&["umount", &source]);
}

#[test]
fn mounts_of_the_host_made_later_reach_a_slave_only() {
    let host = Host::new();
    let source = source(&host);
    let text = source.to_string_lossy().into_owned();
    let inner = source.join("inner").to_string_lossy().into_owned();
    let _ = host.tool(&["mount", "--bind", &text, &text]);
    let _ = host.tool(&["mount", "--make-shared", &text]);
    for (option, seen) in [("rslave", true), ("rprivate", false)] {
        let words = ["trap", "USR1"];
        let mut container = host.container(
            host.config(&words)
                .bind(&text, "/data", &["rbind", option])
                .set("/linux/rootfsPropagation", "rslave"),
        );
        container.create();
        let _ = host.tool(&["mount", "-t", "tmpfs", "later", &inner]);
        let mounts = std::fs::read_to_string(format!("/proc/{}/mountinfo", container.pid())).unwrap();
        assert_eq!(mounts.contains(" later "), seen, "{option}: {mounts}");
        let _ = container.force_delete().ok();
        let _ = host.tool(&["umount", &inner]);
    }
    let _ = host.tool(&["umount", &text]);
}

#[test]
fn a_fifo_and_a_socket_are_bound() {
    let host = Host::new();
    let fifo = host.files().join("fifo");
    nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let socket = host.files().join("socket");
    let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    let config = host.config(&[]).bind(&fifo.to_string_lossy(), "/fifo", &[]).bind(
        &socket.to_string_lossy(),
        "/socket",
        &[],
    );
    let report = host.report(config, &["/fifo", "/socket"]);
    assert_eq!(report["paths"]["/fifo"]["kind"], "fifo");
    assert_eq!(report["paths"]["/socket"]["kind"], "socket");
    std::fs::remove_file(socket).unwrap();
}

/// Whether a directory takes no new file: runc's is not its user's besides.
fn is_refused(write: &Value) -> bool {
    *write == "EROFS" || *write == "EACCES"
}

#[test]
fn cgroups_are_mounted_read_only() {
    if !std::path::Path::new("/sys/fs/cgroup/memory/cgroup.procs").exists() {
        tests::skip!("no v1 controller memory");
    }
    let host = Host::new();
    let config = host.config(&[]).memory(64 << 20);
    let path = "/sys/fs/cgroup/memory/memory.limit_in_bytes";
    let report = host.report(config, &["/sys/fs/cgroup", path]);
    assert!(is_refused(&report["paths"]["/sys/fs/cgroup"]["write"]), "{report:#}");
    assert_eq!(report["paths"][path]["write"], "EROFS");
    assert_eq!(report["paths"][path]["exists"], true, "the container's own group is at the root of its view");
}

#[test]
fn cgroups_are_read_only_with_and_without_other_namespaces() {
    let host = Host::new();
    let config = || host.config(&[]);
    for config in [
        config().share("cgroup"),
        config().map_users(100_000, 65_536),
        config().map_users(100_000, 65_536).share("cgroup"),
        config().share("network").remove("/mounts/5"),
    ] {
        let all = ["/sys/fs/cgroup", "/sys/fs/cgroup/pids"];
        // Where version 2 is alone there is nothing but the first.
        let paths = if tests::hierarchies::only_v2() { &all[..1] } else { &all[..] };
        let report = host.report(config, paths);
        for path in paths {
            assert!(is_refused(&report["paths"][*path]["write"]), "{path}: {report:#}");
        }
    }
}

#[test]
fn files_that_are_bound_keep_their_owner_without_id_mapping() {
    let host = Host::new();
    let source = source(&host);
    std::os::unix::fs::chown(source.join("file"), Some(1234), Some(1234)).unwrap();
    let report = host.report(host.config(&[]).bind(&source.to_string_lossy(), "/data", &[]), &["/data/file"]);
    assert_eq!(report["paths"]["/data/file"]["uid"], 1234);
    assert_eq!(std::fs::metadata(source.join("file")).unwrap().uid(), 1234);
}

#[test]
fn many_mounts_need_few_descriptors() {
    let host = Host::new();
    let source = source(&host).to_string_lossy().into_owned();
    let mut config = host.config(&["report"]);
    for number in 0..200 {
        config = config.bind(&source, &format!("/many/{number}"), &["ro"]);
    }
    let limit = json!([{"type": "RLIMIT_NOFILE", "soft": 64, "hard": 64}]);
    let mut container = host.container(config.set("/process/rlimits", limit));
    let bundle = container.bundle().to_string_lossy().into_owned();
    let program = host.runtime().program().to_string_lossy().into_owned();
    let root = host.runtime().root().to_string_lossy().into_owned();
    let line = format!("ulimit -n 64; exec {program} --root {root} run --bundle {bundle} {}", container.id());
    let report = host.tool(&["sh", "-c", &line]).json();
    let mounts = report["mounts"].as_array().unwrap().iter();
    let many = mounts.filter(|mount| mount["point"].as_str().unwrap().starts_with("/many/"));
    assert_eq!(many.count(), 200);
    let _ = container.force_delete();
}

#[test]
fn a_bind_over_the_root_itself_is_the_root() {
    skip_for!(Runc, "it refuses it");
    let host = Host::new();
    let mut container = host.container(host.config(&[]).remove("/mounts"));
    let source = container.bundle().join("other");
    let _ = host.tool(&["cp", "-a", &container.rootfs().to_string_lossy(), &source.to_string_lossy()]);
    std::fs::write(source.join("mark"), "").unwrap();
    let bundle = tare_bundle::bundle::Bundle::create(container.bundle()).unwrap();
    let config = host.config(&["list", "/mark"]).remove("/mounts").set("/linux/maskedPaths", json!([]));
    let config =
        config.set("/linux/readonlyPaths", json!([])).bind(&source.to_string_lossy(), "/", &["rbind"]);
    bundle
        .write(&config.args(&["/bin/payload", "list", "/"]).cgroup(&format!("/{}", container.id())))
        .unwrap();
    let output = container.run().ok();
    container.deleted_already();
    assert!(output.out.lines().any(|line| line == "mark"), "{output:#?}");
}

#[test]
fn a_tmpfs_over_the_root_itself_can_start_with_its_content() {
    skip_for!(Runc, "it refuses it");
    let host = Host::new();
    let root = json!([{"destination": "/", "type": "tmpfs", "source": "tmpfs", "options": ["tmpcopyup"]}]);
    let config = host.config(&["write", "/new", "x"]).set("/mounts", root);
    let config = config.set("/linux/maskedPaths", json!([])).set("/linux/readonlyPaths", json!([]));
    let mut container = host.container(config);
    let _ = container.run().ok();
    container.deleted_already();
    assert!(!container.rootfs().join("new").exists(), "it was written to the bundle");
}

#[test]
fn a_mount_over_a_link_goes_where_it_leads_whether_that_is_there_or_not() {
    let host = Host::new();
    let source = source(&host).to_string_lossy().into_owned();
    let config = host.config(&["cat", "/there/file", "/missing/deep/file", "/to/file"]);
    let config = config.bind(&source, "/link", &[]).bind(&source, "/dangling", &[]).bind(
        &format!("{source}/file"),
        "/file",
        &[],
    );
    let mut container = host.container(config);
    let root = container.rootfs();
    std::fs::create_dir(root.join("there")).unwrap();
    for (to, link) in [("/there", "link"), ("/missing/deep", "dangling"), ("to/file", "file")] {
        std::os::unix::fs::symlink(to, root.join(link)).unwrap();
    }
    let output = container.run().ok();
    container.deleted_already();
    assert_eq!(output.out, "of the host\n".repeat(3));
    assert!(!std::path::Path::new("/missing").exists());
}

#[test]
fn a_device_a_fifo_and_a_socket_are_bound_read_only_too() {
    skip_for!(Runc, "Debian's is older than recursive attributes");
    let host = Host::new();
    let fifo = host.files().join("fifo");
    nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let socket = host.files().join("socket");
    let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    let mut config = host.config(&[]).bind("/dev/zero", "/zero", &["rro"]);
    config = config.bind(&fifo.to_string_lossy(), "/fifo", &["rro"]);
    config = config.bind(&socket.to_string_lossy(), "/socket", &["rro"]);
    let report = host.report(config, &["/zero", "/fifo", "/socket"]);
    for (path, kind) in [("/zero", "char"), ("/fifo", "fifo"), ("/socket", "socket")] {
        assert_eq!(report["paths"][path]["kind"], kind);
        assert!(has(&mount_of(&report, path), "ro"), "{path}");
    }
    std::fs::remove_file(socket).unwrap();
}

#[test]
fn every_recursive_attribute_reaches_the_mounts_below() {
    skip_for!(Runc, "Debian's is older than that");
    skip_for!(Crun, "Debian's knows a few of them");
    let host = Host::new();
    let source = source(&host);
    let inner = source.join("inner").to_string_lossy().into_owned();
    let _ = host.tool(&["mount", "-t", "tmpfs", "below", &inner]);
    let text = source.to_string_lossy().into_owned();
    for option in
        ["rro", "rnosuid", "rnodev", "rnoexec", "rnoatime", "rnodiratime", "rrelatime", "rnosymfollow"]
    {
        let report = host.report(host.config(&[]).bind(&text, "/data", &["rbind", option]), &[]);
        for point in ["/data", "/data/inner"] {
            let mount = mount_of(&report, point);
            assert!(
                has(&mount, option.trim_start_matches('r').trim_start_matches("elatime"))
                    || has(&mount, &option[1..]),
                "{option}: {mount}"
            );
        }
    }
    let _ = host.tool(&["umount", &inner]);
}

/// The options of a bind of a tmpfs with these options, or why there is none.
fn bound(host: &Host, (of_source, of_bind): (&str, &[&str]), mapped: bool) -> Result<Value, String> {
    let text = source(host).to_string_lossy().into_owned();
    let _ = host.tool(&["mount", "-t", "tmpfs", "-o", of_source, "source", &text]);
    let config = host.config(&["report"]).tmpfs("/tmp", &[]).bind(&text, "/tmp/data", of_bind);
    let output = host.run(if mapped { config.map_users(100_000, 65_536) } else { config });
    let _ = host.tool(&["umount", &text]);
    if output.code == 0 { Ok(mount_of(&output.json(), "/tmp/data")) } else { Err(output.err) }
}

/// What runc makes of the options of a bind, without a user namespace and in one.
#[test]
fn options_of_a_bind_give_way_to_what_a_user_namespace_locks() {
    skip_for!(Runc, "Debian's is older than these rules");
    skip_for!(Crun, "its rules are others");
    let host = Host::new();
    let all = "ro,nosuid,nodev,noexec,noatime";
    // The source's options, those of the bind, what must be there and what must not, without a user namespace and in one.
    type Outcome<'a> = Option<(&'a [&'a str], &'a [&'a str])>;
    let table: &[(&str, &[&str], Outcome<'_>, Outcome<'_>)] = &[
        (
            all,
            &[],
            Some((&["ro", "nosuid", "nodev", "noexec", "noatime"], &[])),
            Some((&["ro", "noatime"], &[])),
        ),
        (
            all,
            &["nosuid"],
            Some((&["nosuid", "noatime"], &["ro", "nodev", "noexec"])),
            Some((&["ro", "nodev", "noexec", "noatime"], &[])),
        ),
        ("ro", &["rw"], Some((&[], &["ro"])), None),
        ("nodev,nosuid,noexec", &["dev"], Some((&[], &["nodev", "nosuid", "noexec"])), None),
        (
            "nodev,nosuid,noexec,noatime",
            &["dev", "exec", "suid", "atime"],
            Some((&["relatime"], &["nodev", "noatime"])),
            None,
        ),
        (
            "nodev,nosuid,noexec",
            &["ro"],
            Some((&["ro"], &["nodev"])),
            Some((&["ro", "nodev", "nosuid", "noexec"], &[])),
        ),
        (
            "rw,nodev,nosymfollow",
            &["ro", "symfollow"],
            Some((&["ro"], &["nosymfollow"])),
            Some((&["ro", "nodev"], &["nosymfollow"])),
        ),
        (
            "nodev,nosuid,noatime",
            &["ro", "exec"],
            Some((&["ro", "noatime"], &["nodev"])),
            Some((&["ro", "nodev", "nosuid", "noatime"], &[])),
        ),
        ("noatime", &["strictatime"], Some((&[], &["noatime", "relatime"])), None),
        ("noatime", &["relatime"], Some((&["relatime"], &["noatime"])), None),
        ("noatime", &["noatime"], Some((&["noatime"], &[])), Some((&["noatime"], &[]))),
        ("relatime", &["relatime"], Some((&["relatime"], &[])), Some((&["relatime"], &[]))),
        ("strictatime", &["noatime"], Some((&["noatime"], &[])), None),
        ("nodiratime", &["noatime"], Some((&["noatime"], &["nodiratime"])), None),
        ("nodiratime", &["ro"], Some((&["ro", "nodiratime"], &[])), Some((&["ro", "nodiratime"], &[]))),
        ("relatime", &["nodiratime"], Some((&["nodiratime"], &[])), None),
    ];
    for (of_source, of_bind, free, mapped) in table {
        for (is_mapped, wanted) in [(false, free), (true, mapped)] {
            let what = format!("{of_bind:?} of {of_source}, user namespace: {is_mapped}");
            match (bound(&host, (of_source, of_bind), is_mapped), wanted) {
                (Ok(mount), Some((there, absent))) => {
                    let options: Vec<&str> = mount["options"].as_str().unwrap().split(',').collect();
                    assert!(there.iter().all(|option| options.contains(option)), "{what}: {mount}");
                    assert!(!absent.iter().any(|option| options.contains(option)), "{what}: {mount}");
                }
                (Err(said), None) => assert!(said.contains("EPERM"), "{what}: {said}"),
                (outcome, _) => panic!("{what}: {outcome:?}"),
            }
        }
    }
}

#[test]
fn a_container_of_the_hosts_network_and_a_user_namespace_sees_the_hosts_sysfs() {
    skip_for!(Runc, "the kernel lets it mount none");
    let host = Host::new();
    let config = host.config(&[]).map_users(100_000, 65_536).share("network");
    let report = host.report(config, &["/sys/kernel", "/sys/fs/cgroup"]);
    let mount = mount_of(&report, "/sys");
    assert_eq!(mount["type"], "sysfs");
    assert!(has(&mount, "ro"), "{mount}");
    assert_eq!(report["paths"]["/sys/kernel"]["exists"], true);
    // The container's groups are mounted over the host's.
    let groups =
        report["mounts"].as_array().unwrap().iter().filter(|mount| mount["point"] == "/sys/fs/cgroup");
    assert!(groups.count() > 0);
}
