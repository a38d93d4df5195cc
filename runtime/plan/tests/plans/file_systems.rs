//! The root file system, the mounts and the devices: each decision by the fact of the kernel or the sentence
//! of the specification behind it.

use crate::fields::{config, mistakes, rich, steps, warnings};
use crate::identity::{in_user_namespace, planned, root};
use crate::{Cgroups, plan, request};
use serde_json::{Value, json};
use tare_plan::host::{Host, Kernel};
use tare_plan::plan::Plan;
use tare_plan::step::{
    Guard, InitStep, MountStep, NodeFs, OpenStep, Owner, ParentStep, RootMode, RootStep, Source,
};

fn sources(plan: &Plan) -> Vec<&Source> {
    let parent = plan.parent.iter().filter_map(|planned| match &planned.step {
        ParentStep::Open(OpenStep::Tree { source, .. }) => Some(source),
        _ => None,
    });
    let init = plan.init.iter().filter_map(|planned| match &planned.step {
        InitStep::Mount(MountStep::Bind { source, .. }) => Some(source),
        _ => None,
    });
    parent.chain(init).collect()
}

const SLAVE: u64 = libc::MS_SLAVE | libc::MS_REC;
const PRIVATE: u64 = libc::MS_PRIVATE | libc::MS_REC;

// config-linux.md, "Rootfs Mount Propagation". pivot_root(2): the new root must not be shared.
#[test]
fn clones_propagate_no_further_than_the_root_file_system() {
    let bind = json!([{ "destination": "/data", "type": "bind", "source": "/data" }]);
    let clones = |propagation: Value| {
        let plan =
            planned(&json!({ "mounts": bind, "linux": { "rootfsPropagation": propagation } }), &root());
        let of = |path: &str| {
            sources(&plan)
                .into_iter()
                .find(|source| source.path.to_bytes() == path.as_bytes())
                .unwrap()
                .propagation
                .clone()
        };
        let inside = plan.init.iter().find_map(|planned| match &planned.step {
            InitStep::Root(RootStep::SetAttributes { propagation, .. }) => Some(*propagation),
            _ => None,
        });
        (of("/bundle/rootfs"), of("/data"), inside)
    };
    assert_eq!(clones(Value::Null), (vec![SLAVE], vec![], None));
    assert_eq!(clones(json!("rprivate")), (vec![PRIVATE], vec![PRIVATE], Some(PRIVATE)));
    assert_eq!(clones(json!("private")), (vec![PRIVATE], vec![PRIVATE], Some(libc::MS_PRIVATE)));
    assert_eq!(clones(json!("rslave")), (vec![SLAVE], vec![], Some(SLAVE)));
    assert_eq!(clones(json!("slave")), (vec![SLAVE], vec![], Some(libc::MS_SLAVE)));
    assert_eq!(clones(json!("shared")), (vec![SLAVE], vec![], Some(libc::MS_SHARED)));
    assert_eq!(clones(json!("rshared")), (vec![SLAVE], vec![], Some(libc::MS_SHARED | libc::MS_REC)));
    assert_eq!(clones(json!("unbindable")).2, Some(libc::MS_UNBINDABLE));
    assert_eq!(clones(json!("runbindable")).2, Some(libc::MS_UNBINDABLE | libc::MS_REC));
}

#[test]
fn the_root_file_system_is_mounted_where_hooks_find_it() {
    let at = |hooks: Value| {
        let plan = planned(&json!({ "hooks": hooks }), &root());
        plan.init.into_iter().find_map(|planned| match planned.step {
            InitStep::Root(RootStep::MountTree { at, .. }) => Some(at),
            _ => None,
        })
    };
    assert_eq!(at(json!({})), Some(c"/".to_owned()));
    assert_eq!(at(json!({ "poststart": [{ "path": "/h" }] })), Some(c"/".to_owned()));
    for kind in ["prestart", "createRuntime", "createContainer"] {
        assert_eq!(at(json!({ kind: [{ "path": "/h" }] })), Some(c"/bundle/rootfs".to_owned()), "{kind}");
    }
}

