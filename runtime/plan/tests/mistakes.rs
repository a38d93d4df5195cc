//! Every kind of mistake is found, worded and placed; each test changes one thing of a description that has none.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that can't go on should stop")]

use serde_json::{Value, json};
use tare_plan::spec;

fn base() -> Value {
    json!({
        "ociVersion": "1.3.0",
        "process": { "user": { "uid": 0, "gid": 0 }, "args": ["sh"], "cwd": "/" },
        "root": { "path": "rootfs" },
        "linux": { "namespaces": [{ "type": "mount" }, { "type": "uts" }, { "type": "ipc" }, { "type": "network" }] },
    })
}

/// Puts a value at a JSON pointer, making the objects on the way; `null` says the same as nothing.
fn put(document: &mut Value, pointer: &str, value: Value) {
    let mut at = document;
    for key in pointer.split('/').skip(1) {
        at = match at {
            Value::Array(items) => items.get_mut(key.parse::<usize>().unwrap()).unwrap(),
            object => &mut object[key],
        };
    }
    *at = value;
}

/// The mistakes of reading and checking a document.
fn mistakes(document: &[u8]) -> Vec<String> {
    let all = spec::load(document).and_then(spec::check);
    all.err().unwrap_or_default().iter().map(ToString::to_string).collect()
}

fn changed(pointer: &str, value: Value) -> Vec<u8> {
    let mut document = base();
    put(&mut document, pointer, value);
    document.to_string().into_bytes()
}

/// One change, one mistake, in these words.
#[track_caller]
fn refused(pointer: &str, value: Value, words: &str) {
    assert_eq!(mistakes(&changed(pointer, value)), [words], "{pointer}");
}

#[track_caller]
fn accepted(pointer: &str, value: Value) {
    assert_eq!(mistakes(&changed(pointer, value)), [""; 0], "{pointer}");
}

#[test]
fn the_base_has_none() {
    assert_eq!(mistakes(base().to_string().as_bytes()), [""; 0]);
}

#[test]
fn what_is_not_json_is_placed_by_line_and_column() {
    assert_eq!(mistakes(b"{]"), ["invalid JSON: key must be a string at line 1 column 2"]);
    assert_eq!(mistakes(b""), ["invalid JSON: EOF while parsing a value at line 1 column 0"]);
    assert_eq!(mistakes(b"{\n  \"root\": {\"path\": 1 2}}").len(), 2, "what was found before is told too");
    assert!(mistakes(b"{} {}").contains(&"invalid JSON: trailing characters at line 1 column 4".to_owned()));
    assert_eq!(mistakes(b"[]"), ["expected an object, found an array"]);
}

#[test]
fn deep_nesting_ends_with_a_mistake_and_not_with_the_stack() {
    for opening in ["[", "{\"linux\":", "{\"mounts\":["] {
        let deep = format!("{{\"linux\": {}", opening.repeat(100_000));
        assert!(mistakes(deep.as_bytes()).last().unwrap().starts_with("invalid JSON: "), "{opening}");
    }
}

#[test]
fn wrong_types_are_told_all_at_once() {
    let document = json!({
        "ociVersion": 1,
        "process": { "user": [], "args": ["sh", 5, {}], "cwd": "/", "terminal": "yes", "env": "PATH=/" },
        "root": "rootfs",
        "linux": { "namespaces": [{ "type": 3 }], "resources": { "memory": { "limit": 1.5 } } },
    });
    let expected = [
        "expected the name of a namespace type, found 3, because of linux.namespaces[0].type",
        "expected a whole number, found 1.5, because of linux.resources.memory.limit",
        "expected a string, found 1, because of ociVersion",
        "expected a string, found 5, because of process.args[1]",
        "expected a string, found an object, because of process.args[2]",
        "expected an array, found \"PATH=/\", because of process.env",
        "expected true or false, found \"yes\", because of process.terminal",
        "expected an object, found an array, because of process.user",
        "expected an object, found \"rootfs\", because of root",
    ];
    assert_eq!(mistakes(document.to_string().as_bytes()), expected);
}

#[test]
fn keys_match_without_regard_to_case_and_null_says_nothing() {
    let document = br#"{
        "OCIVERSION": "1.0.0", "hooks": null, "Process": {"ARGS": ["sh"], "cwd": "/", "user": {"UID": 7, "gid": null}},
        "root": {"path": "rootfs", "readonly": null}, "linux": null, "x-unknown": {"a": [1, 2.5, null]}
    }"#;
    let loaded = spec::load(document).unwrap();
    assert_eq!(loaded.warnings, []);
    assert_eq!(loaded.spec.process.unwrap().user.uid, spec::Uid::new(7).unwrap());
}

