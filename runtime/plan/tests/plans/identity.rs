//! The process, its namespaces and its cgroups: each decision by the fact of the kernel or the sentence of
//! the specification behind it.

use crate::fields::{config, steps, warnings};
use crate::{Cgroups, host, plan, request};
use serde_json::{Value, json};
use tare_plan::context::{Keyring, Request};
use tare_plan::host::{Host, Privilege};
use tare_plan::plan::Plan;
use tare_plan::step::{
    Capabilities, ChildStep, FileStep, IdentityStep, InitStep, ParentStep, Spawn, Verify, WindowSize,
};

pub(crate) fn planned(changes: &Value, host: &Host) -> Plan {
    plan(&config(changes), host, &request(None)).unwrap_or_else(|mistakes| panic!("{mistakes:#?}"))
}

pub(crate) fn root() -> Host {
    host(Cgroups::V2, Privilege::Root)
}

pub(crate) fn rootless() -> Host {
    host(Cgroups::V2, Privilege::User { uid: 1000, gid: 1000 })
}

/// `linux` of a container with a new user namespace of this size.
pub(crate) fn in_user_namespace(size: u32) -> Value {
    let mappings = json!([{ "containerID": 0, "hostID": 1000, "size": size }]);
    json!({
        "namespaces": [{ "type": "user" }, { "type": "mount" }],
        "uidMappings": mappings, "gidMappings": mappings,
    })
}

fn identity(plan: &Plan) -> Vec<&IdentityStep> {
    let step = plan.init.iter().filter_map(|planned| match &planned.step {
        InitStep::Identity(step) => Some(step),
        _ => None,
    });
    step.collect()
}

fn verify(plan: &Plan) -> &Verify {
    identity(plan)
        .into_iter()
        .find_map(|step| if let IdentityStep::Verify(verify) = step { Some(verify) } else { None })
        .unwrap()
}

fn spawn(changes: &Value, host: &Host) -> Spawn {
    let found = planned(changes, host).parent.into_iter().find_map(|planned| match planned.step {
        ParentStep::Child(ChildStep::Spawn(spawn)) => Some(spawn),
        _ => None,
    });
    found.unwrap()
}

fn flags(all: &[i32]) -> u64 {
    all.iter().fold(0, |flags, flag| flags | u64::from(flag.cast_unsigned()))
}

// seccomp(2): without no_new_privs the caller needs CAP_SYS_ADMIN, so it must not give up capabilities
// before.
#[test]
fn capabilities_are_dropped_after_the_filter_only_without_no_new_privs() {
    let order = |no_new_privileges: bool, seccomp: Value| {
        let changes = json!({
            "process": { "noNewPrivileges": no_new_privileges, "capabilities": { "bounding": ["CAP_CHOWN"] } },
            "linux": { "seccomp": seccomp },
        });
        let plan = planned(&changes, &root());
        let at = |start: &str| plan.init.iter().position(|one| one.step.to_string().starts_with(start));
        let capabilities = at("set capabilities").unwrap();
        let before = at("install the seccomp filter").is_none_or(|filter| capabilities < filter);
        (before, verify(&plan).capabilities.is_some())
    };
    let filter = json!({ "defaultAction": "SCMP_ACT_ERRNO" });
    assert_eq!(order(false, filter.clone()), (false, false));
    assert_eq!(order(true, filter), (true, true));
    assert_eq!(order(false, Value::Null), (true, true));
}

// capabilities(7): a capability outside the bounding set cannot be added to the inheritable set.
#[test]
fn inheritable_capabilities_outside_the_bounding_set_are_taken_first() {
    let order = |bounding: &str| {
        let changes = json!({ "process": { "capabilities": { "bounding": [bounding], "inheritable": ["CAP_CHOWN"] } } });
        let plan = planned(&changes, &root());
        let word = |step: &&IdentityStep| match step {
            IdentityStep::Capabilities(sets) => Some(if sets.effective == u64::MAX { "all" } else { "sets" }),
            IdentityStep::BoundCapabilities(_) => Some("bound"),
            _ => None,
        };
        identity(&plan).iter().filter_map(word).collect::<Vec<_>>()
    };
    assert_eq!(order("CAP_CHOWN"), ["bound", "sets"]);
    assert_eq!(order("CAP_KILL"), ["all", "bound", "sets"]);
}

// capabilities(7): the effective set is a subset of the permitted, and an ambient capability is permitted and
// inheritable.
#[test]
fn capability_sets_obey_the_rules_of_the_kernel() {
    let changes = json!({ "process": { "capabilities": {
        "bounding": ["CAP_CHOWN", "CAP_KILL", "CAP_SETUID"],
        "permitted": ["CAP_CHOWN", "CAP_KILL"],
        "effective": ["CAP_CHOWN", "CAP_SETUID"],
        "inheritable": ["CAP_CHOWN", "CAP_SETUID"],
        "ambient": ["CAP_CHOWN", "CAP_KILL", "CAP_SETUID"],
    } } });
    let (chown, kill, setuid) = (1 << 0, 1 << 5, 1 << 7);
    let sets = Capabilities {
        effective: chown,
        permitted: chown | kill,
        inheritable: chown | setuid,
        ambient: chown,
    };
    assert_eq!(verify(&planned(&changes, &root())).capabilities, Some(sets));
    assert_eq!(warnings(&changes, &root()).len(), 2);
}