fn overlay(annotations: &Value, minor: u32) -> Result<Vec<String>, String> {
    let host = Host { kernel: Kernel { major: 6, minor }, ..root() };
    match plan(&config(&json!({ "annotations": annotations })), &host, &request(None)) {
        Ok(plan) => {
            let texts = plan
                .parent
                .iter()
                .map(|one| one.step.to_string())
                .chain(plan.init.iter().map(|one| one.step.to_string()));
            Ok(texts.filter(|text| text.contains("root") || text.contains("overlay")).collect())
        }
        Err(mistakes) => Err(mistakes[0].to_string()),
    }
}

// Documentation/filesystems/overlayfs.rst: without an upper directory there must be two lower ones.
#[test]
fn annotations_make_the_root_file_system_an_overlay() {
    let one = overlay(&json!({ "org.tare.overlay.lower": "base" }), 1).unwrap();
    assert_eq!(one[0], "copy the root file system /bundle/base");
    assert_eq!(one.last().unwrap(), "change the root's mount ro");
    let two = overlay(&json!({ "org.tare.overlay.lower": "/top:base" }), 1).unwrap();
    assert_eq!(
        (two[0].as_str(), two.last().unwrap().as_str()),
        ("mount overlay of /top:/bundle/base", "change the root's mount ro")
    );
    let upper = json!({ "org.tare.overlay.lower": "base", "org.tare.overlay.upper": "up", "org.tare.overlay.work": "work" });
    let upper = overlay(&upper, 1).unwrap();
    assert_eq!(upper[0], "mount overlay of /bundle/base with upper /bundle/up and work /bundle/work");
    assert!(!upper.contains(&"change the root's mount ro".to_owned()));
    let refused = |annotations: Value| overlay(&annotations, 1).unwrap_err();
    assert!(
        refused(json!({ "org.tare.overlay.lower": "a", "org.tare.overlay.upper": "u" })).contains("together")
    );
    assert!(
        refused(json!({ "org.tare.overlay.lower": "a", "org.tare.overlay.work": "w" })).contains("together")
    );
    assert!(refused(json!({ "org.tare.overlay.lower": "" })).contains("at least one"));
    assert!(
        refused(json!({ "org.tare.overlay.upper": "u", "org.tare.overlay.work": "w" }))
            .contains("at least one")
    );
}

// fsconfig(2) takes 255 bytes; since Linux 6.7 overlayfs takes one lower directory per call.
#[test]
fn lower_directories_of_an_overlay_must_fit_before_linux_6_7() {
    let lower =
        |length: usize| json!({ "org.tare.overlay.lower": format!("/{}:/b", "a".repeat(length - 4)) });
    assert!(overlay(&lower(255), 6).is_ok());
    assert!(overlay(&lower(256), 6).unwrap_err().contains("255 bytes"));
    assert!(overlay(&lower(256), 7).is_ok());
    assert!(
        overlay(&json!({ "org.tare.overlay.lower": format!("/{}:/b", "a".repeat(255)) }), 7)
            .unwrap_err()
            .contains("255 bytes")
    );
}

