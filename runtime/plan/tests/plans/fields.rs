//! Single properties: the steps they become, and the mistakes on hosts that lack a feature.

use crate::{Cgroups, host, lines, plan, request};
use serde_json::{Value, json};
use tare_plan::host::{Host, Privilege};

/// A host with every feature that a configuration can use.
pub(crate) fn rich(cgroups: Cgroups) -> Host {
    let mut host = host(cgroups, Privilege::Root);
    host.security.apparmor = true;
    host.security.selinux = true;
    host.resctrl = Some("/sys/fs/resctrl".to_owned());
    host
}

/// The smallest configuration with a JSON merge patch (RFC 7396) applied.
pub(crate) fn config(changes: &Value) -> Vec<u8> {
    let mut config = json!({
        "ociVersion": "1.3.0",
        "root": { "path": "rootfs" },
        "process": { "cwd": "/", "args": ["/bin/true"], "env": ["HOME=/"] },
        "linux": { "namespaces": [{ "type": "mount" }, { "type": "pid" }] },
    });
    merge(&mut config, changes);
    config.to_string().into_bytes()
}

fn merge(to: &mut Value, from: &Value) {
    match (to, from) {
        (Value::Object(to), Value::Object(from)) => {
            for (key, value) in from {
                merge(to.entry(key.clone()).or_insert(Value::Null), value);
            }
        }
        (to, from) => *to = from.clone(),
    }
}

/// The steps of the parent and of init with `about` in their text or place, as `TEXT <- PLACE`.
pub(crate) fn steps(changes: &Value, host: &Host, about: &str) -> Vec<String> {
    let plan =
        plan(&config(changes), host, &request(None)).unwrap_or_else(|mistakes| panic!("{mistakes:#?}"));
    let parent = plan.parent.iter().map(|planned| format!("{} <- {}", planned.step, planned.because));
    let init = plan.init.iter().map(|planned| format!("{} <- {}", planned.step, planned.because));
    parent.chain(init).filter(|line| line.contains(about)).collect()
}

/// The mistakes of the plan.
pub(crate) fn mistakes(changes: &Value, host: &Host) -> Vec<String> {
    lines(&plan(&config(changes), host, &request(None)).unwrap_err())
}

/// The warnings of the plan.
pub(crate) fn warnings(changes: &Value, host: &Host) -> Vec<String> {
    let plan =
        plan(&config(changes), host, &request(None)).unwrap_or_else(|mistakes| panic!("{mistakes:#?}"));
    lines(&plan.warnings)
}

// With no_new_privs the kernel refuses most changes of the profile.
#[test]
fn the_apparmor_profile_is_set_before_no_new_privs() {
    let changes = json!({ "process": { "apparmorProfile": "tight", "noNewPrivileges": true } });
    let plan = plan(&config(&changes), &rich(Cgroups::V2), &request(None)).unwrap();
    let at = |words: &str| plan.init.iter().position(|planned| planned.step.to_string() == words).unwrap();
    let label = at("set the AppArmor profile tight");
    assert!(at("pivot_root into the root file system") < label && label < at("set no_new_privs"));
}

#[test]
fn the_selinux_label_applies_to_the_program_and_its_keyring() {
    let label = "system_u:system_r:container_t:s0:c1,c2";
    let changes = json!({ "process": { "selinuxLabel": label } });
    assert_eq!(
        steps(&changes, &rich(Cgroups::V2), "selinuxLabel"),
        [
            format!("set the SELinux label {label} for keyrings <- process.selinuxLabel"),
            format!("set the SELinux label {label} <- process.selinuxLabel"),
        ]
    );
}

// The messages are runc's.
#[test]
fn labels_need_their_security_module() {
    let changes = json!({
        "process": { "apparmorProfile": "tight", "selinuxLabel": "a:b:c" }, "linux": { "mountLabel": "a:b:c" }
    });
    let selinux = "selinux label is specified in config, but selinux is disabled or not supported";
    assert_eq!(
        mistakes(&changes, &host(Cgroups::V2, Privilege::Root)),
        [
            format!("{selinux}, because of linux.mountLabel"),
            "apparmor: config provided but apparmor not supported, because of process.apparmorProfile"
                .to_owned(),
            format!("{selinux}, because of process.selinuxLabel"),
        ]
    );
}

