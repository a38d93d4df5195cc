//! The plan of `exec`: the cgroups, the namespaces and the CPU affinity of the process.

use crate::fields::config;
use crate::{Cgroups, host, lines};
use serde_json::{Value, json};
use tare_plan::context::Keyring;
use tare_plan::exec::{Request, exec};
use tare_plan::host::{Host, Privilege};
use tare_plan::plan::Plan;
use tare_plan::spec::{self, Mistake};
use tare_plan::step::{CgroupStep, ChildStep, InitStep, OpenCgroup, ParentStep, ProcessStep, Spawn};

const CPU: &str = "/sys/fs/cgroup/cpu";
const PIDS: &str = "/sys/fs/cgroup/pids";

/// Plans a process of a container with these cgroups.
fn plan(
    changes: &Value,
    process: &Value,
    host: &Host,
    container: (&[&str], &[String]),
) -> Result<Plan, Vec<Mistake>> {
    let config = spec::load(&config(changes)).and_then(spec::check).unwrap();
    let mut document = json!({ "cwd": "/", "args": ["true"], "env": ["HOME=/"] });
    for (key, value) in process.as_object().unwrap() {
        document[key] = value.clone();
    }
    let process = spec::load_process(document.to_string().as_bytes()).and_then(spec::check_process).unwrap();
    let (mounts, subgroups) = container;
    let request = Request {
        id: "box",
        init: 42,
        cgroups: mounts.iter().map(|mount| (*mount, "web")).collect(),
        subgroups,
        console_socket: None,
        pidfd_socket: None,
        keyring: Keyring::New,
        preserve_fds: 0,
    };
    exec(&config, &process, host, &request)
}

fn v1(subgroups: &[&str]) -> Result<Plan, Vec<Mistake>> {
    let subgroups: Vec<String> = subgroups.iter().map(|one| (*one).to_owned()).collect();
    plan(&json!({}), &json!({}), &host(Cgroups::V1, Privilege::Root), (&[CPU, PIDS], &subgroups))
}

fn opened(plan: &Plan) -> Vec<OpenCgroup> {
    let open = plan.parent.iter().filter_map(|planned| match &planned.step {
        ParentStep::Cgroup(CgroupStep::Open(open)) => Some(open.clone()),
        _ => None,
    });
    open.collect()
}

fn paths(plan: &Plan) -> Vec<String> {
    let path =
        |open: &OpenCgroup| format!("{}/{}", open.mount.to_string_lossy(), open.path.to_string_lossy());
    opened(plan).iter().map(path).collect()
}

fn refused(subgroups: &[&str]) -> Vec<String> {
    lines(&v1(subgroups).unwrap_err())
}

// runc exec --cgroup: [controller[,controller...]:]path.
#[test]
fn a_process_joins_the_cgroups_of_the_container_or_cgroups_below() {
    assert_eq!(paths(&v1(&[]).unwrap()), ["/sys/fs/cgroup/cpu/web", "/sys/fs/cgroup/pids/web"]);
    assert_eq!(paths(&v1(&["/"]).unwrap()), ["/sys/fs/cgroup/cpu/web", "/sys/fs/cgroup/pids/web"]);
    assert_eq!(
        paths(&v1(&["/a//b/"]).unwrap()),
        ["/sys/fs/cgroup/cpu/web/a/b", "/sys/fs/cgroup/pids/web/a/b"]
    );
    assert_eq!(paths(&v1(&["pids:a"]).unwrap()), ["/sys/fs/cgroup/cpu/web", "/sys/fs/cgroup/pids/web/a"]);
    assert_eq!(
        paths(&v1(&["cpu:a", "pids:b"]).unwrap()),
        ["/sys/fs/cgroup/cpu/web/a", "/sys/fs/cgroup/pids/web/b"]
    );
    assert_eq!(
        paths(&v1(&["cpu,pids:a"]).unwrap()),
        ["/sys/fs/cgroup/cpu/web/a", "/sys/fs/cgroup/pids/web/a"]
    );
}

#[test]
fn a_named_hierarchy_is_found_with_and_without_its_prefix() {
    let mount = "/sys/fs/cgroup/systemd";
    for name in ["systemd:a", "name=systemd:a"] {
        let host = host(Cgroups::V1, Privilege::Root);
        let plan = plan(&json!({}), &json!({}), &host, (&[mount], &[name.to_owned()])).unwrap();
        assert_eq!(paths(&plan), ["/sys/fs/cgroup/systemd/web/a"], "{name}");
    }
}

// The messages are runc's.
#[test]
fn wrong_cgroup_arguments_are_refused() {
    assert_eq!(refused(&["../a"]), ["bad sub cgroup path: ../a, because of --cgroup"]);
    assert_eq!(refused(&["nope:a"]), ["unknown controller nope in SubCgroupPaths, because of --cgroup"]);
    let empty = "invalid --cgroup argument: :a (empty <controller> prefix), because of --cgroup";
    assert_eq!(refused(&[":a"]), [empty]);
    let twice = "invalid --cgroup argument(s): controller cpu specified multiple times, because of --cgroup";
    assert_eq!(refused(&["cpu:a", "cpu:b"]), [twice]);
    let missing = "invalid --cgroup argument: b (missing <controller>: prefix), because of --cgroup";
    assert_eq!(refused(&["cpu:a", "b"]), [missing]);
}