#[test]
fn of_a_repeated_key_the_last_counts_with_a_warning() {
    let document = br#"{"ociVersion": "1.0.0", "hostname": "a", "HOSTNAME": "b",
        "annotations": {"k": "1", "k": "2"}, "root": {"path": "/a"}, "root": {"path": "/b"}}"#;
    let loaded = spec::load(document).unwrap();
    assert_eq!(loaded.spec.hostname.as_deref(), Some("b"));
    assert_eq!(loaded.spec.annotations["k"], "2");
    assert_eq!(loaded.spec.root.unwrap().path, "/b");
    let places: Vec<_> = loaded.warnings.iter().map(|warning| warning.place.as_str()).collect();
    assert_eq!(places, ["hostname", "annotations.k", "root"]);
}

#[test]
fn unknown_properties_are_ignored_and_likely_misspellings_warned_of() {
    let mut document = base();
    put(&mut document, "/linux/maskedPath", json!(["/proc/kcore"]));
    put(&mut document, "/linux/com.example.other", json!({ "maskedPath": 1 }));
    put(&mut document, "/windows", json!({}));
    let loaded = spec::load(document.to_string().as_bytes()).unwrap();
    let warnings: Vec<_> = loaded.warnings.iter().map(ToString::to_string).collect();
    let expected = "unknown property is ignored: did you mean \"maskedPaths\"?, because of linux.maskedPath";
    assert_eq!(warnings, [expected]);
}

#[test]
fn unknown_capabilities_are_warned_of() {
    let document =
        changed("/process/capabilities", json!({ "bounding": ["CAP_CHOWN", "CAP_FUTURE", "CAP_SETUDI"] }));
    let loaded = spec::load(&document).unwrap();
    let warnings: Vec<_> = loaded.warnings.iter().map(ToString::to_string).collect();
    let expected = [
        "ignoring unknown capability \"CAP_FUTURE\", because of process.capabilities.bounding[1]",
        "ignoring unknown capability \"CAP_SETUDI\": did you mean \"CAP_SETUID\"?, because of process.capabilities.bounding[2]",
    ];
    assert_eq!(warnings, expected);
    let bounding = loaded.spec.process.unwrap().capabilities.unwrap().bounding;
    assert_eq!(bounding.iter().map(|capability| capability.name()).collect::<Vec<_>>(), ["CAP_CHOWN"]);
}

#[test]
fn required_properties_are_missed() {
    let wanted = |what, place| format!("required property is missing: expected {what}, because of {place}");
    refused("/ociVersion", Value::Null, &wanted("a string", "ociVersion"));
    refused("/process", Value::Null, "process property must not be empty, because of process");
    refused("/root", Value::Null, "root must be specified, because of root");
    refused("/root", json!({}), &wanted("a string", "root.path"));
    refused("/root/path", json!(""), "root path must not be empty, because of root.path");
    refused("/mounts", json!([{}]), &wanted("a string", "mounts[0].destination"));
    refused("/mounts", json!([null]), &wanted("an object", "mounts[0]"));
    refused(
        "/linux/namespaces/0/type",
        json!(""),
        &wanted("the name of a namespace type", "linux.namespaces[0].type"),
    );
    refused(
        "/linux/seccomp",
        json!({}),
        &wanted("the name of a seccomp action", "linux.seccomp.defaultAction"),
    );
    refused("/hooks/poststop", json!([{ "args": [] }]), &wanted("a string", "hooks.poststop[0].path"));
    let both = mistakes(&changed("/process/rlimits", json!([{ "type": "RLIMIT_CPU" }])));
    assert_eq!(
        both,
        [
            wanted("a whole number", "process.rlimits[0].soft"),
            wanted("a whole number", "process.rlimits[0].hard"),
        ]
    );
}

