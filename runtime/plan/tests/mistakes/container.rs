//! Mistakes of meaning in the process, mounts, hooks, resctrl, memory policy and seccomp rules.

use serde_json::{Value, json};
use tare_plan::spec;

use super::{accepted, base, changed, mistakes, put, refused};

// config.md, Process; the messages about args and cwd are runc's.
#[test]
fn process_values_are_checked() {
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

// sched(7): a priority belongs to SCHED_FIFO and SCHED_RR, the three times to SCHED_DEADLINE with
// 1024 <= runtime <= deadline <= period.
#[test]
fn scheduler_values_follow_the_rules_of_the_kernel() {
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

// config.md, Mounts: uidMappings and gidMappings are given together.
#[test]
fn mounts_have_a_destination_and_both_mappings() {
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

// config.md, POSIX-platform Hooks; config-linux.md, Masked Paths and Readonly Paths.
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

// config-linux.md, IntelRdt and Memory policy.
#[test]
fn intel_rdt_and_memory_policy_are_checked() {
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

// config-linux.md, Seccomp.
#[test]
fn seccomp_rules_are_checked() {
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

// config-linux.md, Allowed Device list: allow is REQUIRED.
#[test]
fn a_device_rule_requires_allow() {
    refused(
        "/linux/resources",
        json!({ "devices": [{ "access": "rwm" }] }),
        "required property is missing: expected true or false, because of linux.resources.devices[0].allow",
    );
}
