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
    let label = at("set the AppArmor profile tight");
    assert!(at("pivot_root into the root file system") < label && label < at("set no_new_privs"));
}

#[test]
fn a_selinux_label_is_the_programs_and_its_keyrings() {
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
            "move init into the resctrl group <- linux.intelRdt.closID",
            "move init into the resctrl group <- linux.intelRdt.enableMonitoring",
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

/// The files that are written, and what else is done with cgroups, for these resources, but for device rules.
fn limits(resources: Value, cgroups: Cgroups) -> Vec<String> {
    let all = steps(&json!({ "linux": { "resources": resources } }), &rich(cgroups), "linux.resources.");
    all.into_iter()
        .map(|line| line.replace("linux.resources.", ""))
        .filter(|line| !line.ends_with("<- devices"))
        .collect()
}

#[test]
fn huge_pages_are_limited_when_they_are_used_and_when_they_are_reserved() {
    let resources = json!({ "hugepageLimits": [{ "pageSize": "2MB", "limit": 4_194_304 }] });
    for (cgroups, file) in [(Cgroups::V1, "limit_in_bytes"), (Cgroups::V2, "max")] {
        assert_eq!(
            limits(resources.clone(), cgroups),
            [
                format!("set hugetlb.2MB.{file} to \"4194304\" <- hugepageLimits[0]"),
                format!("set hugetlb.2MB.rsvd.{file} to \"4194304\" <- hugepageLimits[0]"),
            ]
        );
    }
}

#[test]
fn memory_is_checked_before_a_limit_below_it_is_set() {
    let resources = json!({ "memory": { "limit": 4096, "swap": 8192, "checkBeforeUpdate": true } });
    assert_eq!(
        limits(resources.clone(), Cgroups::V2),
        [
            "check that memory.current is at most 4096 <- memory.limit",
            "check that memory.current + memory.swap.current is at most 8192 <- memory.swap",
            "set memory.max to \"4096\" <- memory.limit",
            "set memory.swap.max to \"4096\" <- memory.swap",
        ]
    );
    assert_eq!(
        limits(resources, Cgroups::V1),
        [
            "set memory.limit_in_bytes to \"4096\" <- memory.limit",
            "set memory.memsw.limit_in_bytes to \"8192\" <- memory.swap",
        ]
    );
}

#[test]
fn every_property_of_memory_has_its_file_on_v1_or_a_warning() {
    let memory = json!({ "memory": {
        "limit": 1 << 26, "reservation": 1 << 25, "swap": -1, "kernel": 1 << 24, "kernelTCP": 1 << 23,
        "swappiness": 10, "disableOOMKiller": true,
    } });
    assert_eq!(
        limits(memory.clone(), Cgroups::V1),
        [
            "set memory.limit_in_bytes to \"67108864\" <- memory.limit",
            "set memory.memsw.limit_in_bytes to \"-1\" <- memory.swap",
            "set memory.soft_limit_in_bytes to \"33554432\" <- memory.reservation",
            "set memory.kmem.tcp.limit_in_bytes to \"8388608\" <- memory.kernelTCP",
            "set memory.swappiness to \"10\" <- memory.swappiness",
            "set memory.oom_control to \"1\" <- memory.disableOOMKiller",
        ]
    );
    let changes = json!({ "linux": { "resources": memory } });
    assert_eq!(
        warnings(&changes, &rich(Cgroups::V1)),
        ["the limit of kernel memory is obsolete and ignored, because of linux.resources.memory.kernel"]
    );
    let told = warnings(&changes, &rich(Cgroups::V2)).join("; ");
    for place in ["kernel", "kernelTCP", "swappiness", "disableOOMKiller"] {
        assert!(told.contains(&format!("because of linux.resources.memory.{place}")), "{told}");
    }
}

#[test]
fn swap_alone_can_not_be_limited_on_v2() {
    let changes = json!({ "linux": { "resources": { "memory": { "swap": 4096 } } } });
    assert_eq!(
        mistakes(&changes, &rich(Cgroups::V2)),
        ["unable to set swap limit without memory limit, because of linux.resources.memory.swap"]
    );
}

#[test]
fn every_property_of_processors_has_its_file() {
    let cpu = json!({ "cpu": {
        "shares": 512, "quota": 20_000, "period": 100_000, "burst": 5000, "idle": 1, "cpus": "0-1", "mems": "0",
        "realtimePeriod": 1_000_000, "realtimeRuntime": 500_000,
    } });
    assert_eq!(
        limits(cpu.clone(), Cgroups::V1),
        [
            "set cpu.shares to \"512\" <- cpu.shares",
            "set cpu.cfs_burst_us to \"5000\" <- cpu.burst",
            "set cpu.idle to \"1\" <- cpu.idle",
            "set cpu.rt_period_us to \"1000000\" <- cpu.realtimePeriod",
            "set cpu.rt_runtime_us to \"500000\" <- cpu.realtimeRuntime",
            "set cpu.cfs_period_us to \"100000\" <- cpu.period",
            "set cpu.cfs_quota_us to \"20000\" <- cpu.quota",
            "set cpuset.cpus to \"0-1\" <- cpu.cpus",
            "set cpuset.mems to \"0\" <- cpu.mems",
        ]
    );
    assert_eq!(
        limits(cpu, Cgroups::V2),
        [
            "set cpu.weight to \"59\" <- cpu.shares",
            "set cpu.max.burst to \"5000\" <- cpu.burst",
            "set cpu.idle to \"1\" <- cpu.idle",
            "set cpu.max to \"20000 100000\" <- cpu.quota",
            "set cpuset.cpus to \"0-1\" <- cpu.cpus",
            "set cpuset.mems to \"0\" <- cpu.mems",
        ]
    );
}

#[test]
fn what_docker_writes_as_zero_is_unset() {
    let zeros = json!({
        "memory": { "limit": 0, "reservation": 0, "swap": 0, "kernel": 0, "kernelTCP": 0 },
        "cpu": { "shares": 0, "quota": 0, "period": 0, "realtimePeriod": 0, "realtimeRuntime": 0, "cpus": "", "mems": "" },
        "blockIO": { "weight": 0, "leafWeight": 0 },
        "network": { "classID": 0 },
    });
    for cgroups in Cgroups::ALL {
        assert_eq!(limits(zeros.clone(), cgroups), Vec::<String>::new(), "{cgroups:?}");
    }
}

#[test]
fn a_limit_of_no_processes_is_one_and_below_it_is_none() {
    for (limit, value) in [(0, "1"), (-1, "max"), (7, "7")] {
        let limits = limits(json!({ "pids": { "limit": limit } }), Cgroups::V2);
        assert_eq!(limits, [format!("set pids.max to \"{value}\" <- pids.limit")]);
    }
}

#[test]
fn weights_are_those_of_the_scheduler_that_is_there() {
    let io =
        json!({ "blockIO": { "weight": 750, "weightDevice": [{ "major": 8, "minor": 0, "weight": 500 }] } });
    assert_eq!(
        limits(io.clone(), Cgroups::V2),
        [
            "set io.bfq.weight to \"750\", or io.weight to \"default 7475\" <- blockIO.weight",
            "set io.bfq.weight to \"8:0 500\", or io.weight to \"8:0 4950\" <- blockIO.weightDevice[0]",
        ]
    );
    assert_eq!(
        limits(io, Cgroups::V1),
        [
            "set blkio.bfq.weight to \"750\", or blkio.weight to \"750\" <- blockIO.weight",
            "set blkio.bfq.weight_device to \"8:0 500\", or blkio.weight_device to \"8:0 500\" <- blockIO.weightDevice[0]",
        ]
    );
}

#[test]
fn leaf_weights_are_warned_of() {
    let io = json!({ "leafWeight": 500, "weightDevice": [{ "major": 8, "minor": 0, "leafWeight": 300 }] });
    let told =
        warnings(&json!({ "linux": { "resources": { "blockIO": io } } }), &rich(Cgroups::V1)).join("; ");
    assert!(told.contains("blockIO.leafWeight;"), "{told}");
    assert!(told.ends_with("blockIO.weightDevice[0].leafWeight"), "{told}");
}

#[test]
fn throttles_are_lines_of_their_files_and_zero_lifts_them() {
    let rate = |rate: u64| json!([{ "major": 8, "minor": 0, "rate": rate }]);
    let io = json!({ "blockIO": {
        "throttleReadBpsDevice": rate(1), "throttleWriteBpsDevice": rate(2),
        "throttleReadIOPSDevice": rate(3), "throttleWriteIOPSDevice": rate(0),
    } });
    assert_eq!(
        limits(io.clone(), Cgroups::V2),
        [
            "set io.max to \"8:0 rbps=1\" <- blockIO.throttleReadBpsDevice[0]",
            "set io.max to \"8:0 wbps=2\" <- blockIO.throttleWriteBpsDevice[0]",
            "set io.max to \"8:0 riops=3\" <- blockIO.throttleReadIOPSDevice[0]",
            "set io.max to \"8:0 wiops=max\" <- blockIO.throttleWriteIOPSDevice[0]",
        ]
    );
    assert_eq!(
        limits(io, Cgroups::V1).last().unwrap(),
        "set blkio.throttle.write_iops_device to \"8:0 0\" <- blockIO.throttleWriteIOPSDevice[0]"
    );
}

#[test]
fn tags_of_packets_are_files_of_v1_and_a_warning_on_v2() {
    let network =
        json!({ "network": { "classID": 1_048_577, "priorities": [{ "name": "eth0", "priority": 500 }] } });
    assert_eq!(
        limits(network.clone(), Cgroups::V1),
        [
            "set net_cls.classid to \"1048577\" <- network.classID",
            "set net_prio.ifpriomap to \"eth0 500\" <- network.priorities[0]",
        ]
    );
    assert_eq!(
        warnings(&json!({ "linux": { "resources": network } }), &rich(Cgroups::V2)),
        [
            "this cgroup version has no such limit, because of linux.resources.network.classID",
            "this cgroup version has no such limit, because of linux.resources.network.priorities[0]",
        ]
    );
}

#[test]
fn rdma_devices_are_limited_by_name() {
    let rdma = json!({ "rdma": { "mlx5_1": { "hcaHandles": 3, "hcaObjects": 10_000 }, "rxe3": { "hcaObjects": 7 } } });
    for cgroups in [Cgroups::V1, Cgroups::V2] {
        assert_eq!(
            limits(rdma.clone(), cgroups),
            [
                "set rdma.max to \"mlx5_1 hca_handle=3 hca_object=10000\" <- rdma.mlx5_1",
                "set rdma.max to \"rxe3 hca_object=7\" <- rdma.rxe3",
            ]
        );
    }
}

#[test]
fn files_of_v2_are_written_last_and_line_by_line() {
    let resources = json!({
        "memory": { "limit": 4096 },
        "unified": { "io.max": "8:0 rbps=1\n8:16 rbps=2", "memory.max": "8192", "cgroup.max.depth": "3" },
    });
    assert_eq!(
        limits(resources.clone(), Cgroups::V2),
        [
            "set memory.max to \"4096\" <- memory.limit",
            "set cgroup.max.depth to \"3\" <- unified[\"cgroup.max.depth\"]",
            "set io.max to \"8:0 rbps=1\" <- unified[\"io.max\"]",
            "set io.max to \"8:16 rbps=2\" <- unified[\"io.max\"]",
            "set memory.max to \"8192\" <- unified[\"memory.max\"]",
        ]
    );
    let told = mistakes(&json!({ "linux": { "resources": resources } }), &rich(Cgroups::Hybrid));
    assert!(told.iter().all(|line| line.starts_with("invalid configuration: ")), "{told:?}");
}

#[test]
fn a_file_of_v2_without_its_controller_or_its_form_is_refused() {
    let told = |key: &str| {
        let changes = json!({ "linux": { "resources": { "unified": { key: "1" } } } });
        mistakes(&changes, &rich(Cgroups::V2)).join("; ")
    };
    assert_eq!(
        told("foo.bar"),
        "unified resource \"foo.bar\" can't be set: controller \"foo\" not available, because of linux.resources.unified[\"foo.bar\"]"
    );
    assert!(told("NOT-A-VALID-KEY").contains("must be in the form CONTROLLER.PARAMETER"));
    assert!(told("../memory.max").contains("must be a file name (no slashes)"));
}

#[test]
fn device_rules_are_a_program_on_v2_and_lines_on_v1() {
    let resources = json!({ "devices": [
        { "allow": false, "access": "rwm" },
        { "allow": true, "type": "c", "major": 1, "minor": 3, "access": "mwr" },
        { "allow": true, "type": "c", "access": "m" },
    ] });
    let changes = json!({ "linux": { "resources": resources } });
    let program = steps(&changes, &rich(Cgroups::V2), "device program");
    assert_eq!(program.len(), 1);
    assert!(program[0].ends_with(" <- linux.resources.devices"), "{program:?}");
    let lines = steps(&changes, &rich(Cgroups::V1), "set devices.");
    assert_eq!(lines[0], "set devices.deny to \"a\" <- linux.resources.devices");
    for always in ["c 1:3 rwm", "c *:* m", "b *:* m", "c 5:2 rwm"] {
        let times = lines.iter().filter(|line| line.contains(&format!("\"{always}\""))).count();
        assert_eq!(times, 1, "{always}: {lines:#?}");
    }
    let mut nested = rich(Cgroups::V2);
    nested.in_user_namespace = true;
    assert_eq!(
        steps(&changes, &nested, "make the cgroup").len(),
        1,
        "this one has the hierarchy for its own"
    );
    nested.denies_cgroups = true;
    assert!(steps(&changes, &nested, "make the cgroup").is_empty(), "none is made that was not asked for");
    let mut changes = changes;
    changes["linux"]["cgroupsPath"] = json!("/asked-for");
    assert_eq!(
        warnings(&changes, &nested),
        [
            "device rules are not enforced: only the host's root may set them, because of linux.resources.devices"
        ]
    );
}

#[test]
fn a_cgroup_that_the_container_may_write_to_is_its_users() {
    let mapping = json!([{ "containerID": 0, "hostID": 100_000, "size": 65_536 }]);
    let changes = |option: &str| {
        json!({
            "process": { "user": { "uid": 7, "gid": 0 } },
            "mounts": [{ "destination": "/sys/fs/cgroup", "type": "cgroup", "source": "cgroup", "options": [option] }],
            "linux": {
                "namespaces": [{ "type": "mount" }, { "type": "user" }, { "type": "cgroup" }],
                "uidMappings": mapping, "gidMappings": mapping,
            },
        })
    };
    let given = |option: &str, cgroups| steps(&changes(option), &rich(cgroups), "delegate the cgroup");
    assert_eq!(given("rw", Cgroups::V2), ["delegate the cgroup to user 100007 <- linux.uidMappings"]);
    assert_eq!(given("ro", Cgroups::V2), Vec::<String>::new());
    assert_eq!(given("rw", Cgroups::Hybrid), Vec::<String>::new());
}

#[test]
fn a_container_without_a_mount_namespace_brings_its_root_back_from_one() {
    let changes = json!({ "linux": { "namespaces": [{ "type": "pid" }] }, "root": { "readonly": true } });
    let plan = plan(&config(&changes), &rich(Cgroups::V2), &request(None)).unwrap();
    let at = |words: &str| plan.init.iter().position(|planned| planned.step.to_string() == words).unwrap();
    let back = at("take a copy of the root back to the runtime's mount namespace");
    assert!(at("make all mounts slaves of the host's") < back && back < at("change the root's mount ro"));
    assert!(plan.init.iter().all(|planned| !planned.step.to_string().contains("pivot")));
    let told: Vec<String> = plan.parent.iter().map(|planned| planned.step.to_string()).collect();
    assert!(
        told.contains(&"spawn init in new namespaces mount, pid, born in the cgroup".to_owned()),
        "{told:#?}"
    );
}

/// sysctl.d(5): dots are part of a name after a slash, and slashes stand for them after a dot.
#[test]
fn a_sysctl_of_a_vlan_interface_is_written_to_that_interfaces_file() {
    for name in ["net/ipv4/conf/eth0.100/forwarding", "net.ipv4.conf.eth0/100.forwarding"] {
        let changes = json!({ "linux": {
            "namespaces": [{ "type": "mount" }, { "type": "network" }], "sysctl": { name: "1" }
        } });
        let steps = steps(&changes, &rich(Cgroups::V2), "linux.sysctl");
        assert_eq!(steps.len(), 1);
        assert!(steps[0].contains("net/ipv4/conf/eth0.100/forwarding"), "{steps:?}");
    }
}

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

#[test]
fn a_deadline_and_hooks_before_the_program_need_a_flag() {
    let changes = |flags: Value| {
        json!({
            "process": { "scheduler": {
                "policy": "SCHED_DEADLINE", "runtime": 2000, "deadline": 3000, "period": 4000, "flags": flags
            } },
            "hooks": { "startContainer": [{ "path": "/bin/true" }] },
        })
    };
    let told = mistakes(&changes(json!([])), &rich(Cgroups::V2));
    assert!(
        told[0].ends_with("without SCHED_FLAG_RESET_ON_FORK, because of process.scheduler.flags"),
        "{told:?}"
    );
    let flag = json!(["SCHED_FLAG_RESET_ON_FORK"]);
    assert_eq!(steps(&changes(flag), &rich(Cgroups::V2), "set the scheduler to").len(), 1);
}

#[test]
fn an_ambient_capability_that_can_not_be_raised_is_warned_of_by_name() {
    let sets = json!({ "permitted": ["CAP_CHOWN", "CAP_KILL"], "inheritable": ["CAP_KILL"], "ambient": ["CAP_CHOWN", "CAP_KILL"] });
    let told = warnings(&json!({ "process": { "capabilities": sets } }), &rich(Cgroups::V2));
    assert_eq!(told.len(), 1);
    assert!(told[0].starts_with("can't raise ambient capability CAP_CHOWN: "), "{told:?}");
}

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
    let told = mistakes(&changes, &rich(Cgroups::V2));
    assert_eq!(told[0], "6000 id mappings are more than the kernel takes, 340, because of linux.uidMappings");
}

#[test]
fn a_device_in_a_user_namespace_is_made_by_the_parent_with_its_owner() {
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

#[test]
fn layers_that_are_too_long_together_are_given_one_by_one() {
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
    let told = mistakes(&changes, &rich(Cgroups::V2));
    assert_eq!(
        told,
        ["uid", "gid"].map(|ids| format!(
            "340 id mappings take 4310 bytes, more than the kernel takes, 4095, because of linux.{ids}Mappings"
        ))
    );
}

#[test]
fn the_hosts_sysfs_is_bound_where_the_kernel_lets_none_be_mounted() {
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
