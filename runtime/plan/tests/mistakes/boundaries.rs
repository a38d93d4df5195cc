//! The first and the last value of each range, and the nearest one outside.

use serde_json::{Value, json};
use tare_plan::spec;

use super::{accepted, base, changed, mistakes, put, refused};

/// Asserts that a change gives one warning with this message.
#[track_caller]
fn warned(pointer: &str, value: Value, message: &str) {
    let checked = spec::load(&changed(pointer, value)).and_then(spec::check).unwrap();
    let warnings: Vec<String> = checked.warnings().iter().map(ToString::to_string).collect();
    assert_eq!(warnings, [message], "{pointer}");
}

/// Asserts that a change gives one mistake at this place.
#[track_caller]
fn refused_at(pointer: &str, value: Value, place: &str) {
    let all = mistakes(&changed(pointer, value));
    let places: Vec<&str> =
        all.iter().filter_map(|one| one.rsplit_once("because of ")).map(|(_, at)| at).collect();
    assert_eq!(places, [place], "{pointer}: {all:?}");
}

// sethostname(2): 64 bytes on Linux.
#[test]
fn host_and_domain_names_have_at_most_64_bytes() {
    for key in ["hostname", "domainname"] {
        accepted(&format!("/{key}"), json!("h".repeat(64)));
        refused_at(&format!("/{key}"), json!("h".repeat(65)), key);
    }
}

#[test]
fn a_hook_timeout_is_positive() {
    accepted("/hooks/poststop", json!([{ "path": "/x", "timeout": 1 }]));
    refused_at("/hooks/poststop", json!([{ "path": "/x", "timeout": -1 }]), "hooks.poststop[0].timeout");
}

// user_namespaces(7): at most 340 ranges.
#[test]
fn id_mappings_have_at_most_340_ranges() {
    let linux = |ranges: u32| {
        let all: Vec<Value> =
            (0..ranges).map(|id| json!({ "containerID": id, "hostID": id, "size": 1 })).collect();
        json!({ "namespaces": [{ "type": "user" }], "uidMappings": all, "gidMappings": all })
    };
    accepted("/linux", linux(340));
    let two = mistakes(&changed("/linux", linux(341)));
    assert_eq!(two.len(), 2, "{two:?}");
}

#[test]
fn the_ids_of_the_process_are_mapped() {
    let with_user = |user: Value| {
        let mapping = json!([{ "containerID": 10, "hostID": 1000, "size": 5 }]);
        let linux =
            json!({ "namespaces": [{ "type": "user" }], "uidMappings": mapping, "gidMappings": mapping });
        let mut document = base();
        put(&mut document, "/linux", linux);
        put(&mut document, "/process/user", user);
        mistakes(document.to_string().as_bytes())
    };
    assert_eq!(with_user(json!({ "uid": 10, "gid": 14, "additionalGids": [12] })), [""; 0]);
    assert_eq!(
        with_user(json!({ "uid": 9, "gid": 15, "additionalGids": [10, 15] })),
        [
            "cannot set uid to unmapped user 9 in user namespace, because of process.user.uid",
            "cannot set gid to unmapped group 15 in user namespace, because of process.user.gid",
            "cannot set additional group 15: it is unmapped in user namespace, because of process.user.additionalGids[1]",
        ]
    );
}

#[test]
fn the_mappings_of_a_mount_are_checked_too() {
    let empty = json!([{ "containerID": 0, "hostID": 0, "size": 0 }]);
    let one = json!([{ "containerID": 0, "hostID": 0, "size": 1 }]);
    let mount = |uids: &Value, gids: &Value| json!([{ "destination": "/a", "uidMappings": uids, "gidMappings": gids }]);
    accepted("/mounts", mount(&one, &one));
    refused_at("/mounts", mount(&empty, &one), "mounts[0].uidMappings[0].size");
    refused_at("/mounts", mount(&one, &empty), "mounts[0].gidMappings[0].size");
}

#[test]
fn time_offsets_have_less_than_a_second_of_nanoseconds() {
    let linux = |clock: &str, nanoseconds: u32| json!({ "namespaces": [{ "type": "time" }], "timeOffsets": { clock: { "nanosecs": nanoseconds } } });
    accepted("/linux", linux("monotonic", 999_999_999));
    accepted("/linux", linux("boottime", 0));
    refused_at("/linux", linux("boottime", 1_000_000_000), "linux.timeOffsets.boottime.nanosecs");
}

#[test]
fn masked_and_readonly_paths_need_a_mount_namespace() {
    for key in ["maskedPaths", "readonlyPaths"] {
        refused_at("/linux", json!({ key: ["/x"] }), &format!("linux.{key}"));
        accepted("/linux", json!({ key: [] }));
    }
}

