//! Scheduler, I/O priority and memory policy, as the kernel has them of the container's process.

use serde_json::{Value, json};
use tests::{Host, skip_for};

/// A container that waits to be started, with one value set; what chrt, or another tool, says about its init.
#[track_caller]
fn told(pointer: &str, value: Value, words: &[&str]) -> String {
    let host = Host::new();
    // Where the kernel schedules groups in real time, a group without time of its own has none of it.
    let real_time = json!({"realtimeRuntime": 10_000, "realtimePeriod": 1_000_000});
    let has_groups = std::path::Path::new("/sys/fs/cgroup/cpu/cpu.rt_runtime_us").exists();
    let config = host.config(&["sleep", "60"]).set(pointer, value);
    let config = if has_groups { config.set("/linux/resources/cpu", real_time) } else { config };
    let mut container = host.container(config);
    container.create();
    let pid = container.pid().to_string();
    let told = host.tool(&[words, &[&pid]].concat()).out;
    container.force_delete().ok();
    told
}

#[test]
fn every_scheduling_policy_is_applied() {
    skip_for!(Runc, "Debian's is older than that");
    skip_for!(Crun, "Debian's is older than that");
    let chrt = |value: Value| told("/process/scheduler", value, &["chrt", "-p"]);
    for policy in ["SCHED_BATCH", "SCHED_IDLE", "SCHED_OTHER"] {
        let text = chrt(json!({"policy": policy}));
        assert!(text.contains(policy), "{text}");
    }
    for policy in ["SCHED_FIFO", "SCHED_RR"] {
        let text = chrt(json!({"policy": policy, "priority": 7, "flags": ["SCHED_FLAG_RESET_ON_FORK"]}));
        assert!(text.contains(policy) && text.contains(": 7"), "{text}");
        assert!(text.contains("SCHED_RESET_ON_FORK"), "{text}");
    }
    let times = json!({"policy": "SCHED_DEADLINE", "runtime": 1_000_000, "deadline": 5_000_000,
        "period": 10_000_000, "flags": ["SCHED_FLAG_RESET_ON_FORK"]});
    let text = chrt(times);
    assert!(text.contains("SCHED_DEADLINE") && text.contains("1000000/5000000/10000000"), "{text}");
}

#[test]
fn the_nice_value_is_applied_and_so_is_one_in_a_user_namespace() {
    skip_for!(Runc, "Debian's is older than that");
    skip_for!(Crun, "Debian's is older than that");
    let scheduler = json!({"policy": "SCHED_OTHER", "nice": -5});
    let text = told("/process/scheduler", scheduler.clone(), &["ps", "-o", "ni=", "-p"]);
    assert_eq!(text.trim(), "-5");
    let host = Host::new();
    let config = host.config(&["sleep", "60"]).map_users(100_000, 65_536);
    let mut container = host.container(config.set("/process/scheduler", scheduler));
    container.create();
    let text = host.tool(&["ps", "-o", "ni=", "-p", &container.pid().to_string()]).out;
    assert_eq!(text.trim(), "-5");
    container.force_delete().ok();
}

#[test]
fn an_unknown_policy_is_reported_with_its_place() {
    skip_for!(Runc, "Debian's is older than that");
    skip_for!(Crun, "Debian's is older than that");
    let host = Host::new();
    let config = host.config(&["true"]).set("/process/scheduler", json!({"policy": "SCHED_ISO"}));
    let _ = host.run(config).fails().says(&["process.scheduler", "SCHED_ISO", "EINVAL"]);
}

#[test]
fn every_class_of_io_priority_is_applied() {
    skip_for!(Runc, "Debian's is older than that");
    skip_for!(Crun, "Debian's is older than that");
    for (class, level, wanted) in [
        ("IOPRIO_CLASS_RT", 3, "realtime: prio 3"),
        ("IOPRIO_CLASS_BE", 6, "best-effort: prio 6"),
        ("IOPRIO_CLASS_IDLE", 0, "idle"),
    ] {
        let text = told("/process/ioPriority", json!({"class": class, "priority": level}), &["ionice", "-p"]);
        assert_eq!(text.trim(), wanted);
    }
}

#[test]
fn a_process_document_has_an_io_priority_of_its_own() {
    skip_for!(Runc, "Debian's is older than that");
    skip_for!(Crun, "Debian's is older than that");
    let host = Host::new();
    let mut container = host.container(host.config(&["sleep", "60"]));
    container.create();
    container.start();
    let document = host.files().join("process.json");
    let process = json!({
        "cwd": "/", "args": ["/bin/payload", "sleep", "60"], "user": {"uid": 0, "gid": 0},
        "ioPriority": {"class": "IOPRIO_CLASS_BE", "priority": 2},
    });
    std::fs::write(&document, process.to_string()).unwrap();
    let (document, pid) = (document.to_string_lossy().into_owned(), host.files().join("pid"));
    let words = ["exec", "-d", "--pid-file", &pid.to_string_lossy(), "-p", &document, container.id()];
    let _ = host.runtime().run(&words).ok();
    let pid = std::fs::read_to_string(pid).unwrap();
    assert_eq!(host.tool(&["ionice", "-p", &pid]).out.trim(), "best-effort: prio 2");
}

#[test]
fn a_memory_policy_is_applied() {
    skip_for!(Runc, "Debian's is older than that");
    skip_for!(Crun, "Debian's is older than that");
    for (policy, wanted) in [
        (json!({"mode": "MPOL_BIND", "nodes": "0"}), " bind:0 "),
        (
            json!({"mode": "MPOL_INTERLEAVE", "nodes": "0", "flags": ["MPOL_F_STATIC_NODES"]}),
            " interleave=static:0 ",
        ),
        (json!({"mode": "MPOL_PREFERRED", "nodes": "0"}), " prefer:0 "),
        (json!({"mode": "MPOL_LOCAL"}), " local "),
        (json!({"mode": "MPOL_DEFAULT"}), " default "),
    ] {
        let host = Host::new();
        let config = host.config(&["cat", "/proc/self/numa_maps"]).set("/linux/memoryPolicy", policy);
        let maps = host.run(config).ok().out;
        assert!(maps.contains(wanted), "{wanted}: {maps}");
    }
}

#[test]
fn missing_memory_nodes_are_reported_with_their_place() {
    skip_for!(Runc, "Debian's is older than that");
    skip_for!(Crun, "Debian's is older than that");
    let host = Host::new();
    let policy = |nodes: &str| json!({"mode": "MPOL_BIND", "nodes": nodes});
    let config = host.config(&["true"]).set("/linux/memoryPolicy", policy("1000"));
    let _ = host.run(config).fails().says(&["linux.memoryPolicy", "EINVAL"]);
    let config = host.config(&["true"]).set("/linux/memoryPolicy", policy("1024"));
    let _ = host.run(config).fails().says(&["linux.memoryPolicy.nodes", "1023"]);
}

#[test]
fn a_real_time_policy_without_a_share_says_which_property_gives_one() {
    if !std::path::Path::new("/sys/fs/cgroup/cpu/cpu.rt_runtime_us").exists() {
        tests::skip!("this kernel has no real-time groups");
    }
    skip_for!(Runc, "Debian's is older than that");
    skip_for!(Crun, "Debian's is older than that");
    let host = Host::new();
    let config =
        host.config(&["true"]).set("/process/scheduler", json!({"policy": "SCHED_FIFO", "priority": 7}));
    let words = ["linux.resources.cpu.realtimeRuntime", "EPERM", "process.scheduler"];
    let _ = host.run(config).fails().says(&words);
}