// runc refuses mounts inside /proc, except on the files that LXCFS covers.
#[test]
fn mounts_inside_proc_are_refused_but_for_a_few_files() {
    let guard = |destination: &str, kind: &str| {
        let mount = json!([{ "destination": destination, "type": kind, "source": "/x" }]);
        let plan = planned(&json!({ "mounts": mount }), &root());
        plan.init
            .into_iter()
            .find_map(|planned| match planned.step {
                InitStep::Mount(MountStep::Bind { target, .. }) => Some(target.guard),
                InitStep::Mount(MountStep::New(mount)) => Some(mount.target.guard),
                _ => None,
            })
            .unwrap()
    };
    assert_eq!(guard("/proc/meminfo", "bind"), Guard::Anywhere);
    assert_eq!(guard("/proc", "bind"), Guard::Anywhere);
    assert_eq!(guard("/proc", "proc"), Guard::NoSymlinks);
    assert_eq!(guard("/sys", "sysfs"), Guard::NoSymlinks);
    assert_eq!(guard("/process", "bind"), Guard::OutsideProcfs);
    let inside = json!({ "mounts": [{ "destination": "/proc/self", "type": "bind", "source": "/x" }] });
    assert!(mistakes(&inside, &root())[0].contains("because it is inside /proc"));
}