// linux/kdev_t.h: 12 bits of major and 20 bits of minor number.
#[test]
fn device_numbers_fit_into_dev_t() {
    let device = |major: i64, minor: i64, mode: u32| json!([{ "type": "u", "path": "/dev/x", "major": major, "minor": minor, "fileMode": mode }]);
    accepted("/linux/devices", device(4095, 1_048_575, 0o177_777));
    accepted("/linux/devices", device(0, 0, 0));
    refused_at("/linux/devices", device(0, 1_048_576, 0), "linux.devices[0].minor");
    refused_at("/linux/devices", device(-1, 0, 0), "linux.devices[0].major");
    refused_at("/linux/devices", device(0, 0, 0o200_000), "linux.devices[0].fileMode");
}

// The kernel's dev_valid_name: shorter than IFNAMSIZ, 16, and no isspace() character.
#[test]
fn interface_names_have_at_most_15_bytes() {
    accepted("/linux/netDevices", json!({ "fifteen-letters": {} }));
    for name in ["sixteen--letters", ".", "a\u{b}b", "a\tb"] {
        let all = mistakes(&changed("/linux/netDevices", json!({ name: {} })));
        assert_eq!(all.len(), 1, "{name:?}");
    }
}

#[test]
fn process_values_have_their_ranges() {
    for (pointer, good, bad) in [
        ("umask", vec![0, 0o777], vec![0o1000]),
        ("oomScoreAdj", vec![-1000, 1000], vec![-1001, 1001]),
        ("ioPriority.priority", vec![0, 7], vec![-1, 8]),
    ] {
        let at = |value: i32| match pointer {
            "umask" => ("/process/user/umask", json!(value)),
            "oomScoreAdj" => ("/process/oomScoreAdj", json!(value)),
            _ => ("/process/ioPriority", json!({ "class": "IOPRIO_CLASS_BE", "priority": value })),
        };
        good.into_iter().map(at).for_each(|(pointer, value)| accepted(pointer, value));
        for (pointer, value) in bad.into_iter().map(at) {
            assert_eq!(mistakes(&changed(pointer, value)).len(), 1, "{pointer}");
        }
    }
    accepted("/process/rlimits", json!([{ "type": "RLIMIT_CPU", "soft": 1, "hard": 1 }]));
    refused_at("/process/execCPUAffinity", json!({ "initial": "x" }), "process.execCPUAffinity.initial");
    accepted("/process/execCPUAffinity", json!({ "initial": "0", "final": "0-1" }));
    warned(
        "/process/env",
        json!(["A=", "B"]),
        "environment variable \"B\" has no value, because of process.env[1]",
    );
}

#[test]
fn a_terminal_has_at_most_65535_rows_and_columns() {
    let with_size = |height: u32, width: u32| {
        let mut document = base();
        put(&mut document, "/process/terminal", json!(true));
        put(&mut document, "/process/consoleSize", json!({ "height": height, "width": width }));
        mistakes(document.to_string().as_bytes())
    };
    assert_eq!(with_size(65535, 65535), [""; 0]);
    assert_eq!(with_size(65536, 65536).len(), 2);
}

// sched(7) and sched_setattr(2).
#[test]
fn scheduler_values_have_their_ranges() {
    let scheduler = |value: Value| changed("/process/scheduler", value);
    for nice in [-20, 19] {
        assert_eq!(mistakes(&scheduler(json!({ "policy": "SCHED_BATCH", "nice": nice }))), [""; 0]);
    }
    for priority in [1, 99] {
        assert_eq!(mistakes(&scheduler(json!({ "policy": "SCHED_FIFO", "priority": priority }))), [""; 0]);
    }
    let deadline = |runtime: u64, deadline: u64, period: u64| json!({ "policy": "SCHED_DEADLINE", "runtime": runtime, "deadline": deadline, "period": period });
    let last = i64::MAX.unsigned_abs();
    assert_eq!(mistakes(&scheduler(deadline(1024, 1024, 1024))), [""; 0]);
    assert_eq!(mistakes(&scheduler(deadline(1024, last, last))), [""; 0]);
    for (value, place) in [
        (json!({ "policy": "SCHED_BATCH", "nice": -21 }), "nice"),
        (json!({ "policy": "SCHED_RR", "priority": 100 }), "priority"),
        (json!({ "policy": "SCHED_IDLE", "priority": -1 }), "priority"),
        (deadline(1024, 2000, last + 1), "period"),
    ] {
        refused_at("/process/scheduler", value, &format!("process.scheduler.{place}"));
    }
    for key in ["runtime", "deadline", "period"] {
        refused_at("/process/scheduler", json!({ "policy": "SCHED_OTHER", key: 1 }), "process.scheduler");
    }
}

