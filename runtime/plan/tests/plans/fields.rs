//! Single fields: the steps they become, and what is said where the host can't do them.

use crate::{Cgroups, host, lines, plan, request};
use serde_json::{Value, json};
use tare_plan::host::{Host, Privilege};

/// A host with everything that a configuration can ask for.
pub(crate) fn rich(cgroups: Cgroups) -> Host {
    let mut host = host(cgroups, Privilege::Root);
    host.security.apparmor = true;
    host.security.selinux = true;
    host.resctrl = Some("/sys/fs/resctrl".to_owned());
    host
}

/// The least configuration, with these changes (a JSON merge patch).
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

/// Every step of both columns whose place or words contain `about`, as `words, because of place`.
pub(crate) fn steps(changes: &Value, host: &Host, about: &str) -> Vec<String> {
    let plan =
        plan(&config(changes), host, &request(None)).unwrap_or_else(|mistakes| panic!("{mistakes:#?}"));
    let parent = plan.parent.iter().map(|planned| format!("{} <- {}", planned.step, planned.because));
    let init = plan.init.iter().map(|planned| format!("{} <- {}", planned.step, planned.because));
    parent.chain(init).filter(|line| line.contains(about)).collect()
}

/// What is wrong.
pub(crate) fn mistakes(changes: &Value, host: &Host) -> Vec<String> {
    lines(&plan(&config(changes), host, &request(None)).unwrap_err())
}

/// What is odd.
pub(crate) fn warnings(changes: &Value, host: &Host) -> Vec<String> {
    let plan =
        plan(&config(changes), host, &request(None)).unwrap_or_else(|mistakes| panic!("{mistakes:#?}"));
    lines(&plan.warnings)
}

#[test]
fn an_apparmor_profile_is_taken_before_new_privileges_are_given_up() {
    let changes = json!({ "process": { "apparmorProfile": "tight", "noNewPrivileges": true } });
    let plan = plan(&config(&changes), &rich(Cgroups::V2), &request(None)).unwrap();
    let at = |words: &str| plan.init.iter().position(|planned| planned.step.to_string() == words).unwrap();
    let label = at("take the AppArmor profile tight");
    assert!(at("pivot into the root file system") < label && label < at("give up new privileges"));
}

#[test]
fn a_selinux_label_is_the_programs_and_its_keyrings() {
    let label = "system_u:system_r:container_t:s0:c1,c2";
    let changes = json!({ "process": { "selinuxLabel": label } });
    assert_eq!(
        steps(&changes, &rich(Cgroups::V2), "selinuxLabel"),
        [
            format!("give keyrings the SELinux label {label} <- process.selinuxLabel"),
            format!("take the SELinux label {label} <- process.selinuxLabel"),
        ]
    );
}

#[test]
fn labels_are_refused_where_their_module_is_off() {
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
fn unconfined_and_empty_labels_ask_for_nothing() {
    let changes = json!({
        "process": { "apparmorProfile": "unconfined", "selinuxLabel": "" }, "linux": { "mountLabel": "" }
    });
    assert_eq!(steps(&changes, &host(Cgroups::V2, Privilege::Root), "abel"), Vec::<String>::new());
}

#[test]
fn mounts_get_their_label_where_their_file_system_takes_one() {
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

#[test]
fn a_class_of_its_own_is_made_with_all_lines_and_entered() {
    let changes = json!({ "linux": { "intelRdt": {
        "l3CacheSchema": "L3:0=7f0\nMB:0=50", "memBwSchema": "MB:0=20", "schemata": ["L2:0=f", "L2:1=3"],
        "enableMonitoring": true,
    } } });
    assert_eq!(
        steps(&changes, &rich(Cgroups::V2), "intelRdt"),
        [
            "make the resctrl group /sys/fs/resctrl/box with L3:0=7f0; MB:0=20; L2:0=f; L2:1=3 <- linux.intelRdt.closID",
            "make the resctrl group /sys/fs/resctrl/box/mon_groups/box <- linux.intelRdt.enableMonitoring",
            "put init into the resctrl group <- linux.intelRdt.closID",
            "put init into the resctrl group <- linux.intelRdt.enableMonitoring",
        ]
    );
}

#[test]
fn a_class_that_is_named_is_compared_or_must_be_there() {
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
fn shares_of_caches_need_resctrl() {
    assert_eq!(
        mistakes(&json!({ "linux": { "intelRdt": {} } }), &host(Cgroups::V2, Privilege::Root)),
        ["intelRdt is specified in config, but no resctrl file system is mounted, because of linux.intelRdt"]
    );
}