#[test]
fn numbers_out_of_range_are_refused() {
    let range = |noun, value, low, high, place| {
        format!("{noun} {value} is out of range: expected {low} to {high}, because of {place}")
    };
    let ids = |noun, value, place| range(noun, value, "0", "4294967294", place);
    refused("/process/user/uid", json!(4_294_967_295_u32), &ids("uid", "4294967295", "process.user.uid"));
    refused("/process/user/uid", json!(4_294_967_296_u64), &ids("uid", "4294967296", "process.user.uid"));
    refused("/process/user/gid", json!(-1), &ids("gid", "-1", "process.user.gid"));
    refused(
        "/process/user/additionalGids",
        json!([0, u32::MAX]),
        &ids("gid", "4294967295", "process.user.additionalGids[1]"),
    );
    accepted("/process/user/uid", json!(4_294_967_294_u32));
    let big = String::from_utf8(base().to_string().into_bytes())
        .unwrap()
        .replace("\"uid\":0", "\"uid\":18446744073709551616");
    assert_eq!(mistakes(big.as_bytes()), [ids("uid", "18446744073709552000", "process.user.uid")]);
    refused(
        "/linux/resources/pids/limit",
        json!(u64::MAX),
        &range(
            "number",
            "18446744073709551615",
            "-9223372036854775808",
            "9223372036854775807",
            "linux.resources.pids.limit",
        ),
    );
    refused(
        "/process/oomScoreAdj",
        json!(1001),
        "oomScoreAdj 1001 is out of range: expected -1000 to 1000, because of process.oomScoreAdj",
    );
    refused(
        "/process/user/umask",
        json!(0o1000),
        "umask is out of range: expected 0 to 511, because of process.user.umask",
    );
    refused(
        "/hooks/prestart",
        json!([{ "path": "/x", "timeout": 0 }]),
        "hook timeout must be greater than zero, because of hooks.prestart[0].timeout",
    );
    refused(
        "/linux/resources/cpu/idle",
        json!(2),
        "invalid cpu idle 2: expected 0 or 1, because of linux.resources.cpu.idle",
    );
    refused(
        "/linux/resources/memory/limit",
        json!(-2),
        "memory limit -2 is out of range: expected -1 or more, because of linux.resources.memory.limit",
    );
    refused(
        "/linux/resources/memory/swappiness",
        json!(101),
        "invalid memory swappiness 101: expected 0 to 100, because of linux.resources.memory.swappiness",
    );
}

#[test]
fn words_outside_their_vocabulary_are_refused() {
    refused(
        "/linux/namespaces/0/type",
        json!("mnt"),
        "unknown namespace type \"mnt\": expected one of cgroup, ipc, mount, network, pid, time, user, uts, because of linux.namespaces[0].type",
    );
    refused(
        "/linux/namespaces/3/type",
        json!("netwrok"),
        "unknown namespace type \"netwrok\": did you mean \"network\"?, because of linux.namespaces[3].type",
    );
    refused(
        "/process/rlimits",
        json!([{ "type": "RLIMIT_TEST", "soft": 0, "hard": 0 }]),
        "unknown rlimit type \"RLIMIT_TEST\", because of process.rlimits[0].type",
    );
    refused(
        "/linux/rootfsPropagation",
        json!("shard"),
        "unknown rootfs propagation \"shard\": did you mean \"shared\"?, because of linux.rootfsPropagation",
    );
    refused(
        "/linux/seccomp",
        json!({ "defaultAction": "SCMP_ACT_LGO" }),
        "unknown seccomp action \"SCMP_ACT_LGO\": did you mean \"SCMP_ACT_LOG\"?, because of linux.seccomp.defaultAction",
    );
    refused(
        "/linux/personality",
        json!({ "domain": "LINUX", "flags": ["x"] }),
        "unsupported personality flag \"x\", because of linux.personality.flags[0]",
    );
    refused(
        "/linux/devices",
        json!([{ "type": "x", "path": "/dev/x" }]),
        "unknown device type \"x\": expected one of b, c, u, p, because of linux.devices[0].type",
    );
    let long = "x".repeat(1000);
    assert!(
        mistakes(&changed("/linux/namespaces/0/type", json!(long)))[0].len() < 300,
        "a message stays a line"
    );
}

#[test]
fn versions_other_than_one_are_refused() {
    refused(
        "/ociVersion",
        json!("2.0.0"),
        "unsupported ociVersion \"2.0.0\": expected 1.x, because of ociVersion",
    );
    refused(
        "/ociVersion",
        json!("one"),
        "\"one\" is not a semantic version: expected such as \"1.3.0\", because of ociVersion",
    );
    accepted("/ociVersion", json!("1.9.7-rc.1+dev"));
}