#[test]
fn mounts_without_a_type_or_a_source_are_refused() {
    let refused = |mount: Value| mistakes(&json!({ "mounts": [mount] }), &root());
    let typeless = refused(json!({ "destination": "/a", "source": "/x" }));
    assert_eq!(typeless, ["only a bind mount can lack a type, because of mounts[0].type"]);
    let sourceless = refused(json!({ "destination": "/a", "type": "bind" }));
    assert_eq!(sourceless, ["a bind mount needs a source, because of mounts[0].source"]);
    let unknown =
        refused(json!({ "destination": "/a", "type": "bind", "source": "/x", "options": ["rw", "nope"] }));
    assert_eq!(unknown, [r#"unknown mount option "nope", because of mounts[0].options[1]"#]);
    let data = json!({ "mounts": [{ "destination": "/a", "type": "bind", "source": "/x", "options": ["size=1m", ""] }] });
    assert_eq!(
        warnings(&data, &root()),
        [r#"a bind mount ignores the option "size", because of mounts[0].options[0]"#]
    );
}

// mount(8), "remount": the options of the file system would change every mount of it.
#[test]
fn a_remount_changes_the_mount_but_not_the_file_system() {
    let mount =
        |options: Value| json!({ "mounts": [{ "destination": "/a", "type": "tmpfs", "options": options }] });
    let remounted = steps(&mount(json!(["remount", "ro", "nosuid"])), &root(), "remount");
    assert_eq!(remounted, ["remount /a ro nosuid <- mounts[0].options[0]"]);
    let refused = mistakes(&mount(json!(["remount", "size=1m"])), &root());
    assert!(refused[0].contains("\"size\"") && refused[0].contains("mounts[0].options[1]"), "{refused:?}");
}

// runc: a tmpfs without mode= has the mode of its mount point.
#[test]
fn a_tmpfs_has_its_own_mode_or_that_of_its_mount_point() {
    let mode = |kind: &str, options: Value| {
        let mount = json!([{ "destination": "/a", "type": kind, "options": options }]);
        planned(&json!({ "mounts": mount }), &root()).init.into_iter().find_map(|planned| {
            match planned.step {
                InitStep::Mount(MountStep::New(mount)) => Some(mount.mode),
                _ => None,
            }
        })
    };
    assert_eq!(mode("tmpfs", json!([])), Some(RootMode::Covered));
    assert_eq!(mode("tmpfs", json!(["mode=755"])), Some(RootMode::Own));
    assert_eq!(mode("ramfs", json!([])), Some(RootMode::Own));
    let long = |length: usize| json!({ "mounts": [{ "destination": "/a", "type": "tmpfs", "options": [format!("x={}", "a".repeat(length))] }] });
    assert!(steps(&long(255), &root(), "mount tmpfs").len() == 1);
    assert!(mistakes(&long(256), &root())[0].contains("longer than the 255 bytes"));
}

fn devices(changes: &Value, host: &Host) -> Vec<String> {
    steps(changes, host, "/dev/")
}

// config-linux.md, "Default Devices" and "Devices"; runtime-linux.md, "Dev symbolic links".
#[test]
fn configured_devices_replace_default_ones() {
    let device = |path: &str| {
        json!({ "linux": { "devices": [
        { "path": path, "type": "c", "major": 9, "minor": 8, "fileMode": 0o600, "uid": 3, "gid": 4 },
    ] } })
    };
    let null = devices(&device("/dev/./null"), &root());
    assert!(
        null.contains(&"make the device /dev/null 9:8 mode 600 <- linux.devices[0]".to_owned()),
        "{null:?}"
    );
    assert_eq!(null.iter().filter(|line| line.starts_with("make the device /dev/null")).count(), 1);
    let ptmx = devices(&device("/dev/ptmx"), &root());
    assert!(
        ptmx.contains(&"link /dev/ptmx to pts/ptmx <- ".to_owned())
            && !ptmx.iter().any(|line| line.contains("9:8"))
    );
    assert!(ptmx.contains(&"link /dev/core to /proc/kcore <- ".to_owned()));
    let without = devices(&json!({}), &Host { kcore: false, ..root() });
    assert!(!without.iter().any(|line| line.contains("kcore")));
    let bound = json!({ "mounts": [{ "destination": "/dev/", "type": "bind", "source": "/dev" }] });
    assert!(
        !devices(&bound, &root())
            .iter()
            .any(|line| line.contains("device /dev/null") || line.contains("link"))
    );
    let own = json!({ "mounts": [{ "destination": "/dev", "type": "tmpfs" }] });
    assert!(devices(&own, &root()).iter().any(|line| line.contains("device /dev/null")));
}

// user_namespaces(7), mknod(2): EPERM in a user namespace, except for fifos.
#[test]
fn init_makes_no_device_nodes_in_a_user_namespace() {
    let node = |linux: Value, host: &Host| {
        let changes = json!({ "linux": linux });
        steps(&changes, host, "/dev/null").remove(0)
    };
    assert_eq!(node(json!({}), &root()), "make the device /dev/null 1:3 mode 666 <- ");
    let nested = Host { in_user_namespace: true, ..root() };
    assert!(node(json!({}), &nested).starts_with("bind /dev/null at /dev/null"));
    assert!(node(in_user_namespace(10), &root()).starts_with("bind /dev/null at /dev/null"));
    let mut linux = in_user_namespace(10);
    linux["devices"] = json!([{ "path": "/dev/pipe", "type": "p" }]);
    assert!(node(linux.clone(), &root()).starts_with("bind"));
    let fifo = steps(&json!({ "linux": linux }), &root(), "pipe");
    assert_eq!(fifo, ["make the fifo /dev/pipe 0:0 mode 666 <- linux.devices[0]"]);
    let mut unmapped = in_user_namespace(10);
    unmapped["devices"] = json!([{ "path": "/dev/x", "type": "c", "major": 1, "minor": 3, "uid": 10 }]);
    assert!(mistakes(&json!({ "linux": unmapped }), &root())[0].contains("no mapping"));
}

// mount_setattr(2), "ID-mapped mounts".
#[test]
fn id_mapped_mounts_need_mappings_and_share_their_namespace() {
    let mapped = |path: &str| {
        json!({ "destination": path, "type": "bind", "source": "/x",
        "uidMappings": [{ "containerID": 0, "hostID": 5, "size": 1 }],
        "gidMappings": [{ "containerID": 0, "hostID": 6, "size": 1 }] })
    };
    let made = |mounts: Value| steps(&json!({ "mounts": mounts }), &root(), "for mounts").len();
    assert_eq!(made(json!([mapped("/a"), mapped("/b")])), 1);
    let mut other = mapped("/b");
    other["gidMappings"][0]["hostID"] = json!(7);
    assert_eq!(made(json!([mapped("/a"), other])), 2);
    let option =
        json!({ "mounts": [{ "destination": "/a", "type": "bind", "source": "/x", "options": ["idmap"] }] });
    assert!(mistakes(&option, &root())[0].starts_with("an id-mapped mount needs"));
    let mut cgroup = mapped("/c");
    cgroup["type"] = json!("cgroup");
    assert_eq!(
        mistakes(&json!({ "mounts": [cgroup] }), &root()),
        ["a cgroup mount cannot be id-mapped, because of mounts[0]"]
    );
}

// user_namespaces(7): sysfs shows a network namespace, so mounting it needs CAP_SYS_ADMIN over that
// namespace.
#[test]
fn sysfs_of_the_host_network_is_a_bind_mount_only_in_a_user_namespace() {
    let sysfs = json!([{ "destination": "/sys", "type": "sysfs", "source": "sysfs" }]);
    let of = |linux: Value| {
        steps(&json!({ "mounts": sysfs, "linux": linux }), &rich(Cgroups::V2), "/sys")
            .into_iter()
            .filter(|line| line.contains("mounts[0]"))
            .collect::<Vec<_>>()
    };
    assert!(of(json!({}))[0].starts_with("mount sysfs at /sys"));
    assert!(of(in_user_namespace(10))[0].contains("bind /sys at /sys"));
    let mut network = in_user_namespace(10);
    network["namespaces"].as_array_mut().unwrap().push(json!({ "type": "network" }));
    assert!(of(network)[0].starts_with("mount sysfs at /sys"));
}

/// The device node that the parent makes for a container in a user namespace, and the file system that it is made on.
fn made_node(minor: u32) -> (Owner, NodeFs) {
    let mapping = json!([{ "containerID": 0, "hostID": 100_000, "size": 65_536 }]);
    let changes = json!({ "linux": {
        "namespaces": [{ "type": "mount" }, { "type": "user" }],
        "uidMappings": mapping, "gidMappings": mapping,
        "devices": [{ "path": "/dev/fuse", "type": "c", "major": 10, "minor": 229, "uid": 5, "gid": 6 }],
    } });
    let mut host = rich(Cgroups::V2);
    host.kernel = Kernel { major: 6, minor };
    let plan = plan(&config(&changes), &host, &request(None)).unwrap();
    let node = plan.parent.into_iter().find_map(|planned| match planned.step {
        ParentStep::Open(OpenStep::DeviceNode { device, fs, .. })
            if device.path.as_bytes() == b"dev/fuse" =>
        {
            Some((device.owner?, fs))
        }
        _ => None,
    });
    node.unwrap()
}

// user_namespaces(7): an id of the container is the host's id at the same distance from the start of the mapping.
#[test]
fn a_device_node_of_a_user_namespace_belongs_to_the_host_ids_of_its_owner() {
    assert_eq!(made_node(12).0, Owner { uid: 100_005, gid: 100_006 });
}

// Linux 6.15: open_tree(2) with OPEN_TREE_CLONE accepts a detached mount.
#[test]
fn a_device_node_is_made_on_a_detached_mount_from_linux_6_15_on() {
    assert_eq!(made_node(14).1, NodeFs::InNamespace);
    assert_eq!(made_node(15).1, NodeFs::Detached);
}

#[test]
fn a_plan_as_json_has_each_step_with_its_place() {
    let changes = json!({
        "hostname": "web", "linux": { "namespaces": [{ "type": "mount" }, { "type": "uts" }] },
    });
    let plan = plan(&config(&changes), &rich(Cgroups::V2), &request(None)).unwrap();
    let json = plan.to_json();
    assert_eq!(json["parent"].as_array().unwrap().len(), plan.parent.len());
    assert_eq!(json["init"].as_array().unwrap().len(), plan.init.len());
    let hostname = json!({ "act": "set the host name to web", "because": "hostname" });
    assert!(json["init"].as_array().unwrap().contains(&hostname), "{json:#}");
    let without_a_place = json!({ "act": "record the container as created", "because": null });
    assert!(json["parent"].as_array().unwrap().contains(&without_a_place), "{json:#}");
}
