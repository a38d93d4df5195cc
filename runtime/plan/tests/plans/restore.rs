//! The plans of `restore` and `start`, and the facts that are recorded of a container.

use crate::fields::{config, rich};
use crate::{Cgroups, host, lines, plan, request, systemd};
use serde_json::{Value, json};
use tare_plan::criu::{Externals, externals};
use tare_plan::footprint::{PidNamespace, footprint};
use tare_plan::hooks::{early_hooks, late_hooks};
use tare_plan::host::{Host, Privilege};
use tare_plan::restore::{Restore, restore};
use tare_plan::spec::{self, Checked, Mistake};
use tare_plan::start;
use tare_plan::step::{HookEnvironment, HookKind};

fn checked(changes: &Value) -> Checked {
    spec::load(&config(changes)).and_then(spec::check).unwrap()
}

fn restored(changes: &Value, host: &Host) -> Result<Restore, Vec<Mistake>> {
    restore(&checked(changes), host, &request(None))
}

fn texts(restore: &Restore) -> Vec<String> {
    restore.steps.iter().map(|planned| planned.step.to_string()).collect()
}

#[test]
fn a_restore_makes_the_cgroups_and_the_root_file_system_only() {
    let changes = json!({
        "linux": { "resources": { "pids": { "limit": 5 } }, "intelRdt": { "enableMonitoring": true } },
    });
    let restore = restored(&changes, &rich(Cgroups::V2)).unwrap();
    let rdt = [
        "make the resctrl group /sys/fs/resctrl/box",
        "make the resctrl group /sys/fs/resctrl/box/mon_groups/box",
    ];
    let steps = texts(&restore);
    assert_eq!(steps[0], "make the cgroup /sys/fs/cgroup/box");
    assert_eq!(steps[1], r#"set pids.max to "5""#);
    assert!(steps[2].starts_with("attach the device program"), "{steps:?}");
    assert_eq!(steps[3..], rdt);
    assert_eq!((restore.cgroups.len(), restore.resctrl_groups.len()), (1, 2));
    assert!(!restore.starts_unit);
    assert_eq!(restore.root.step.to_string(), "mount the root file system /bundle/rootfs");
}

#[test]
fn a_restore_with_systemd_starts_the_unit() {
    let host = Host { systemd: Some(systemd(Privilege::Root)), ..host(Cgroups::V2, Privilege::Root) };
    let restore = restored(&json!({}), &host).unwrap();
    assert!(restore.starts_unit && texts(&restore)[0].starts_with("start the unit tare-box.scope"));
}

#[test]
fn the_root_file_system_of_a_restore_may_be_an_overlay() {
    let changes = json!({ "annotations": {
        "org.tare.overlay.lower": "/a:b", "org.tare.overlay.upper": "up", "org.tare.overlay.work": "work",
    } });
    let root = restored(&changes, &rich(Cgroups::V2)).unwrap().root.step.to_string();
    assert_eq!(root, "mount overlay of /a:/bundle/b with upper /bundle/up and work /bundle/work");
}

#[test]
fn a_rootless_user_cannot_restore() {
    let mappings = json!([{ "containerID": 0, "hostID": 1000, "size": 1 }]);
    let changes = json!({ "linux": {
        "namespaces": [{ "type": "user" }, { "type": "mount" }],
        "uidMappings": mappings, "gidMappings": mappings,
    } });
    let mistakes =
        restored(&changes, &host(Cgroups::V2, Privilege::User { uid: 1000, gid: 1000 })).unwrap_err();
    assert_eq!(lines(&mistakes), ["only root can restore a container, because of root"]);
}

// runtime.md, "Lifecycle": startContainer hooks and the program come after `start`.
#[test]
fn start_continues_after_the_wait_of_init() {
    let changes = json!({ "hooks": { "startContainer": [{ "path": "/bin/true" }] } });
    let plan = plan(&config(&changes), &rich(Cgroups::V2), &request(None)).unwrap();
    let steps: Vec<String> = start::steps(&plan).iter().map(|planned| planned.step.to_string()).collect();
    assert_eq!(steps, ["run startContainer hooks (1)", "execute the program"]);
}

// config.md, "POSIX-platform Hooks": env and timeout are optional.
#[test]
fn hooks_have_the_environment_of_their_namespaces() {
    let hooks =
        |kind: &str| json!({ "hooks": { kind: [{ "path": "/h", "args": ["h", "x"], "timeout": 5 }] } });
    let late = late_hooks(&checked(&hooks("poststop")), HookKind::Poststop).unwrap();
    assert_eq!((late.len(), late[0].timeout_seconds), (1, Some(5)));
    assert_eq!((late[0].path.as_c_str(), late[0].arguments.len()), (c"/h", 2));
    assert!(matches!(late[0].environment, HookEnvironment::Runtime));
    assert!(late_hooks(&checked(&hooks("poststop")), HookKind::Poststart).unwrap().is_empty());
    assert_eq!(late_hooks(&checked(&hooks("poststart")), HookKind::Poststart).unwrap().len(), 1);
    assert!(late_hooks(&checked(&hooks("prestart")), HookKind::Prestart).unwrap().is_empty());
    let early = early_hooks(&checked(&hooks("createRuntime"))).unwrap();
    let counts: Vec<_> = early.iter().map(|(kind, hooks)| (*kind, hooks.len())).collect();
    assert_eq!(counts, [(HookKind::Prestart, 0), (HookKind::CreateRuntime, 1)]);
    let given = json!({ "hooks": { "poststop": [{ "path": "/h", "env": ["A=1"] }] } });
    let given = late_hooks(&checked(&given), HookKind::Poststop).unwrap();
    assert!(matches!(&given[0].environment, HookEnvironment::Given(list) if list.len() == 1));
    let nul =
        json!({ "hooks": { "poststop": [{ "path": "/h\u{0}x" }], "prestart": [{ "path": "/h\u{0}x" }] } });
    if let Ok(nul) = spec::load(&config(&nul)).and_then(spec::check) {
        assert!(late_hooks(&nul, HookKind::Poststop).is_err() && early_hooks(&nul).is_err());
    }
}

#[test]
fn the_footprint_has_all_that_delete_must_remove() {
    let of = |changes: &Value, host: &Host| footprint(&checked(changes), host, &request(None));
    let plain = of(&json!({}), &rich(Cgroups::V2));
    assert_eq!((plain.rootfs.as_str(), plain.cgroup.as_deref()), ("/bundle/rootfs", Some("box")));
    assert_eq!((plain.pid_namespace, plain.has_late_hooks), (PidNamespace::Own, false));
    let shared = json!({ "linux": { "namespaces": [{ "type": "mount" }, { "type": "pid", "path": "/p" }] } });
    assert_eq!(of(&shared, &rich(Cgroups::V2)).pid_namespace, PidNamespace::Shared);
    let hosts = json!({ "linux": { "namespaces": [{ "type": "mount" }] } });
    assert_eq!(of(&hosts, &rich(Cgroups::V2)).pid_namespace, PidNamespace::Shared);
    for kind in ["poststart", "poststop"] {
        let hooks = json!({ "hooks": { kind: [{ "path": "/h" }] } });
        assert!(of(&hooks, &rich(Cgroups::V2)).has_late_hooks, "{kind}");
    }
    let host = Host { systemd: Some(systemd(Privilege::Root)), ..host(Cgroups::V2, Privilege::Root) };
    let unit = of(&json!({}), &host);
    assert_eq!(unit.cgroup.as_deref(), Some("system.slice/tare-box.scope"));
    assert_eq!(unit.unit.unwrap().name, "tare-box.scope");
    let rdt = of(&json!({ "linux": { "intelRdt": { "l3CacheSchema": "L3:0=f" } } }), &rich(Cgroups::V2));
    assert_eq!(rdt.resctrl_groups, ["/sys/fs/resctrl/box"]);
}

fn external(changes: &Value, cgroups: Cgroups) -> Externals {
    externals(&checked(changes), &host(cgroups, Privilege::Root), "box", "/bundle")
}

// criu.org/External_bind_mounts. runc calls the network namespace extRootNetNS in its images, and the others
// alike.
#[test]
fn joined_namespaces_and_cgroup_mounts_are_external() {
    let changes = json!({
        "mounts": [{ "destination": "/sys/fs/cgroup", "type": "cgroup" }],
        "linux": { "namespaces": [
            { "type": "mount" }, { "type": "network", "path": "/n" }, { "type": "ipc", "path": "" },
            { "type": "pid", "path": "/p" },
        ], "maskedPaths": ["/proc/kcore"] },
        "annotations": { "org.criu.config": "/etc/criu.conf" },
    });
    let v2 = external(&changes, Cgroups::V2);
    let namespaces: Vec<_> =
        v2.namespaces.iter().map(|one| (one.kind, one.name, one.path.as_str())).collect();
    assert_eq!(namespaces, [("net", "extRootNetNS", "/n"), ("pid", "extRootPidNS", "/p")]);
    assert_eq!(v2.config_file.as_deref(), Some("/etc/criu.conf"));
    assert_eq!(v2.masked_paths, ["/proc/kcore"]);
    let mounts = |all: &Externals| -> Vec<(String, String)> {
        all.mounts.iter().map(|one| (one.destination.clone(), one.source.clone())).collect()
    };
    assert_eq!(mounts(&v2), [("/sys/fs/cgroup".to_owned(), "/sys/fs/cgroup/box".to_owned())]);
    let v1 = mounts(&external(&changes, Cgroups::V1));
    assert!(v1.contains(&("/sys/fs/cgroup/pids".to_owned(), "/sys/fs/cgroup/pids/box".to_owned())), "{v1:?}");
    let hybrid = mounts(&external(&changes, Cgroups::Hybrid));
    assert_eq!(hybrid, v1);
    assert_eq!(external(&json!({ "annotations": { "org.criu.config": "" } }), Cgroups::V2).config_file, None);
}