#[test]
fn texts_with_a_nul_are_refused() {
    refused(
        "/process/args/0",
        json!("sh\0-c"),
        "\"sh\\0-c\" has a NUL character, because of process.args[0]",
    );
    refused(
        "/linux/namespaces/0/path",
        json!("/a\0"),
        "\"/a\\0\" has a NUL character, because of linux.namespaces[0].path",
    );
    refused(
        "/annotations",
        json!({ "a\0": "b" }),
        "property name has a NUL character, because of annotations[\"a\\0\"]",
    );
}

#[test]
fn the_process_can_be_started() {
    refused("/process/args", json!([]), "args must not be empty, because of process.args");
    refused("/process/cwd", json!("tmp"), "Cwd must be an absolute path, because of process.cwd");
    refused("/process/cwd", json!(""), "Cwd property must not be empty, because of process.cwd");
    let twice = json!([
        { "type": "RLIMIT_CPU", "soft": 1, "hard": 1 },
        { "type": "RLIMIT_CPU", "soft": 1, "hard": 1 },
    ]);
    refused("/process/rlimits", twice, "duplicated rlimit RLIMIT_CPU, because of process.rlimits[1]");
    let above = json!([{ "type": "RLIMIT_NOFILE", "soft": 2, "hard": 1 }]);
    refused(
        "/process/rlimits",
        above,
        "soft limit 2 of RLIMIT_NOFILE exceeds its hard limit 1, because of process.rlimits[0]",
    );
    refused(
        "/process/execCPUAffinity",
        json!({ "final": "3-1" }),
        "invalid CPU list \"3-1\": expected such as \"0-3,7\", because of process.execCPUAffinity.final",
    );
    refused(
        "/process/ioPriority",
        json!({ "class": "IOPRIO_CLASS_BE", "priority": 8 }),
        "invalid ioPriority.priority 8: expected 0 to 7, because of process.ioPriority.priority",
    );
    accepted("/process/consoleSize", json!({ "height": 70000, "width": 1 }));
    let mut terminal = base();
    put(&mut terminal, "/process/terminal", json!(true));
    put(&mut terminal, "/process/consoleSize", json!({ "height": 70000, "width": 1 }));
    assert_eq!(
        mistakes(terminal.to_string().as_bytes()),
        ["terminal height 70000 is out of range: expected 0 to 65535, because of process.consoleSize.height"]
    );
}

#[test]
fn the_scheduler_obeys_the_kernels_rules() {
    let deadline = |runtime: u64, deadline: u64, period: u64| json!({ "policy": "SCHED_DEADLINE", "runtime": runtime, "deadline": deadline, "period": period });
    accepted("/process/scheduler", deadline(1024, 2000, 0));
    accepted("/process/scheduler", json!({ "policy": "SCHED_RR", "priority": 99 }));
    refused(
        "/process/scheduler",
        deadline(1023, 2000, 0),
        "scheduler runtime 1023 is less than 1024 nanoseconds, because of process.scheduler.runtime",
    );
    refused(
        "/process/scheduler",
        deadline(2000, 1999, 0),
        "scheduler deadline 1999 is less than runtime 2000, because of process.scheduler.deadline",
    );
    refused(
        "/process/scheduler",
        deadline(2000, 3000, 2999),
        "scheduler period 2999 is less than deadline 3000, because of process.scheduler.period",
    );
    refused(
        "/process/scheduler",
        json!({ "policy": "SCHED_OTHER", "nice": 20 }),
        "invalid scheduler nice value: 20, must be between -20 and 19, because of process.scheduler.nice",
    );
    refused(
        "/process/scheduler",
        json!({ "policy": "SCHED_OTHER", "priority": 1 }),
        "only SCHED_FIFO and SCHED_RR have a scheduler priority, because of process.scheduler.priority",
    );
    refused(
        "/process/scheduler",
        json!({ "policy": "SCHED_FIFO" }),
        "scheduler priority 0 is out of range: SCHED_FIFO has 1 to 99, because of process.scheduler.priority",
    );
    refused(
        "/process/scheduler",
        json!({ "policy": "SCHED_BATCH", "period": 5 }),
        "only SCHED_DEADLINE has a scheduler runtime, deadline and period, because of process.scheduler",
    );
}

