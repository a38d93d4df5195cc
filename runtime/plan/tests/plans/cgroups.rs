//! The cgroups of a container: where they are, how they are made and joined, and how the container sees them.

use crate::fields::{mistakes, steps, warnings};
use crate::identity::{in_user_namespace, planned};
use crate::{Cgroups, host, systemd};
use serde_json::{Value, json};
use tare_plan::host::{CgroupVersion, Hierarchy, Host, Privilege};
use tare_plan::step::{CgroupStep, ExistingCgroup, MakeCgroup, ParentStep, PrepareCgroup};

const USER: Privilege = Privilege::User { uid: 1000, gid: 1000 };

fn made(changes: &Value, host: &Host) -> Vec<MakeCgroup> {
    let make = planned(changes, host).parent.into_iter().filter_map(|planned| match planned.step {
        ParentStep::Cgroup(CgroupStep::Make(make)) => Some(make),
        _ => None,
    });
    make.collect()
}

// runc's default is the container ID below the root cgroup. Only root of the host, or a delegation, may
// create it there.
#[test]
fn the_default_cgroup_needs_a_right_to_create_it() {
    let path = |changes: &Value, host: &Host| {
        made(changes, host).first().map(|make| make.path.to_str().unwrap().to_owned())
    };
    let own = json!({ "linux": in_user_namespace(10) });
    let mut asked = own.clone();
    asked["linux"]["cgroupsPath"] = json!("/user.slice/./web/");
    let root = host(Cgroups::V2, Privilege::Root);
    assert_eq!(path(&json!({}), &root).as_deref(), Some("box"));
    assert_eq!(path(&own, &host(Cgroups::V2, USER)), None);
    assert_eq!(path(&asked, &host(Cgroups::V2, USER)).as_deref(), Some("user.slice/web"));
    assert_eq!(path(&json!({}), &Host { denies_cgroups: true, ..root.clone() }), None);
    assert_eq!(path(&json!({ "linux": { "cgroupsPath": "" } }), &root).as_deref(), Some("box"));
}

// config-linux.md, "Control groups": a runtime must not ignore limits silently.
#[test]
fn limits_without_a_cgroup_are_refused() {
    let mut changes = json!({ "linux": in_user_namespace(10) });
    changes["linux"]["resources"] = json!({ "pids": { "limit": 5 }, "memory": { "limit": 1000 } });
    let found = mistakes(&changes, &host(Cgroups::V2, USER));
    let text = |controller: &str| {
        format!("the {controller} controller is not available, so this limit cannot be set")
    };
    assert_eq!(found.len(), 2);
    assert!(found[0].starts_with(&text("memory")) && found[1].starts_with(&text("pids")), "{found:?}");
    let devices =
        json!({ "linux": { "cgroupsPath": "/a", "resources": { "devices": [{ "allow": false }] } } });
    let nested = Host { in_user_namespace: true, ..host(Cgroups::V2, Privilege::Root) };
    assert!(warnings(&devices, &nested)[0].starts_with("device rules are not enforced"));
}

// cgroup-v1/cpusets.rst: a new cpuset is empty. cgroup-v2.rst, "Controlling Controllers": the parent enables
// controllers.
#[test]
fn new_directories_are_prepared_for_their_hierarchy() {
    let prepared = |host: &Host| -> Vec<(String, PrepareCgroup)> {
        let all = made(&json!({}), host).into_iter();
        all.map(|make| (make.mount.to_str().unwrap().replace("/sys/fs/cgroup/", ""), make.prepare)).collect()
    };
    let hybrid = prepared(&host(Cgroups::Hybrid, Privilege::Root));
    for (mount, prepare) in hybrid {
        let expected = match mount.as_str() {
            "cpuset" => PrepareCgroup::InheritCpuset,
            "unified" => PrepareCgroup::EnableControllers,
            _ => PrepareCgroup::Plain,
        };
        assert_eq!(prepare, expected, "{mount}");
    }
}

// systemd.slice(5): a slice has no processes of its own. Next to v1, systemd may not use the v2 hierarchy.
#[test]
fn init_joins_the_v2_cgroup_itself_where_systemd_does_not_put_it() {
    let joined = |path: &str, cgroups: Cgroups| {
        let host = Host { systemd: Some(systemd(Privilege::Root)), ..host(cgroups, Privilege::Root) };
        let changes = json!({ "linux": { "cgroupsPath": path } });
        let found = made(&changes, &host);
        let v2 = found
            .iter()
            .find(|make| matches!(make.mount.to_str(), Ok("/sys/fs/cgroup" | "/sys/fs/cgroup/unified")));
        let v2 = v2.map(|make| (make.existing, make.prepare));
        let joins = steps(&changes, &host, "join the cgroup in")
            .iter()
            .any(|step| step.contains("join the cgroup in /sys/fs/cgroup <-") || step.contains("/unified"));
        (v2, joins)
    };
    let own = Some((ExistingCgroup::MadeBySystemd, PrepareCgroup::EnableControllers));
    assert_eq!(joined(":p:n", Cgroups::V2), (own, false));
    assert_eq!(joined("a.slice::a-b.slice", Cgroups::V2), (own, true));
    let next_to_v1 = Some((ExistingCgroup::MayHoldInit, PrepareCgroup::Plain));
    assert_eq!(joined(":p:n", Cgroups::Hybrid), (next_to_v1, true));
}

