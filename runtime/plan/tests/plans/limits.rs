//! linux.resources: the cgroup files that each property becomes, and the warnings where a cgroup version
//! lacks it.

use crate::Cgroups;
use crate::fields::{mistakes, rich, steps, warnings};
use serde_json::{Value, json};

/// The steps for some resources, device rules left out.
fn limits(resources: Value, cgroups: Cgroups) -> Vec<String> {
    let all = steps(&json!({ "linux": { "resources": resources } }), &rich(cgroups), "linux.resources.");
    all.into_iter()
        .map(|line| line.replace("linux.resources.", ""))
        .filter(|line| !line.ends_with("<- devices"))
        .collect()
}

// Documentation/admin-guide/cgroup-v1/hugetlb.rst: the rsvd files count reservations.
#[test]
fn huge_pages_are_limited_on_use_and_on_reservation() {
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

// config-linux.md, Memory, checkBeforeUpdate. cgroup v1 refuses such a limit itself.
#[test]
fn check_before_update_compares_the_use_first() {
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

// The file names are those of cgroup-v1/memory.rst.
#[test]
fn every_memory_property_has_a_v1_file_or_a_warning() {
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
        ["the kernel memory limit is obsolete and is ignored, because of linux.resources.memory.kernel"]
    );
    let found = warnings(&changes, &rich(Cgroups::V2)).join("; ");
    for place in ["kernel", "kernelTCP", "swappiness", "disableOOMKiller"] {
        assert!(found.contains(&format!("because of linux.resources.memory.{place}")), "{found}");
    }
}

// memory.swap.max is swap minus limit, so it needs both.
#[test]
fn a_swap_limit_alone_is_refused_on_v2() {
    let changes = json!({ "linux": { "resources": { "memory": { "swap": 4096 } } } });
    assert_eq!(
        mistakes(&changes, &rich(Cgroups::V2)),
        ["unable to set swap limit without memory limit, because of linux.resources.memory.swap"]
    );
}

// The file names are those of cgroup-v2.rst, sched-bwc.rst and sched-rt-group.rst.
#[test]
fn every_cpu_property_has_a_file() {
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

// Docker writes every property of these objects, unset ones as 0.
#[test]
fn zeros_of_docker_mean_unset() {
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

// config-linux.md, PIDs: -1 is no limit, and 0 is one. systemd refuses
// TasksMax=0, and 1 forbids the same, since init is a process.
#[test]
fn a_pids_limit_of_0_is_1_and_of_minus_1_is_max() {
    for (limit, value) in [(0, "1"), (-1, "max"), (7, "7")] {
        let limits = limits(json!({ "pids": { "limit": limit } }), Cgroups::V2);
        assert_eq!(limits, [format!("set pids.max to \"{value}\" <- pids.limit")]);
    }
}

// io.weight has the range 1 to 10000 (cgroup-v2.rst), io.bfq.weight 1 to 1000 (bfq-iosched.rst).
#[test]
fn weights_have_a_bfq_file_and_a_fallback() {
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

// Leaf weights belonged to the CFQ scheduler, which Linux 5.0 removed.
#[test]
fn leaf_weights_give_a_warning() {
    let io = json!({ "leafWeight": 500, "weightDevice": [{ "major": 8, "minor": 0, "leafWeight": 300 }] });
    let found =
        warnings(&json!({ "linux": { "resources": { "blockIO": io } } }), &rich(Cgroups::V1)).join("; ");
    assert!(found.contains("blockIO.leafWeight;"), "{found}");
    assert!(found.ends_with("blockIO.weightDevice[0].leafWeight"), "{found}");
}

// cgroup-v2.rst, io.max: `max` removes a limit; cgroup-v1/blkio-controller.rst: 0 does.
#[test]
fn throttles_are_one_line_each_and_0_removes_them() {
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

// net_cls and net_prio exist on cgroup v1 only.
#[test]
fn network_limits_are_v1_files_and_a_v2_warning() {
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

// cgroup-v1/rdma.rst and cgroup-v2.rst have the same format.
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

// config-linux.md, Unified. The kernel takes one line per write.
#[test]
fn unified_files_are_written_last_and_line_by_line() {
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
    let found = mistakes(&json!({ "linux": { "resources": resources } }), &rich(Cgroups::Hybrid));
    assert!(found.iter().all(|line| line.starts_with("invalid configuration: ")), "{found:?}");
}

// config-linux.md, Unified: an error for a controller that is not available.
#[test]
fn a_unified_file_needs_its_controller_and_its_form() {
    let found = |key: &str| {
        let changes = json!({ "linux": { "resources": { "unified": { key: "1" } } } });
        mistakes(&changes, &rich(Cgroups::V2)).join("; ")
    };
    assert_eq!(
        found("foo.bar"),
        "unified resource \"foo.bar\" can't be set: controller \"foo\" not available, because of linux.resources.unified[\"foo.bar\"]"
    );
    assert!(found("NOT-A-VALID-KEY").contains("must be in the form CONTROLLER.PARAMETER"));
    assert!(found("../memory.max").contains("must be a file name (no slashes)"));
}

// config-linux.md, Allowed Device list and Default Devices: the default devices stay allowed.
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
        "this user namespace owns its hierarchy"
    );
    nested.denies_cgroups = true;
    assert!(steps(&changes, &nested, "make the cgroup").is_empty(), "no cgroup without a cgroupsPath");
    let mut changes = changes;
    changes["linux"]["cgroupsPath"] = json!("/asked-for");
    assert_eq!(
        warnings(&changes, &nested),
        [
            "device rules are not enforced: only the host's root may set them, because of linux.resources.devices"
        ]
    );
}

// config-linux.md, Cgroup ownership.
#[test]
fn a_writable_cgroup_mount_is_owned_by_the_user_of_the_container() {
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