#[test]
fn a_clos_id_is_one_directory() {
    for id in ["..", ".", "/a", "a/"] {
        refused_at("/linux/intelRdt", json!({ "closID": id }), "linux.intelRdt.closID");
    }
    accepted("/linux/intelRdt", json!({ "closID": "a", "memBwSchema": "MB:0=20" }));
    refused_at("/linux/intelRdt", json!({ "memBwSchema": "MB:0=1\n" }), "linux.intelRdt.memBwSchema");
    warned(
        "/linux/intelRdt",
        json!({ "l3CacheSchema": "L3:0=f\nMB:0=1" }),
        "schema should not have a newline, because of linux.intelRdt.l3CacheSchema",
    );
}

// set_mempolicy(2): MPOL_DEFAULT and MPOL_LOCAL take no nodes, MPOL_PREFERRED takes some or none, the others
// need some.
#[test]
fn memory_policies_take_nodes_by_their_mode() {
    for mode in ["MPOL_DEFAULT", "MPOL_LOCAL"] {
        accepted("/linux/memoryPolicy", json!({ "mode": mode }));
        refused_at("/linux/memoryPolicy", json!({ "mode": mode, "nodes": "0" }), "linux.memoryPolicy.nodes");
    }
    for mode in ["MPOL_BIND", "MPOL_INTERLEAVE", "MPOL_WEIGHTED_INTERLEAVE", "MPOL_PREFERRED_MANY"] {
        accepted("/linux/memoryPolicy", json!({ "mode": mode, "nodes": "0" }));
        refused_at("/linux/memoryPolicy", json!({ "mode": mode }), "linux.memoryPolicy.nodes");
    }
    accepted("/linux/memoryPolicy", json!({ "mode": "MPOL_PREFERRED" }));
    accepted("/linux/memoryPolicy", json!({ "mode": "MPOL_PREFERRED", "nodes": "0" }));
    let one = json!({ "mode": "MPOL_BIND", "nodes": "0", "flags": ["MPOL_F_STATIC_NODES"] });
    accepted("/linux/memoryPolicy", one);
}

#[test]
fn device_rules_have_numbers_of_32_bits_or_minus_1() {
    for number in [-1, 0, 4_294_967_295_i64] {
        accepted(
            "/linux/resources/devices",
            json!([{ "allow": true, "type": "a", "major": number, "minor": number }]),
        );
    }
    for (key, number) in
        [("major", -2), ("minor", -2), ("major", 4_294_967_296_i64), ("minor", 4_294_967_296)]
    {
        let place = format!("linux.resources.devices[0].{key}");
        refused_at("/linux/resources/devices", json!([{ "allow": true, key: number }]), &place);
    }
}

#[test]
fn memory_limits_are_minus_1_or_more() {
    for key in ["limit", "reservation", "swap", "kernel", "kernelTCP"] {
        accepted("/linux/resources/memory", json!({ key: -1 }));
        refused_at("/linux/resources/memory", json!({ key: -2 }), &format!("linux.resources.memory.{key}"));
    }
    accepted("/linux/resources/memory", json!({ "limit": 20, "swap": 20, "swappiness": 100 }));
    accepted("/linux/resources/memory", json!({ "limit": -1, "swap": 1 }));
}

#[test]
fn cpu_values_have_their_ranges() {
    for cpu in [
        json!({ "idle": 0 }),
        json!({ "idle": 1 }),
        json!({ "quota": 10, "burst": 10 }),
        json!({ "quota": -1, "burst": 10 }),
        json!({ "quota": 0, "burst": 10 }),
    ] {
        accepted("/linux/resources/cpu", cpu);
    }
    refused_at("/linux/resources/cpu", json!({ "idle": -1 }), "linux.resources.cpu.idle");
    refused_at("/linux/resources/cpu", json!({ "mems": "x" }), "linux.resources.cpu.mems");
}

#[test]
fn block_io_devices_have_numbers_and_a_weight() {
    let device = |key: &str, number: i64| json!([{ "major": number, "minor": 0, "rate": 1, key: 500 }]);
    for key in ["weight", "leafWeight"] {
        accepted("/linux/resources/blockIO/weightDevice", device(key, 0));
    }
    for (list, key) in [
        ("weightDevice", "weight"),
        ("throttleReadBpsDevice", "rate"),
        ("throttleWriteBpsDevice", "rate"),
        ("throttleReadIOPSDevice", "rate"),
        ("throttleWriteIOPSDevice", "rate"),
    ] {
        let place = format!("linux.resources.blockIO.{list}[0].major");
        accepted(&format!("/linux/resources/blockIO/{list}"), device(key, 0));
        refused_at(&format!("/linux/resources/blockIO/{list}"), device(key, -1), &place);
    }
}