#[test]
fn what_needs_a_namespace_is_refused_without_it() {
    let without = |pointer: &str, value: Value, words: &str| {
        let mut document = base();
        put(&mut document, "/linux/namespaces", json!([]));
        put(&mut document, pointer, value);
        assert_eq!(mistakes(document.to_string().as_bytes()), [words], "{pointer}");
    };
    without(
        "/hostname",
        json!("a"),
        "unable to set hostname without a private UTS namespace, because of hostname",
    );
    without(
        "/domainname",
        json!("a"),
        "unable to set domainname without a private UTS namespace, because of domainname",
    );
    without(
        "/linux/timeOffsets",
        json!({ "boottime": {} }),
        "time namespace offsets specified, but time namespace isn't enabled in the config, because of linux.timeOffsets",
    );
    without(
        "/linux/maskedPaths",
        json!(["/x"]),
        "unable to restrict sys entries without a private MNT namespace, because of linux.maskedPaths",
    );
    without(
        "/linux/netDevices",
        json!({ "eth9": {} }),
        "unable to move network devices without a private NET namespace, because of linux.netDevices",
    );
    without(
        "/linux/sysctl",
        json!({ "kernel.msgmax": "1" }),
        "sysctl \"kernel.msgmax\" is not allowed in the hosts ipc namespace, because of linux.sysctl[\"kernel.msgmax\"]",
    );
    without(
        "/linux/sysctl",
        json!({ "fs.mqueue.msg_max": "1" }),
        "sysctl \"fs.mqueue.msg_max\" is not allowed in the hosts ipc namespace, because of linux.sysctl[\"fs.mqueue.msg_max\"]",
    );
    without(
        "/linux/sysctl",
        json!({ "net/ipv4/ip_forward": "1" }),
        "sysctl \"net.ipv4.ip_forward\" not allowed in host network namespace, because of linux.sysctl[\"net/ipv4/ip_forward\"]",
    );
    without(
        "/linux/sysctl",
        json!({ "kernel.domainname": "d" }),
        "sysctl \"kernel.domainname\" is not in a separate kernel namespace, because of linux.sysctl[\"kernel.domainname\"]",
    );
    let mapping = json!([{ "containerID": 0, "hostID": 0, "size": 1 }]);
    without(
        "/linux/uidMappings",
        mapping,
        "user namespace mappings specified, but user namespace isn't enabled in the config, because of linux.uidMappings",
    );
}

#[test]
fn namespaces_are_listed_once_and_joined_by_absolute_paths() {
    let twice = json!([{ "type": "pid" }, { "type": "pid", "path": "/proc/1/ns/pid" }]);
    refused("/linux/namespaces", twice, "duplicated namespace \"pid\", because of linux.namespaces[1]");
    refused(
        "/linux/namespaces/0/path",
        json!("ns"),
        "\"ns\" is not an absolute path, because of linux.namespaces[0].path",
    );
    accepted("/linux/namespaces/0/path", json!(""));
    let joined = json!({ "namespaces": [{ "type": "time", "path": "/ns" }], "timeOffsets": { "boottime": { "secs": 1 } } });
    refused(
        "/linux",
        joined,
        "time namespace enabled, but both namespace path and time offsets specified -- you may only provide one, because of linux.timeOffsets",
    );
    let clocks = json!({ "namespaces": [{ "type": "time" }], "timeOffsets": { "realtime": { "secs": 1 } } });
    refused(
        "/linux",
        clocks,
        "unknown clock \"realtime\": expected \"monotonic\" or \"boottime\", because of linux.timeOffsets.realtime",
    );
}

#[test]
fn sysctls_outside_every_namespace_are_refused_by_name() {
    let separate = |name: &str| {
        format!("sysctl {name:?} is not in a separate kernel namespace, because of linux.sysctl[{name:?}]")
    };
    for name in ["kernel.core_pattern", "vm.swappiness", "fs.file-max", "kernel.shmmax2"] {
        refused("/linux/sysctl", json!({ name: "1" }), &separate(name));
    }
    for name in [
        "net.ipv4.ip_forward",
        "kernel.shmmax",
        "fs.mqueue.msg_max",
        "kernel.domainname",
        "net/ipv4/conf/eth0.1/forwarding",
    ] {
        accepted("/linux/sysctl", json!({ name: "1" }));
    }
    for name in ["net..x", "net/../kernel/core_pattern", "net.ipv4.a+b", "", "net.", "net/./x"] {
        refused(
            "/linux/sysctl",
            json!({ name: "1" }),
            &format!(
                "sysctl {name:?} is not the name of a kernel parameter, because of linux.sysctl[{name:?}]"
            ),
        );
    }
    refused(
        "/linux/sysctl",
        json!({ "kernel.hostname": "h" }),
        "sysctl \"kernel.hostname\" is not allowed as it conflicts with the OCI \"hostname\" field, because of linux.sysctl[\"kernel.hostname\"]",
    );
    let mut document = base();
    put(&mut document, "/domainname", json!("a"));
    put(&mut document, "/linux/sysctl", json!({ "kernel.domainname": "a" }));
    assert_eq!(mistakes(document.to_string().as_bytes()), [""; 0], "both say the same");
    put(&mut document, "/domainname", json!("b"));
    assert_eq!(mistakes(document.to_string().as_bytes()).len(), 1);
}