#[test]
fn unconfined_and_empty_labels_add_no_step() {
    let changes = json!({
        "process": { "apparmorProfile": "unconfined", "selinuxLabel": "" }, "linux": { "mountLabel": "" }
    });
    assert_eq!(steps(&changes, &host(Cgroups::V2, Privilege::Root), "abel"), Vec::<String>::new());
}

// proc, mqueue and bind mounts refuse the context= option.
#[test]
fn mounts_get_the_mount_label_if_their_filesystem_takes_one() {
    let changes = json!({
        "mounts": [
            { "destination": "/proc", "type": "proc", "source": "proc" },
            { "destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid"] },
            { "destination": "/own", "type": "tmpfs", "source": "tmpfs", "options": ["context=x:y:z"] },
            { "destination": "/dev/mqueue", "type": "mqueue", "source": "mqueue" },
            { "destination": "/etc/hosts", "source": "/etc/hosts", "options": ["bind"] },
        ],
        "linux": { "mountLabel": "a:b:c" }
    });
    let labelled = steps(&changes, &rich(Cgroups::V2), "context=");
    assert_eq!(
        labelled,
        [
            "mount tmpfs at /dev nosuid context=a:b:c <- mounts[1]",
            "mount tmpfs at /own context=x:y:z <- mounts[2]"
        ]
    );
}

// config-linux.md, IntelRdt: the default of closID is the container ID.
#[test]
fn intel_rdt_without_a_clos_id_gets_its_own_group() {
    let changes = json!({ "linux": { "intelRdt": {
        "l3CacheSchema": "L3:0=7f0\nMB:0=50", "memBwSchema": "MB:0=20", "schemata": ["L2:0=f", "L2:1=3"],
        "enableMonitoring": true,
    } } });
    assert_eq!(
        steps(&changes, &rich(Cgroups::V2), "intelRdt"),
        [
            "make the resctrl group /sys/fs/resctrl/box with L3:0=7f0; MB:0=20; L2:0=f; L2:1=3 <- linux.intelRdt.closID",
            "make the resctrl group /sys/fs/resctrl/box/mon_groups/box <- linux.intelRdt.enableMonitoring",
            "move init into the resctrl group <- linux.intelRdt.closID",
            "move init into the resctrl group <- linux.intelRdt.enableMonitoring",
        ]
    );
}

// config-linux.md, IntelRdt: with a closID the runtime compares the schemata, and without schemata the group
// must exist.
#[test]
fn a_named_clos_id_is_compared_or_must_exist() {
    let group = |rdt: Value| {
        let steps =
            steps(&json!({ "linux": { "intelRdt": rdt } }), &rich(Cgroups::V2), "the resctrl group /");
        steps.into_iter().next().unwrap()
    };
    let because = "<- linux.intelRdt.closID";
    assert_eq!(
        group(json!({ "closID": "gold", "memBwSchema": "MB:0=20", "schemata": ["L2:0=f"] })),
        format!("make the resctrl group /sys/fs/resctrl/gold that has MB:0=20 with L2:0=f {because}")
    );
    assert_eq!(
        group(json!({ "closID": "gold" })),
        format!("open the resctrl group /sys/fs/resctrl/gold {because}")
    );
    assert_eq!(group(json!({ "closID": "/" })), format!("open the resctrl group /sys/fs/resctrl/ {because}"));
}

#[test]
fn intel_rdt_needs_a_resctrl_mount() {
    assert_eq!(
        mistakes(&json!({ "linux": { "intelRdt": {} } }), &host(Cgroups::V2, Privilege::Root)),
        ["intelRdt is specified in config, but no resctrl file system is mounted, because of linux.intelRdt"]
    );
}