// cgroups(7): hierarchies may have several controllers; distributions link each name to them.
#[test]
fn a_v1_cgroup_mount_has_a_directory_per_hierarchy_and_links() {
    let hierarchy = |name: &str, controllers: &[&str]| Hierarchy {
        mount: format!("/sys/fs/cgroup/{name}"),
        version: CgroupVersion::V1,
        controllers: controllers.iter().map(|name| (*name).to_owned()).collect(),
    };
    let hierarchies = vec![
        hierarchy("cpu,cpuacct", &["cpu", "cpuacct"]),
        hierarchy("pids", &["pids"]),
        hierarchy("systemd", &["name=systemd"]),
        Hierarchy {
            mount: "/sys/fs/cgroup/unified".to_owned(),
            version: CgroupVersion::V2,
            controllers: Vec::new(),
        },
    ];
    let host = Host { hierarchies, ..host(Cgroups::V1, Privilege::Root) };
    let mount = |options: Value| json!({ "mounts": [{ "destination": "/view", "type": "cgroup", "options": options }] });
    let init = |options: Value| {
        steps(&mount(options), &host, "/view")
            .into_iter()
            .map(|line| line.replace(" <- mounts[0]", ""))
            .collect::<Vec<_>>()
    };
    let expected = [
        "mount tmpfs at /view nosuid nodev noexec mode=755",
        "mount the copy at /view/cpu,cpuacct",
        "link /view/cpu to cpu,cpuacct",
        "link /view/cpuacct to cpu,cpuacct",
        "mount the copy at /view/pids",
        "mount the copy at /view/systemd",
    ];
    assert_eq!(init(json!([])), expected);
    assert_eq!(init(json!(["ro"])).last().unwrap(), "remount /view ro");
    let mut none = json!({ "linux": in_user_namespace(10) });
    none["mounts"] = json!([{ "destination": "/view", "type": "cgroup" }]);
    let found = warnings(&none, &crate::host(Cgroups::V2, USER));
    assert_eq!(found, ["the container has no cgroup, so its cgroup mount is skipped, because of mounts[0]"]);
}

fn rules(rules: Value) -> Vec<String> {
    let changes = json!({ "linux": { "resources": { "devices": rules } } });
    let lines = steps(&changes, &host(Cgroups::V1, Privilege::Root), "set devices.").into_iter();
    lines.map(|line| line.split(" <- ").next().unwrap().replace("set devices.", "")).collect()
}

// cgroup-v1/devices.rst: "a" is all devices, and the rest of such a line is ignored.
#[test]
fn v1_gets_the_rules_after_the_last_one_about_all_devices() {
    let all = rules(json!([{ "allow": false, "access": "rwm" }, { "allow": true }]));
    assert_eq!(all, [r#"deny to "a""#, r#"allow to "a""#]);
    let some = rules(json!([
        { "allow": true, "type": "c", "major": 9, "minor": 9, "access": "r" },
        { "allow": false, "type": "a" },
        { "allow": true, "type": "b", "major": 8, "access": "mr" },
        { "allow": true, "type": "c", "major": 1, "minor": 3, "access": "rwm" },
        { "allow": true, "type": "c", "major": 1, "minor": 5, "access": "rwm" },
        { "allow": false, "type": "c", "major": 1, "minor": 5, "access": "w" },
    ]));
    assert_eq!(some[..2], [r#"deny to "a""#, r#"allow to "b 8:* rm""#]);
    assert_eq!(some[4], r#"deny to "c 1:5 w""#);
    let count = |line: &str| some.iter().filter(|one| one.as_str() == line).count();
    // The default devices come last: once if the rules have them, again after a denial of a part.
    assert_eq!(count(r#"allow to "c 1:3 rwm""#), 1);
    assert_eq!(count(r#"allow to "c 1:5 rwm""#), 2);
    assert_eq!(count(r#"allow to "c *:* m""#), 1);
    assert!(some.last().unwrap().ends_with(r#""c 5:2 rwm""#));
}

// cgroup-v2.rst, "CPU Interface Files": cpu.max is "$MAX $PERIOD", or "max".
#[test]
fn quota_and_period_are_one_file_on_v2_and_two_on_v1() {
    let of = |cpu: Value, cgroups: Cgroups| {
        let changes = json!({ "linux": { "resources": { "cpu": cpu } } });
        steps(&changes, &host(cgroups, Privilege::Root), "linux.resources.cpu")
    };
    let both = json!({ "quota": 20_000, "period": 50_000 });
    assert_eq!(
        of(both.clone(), Cgroups::V2),
        [r#"set cpu.max to "20000 50000" <- linux.resources.cpu.quota"#]
    );
    let v1 = of(both, Cgroups::V1);
    assert!(
        v1[0].starts_with(r#"set cpu.cfs_period_us to "50000""#)
            && v1[1].starts_with(r#"set cpu.cfs_quota_us to "20000""#)
    );
    let quota = of(json!({ "quota": -1 }), Cgroups::V2);
    assert_eq!(quota, [r#"set cpu.max to "max 100000" <- linux.resources.cpu.quota"#]);
    let period = of(json!({ "period": 50_000 }), Cgroups::V2);
    assert_eq!(period, [r#"set cpu.max to "max 50000" <- linux.resources.cpu.period"#]);
    assert_eq!(
        of(json!({ "quota": -1 }), Cgroups::V1),
        [r#"set cpu.cfs_quota_us to "-1" <- linux.resources.cpu.quota"#]
    );
}