#[test]
fn mappings_are_ranges_that_do_not_meet() {
    let user = |uids: Value| json!({ "namespaces": [{ "type": "user" }], "uidMappings": uids, "gidMappings": [{ "containerID": 0, "hostID": 0, "size": 1 }] });
    let range = |inside: u32, outside: u32, size: u32| json!({ "containerID": inside, "hostID": outside, "size": size });
    accepted("/linux", user(json!([range(0, 1000, 1), range(1, 5000, 10), range(11, 0, 5)])));
    accepted("/linux", user(json!([range(0, 0, u32::MAX)])));
    refused(
        "/linux",
        user(json!([range(0, 0, 1), range(1, 1, 0)])),
        "id mapping has size 0, because of linux.uidMappings[1].size",
    );
    refused(
        "/linux",
        user(json!([range(0, 0, 1), range(1, u32::MAX - 1, 2)])),
        "id mapping of 2 ids from 4294967294 runs past the last id, because of linux.uidMappings[1].hostID",
    );
    refused(
        "/linux",
        user(json!([range(0, 0, 10), range(9, 10, 1)])),
        "id mapping shares ids inside the container with the one at index 0, because of linux.uidMappings[1]",
    );
    refused(
        "/linux",
        user(json!([range(5, 100, 10), range(0, 109, 1)])),
        "id mapping shares ids on the host with the one at index 0, because of linux.uidMappings[1]",
    );
    refused(
        "/linux",
        user(json!([range(1, 0, 10)])),
        "cannot set uid to unmapped user 0 in user namespace, because of process.user.uid",
    );
    let many: Vec<_> = (0..341).map(|id| range(id, id, 1)).collect();
    refused(
        "/linux",
        user(json!(many)),
        "341 id mappings are more than the kernel takes, 340, because of linux.uidMappings",
    );
    refused(
        "/linux",
        json!({ "namespaces": [{ "type": "user" }] }),
        "user namespaces enabled, but no namespace path to join nor mappings to apply specified, because of linux.namespaces",
    );
    accepted("/linux", json!({ "namespaces": [{ "type": "user", "path": "/proc/1/ns/user" }] }));
}

#[test]
fn mounts_have_a_destination_and_mappings_in_pairs() {
    refused(
        "/mounts",
        json!([{ "destination": "" }]),
        "mount destination must not be empty, because of mounts[0].destination",
    );
    let half =
        json!([{ "destination": "/a", "uidMappings": [{ "containerID": 0, "hostID": 0, "size": 1 }] }]);
    refused(
        "/mounts",
        half,
        "uidMappings and gidMappings of a mount must be given together, because of mounts[0]",
    );
    let loaded = spec::load(&changed("/mounts", json!([{ "destination": "a" }]))).unwrap();
    let checked = spec::check(loaded).unwrap();
    assert_eq!(checked.warnings()[0].place, "mounts[0].destination");
}

#[test]
fn devices_have_numbers_that_the_kernel_has() {
    refused(
        "/linux/devices",
        json!([{ "type": "c", "path": "/dev/x", "major": 1 }]),
        "minor number is missing: a device of type c needs it, because of linux.devices[0].minor",
    );
    refused(
        "/linux/devices",
        json!([{ "type": "b", "path": "/dev/x", "major": 4096, "minor": 0 }]),
        "major number 4096 is out of range: expected 0 to 4095, because of linux.devices[0].major",
    );
    refused(
        "/linux/devices",
        json!([{ "type": "p", "path": "fifo" }]),
        "\"fifo\" is not an absolute path, because of linux.devices[0].path",
    );
    accepted("/linux/devices", json!([{ "type": "p", "path": "/fifo" }]));
    refused(
        "/linux/resources/devices",
        json!([{ "allow": true, "type": "x" }]),
        "invalid device type \"x\": expected \"a\", \"b\" or \"c\", because of linux.resources.devices[0].type",
    );
    refused(
        "/linux/resources/devices",
        json!([{ "allow": true, "access": "rx" }]),
        "invalid device access \"rx\": expected letters of \"rwm\", because of linux.resources.devices[0].access",
    );
    accepted("/linux/resources/devices", json!([{ "allow": false, "access": "rwm", "major": -1 }]));
}