// config.md, "Linux Process": capabilities that the runtime cannot grant cause a warning.
#[test]
fn capabilities_of_the_runtime_limit_those_of_the_container() {
    let changes = json!({ "process": { "capabilities": { "bounding": ["CAP_CHOWN", "CAP_KILL"] } } });
    let host = Host { capabilities: 1, ..root() };
    let bounding = |changes: &Value| {
        let plan = planned(changes, &host);
        identity(&plan)
            .into_iter()
            .find_map(|step| if let IdentityStep::BoundCapabilities(set) = step { Some(*set) } else { None })
    };
    assert_eq!(bounding(&changes), Some(1));
    let found = warnings(&changes, &host);
    assert!(found[0].contains("CAP_KILL") && !found[0].contains("CAP_CHOWN"), "{found:?}");
    let mut own = changes;
    own["linux"] = in_user_namespace(10);
    assert_eq!(bounding(&own), Some(1 << 0 | 1 << 5));
}

// user_namespaces(7): a gid_map of one gid that its owner wrote needs "deny" in /proc/PID/setgroups.
#[test]
fn supplementary_groups_are_kept_where_setgroups_is_denied() {
    let groups = |changes: &Value, host: &Host| {
        let plan = planned(changes, host);
        identity(&plan)
            .into_iter()
            .find_map(
                |step| if let IdentityStep::User(user) = step { Some(user.groups.clone()) } else { None },
            )
            .unwrap()
    };
    let user = json!({ "process": { "user": { "uid": 0, "gid": 0, "additionalGids": [5] } } });
    assert_eq!(groups(&user, &root()), Some(vec![5]));
    assert_eq!(groups(&user, &Host { denies_groups: true, ..root() }), None);
    let one = json!({ "linux": in_user_namespace(1) });
    assert_eq!(groups(&one, &rootless()), None);
    assert_eq!(groups(&one, &root()), Some(Vec::new()));
    assert_eq!(groups(&json!({ "linux": in_user_namespace(10) }), &rootless()), Some(Vec::new()));
}

// setrlimit(2): raising a hard limit needs CAP_SYS_RESOURCE in the initial user namespace.
#[test]
fn the_parent_sets_rlimits_for_a_new_user_namespace_if_it_can() {
    let by_parent = |linux: Value, host: &Host| {
        let limits = json!([{ "type": "RLIMIT_NOFILE", "soft": 1, "hard": 2 }]);
        let plan = planned(&json!({ "process": { "rlimits": limits }, "linux": linux }), host);
        let limit = "set RLIMIT_NOFILE to soft 1 hard 2";
        let parent = plan.parent.iter().any(|planned| planned.step.to_string() == limit);
        assert_ne!(parent, plan.init.iter().any(|planned| planned.step.to_string() == limit));
        parent
    };
    assert!(by_parent(in_user_namespace(10), &root()));
    assert!(!by_parent(json!({}), &root()));
    assert!(!by_parent(in_user_namespace(10), &rootless()));
    let without = Host { capabilities: root().capabilities & !(1 << 24), ..root() };
    assert!(!by_parent(in_user_namespace(10), &without));
}

// execvp(3) and environ(7). HOME is looked up in /etc/passwd if it is unset or empty, as with runc.
#[test]
fn the_program_is_looked_up_in_path_and_home_in_passwd() {
    let program = |args: Value, env: Value| {
        planned(&json!({ "process": { "args": args, "env": env } }), &root()).program
    };
    let path = json!(["PATH=/old", "A=1", "PATH=/bin::/sbin", "A=2", "HOME="]);
    let found = program(json!(["sh", "-c"]), path.clone());
    assert_eq!(found.candidates, [c"/bin/sh".to_owned(), c"/sbin/sh".to_owned()]);
    assert_eq!(found.environment, [c"PATH=/bin::/sbin".to_owned(), c"A=2".to_owned()]);
    assert_eq!(found.arguments, [c"sh".to_owned(), c"-c".to_owned()]);
    assert_eq!(program(json!(["./sh"]), path).candidates, [c"./sh".to_owned()]);
    assert!(program(json!(["sh"]), json!([])).candidates.is_empty());
    let home = |env: Value| steps(&json!({ "process": { "env": env } }), &root(), "find the home").len();
    assert_eq!((home(json!(["HOME=/"])), home(json!(["HOME="])), home(json!([]))), (0, 1, 1));
}