#[test]
fn without_a_mount_namespace_init_moves_the_root_to_the_runtimes() {
    let changes = json!({ "linux": { "namespaces": [{ "type": "pid" }] }, "root": { "readonly": true } });
    let plan = plan(&config(&changes), &rich(Cgroups::V2), &request(None)).unwrap();
    let at = |words: &str| plan.init.iter().position(|planned| planned.step.to_string() == words).unwrap();
    let back = at("take a copy of the root back to the runtime's mount namespace");
    assert!(at("make all mounts slaves of the host's") < back && back < at("change the root's mount ro"));
    assert!(plan.init.iter().all(|planned| !planned.step.to_string().contains("pivot")));
    let found: Vec<String> = plan.parent.iter().map(|planned| planned.step.to_string()).collect();
    assert!(
        found.contains(&"spawn init in new namespaces mount, pid, born in the cgroup".to_owned()),
        "{found:#?}"
    );
}

/// sysctl.d(5): dots are part of a name after a slash, and slashes stand for them after a dot.
#[test]
fn a_sysctl_of_a_vlan_interface_is_written_to_its_file() {
    for name in ["net/ipv4/conf/eth0.100/forwarding", "net.ipv4.conf.eth0/100.forwarding"] {
        let changes = json!({ "linux": {
            "namespaces": [{ "type": "mount" }, { "type": "network" }], "sysctl": { name: "1" }
        } });
        let steps = steps(&changes, &rich(Cgroups::V2), "linux.sysctl");
        assert_eq!(steps.len(), 1);
        assert!(steps[0].contains("net/ipv4/conf/eth0.100/forwarding"), "{steps:?}");
    }
}

// Mounts need CAP_SYS_ADMIN in the user namespace that owns the mount namespace.
#[test]
fn a_user_namespace_needs_a_mount_namespace() {
    let mapping = json!([{ "containerID": 0, "hostID": 1000, "size": 1 }]);
    let changes = json!({
        "linux": { "namespaces": [{ "type": "user" }], "uidMappings": mapping, "gidMappings": mapping }
    });
    assert_eq!(
        mistakes(&changes, &rich(Cgroups::V2)),
        ["a container with a user namespace needs a mount namespace as well, because of linux.namespaces"]
    );
}

// sched(7): a thread under SCHED_DEADLINE can't fork without the flag.
#[test]
fn sched_deadline_with_start_hooks_needs_reset_on_fork() {
    let changes = |flags: Value| {
        json!({
            "process": { "scheduler": {
                "policy": "SCHED_DEADLINE", "runtime": 2000, "deadline": 3000, "period": 4000, "flags": flags
            } },
            "hooks": { "startContainer": [{ "path": "/bin/true" }] },
        })
    };
    let found = mistakes(&changes(json!([])), &rich(Cgroups::V2));
    assert!(
        found[0].ends_with("without SCHED_FLAG_RESET_ON_FORK, because of process.scheduler.flags"),
        "{found:?}"
    );
    let flag = json!(["SCHED_FLAG_RESET_ON_FORK"]);
    assert_eq!(steps(&changes(flag), &rich(Cgroups::V2), "set the scheduler to").len(), 1);
}

// capabilities(7): an ambient capability is permitted and inheritable.
#[test]
fn an_ambient_capability_that_can_not_be_raised_gives_a_warning() {
    let sets = json!({ "permitted": ["CAP_CHOWN", "CAP_KILL"], "inheritable": ["CAP_KILL"], "ambient": ["CAP_CHOWN", "CAP_KILL"] });
    let found = warnings(&json!({ "process": { "capabilities": sets } }), &rich(Cgroups::V2));
    assert_eq!(found.len(), 1);
    assert!(found[0].starts_with("can't raise ambient capability CAP_CHOWN: "), "{found:?}");
}

// user_namespaces(7): at most 340 ranges.
#[test]
fn more_mappings_than_the_kernel_takes_are_refused() {
    let mappings: Vec<Value> = (0..6000)
        .map(|number| json!({ "containerID": number, "hostID": 2 * number + 1000, "size": 1 }))
        .collect();
    let changes = json!({
        "linux": {
            "namespaces": [{ "type": "user" }, { "type": "mount" }], "uidMappings": mappings, "gidMappings": mappings
        }
    });
    let found = mistakes(&changes, &rich(Cgroups::V2));
    assert_eq!(
        found[0],
        "6000 id mappings are more than the kernel takes, 340, because of linux.uidMappings"
    );
}