#[test]
fn network_devices_have_names_that_the_kernel_takes() {
    for name in ["", "a/b", "a b", "..", "a:b", "sixteen-letters-"] {
        let words = format!("invalid network device name {name:?}, because of linux.netDevices.eth9");
        let mut document = base();
        put(&mut document, "/linux/netDevices", json!({ "eth9": { "name": name } }));
        let expected = if name.is_empty() { vec![] } else { vec![words] };
        assert_eq!(mistakes(document.to_string().as_bytes()), expected, "an empty name says nothing");
    }
    let same = json!({ "eth8": { "name": "eth0" }, "eth9": { "name": "eth0" } });
    refused(
        "/linux/netDevices",
        same,
        "two network devices are to be named \"eth0\", because of linux.netDevices.eth9",
    );
    accepted("/linux/netDevices", json!({ "eth8": { "name": "eth%d" }, "eth9": { "name": "eth%d" } }));
}

#[test]
fn resources_stay_within_the_cgroup_and_agree() {
    refused(
        "/linux/cgroupsPath",
        json!("/a/../b"),
        "cgroupsPath \"/a/../b\" must not have a \"..\", because of linux.cgroupsPath",
    );
    accepted("/linux/cgroupsPath", json!("test.slice:prefix:name"));
    refused(
        "/linux/resources/unified",
        json!({ "../x": "1" }),
        "unified resource \"../x\" must be a file name (no slashes), because of linux.resources.unified[\"../x\"]",
    );
    refused(
        "/linux/resources/unified",
        json!({ "..": "1" }),
        "unified resource \"..\" must be in the form CONTROLLER.PARAMETER, because of linux.resources.unified[\"..\"]",
    );
    refused(
        "/linux/resources/unified",
        json!({ "max": "1" }),
        "unified resource \"max\" must be in the form CONTROLLER.PARAMETER, because of linux.resources.unified.max",
    );
    accepted("/linux/resources/unified", json!({ "memory.max": "1", "hugetlb.1GB.max": "0" }));
    refused(
        "/linux/resources/memory",
        json!({ "limit": 20, "swap": 10 }),
        "memory+swap limit 10 must not be less than memory limit 20, because of linux.resources.memory.swap",
    );
    accepted("/linux/resources/memory", json!({ "limit": 20, "swap": -1 }));
    accepted("/linux/resources/memory", json!({ "limit": 20, "swap": 0 }));
    refused(
        "/linux/resources/cpu",
        json!({ "quota": 10, "burst": 11 }),
        "cpu burst 11 must not be more than quota 10, because of linux.resources.cpu.burst",
    );
    refused(
        "/linux/resources/cpu/cpus",
        json!("0-"),
        "invalid list \"0-\": expected such as \"0-3,7\", because of linux.resources.cpu.cpus",
    );
    refused(
        "/linux/resources/hugepageLimits",
        json!([{ "pageSize": "64kB", "limit": 1 }]),
        "invalid hugepage size \"64kB\": expected such as \"2MB\", because of linux.resources.hugepageLimits[0].pageSize",
    );
    refused(
        "/linux/resources/rdma",
        json!({ "mlx5_1": {} }),
        "neither hcaHandles nor hcaObjects is given, because of linux.resources.rdma.mlx5_1",
    );
    refused(
        "/linux/resources/blockIO/weightDevice",
        json!([{ "major": 8, "minor": 0 }]),
        "neither weight nor leafWeight is given, because of linux.resources.blockIO.weightDevice[0]",
    );
}

#[test]
fn hooks_and_restricted_paths_are_absolute() {
    refused(
        "/hooks/createRuntime",
        json!([{ "path": "/a" }, { "path": "b" }]),
        "\"b\" is not an absolute path, because of hooks.createRuntime[1].path",
    );
    refused(
        "/linux/maskedPaths",
        json!(["proc"]),
        "\"proc\" is not an absolute path, because of linux.maskedPaths[0]",
    );
    refused(
        "/linux/readonlyPaths",
        json!([""]),
        "\"\" is not an absolute path, because of linux.readonlyPaths[0]",
    );
    refused("/hostname", json!("h".repeat(65)), "name is longer than 64 bytes, because of hostname");
    refused("/annotations", json!({ "": "x" }), "a key must not be an empty string, because of annotations");
}

