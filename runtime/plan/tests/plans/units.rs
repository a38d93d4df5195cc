//! The systemd cgroup manager: units, their paths and their properties.

use crate::{Cgroups, host, lines, plan, request, systemd};
use serde_json::{Value, json};
use tare_plan::host::{Host, Privilege};
use tare_plan::spec::{Owner, default_config};
use tare_plan::step::{CgroupStep, ChildStep, Members, ParentStep, ParentSync, Planned, StartUnit};

const USER: Privilege = Privilege::User { uid: 1000, gid: 1000 };

fn systemd_host(cgroups: Cgroups, privilege: Privilege) -> Host {
    Host { systemd: Some(systemd(privilege)), ..host(cgroups, privilege) }
}

fn config(path: Option<&str>, resources: Value) -> Value {
    let mut config: Value = serde_json::from_str(&default_config(Owner::Root)).unwrap();
    config["linux"]["resources"] = resources;
    if let Some(path) = path {
        config["linux"]["cgroupsPath"] = json!(path);
    }
    config
}

fn steps(config: &Value, host: &Host) -> Vec<Planned<ParentStep>> {
    plan(config.to_string().as_bytes(), host, &request(None))
        .unwrap_or_else(|mistakes| panic!("{:?}", lines(&mistakes)))
        .parent
}

fn started(config: &Value, host: &Host) -> StartUnit {
    let found = steps(config, host).into_iter().find_map(|planned| match planned.step {
        ParentStep::Unit(start) => Some(start),
        _ => None,
    });
    found.unwrap()
}

fn properties(config: &Value, host: &Host) -> Vec<String> {
    started(config, host).properties.iter().map(ToString::to_string).collect()
}

/// The directory of the cgroup for a cgroupsPath.
fn directory(path: Option<&str>, host: &Host) -> String {
    let found = steps(&config(path, json!({})), host).into_iter().find_map(|planned| match planned.step {
        ParentStep::Cgroup(CgroupStep::Open(open)) => Some(open.path),
        ParentStep::Cgroup(CgroupStep::Make(make)) => Some(make.path),
        _ => None,
    });
    found.unwrap().into_string().unwrap()
}

fn refused(path: &str) -> String {
    let host = systemd_host(Cgroups::V2, Privilege::Root);
    let text = config(Some(path), json!({})).to_string();
    lines(&plan(text.as_bytes(), &host, &request(None)).unwrap_err()).join("; ")
}

// The form is runc's: slice:prefix:name. systemd.slice(5): each `-` in the name of a slice is a level.
#[test]
fn a_path_names_slice_prefix_and_name() {
    let host = systemd_host(Cgroups::V2, Privilege::Root);
    assert_eq!(directory(None, &host), "system.slice/tare-box.scope");
    assert_eq!(directory(Some(":podman:x"), &host), "system.slice/podman-x.scope");
    assert_eq!(directory(Some("a-b.slice:docker:x"), &host), "a.slice/a-b.slice/docker-x.scope");
    assert_eq!(directory(Some("-:p:x"), &host), "p-x.scope");
    assert_eq!(directory(Some("system.slice::kube-pod.slice"), &host), "kube.slice/kube-pod.slice");
    assert_eq!(
        directory(Some(":cri:x"), &systemd_host(Cgroups::V1, USER)),
        format!("{}/system.slice/cri-x.scope", below())
    );
    assert_eq!(
        directory(None, &systemd_host(Cgroups::V2, USER)),
        format!("{}/user.slice/tare-box.scope", below())
    );
}

fn below() -> String {
    systemd(USER).cgroup.trim_start_matches('/').to_owned()
}

#[test]
fn invalid_paths_and_unit_names_are_refused() {
    assert!(refused("/a/b").contains("slice:prefix:name") && refused("/a/b").contains("linux.cgroupsPath"));
    assert!(refused("a:b").contains("slice:prefix:name"));
    assert!(refused("a/b.slice:p:n").contains("invalid slice name"));
    assert!(refused("x:p:n").contains("invalid slice name"));
    assert!(refused(":p:n+1").contains("not a unit name"));
}

// systemd.resource-control(5), Delegate=: the container manages the cgroups below its own.
#[test]
fn a_scope_is_delegated_and_a_slice_has_no_process() {
    let host = systemd_host(Cgroups::V2, Privilege::Root);
    let scope = started(&config(Some(":p:n"), json!({})), &host);
    let properties: Vec<String> = scope.properties.iter().map(ToString::to_string).collect();
    assert_eq!((scope.members, scope.unit.name.as_str()), (Members::Init, "p-n.scope"));
    for property in [
        "Slice=system.slice",
        "Delegate=yes",
        "DefaultDependencies=no",
        "MemoryAccounting=yes",
        "IOAccounting=yes",
    ] {
        assert!(properties.iter().any(|one| one == property), "{property} in {properties:?}");
    }
    let slice = started(&config(Some("a.slice::a-b.slice"), json!({})), &host);
    let properties: Vec<String> = slice.properties.iter().map(ToString::to_string).collect();
    assert_eq!((slice.members, slice.unit.name.as_str()), (Members::None, "a-b.slice"));
    assert!(
        properties.contains(&"Wants=a.slice".to_owned())
            && !properties.iter().any(|one| one.starts_with("Delegate"))
    );
}

