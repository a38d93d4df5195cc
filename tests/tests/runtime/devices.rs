//! Devices: the default ones, configured ones, and what the cgroup allows of them.

use std::os::unix::fs::MetadataExt as _;

use serde_json::{Value, json};
use tests::{Host, skip_for};

#[track_caller]
fn device(report: &Value, path: &str) -> Value {
    let devices = report["devices"].as_array().unwrap();
    devices
        .iter()
        .find(|device| device["path"] == path)
        .unwrap_or_else(|| panic!("no {path}: {devices:#?}"))
        .clone()
}

#[test]
fn the_default_devices_are_there_and_work() {
    let host = Host::new();
    let paths = ["/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/tty"];
    let report = host.report(host.config(&[]), &paths);
    for (path, major, minor) in [
        ("/dev/null", 1, 3),
        ("/dev/zero", 1, 5),
        ("/dev/full", 1, 7),
        ("/dev/random", 1, 8),
        ("/dev/urandom", 1, 9),
        ("/dev/tty", 5, 0),
    ] {
        let device = device(&report, path);
        assert_eq!(
            (&device["kind"], &device["major"], &device["minor"]),
            (&json!("char"), &json!(major), &json!(minor)),
            "{path}"
        );
        assert_eq!(device["mode"], 0o666, "{path}");
    }
    assert_eq!(report["paths"]["/dev/zero"]["read"], 256);
    assert_eq!(report["paths"]["/dev/null"]["read"], 0);
    assert_eq!(report["paths"]["/dev/urandom"]["read"], 256);
    assert_eq!(device(&report, "/dev/ptmx")["target"], "pts/ptmx");
}

#[test]
fn configured_devices_are_made_with_kind_mode_and_owner() {
    let host = Host::new();
    let devices = json!([
        {"path": "/dev/mine", "type": "c", "major": 1, "minor": 3, "fileMode": 0o640, "uid": 7, "gid": 8},
        {"path": "/dev/disk", "type": "b", "major": 7, "minor": 99, "fileMode": 0o600},
        {"path": "/dev/pipe", "type": "p", "fileMode": 0o622},
    ]);
    let report = host.report(host.config(&[]).set("/linux/devices", devices), &[]);
    let mine = device(&report, "/dev/mine");
    assert_eq!(
        (&mine["kind"], &mine["mode"], &mine["uid"], &mine["gid"]),
        (&json!("char"), &json!(0o640), &json!(7), &json!(8))
    );
    let disk = device(&report, "/dev/disk");
    assert_eq!((&disk["kind"], &disk["major"], &disk["minor"]), (&json!("block"), &json!(7), &json!(99)));
    assert_eq!(device(&report, "/dev/pipe")["kind"], "fifo");
}

#[test]
fn a_device_in_a_directory_that_is_missing_is_made() {
    let host = Host::new();
    let devices =
        json!([{"path": "/dev/sub/dir/null", "type": "c", "major": 1, "minor": 3, "fileMode": 0o666}]);
    let report = host.report(host.config(&[]).set("/linux/devices", devices), &["/dev/sub/dir/null"]);
    assert_eq!(report["paths"]["/dev/sub/dir/null"]["write"], "ok");
}

#[test]
fn a_configured_device_that_is_a_default_one_is_no_mistake() {
    let host = Host::new();
    let devices = json!([{"path": "/dev/tty", "type": "c", "major": 5, "minor": 0, "fileMode": 0o666, "uid": 0, "gid": 0}]);
    let report = host.report(host.config(&[]).set("/linux/devices", devices), &[]);
    assert_eq!(device(&report, "/dev/tty")["mode"], 0o666);
}

#[test]
fn the_cgroup_denies_devices_that_are_not_allowed() {
    let host = Host::new();
    let devices = json!([{"path": "/dev/kmsg", "type": "c", "major": 1, "minor": 11, "fileMode": 0o666}]);
    let config = host.config(&[]).set("/linux/devices", devices);
    let report = host.report(config.clone(), &["/dev/kmsg"]);
    assert_eq!(report["paths"]["/dev/kmsg"]["write"], "EPERM");
    for (access, write) in [("r", "EPERM"), ("w", "ok"), ("rwm", "ok")] {
        let rule = json!({"allow": true, "type": "c", "major": 1, "minor": 11, "access": access});
        let report = host.report(config.clone().set("/linux/resources/devices/-", rule), &["/dev/kmsg"]);
        assert_eq!(report["paths"]["/dev/kmsg"]["write"], write, "{access}");
    }
}

#[test]
fn a_device_may_be_read_and_not_written() {
    let host = Host::new();
    let rules = json!([
        {"allow": false, "access": "rwm"},
        {"allow": true, "type": "c", "major": 7, "minor": 200, "access": "r"},
    ]);
    let device = json!([{"path": "/dev/one", "type": "c", "major": 7, "minor": 200, "fileMode": 0o666}]);
    let config = host.config(&[]).set("/linux/devices", device).set("/linux/resources/devices", rules);
    let report = host.report(config, &["/dev/one"]);
    // There is no such device: what the group allows comes as far as to its driver.
    assert_ne!(report["paths"]["/dev/one"]["read"], "EPERM");
    assert_eq!(report["paths"]["/dev/one"]["write"], "EPERM");
}