// config.md, "Process": consoleSize. ioctl_tty(2): struct winsize has 16-bit fields.
#[test]
fn the_terminal_has_the_configured_size() {
    let size = |height: u64, width: u64| {
        let changes = json!({ "process": { "terminal": true, "user": { "uid": 7, "gid": 0 },
            "consoleSize": { "height": height, "width": width } } });
        let plan = planned(&changes, &root());
        plan.init.into_iter().find_map(|planned| match planned.step {
            InitStep::File(FileStep::OpenTerminal { size, owner, .. }) => Some((size, owner)),
            _ => None,
        })
    };
    assert_eq!(size(25, 80), Some((Some(WindowSize { rows: 25, columns: 80 }), 7)));
    assert_eq!(size(0, 80), Some((None, 7)));
    assert_eq!(size(25, 0), Some((None, 7)));
    assert_eq!(size(65_535, 1), Some((Some(WindowSize { rows: u16::MAX, columns: 1 }), 7)));
    assert!(steps(&json!({}), &root(), "terminal").is_empty());
}

// clone(2) makes the namespaces, except: setns(2) joins a pid namespace for children only, and timens_offsets
// must be written before the first process is in the namespace (time_namespaces(7)).
#[test]
fn each_namespace_is_made_or_joined_at_its_time() {
    let all = json!([{ "type": "mount" }, { "type": "ipc" }, { "type": "uts" }, { "type": "network" },
        { "type": "cgroup" }, { "type": "time" }]);
    let made = spawn(&json!({ "linux": { "namespaces": all } }), &root());
    let clone = [libc::CLONE_NEWNS, libc::CLONE_NEWIPC, libc::CLONE_NEWUTS, libc::CLONE_NEWNET];
    assert_eq!(made.namespaces, flags(&clone) | flags(&[libc::CLONE_NEWTIME]));
    assert!(made.cgroup.is_some() && made.join.is_empty() && made.time.is_none());
    let offsets = json!({ "monotonic": { "secs": 5, "nanosecs": 6 }, "boottime": { "secs": 7 } });
    let with_offsets = spawn(&json!({ "linux": { "namespaces": all, "timeOffsets": offsets } }), &root());
    assert_eq!(with_offsets.namespaces, flags(&clone));
    assert_eq!(with_offsets.time, Some(c"boottime 7 0\nmonotonic 5 6\n".to_owned()));
    let joined = json!([{ "type": "mount" }, { "type": "pid", "path": "/p" }, { "type": "ipc", "path": "/i" },
        { "type": "user", "path": "/u" }, { "type": "uts", "path": "" }]);
    let joined = spawn(&json!({ "linux": { "namespaces": joined } }), &root());
    let kinds: Vec<String> = joined.join.iter().map(|(kind, _)| kind.to_string()).collect();
    assert_eq!(kinds, ["user", "pid"]);
    assert_eq!(joined.namespaces, flags(&[libc::CLONE_NEWNS, libc::CLONE_NEWUTS]));
    let none = spawn(&json!({ "linux": { "namespaces": [{ "type": "pid" }] } }), &root());
    assert_eq!(none.namespaces, flags(&[libc::CLONE_NEWPID, libc::CLONE_NEWNS]));
}

// user_namespaces(7): a process may map its own ID without privilege, and only that.
#[test]
fn a_rootless_runtime_maps_its_own_ids_itself() {
    let words = |size: u32| steps(&json!({ "linux": in_user_namespace(size) }), &rootless(), "map uids");
    assert_eq!(words(1).len(), 1);
    assert!(
        !words(1)[0].contains("newuidmap") && words(2)[0].contains("newuidmap"),
        "{:?} {:?}",
        words(1),
        words(2)
    );
}

// cgroup_namespaces(7): the root of a new namespace is the cgroup of the process at that moment.
#[test]
fn a_cgroup_namespace_is_made_after_the_last_cgroup_is_joined() {
    let changes = json!({ "linux": { "namespaces": [{ "type": "mount" }, { "type": "cgroup" }] } });
    let plan = planned(&changes, &host(Cgroups::V1, Privilege::Root));
    let texts: Vec<String> = plan.init.iter().map(|planned| planned.step.to_string()).collect();
    let last = texts.iter().rposition(|text| text.starts_with("join the cgroup in")).unwrap();
    assert_eq!(texts[last], "join the cgroup in /sys/fs/cgroup/memory");
    assert_eq!(texts[last + 1], "make a cgroup namespace");
    let own = steps(
        &json!({ "linux": in_user_namespace(10) }),
        &host(Cgroups::V1, Privilege::Root),
        "join the cgroup",
    );
    let memory = own.iter().position(|text| text.contains("/memory")).unwrap();
    assert!(memory + 1 < own.len(), "{own:?}");
}

#[test]
fn the_caller_chooses_the_keyring_and_the_sockets() {
    let sockets = Request { console_socket: Some("/c"), pidfd_socket: Some("/p"), ..request(None) };
    let plan = plan(&config(&json!({})), &root(), &sockets).unwrap();
    let texts: Vec<String> = plan.parent.iter().map(|planned| planned.step.to_string()).collect();
    assert!(
        texts.iter().any(|text| text.contains("/c")) && texts.iter().any(|text| text.contains("/p")),
        "{texts:?}"
    );
    let keyring = |plan: &Plan| plan.init.iter().any(|planned| planned.step.to_string().contains("keyring"));
    assert!(keyring(&plan));
    let inherited = Request { keyring: Keyring::Inherited, ..request(None) };
    assert!(!keyring(&crate::plan(&config(&json!({})), &root(), &inherited).unwrap()));
}