// The names are those of systemd's D-Bus interface (org.freedesktop.systemd1(5)).
#[test]
fn limits_are_properties_of_the_cgroup_version() {
    let resources = json!({
        "memory": {"limit": 67_108_864, "reservation": 33_554_432, "swap": 100_663_296},
        "cpu": {"shares": 1024, "quota": 50_000, "period": 100_000, "cpus": "0-1", "mems": "0"},
        "pids": {"limit": 0}, "blockIO": {"weight": 500},
    });
    let v2 = properties(&config(None, resources.clone()), &systemd_host(Cgroups::V2, Privilege::Root));
    for property in [
        "MemoryMax=67108864",
        "MemoryLow=33554432",
        "MemorySwapMax=33554432",
        "CPUWeight=100",
        "CPUQuotaPerSecUSec=500000",
        "CPUQuotaPeriodUSec=100000",
        "AllowedCPUs=0x03",
        "AllowedMemoryNodes=0x01",
        "TasksMax=1",
        "IOWeight=4950",
    ] {
        assert!(v2.iter().any(|one| one == property), "{property} in {v2:?}");
    }
    let v1 = properties(&config(None, resources), &systemd_host(Cgroups::V1, Privilege::Root));
    for property in
        ["MemoryLimit=67108864", "CPUShares=1024", "BlockIOWeight=500", "BlockIOAccounting=yes", "TasksMax=1"]
    {
        assert!(v1.iter().any(|one| one == property), "{property} in {v1:?}");
    }
}

// runc's annotations org.systemd.property.*: times end in Sec and become USec.
#[test]
fn unified_files_and_annotations_override_other_limits() {
    let mut config =
        config(None, json!({"pids": {"limit": 20}, "unified": {"pids.max": "42", "memory.high": "max"}}));
    config["annotations"] =
        json!({"org.systemd.property.TimeoutStopSec": "5", "org.systemd.property.Slice": "'x.slice'"});
    let found = properties(&config, &systemd_host(Cgroups::V2, Privilege::Root));
    for property in ["TasksMax=42", "MemoryHigh=infinity", "TimeoutStopUSec=5000000", "Slice=x.slice"] {
        assert_eq!(found.iter().filter(|one| *one == property).count(), 1, "{property} in {found:?}");
    }
    assert!(!found.contains(&"TasksMax=20".to_owned()));
    config["annotations"] = json!({"org.systemd.property.X-y": "1", "org.systemd.property.After": "soon"});
    let mistakes =
        plan(config.to_string().as_bytes(), &systemd_host(Cgroups::V2, Privilege::Root), &request(None));
    assert_eq!(mistakes.unwrap_err().len(), 2);
}

// systemd.resource-control(5), DeviceAllow= and DevicePolicy=. A unit has no deny rules, so the rules up to a
// denial of all devices are void.
#[test]
fn devices_are_an_allow_list() {
    let rules = json!({"devices": [
        {"allow": true, "type": "c", "major": 9, "minor": 9, "access": "rw"},
        {"allow": false, "access": "rwm"},
        {"allow": true, "type": "c", "major": 10, "minor": 229, "access": "rwm"},
        {"allow": true, "type": "b", "major": 8, "access": "r"},
    ]});
    let found = properties(&config(None, rules), &systemd_host(Cgroups::V2, Privilege::Root));
    let list = found.iter().find(|one| one.starts_with("DeviceAllow=")).unwrap();
    assert!(list.contains("(/dev/char/10:229 rwm)") && list.contains("(block-8 r)"), "{list}");
    assert!(
        list.contains("(char-136 rwm)") && list.contains("(char-* m)") && !list.contains("9:9"),
        "{list}"
    );
    assert!(found.contains(&"DevicePolicy=strict".to_owned()));
    let all = json!({"devices": [{"allow": true, "access": "rwm"}]});
    assert!(
        self::properties(&config(None, all), &systemd_host(Cgroups::V2, Privilege::Root))
            .contains(&"DevicePolicy=auto".to_owned())
    );
}

// StartTransientUnit moves init into the unit's cgroup; the limits are written before init goes on.
#[test]
fn the_unit_starts_with_init_and_init_gets_its_cgroups_last() {
    let steps =
        steps(&config(None, json!({"pids": {"limit": 5}})), &systemd_host(Cgroups::V1, Privilege::Root));
    let at = |is: fn(&ParentStep) -> bool| steps.iter().position(|planned| is(&planned.step)).unwrap();
    let spawn = at(|step| matches!(step, ParentStep::Child(ChildStep::Spawn(_))));
    let start = at(|step| matches!(step, ParentStep::Unit(_)));
    let write = at(|step| matches!(step, ParentStep::Cgroup(CgroupStep::Limit(_))));
    let hand = at(|step| matches!(step, ParentStep::Sync(ParentSync::PassFds(_))));
    assert!(spawn < start && start < write && write < hand, "{spawn} {start} {write} {hand}");
}