#[test]
fn a_path_may_end_with_a_slash() {
    let host = Host::new();
    skip_for!(Runc, "it refuses it");
    skip_for!(Crun, "it refuses it");
    let device = json!([{"path": "/dev/one/", "type": "c", "major": 1, "minor": 3}]);
    let report = host.report(host.config(&[]).set("/linux/devices", device), &["/dev/one"]);
    assert_eq!(report["paths"]["/dev/one"]["minor"], 3);
}

#[test]
fn the_kernels_list_carries_the_configured_rules() {
    if !std::path::Path::new("/sys/fs/cgroup/devices/cgroup.procs").exists() {
        tests::skip!("no v1 controller devices");
    }
    let host = Host::new();
    let rules = json!([
        {"allow": false, "access": "rwm"},
        {"allow": true, "type": "c", "major": 10, "minor": 229, "access": "rwm"},
        {"allow": true, "type": "b", "major": 8, "minor": 20, "access": "rw"},
        {"allow": true, "type": "c", "major": 10, "minor": 201, "access": "r"},
        {"allow": true, "type": "c", "major": 99, "access": "m"},
    ]);
    let mut container = host.container(host.config(&["sleep", "60"]).set("/linux/resources/devices", rules));
    container.create();
    let list = container.limit("devices", "devices.list");
    for rule in ["c 10:229 rwm", "b 8:20 rw", "c 10:201 r", "c 99:* m", "c 1:3 rwm"] {
        assert!(list.lines().any(|line| line == rule), "{rule}: {list}");
    }
    assert!(!list.contains("a *:* rwm"), "{list}");
}

#[test]
fn the_hosts_devices_keep_their_owner() {
    let host = Host::new();
    let before = std::fs::metadata("/dev/null").unwrap();
    let _ = host.run(host.config(&["true"]).set("/process/user", json!({"uid": 1000, "gid": 1000}))).ok();
    let after = std::fs::metadata("/dev/null").unwrap();
    assert_eq!((before.uid(), before.gid(), before.mode()), (after.uid(), after.gid(), after.mode()));
}

#[test]
fn a_device_that_is_fully_open_is_allowed_in_a_privileged_container() {
    let host = Host::new();
    skip_for!(Crun, "the group on this machine refuses it");
    let rules = json!([{"allow": true, "access": "rwm"}]);
    let devices = json!([{"path": "/dev/kmsg", "type": "c", "major": 1, "minor": 11, "fileMode": 0o666}]);
    let config = host.config(&[]).set("/linux/resources/devices", rules).set("/linux/devices", devices);
    assert_eq!(host.report(config, &["/dev/kmsg"])["paths"]["/dev/kmsg"]["write"], "ok");
}

#[test]
fn a_device_in_a_user_namespace_has_the_mode_and_the_owner_that_are_asked_for() {
    skip_for!(Runc, "it binds the host's, with its mode and owner");
    skip_for!(Crun, "Debian's binds the host's, with its mode and owner");
    let host = Host::new();
    // The host has no such node, and need not.
    let devices = json!([
        {"path": "/dev/mine", "type": "c", "major": 1, "minor": 3, "fileMode": 0o640, "uid": 7, "gid": 8},
        {"path": "/dev/deep/er", "type": "c", "major": 1, "minor": 5},
    ]);
    let config = host.config(&[]).map_users(100_000, 65_536).set("/linux/devices", devices);
    let report = host.report(config, &["/dev/deep/er"]);
    let mine = device(&report, "/dev/mine");
    assert_eq!(
        (&mine["kind"], &mine["mode"], &mine["uid"], &mine["gid"]),
        (&json!("char"), &json!(0o640), &json!(7), &json!(8))
    );
    assert_eq!(report["paths"]["/dev/deep/er"]["kind"], "char");
    let null =
        report["mounts"].as_array().unwrap().iter().find(|mount| mount["point"] == "/dev/null").unwrap();
    let options = null["options"].as_str().unwrap();
    assert!(options.contains("nosuid") && options.contains("noexec"), "{options}");
}

#[test]
fn a_path_of_a_device_that_ends_with_a_slash_is_that_devices() {
    let host = Host::new();
    skip_for!(Runc, "it makes a directory of it");
    skip_for!(Crun, "Debian's fails");
    let devices = json!([{"path": "/dev/mine/", "type": "c", "major": 1, "minor": 3}]);
    let report = host.report(host.config(&[]).set("/linux/devices", devices), &[]);
    assert_eq!(device(&report, "/dev/mine")["kind"], "char");
}

#[test]
fn the_hosts_null_device_as_a_standard_stream_becomes_the_containers() {
    let host = Host::new();
    let mut container = host.container(host.config(&["sleep", "60"]));
    container.create();
    container.start();
    // The harness gives the null device as the input; the outputs are files.
    let of = |path: String| {
        let stat = std::fs::metadata(path).unwrap();
        std::os::unix::fs::MetadataExt::dev(&stat)
    };
    let pid = container.pid();
    assert_eq!(of(format!("/proc/{pid}/fd/0")), of(format!("/proc/{pid}/root/dev/null")));
    assert_ne!(of(format!("/proc/{pid}/fd/0")), of("/dev/null".to_string()));
}