#[test]
fn cache_and_memory_policies_are_well_formed() {
    refused(
        "/linux/intelRdt",
        json!({ "closID": "a/b" }),
        "closID \"a/b\" must be a directory name or \"/\", because of linux.intelRdt.closID",
    );
    accepted("/linux/intelRdt", json!({ "closID": "/" }));
    refused(
        "/linux/intelRdt",
        json!({ "schemata": ["L3:0=f\nMB:0=1"] }),
        "schema must not have a newline, because of linux.intelRdt.schemata[0]",
    );
    refused(
        "/linux/intelRdt",
        json!({ "memBwSchema": "L3:0=1" }),
        "memory bandwidth schema \"L3:0=1\" must start with \"MB:\", because of linux.intelRdt.memBwSchema",
    );
    accepted("/linux/memoryPolicy", json!({ "mode": "MPOL_BIND", "nodes": "0" }));
    refused(
        "/linux/memoryPolicy",
        json!({ "mode": "MPOL_BIND" }),
        "memory policy MPOL_BIND needs nodes, because of linux.memoryPolicy.nodes",
    );
    refused(
        "/linux/memoryPolicy",
        json!({ "mode": "MPOL_LOCAL", "nodes": "0" }),
        "memory policy MPOL_LOCAL takes no nodes, because of linux.memoryPolicy.nodes",
    );
    refused(
        "/linux/memoryPolicy",
        json!({ "mode": "MPOL_BIND", "nodes": "x" }),
        "invalid memory node list \"x\": expected such as \"0-3,7\", because of linux.memoryPolicy.nodes",
    );
    let both = json!({ "mode": "MPOL_BIND", "nodes": "0", "flags": ["MPOL_F_STATIC_NODES", "MPOL_F_RELATIVE_NODES"] });
    refused(
        "/linux/memoryPolicy",
        both,
        "memory policy flags MPOL_F_STATIC_NODES and MPOL_F_RELATIVE_NODES exclude each other, because of linux.memoryPolicy.flags",
    );
}

#[test]
fn filters_are_well_formed() {
    let filter = |rule: Value| json!({ "defaultAction": "SCMP_ACT_ALLOW", "syscalls": [rule] });
    refused(
        "/linux/seccomp",
        filter(json!({ "names": [], "action": "SCMP_ACT_LOG" })),
        "names must not be empty, because of linux.seccomp.syscalls[0].names",
    );
    refused(
        "/linux/seccomp",
        filter(json!({ "names": ["a"], "action": "SCMP_ACT_LOG", "errnoRet": 5 })),
        "action SCMP_ACT_LOG has no error number, because of linux.seccomp.syscalls[0].errnoRet",
    );
    refused(
        "/linux/seccomp",
        filter(json!({ "names": ["a"], "action": "SCMP_ACT_ERRNO", "errnoRet": 4096 })),
        "error number 4096 is out of range: SCMP_ACT_ERRNO has 0 to 4095, because of linux.seccomp.syscalls[0].errnoRet",
    );
    let seventh = json!({ "names": ["a"], "action": "SCMP_ACT_LOG", "args": [{ "index": 6, "value": 0, "op": "SCMP_CMP_EQ" }] });
    refused(
        "/linux/seccomp",
        filter(seventh),
        "argument index 6 is out of range: expected 0 to 5, because of linux.seccomp.syscalls[0].args[0].index",
    );
    let metadata = json!({ "defaultAction": "SCMP_ACT_ALLOW", "listenerMetadata": "x" });
    refused(
        "/linux/seccomp",
        metadata,
        "listenerMetadata must not be set without listenerPath, because of linux.seccomp.listenerMetadata",
    );
}

#[test]
fn a_process_document_is_placed_by_itself() {
    let all = spec::load_process(br#"{"args": [], "cwd": "x"}"#).and_then(spec::check_process);
    let all: Vec<_> = all.unwrap_err().iter().map(ToString::to_string).collect();
    assert_eq!(
        all,
        ["Cwd must be an absolute path, because of cwd", "args must not be empty, because of args"]
    );
}