// config-schema.json: ^[1-9][0-9]*[KMG]B$
#[test]
fn huge_page_sizes_match_the_schema() {
    let limit = |size: &str| json!([{ "pageSize": size, "limit": 1 }]);
    for size in ["64KB", "2MB", "1GB", "10GB"] {
        accepted("/linux/resources/hugepageLimits", limit(size));
    }
    for size in ["02MB", "MB", "2M", "2TB", "2B", "-2MB"] {
        let place = "linux.resources.hugepageLimits[0].pageSize";
        refused_at("/linux/resources/hugepageLimits", limit(size), place);
    }
}

#[test]
fn unified_files_have_a_controller_and_a_parameter() {
    for name in ["memory.", ".max"] {
        let place = format!("linux.resources.unified[{name:?}]");
        refused_at("/linux/resources/unified", json!({ name: "1" }), &place);
    }
    accepted("/linux/resources/rdma", json!({ "mlx5_1": { "hcaObjects": 1 } }));
}

// seccomp(2): SECCOMP_RET_DATA has 16 bits; error numbers end at MAX_ERRNO, 4095.
#[test]
fn seccomp_error_numbers_have_the_range_of_their_action() {
    let rule = |action: &str, errno: u32| json!({ "defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{ "names": ["read"], "action": action, "errnoRet": errno }] });
    for (action, last) in [("SCMP_ACT_ERRNO", 4095), ("SCMP_ACT_TRACE", 65535), ("SCMP_ACT_KILL", 0)] {
        accepted("/linux/seccomp", rule(action, last));
        refused_at("/linux/seccomp", rule(action, last + 1), "linux.seccomp.syscalls[0].errnoRet");
    }
    refused(
        "/linux/seccomp",
        json!({ "defaultAction": "SCMP_ACT_LOG", "defaultErrnoRet": 1 }),
        "action SCMP_ACT_LOG has no error number, because of linux.seccomp.defaultErrnoRet",
    );
    let listener = json!({ "defaultAction": "SCMP_ACT_LOG", "listenerMetadata": "x", "listenerPath": "/x" });
    accepted("/linux/seccomp", listener);
}

#[test]
fn seccomp_conditions_use_six_arguments_and_value_two_with_a_mask_only() {
    let with_arg = |arg: Value| json!({ "defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{ "names": ["read"], "action": "SCMP_ACT_LOG", "args": [arg] }] });
    accepted("/linux/seccomp", with_arg(json!({ "index": 5, "value": 0, "op": "SCMP_CMP_EQ" })));
    warned(
        "/linux/seccomp",
        with_arg(json!({ "index": 0, "value": 0, "valueTwo": 1, "op": "SCMP_CMP_EQ" })),
        "operator SCMP_CMP_EQ does not use valueTwo, because of linux.seccomp.syscalls[0].args[0].valueTwo",
    );
    for quiet in [
        json!({ "index": 0, "value": 0, "valueTwo": 1, "op": "SCMP_CMP_MASKED_EQ" }),
        json!({ "index": 0, "value": 0, "valueTwo": 0, "op": "SCMP_CMP_EQ" }),
    ] {
        let checked = spec::load(&changed("/linux/seccomp", with_arg(quiet))).and_then(spec::check).unwrap();
        assert_eq!(checked.warnings(), []);
    }
}

#[test]
fn integers_fit_their_type() {
    for (pointer, first, last) in [
        ("/linux/resources/blockIO/weight", 0_i128, i128::from(u16::MAX)),
        ("/linux/resources/network/classID", 0, i128::from(u32::MAX)),
        ("/linux/resources/cpu/shares", 0, i128::from(u64::MAX)),
        ("/linux/resources/pids/limit", i128::from(i64::MIN), i128::from(i64::MAX)),
    ] {
        let with_number = |number: i128| {
            let mut document = base();
            put(&mut document, pointer, json!("number"));
            mistakes(document.to_string().replace("\"number\"", &number.to_string()).as_bytes())
        };
        assert_eq!((with_number(first).len(), with_number(last).len()), (0, 0), "{pointer}");
        assert_eq!((with_number(first - 1).len(), with_number(last + 1).len()), (1, 1), "{pointer}");
    }
    refused(
        "/linux/resources/pids/limit",
        json!(1.0),
        "expected a whole number, found 1, because of linux.resources.pids.limit",
    );
}

#[test]
fn a_long_value_is_cut_after_80_characters() {
    let message =
        |length: usize| mistakes(&changed("/process/terminal", json!("x".repeat(length)))).remove(0);
    assert!(message(80).contains(&format!("found \"{}\",", "x".repeat(80))));
    assert!(message(81).contains(&format!("found \"{}\"…,", "x".repeat(80))));
}