// On v2 init may have moved to a cgroup below its own, which then may hold no process (cgroups(7)).
#[test]
fn on_v2_the_process_may_follow_init_but_not_with_a_cgroup_argument() {
    let root = "/sys/fs/cgroup";
    let host = host(Cgroups::V2, Privilege::Root);
    let fallback = |subgroups: &[String]| {
        let plan = plan(&json!({}), &json!({}), &host, (&[root], subgroups)).unwrap();
        opened(&plan).iter().map(|open| open.fallback_init).collect::<Vec<_>>()
    };
    assert_eq!(fallback(&[]), [Some(42)]);
    assert_eq!(fallback(&["a".to_owned()]), [None]);
    assert_eq!(opened(&v1(&[]).unwrap()).iter().filter_map(|open| open.fallback_init).next(), None);
}

fn affinity(affinity: &Value) -> Result<Vec<String>, Vec<Mistake>> {
    let process = json!({ "execCPUAffinity": affinity });
    let plan = plan(&json!({}), &process, &host(Cgroups::V1, Privilege::Root), (&[CPU], &[]))?;
    let word = |step: &InitStep| match step {
        InitStep::Process(ProcessStep::SetCpus(set)) => Some(format!("{:#b}", set.bits[0])),
        InitStep::Process(ProcessStep::AllCpus) => Some("all".to_owned()),
        InitStep::Namespace(step) if step.to_string().starts_with("join the cgroup") => {
            Some("join".to_owned())
        }
        _ => None,
    };
    Ok(plan.init.iter().filter_map(|planned| word(&planned.step)).collect())
}

// config.md, "Linux Process": initial is the affinity before the process moves to the container's cgroup,
// final the one after.
#[test]
fn the_initial_affinity_is_set_before_the_cgroup_and_the_final_after() {
    assert_eq!(affinity(&json!({})).unwrap(), ["join", "all"]);
    assert_eq!(affinity(&json!({ "initial": "0-1" })).unwrap(), ["0b11", "join"]);
    assert_eq!(affinity(&json!({ "final": "2" })).unwrap(), ["join", "0b100"]);
    assert_eq!(affinity(&json!({ "initial": "0", "final": "1" })).unwrap(), ["0b1", "join", "0b10"]);
    assert_eq!(affinity(&json!({ "initial": "", "final": "" })).unwrap(), ["join", "all"]);
    let mistakes = lines(&affinity(&json!({ "initial": "1024" })).unwrap_err());
    assert_eq!(
        mistakes,
        [r#"CPUs "1024" are out of range: expected 0 to 1023, because of process.execCPUAffinity"#]
    );
}

fn spawn(plan: &Plan) -> &Spawn {
    let found = plan.parent.iter().find_map(|planned| match &planned.step {
        ParentStep::Child(ChildStep::Spawn(spawn)) => Some(spawn),
        _ => None,
    });
    found.unwrap()
}

fn in_namespaces(kinds: &[&str]) -> Plan {
    let list: Vec<Value> = kinds.iter().map(|kind| json!({ "type": kind })).collect();
    let mappings = json!([{ "containerID": 0, "hostID": 1000, "size": 10 }]);
    let mut linux = json!({ "namespaces": list });
    if kinds.contains(&"user") {
        linux["uidMappings"] = mappings.clone();
        linux["gidMappings"] = mappings;
    }
    let host = host(Cgroups::V1, Privilege::Root);
    plan(&json!({ "linux": linux }), &json!({}), &host, (&[CPU], &[])).unwrap()
}

// setns(2): a pidfd and several CLONE_NEW* flags join all these namespaces.
#[test]
fn the_process_joins_the_namespaces_of_the_container_only() {
    let flag = |flag: i32| u64::from(flag.cast_unsigned());
    let (_, flags) = spawn(&in_namespaces(&["mount", "pid", "cgroup"])).enter.unwrap();
    assert_eq!(flags, flag(libc::CLONE_NEWNS | libc::CLONE_NEWPID));
    let steps = |plan: &Plan| plan.init.iter().map(|planned| planned.step.to_string()).collect::<Vec<_>>();
    let with_user = in_namespaces(&["mount", "user"]);
    let (_, flags) = spawn(&with_user).enter.unwrap();
    assert_eq!(flags, flag(libc::CLONE_NEWNS | libc::CLONE_NEWUSER));
    let root = "become root of the user namespace".to_owned();
    assert!(steps(&with_user).contains(&root) && !steps(&in_namespaces(&["mount"])).contains(&root));
}

// cgroup_namespaces(7): from inside the namespace the cgroups above its root are out of reach.
#[test]
fn the_cgroup_namespace_is_joined_after_the_cgroups() {
    let plan = in_namespaces(&["mount", "cgroup"]);
    let at = |text: &str| plan.init.iter().position(|planned| planned.step.to_string() == text).unwrap();
    assert!(at("join the cgroup in /sys/fs/cgroup/cpu") < at("join the cgroup namespace"));
    let opened = "open the cgroup namespace /proc/42/ns/cgroup";
    assert!(plan.parent.iter().any(|planned| planned.step.to_string() == opened));
}

#[test]
fn without_a_mount_namespace_the_process_changes_to_the_root_of_init() {
    let has =
        |plan: &Plan| plan.init.iter().any(|one| one.step.to_string() == "chroot into the container's root");
    assert!(has(&in_namespaces(&["pid"])) && !has(&in_namespaces(&["mount"])));
}