// mknod(2) of devices fails in a user namespace other than the initial one.
#[test]
fn in_a_user_namespace_the_parent_creates_devices() {
    let mapping = json!([{ "containerID": 0, "hostID": 100_000, "size": 65_536 }]);
    let device = json!([{ "path": "/dev/fuse", "type": "c", "major": 10, "minor": 229, "fileMode": 384, "uid": 7, "gid": 8 }]);
    let changes = json!({
        "linux": {
            "namespaces": [{ "type": "user" }, { "type": "mount" }], "uidMappings": mapping, "gidMappings": mapping,
            "devices": device
        }
    });
    assert_eq!(
        steps(&changes, &rich(Cgroups::V2), "linux.devices[0]"),
        [
            "make the device node /dev/fuse 10:229 mode 600 <- linux.devices[0]",
            "mount the copy at /dev/fuse <- linux.devices[0]",
        ]
    );
    let mut nested = rich(Cgroups::V2);
    nested.in_user_namespace = true;
    assert_eq!(
        steps(&changes, &nested, "linux.devices[0]")[0],
        "bind /dev/fuse at /dev/fuse nosuid noexec <- linux.devices[0]"
    );
}

// mount(2) takes one page of options. fsconfig(2) takes lower directories one by one since Linux 6.7.
#[test]
fn long_lower_directories_are_passed_one_by_one() {
    let long = "x".repeat(200);
    let mount = |lower: String| {
        json!({ "mounts": [{ "destination": "/o", "type": "overlay", "source": "overlay",
            "options": [format!("lowerdir={lower}"), "upperdir=/u", "workdir=/w", "private"] }] })
    };
    let mut host = rich(Cgroups::V2);
    let changes = mount(format!("/a{long}:/b{long}"));
    assert!(mistakes(&changes, &host)[0].ends_with("because of mounts[0].options[0]"));
    host.kernel.minor = 7;
    assert_eq!(
        steps(&changes, &host, "mounts[0]"),
        [format!(
            "mount overlay at /o lowerdir+=/a{long} lowerdir+=/b{long} upperdir=/u workdir=/w <- mounts[0]"
        )]
    );
    assert_eq!(
        steps(&mount("/a:/b".to_owned()), &host, "mounts[0]"),
        ["mount overlay at /o lowerdir=/a:/b upperdir=/u workdir=/w <- mounts[0]"]
    );
}

// user_namespaces(7): one write, shorter than a page.
#[test]
fn mappings_that_do_not_fit_into_one_write_are_refused() {
    let mappings: Vec<Value> = (0..340)
        .map(|number| json!({ "containerID": number, "hostID": 2 * number + 100_000, "size": 1 }))
        .collect();
    let changes = json!({
        "linux": {
            "namespaces": [{ "type": "user" }, { "type": "mount" }], "uidMappings": mappings, "gidMappings": mappings
        }
    });
    let found = mistakes(&changes, &rich(Cgroups::V2));
    assert_eq!(
        found,
        ["uid", "gid"].map(|ids| format!(
            "340 id mappings take 4310 bytes, more than the kernel takes, 4095, because of linux.{ids}Mappings"
        ))
    );
}

// The kernel mounts sysfs only for the owner of the network namespace.
#[test]
fn sysfs_without_a_network_namespace_is_a_bind_mount() {
    let mapping = json!([{ "containerID": 0, "hostID": 100_000, "size": 65_536 }]);
    let changes = |network: Value| {
        json!({
            "mounts": [{ "destination": "/sys", "type": "sysfs", "source": "sysfs", "options": ["ro", "nosuid"] }],
            "linux": { "namespaces": network, "uidMappings": mapping, "gidMappings": mapping }
        })
    };
    let shared = changes(json!([{ "type": "mount" }, { "type": "user" }]));
    assert_eq!(
        steps(&shared, &rich(Cgroups::V2), "mounts[0]"),
        ["rbind /sys at /sys rro rnosuid <- mounts[0]", "mount the copy at /sys <- mounts[0]"]
    );
    let own = changes(json!([{ "type": "mount" }, { "type": "user" }, { "type": "network" }]));
    assert_eq!(steps(&own, &rich(Cgroups::V2), "mounts[0]"), ["mount sysfs at /sys ro nosuid <- mounts[0]"]);
}
