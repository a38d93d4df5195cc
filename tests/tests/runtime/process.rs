//! The process: its arguments, environment, user, directory, limits, as it sees them itself.

use serde_json::{Value, json};
use tests::{Host, skip_for};

#[test]
fn arguments_and_directory_are_as_configured() {
    let host = Host::new();
    let config = host.config(&[]).set("/process/cwd", "/tmp");
    let report = host.report(config, &["/a b", ""]);
    assert_eq!(report["args"], json!(["/bin/payload", "report", "/a b", ""]));
    assert_eq!(report["cwd"], "/tmp");
}

#[test]
fn the_environment_is_as_configured_and_nothing_more() {
    let host = Host::new();
    let config =
        host.config(&[]).set("/process/env", json!(["PATH=/bin", "HOME=/here", "LINES=a\nb", "EMPTY="]));
    let mut env: Vec<String> = serde_json::from_value(host.report(config, &[])["env"].clone()).unwrap();
    env.sort();
    assert_eq!(env, ["EMPTY=", "HOME=/here", "LINES=a\nb", "PATH=/bin"]);
}

#[test]
fn home_is_taken_from_passwd_when_it_is_not_set() {
    let host = Host::new();
    for (uid, home) in [(0, "HOME=/root"), (1000, "HOME=/tmp"), (4711, "HOME=/")] {
        let config = host.config(&[]).set("/process/env", json!(["PATH=/bin"])).set("/process/user/uid", uid);
        let report = host.report(config, &[]);
        assert!(
            report["env"].as_array().unwrap().iter().any(|pair| pair == home),
            "{home}: {}",
            report["env"]
        );
    }
}

#[test]
fn an_empty_home_is_replaced_by_that_of_passwd() {
    skip_for!(Runc, "Debian's keeps it");
    skip_for!(Crun, "it keeps it");
    let host = Host::new();
    for env in [json!(["HOME="]), json!(["HOME=/one", "HOME="])] {
        let report = host.report(host.config(&[]).set("/process/env", env), &[]);
        assert_eq!(report["env"], json!(["HOME=/root"]));
    }
}

#[test]
fn of_a_repeated_variable_the_last_counts() {
    skip_for!(Runc, "Debian's passes all on");
    skip_for!(Crun, "it passes all on");
    let host = Host::new();
    let env = json!(["HOME=/", "A=1", "B=2", "A=3"]);
    let report = host.report(host.config(&[]).set("/process/env", env), &[]);
    let mut env: Vec<String> = serde_json::from_value(report["env"].clone()).unwrap();
    env.sort();
    assert_eq!(env, ["A=3", "B=2", "HOME=/"]);
}

#[test]
fn a_variable_may_hold_a_new_line() {
    let host = Host::new();
    let report = host.report(host.config(&[]).env("LINES=one\ntwo"), &[]);
    assert!(report["env"].as_array().unwrap().contains(&json!("LINES=one\ntwo")), "{}", report["env"]);
}

#[test]
fn an_oom_score_that_the_kernel_has_not_is_refused() {
    let host = Host::new();
    for score in [1001, -1001] {
        let _ = host.run(host.config(&["true"]).set("/process/oomScoreAdj", score)).fails();
    }
}

/// A program that only its owner may execute runs for another user by CAP_DAC_OVERRIDE alone.
#[test]
fn a_program_that_only_an_override_may_run() {
    use std::os::unix::fs::PermissionsExt as _;
    let host = Host::new();
    let one = json!(["CAP_DAC_OVERRIDE"]);
    let mut with = host.config(&["true"]).set("/process/user", json!({"uid": 1000, "gid": 1000}));
    let without = with.clone();
    for set in ["bounding", "permitted", "inheritable", "ambient", "effective"] {
        with = with.set(&format!("/process/capabilities/{set}"), one.clone());
    }
    for (config, runs) in [(with, true), (without, false)] {
        let mut container = host.container(config);
        let program = container.rootfs().join("bin/payload");
        std::fs::set_permissions(program, std::fs::Permissions::from_mode(0o744)).unwrap();
        assert_eq!(container.run().code == 0, runs);
        container.deleted_already();
    }
}

#[test]
fn a_program_without_a_slash_is_looked_for_along_path() {
    let host = Host::new();
    let config = host.config(&[]).set("/process/env", json!(["PATH=/nonexistent:/bin"]));
    assert_eq!(host.run(config.args(&["payload", "echo", "found"])).ok().out, "found\n");
}

#[test]
fn a_relative_program_is_relative_to_the_working_directory() {
    let host = Host::new();
    let config = host.config(&[]).set("/process/cwd", "/bin");
    assert_eq!(host.run(config.args(&["./payload", "echo", "found"])).ok().out, "found\n");
}

#[test]
fn a_missing_working_directory_is_made() {
    let host = Host::new();
    let config = host.config(&[]).set("/process/cwd", "/made/for/me");
    assert_eq!(host.report(config, &[])["cwd"], "/made/for/me");
}

/// A descriptor of the runtime's that leads to the host would take the process there.
#[test]
fn no_working_directory_is_outside_the_root() {
    let host = Host::new();
    for number in 3..16 {
        let config = host.config(&["list", "."]).set("/process/cwd", format!("/proc/self/fd/{number}"));
        let output = host.run(config);
        assert_ne!(output.code, 0, "{number}: {output:#?}");
    }
}

#[test]
fn the_user_and_all_groups_are_as_configured() {
    let host = Host::new();
    let user = json!({"uid": 1000, "gid": 1001, "additionalGids": [5, 1002]});
    let report = host.report(host.config(&[]).set("/process/user", user), &[]);
    assert_eq!((&report["uid"], &report["euid"]), (&json!(1000), &json!(1000)));
    assert_eq!((&report["gid"], &report["egid"]), (&json!(1001), &json!(1001)));
    let mut groups: Vec<u32> = serde_json::from_value(report["groups"].clone()).unwrap();
    groups.retain(|group| *group != 1001);
    assert_eq!(groups, [5, 1002]);
}

#[test]
fn without_additional_groups_there_are_none_of_the_callers() {
    let host = Host::new();
    let report = host.report(host.config(&[]).set("/process/user", json!({"uid": 1000, "gid": 1001})), &[]);
    let groups: Vec<u32> = serde_json::from_value(report["groups"].clone()).unwrap();
    assert!(groups.iter().all(|group| *group == 1001), "{groups:?}");
}

#[test]
fn the_largest_user_id_is_a_user() {
    skip_for!(Runc, "it knows 31 bits only");
    let host = Host::new();
    let user = json!({"uid": 4_294_967_294_u32, "gid": 4_294_967_294_u32});
    let report = host.report(host.config(&[]).set("/process/user", user), &[]);
    assert_eq!(report["uid"], 4_294_967_294_u32);
    assert_eq!(report["gid"], 4_294_967_294_u32);
}

#[test]
fn the_umask_is_as_configured_or_022() {
    let host = Host::new();
    let report = host.report(host.config(&[]).set("/process/user/umask", 0o077), &[]);
    assert_eq!(report["umask"], "0077");
    let report = host.report(host.config(&[]), &[]);
    assert_eq!(report["umask"], "0022");
}

#[test]
fn every_limit_is_as_configured() {
    let host = Host::new();
    let names = [
        "AS",
        "CORE",
        "CPU",
        "DATA",
        "FSIZE",
        "LOCKS",
        "MEMLOCK",
        "MSGQUEUE",
        "NOFILE",
        "NPROC",
        "RSS",
        "RTTIME",
        "SIGPENDING",
        "STACK",
    ];
    let mut wanted = serde_json::Map::new();
    let mut limits = Vec::new();
    let plain: Value = host.report(host.config(&[]), &[])["rlimits"].clone();
    for name in names {
        let full = format!("RLIMIT_{name}");
        // Raising a hard limit needs a capability that not every machine gives: ask for a little less than there is.
        let hard = plain[&full]["hard"].as_u64().unwrap().min(1 << 40);
        let soft = (hard / 2).max(plain[&full]["soft"].as_u64().unwrap().min(hard) / 2);
        limits.push(json!({"type": full, "soft": soft, "hard": hard}));
        wanted.insert(full, json!({"soft": soft, "hard": hard}));
    }
    let report = host.report(host.config(&[]).set("/process/rlimits", Value::from(limits)), &[]);
    for (name, limit) in &wanted {
        assert_eq!(report["rlimits"][name], *limit, "{name}");
    }
}

#[test]
fn the_oom_score_is_as_configured() {
    let host = Host::new();
    let report = host.report(host.config(&[]).set("/process/oomScoreAdj", 500), &[]);
    assert_eq!(report["oom_score_adj"], 500);
}

#[test]
fn only_the_standard_streams_are_open() {
    let host = Host::new();
    let report = host.report(host.config(&[]), &[]);
    let numbers: Vec<u64> =
        report["fds"].as_array().unwrap().iter().map(|fd| fd["fd"].as_u64().unwrap()).collect();
    assert_eq!(numbers, [0, 1, 2], "{}", report["fds"]);
}

#[test]
fn descriptors_that_the_caller_leaks_do_not_reach_the_container() {
    let host = Host::new();
    let mut container = host.container(host.config(&["report"]));
    let bundle = container.bundle().to_string_lossy().into_owned();
    let program = host.runtime().program().to_string_lossy().into_owned();
    let root = host.runtime().root().to_string_lossy().into_owned();
    let line =
        format!("exec {program} --root {root} run --bundle {bundle} {} 5</etc/passwd 9</etc", container.id());
    let report = host.tool(&["sh", "-c", &line]).json();
    assert_eq!(report["fds"].as_array().unwrap().len(), 3, "{}", report["fds"]);
    let _ = container.force_delete();
}

#[test]
fn descriptors_to_be_preserved_reach_the_container() {
    let host = Host::new();
    let mut container = host.container(host.config(&["report"]));
    let bundle = container.bundle().to_string_lossy().into_owned();
    let program = host.runtime().program().to_string_lossy().into_owned();
    let root = host.runtime().root().to_string_lossy().into_owned();
    let id = container.id();
    let line = format!(
        "exec {program} --root {root} run --preserve-fds 2 --bundle {bundle} {id} 3</etc/passwd 4</etc"
    );
    let report = host.tool(&["sh", "-c", &line]).json();
    let targets: Vec<&str> =
        report["fds"].as_array().unwrap().iter().map(|fd| fd["target"].as_str().unwrap()).collect();
    assert_eq!(targets.len(), 5, "{targets:?}");
    assert_eq!(report["fds"][3]["fd"], 3);
    let _ = container.force_delete();
}

#[test]
fn standard_input_reaches_the_container() {
    let host = Host::new();
    let mut container = host.container(host.config(&["cat"]));
    let bundle = container.bundle().to_string_lossy().into_owned();
    let output = host.runtime().call(&["run", "--bundle", &bundle, container.id()]).input("typed").run().ok();
    assert_eq!(output.out, "typed");
    container.run().ok();
}

#[test]
fn process_1_leads_its_session_and_has_no_parent() {
    let host = Host::new();
    let report = host.report(host.config(&[]), &[]);
    assert_eq!(report["pid"], 1);
    assert_eq!(report["ppid"], 0);
    assert_eq!(report["sid"], 1);
    assert_eq!(report["processes"], 1);
}

#[test]
fn no_signal_is_blocked_or_ignored() {
    let host = Host::new();
    let output = host.run(host.config(&["cat", "/proc/self/status"])).ok();
    for field in ["SigBlk:", "SigIgn:"] {
        let line = output.out.lines().find(|line| line.starts_with(field)).unwrap();
        let mask = u64::from_str_radix(line[field.len()..].trim(), 16).unwrap();
        // The payload's own language runtime ignores SIGPIPE; the last two before the real-time signals are libc's.
        assert_eq!(mask & !(1 << 12 | 3 << 31), 0, "{line}");
    }
}

#[test]
fn the_affinity_is_all_cpus_however_the_caller_was_bound() {
    let host = Host::new();
    if std::thread::available_parallelism().unwrap().get() < 2 {
        tests::skip!("there is one CPU only");
    }
    skip_for!(Runc, "Debian's is older than that");
    skip_for!(Crun, "it keeps the caller's");
    let mut container = host.container(host.config(&["report"]));
    let bundle = container.bundle().to_string_lossy().into_owned();
    let program = host.runtime().program().to_string_lossy().into_owned();
    let root = host.runtime().root().to_string_lossy().into_owned();
    let words = ["taskset", "-c", "0", &program, "--root", &root, "run", "--bundle", &bundle, container.id()];
    assert_ne!(host.tool(&words).json()["affinity"].as_str().unwrap(), "0");
    let _ = container.force_delete();
}

#[test]
fn a_personality_is_applied() {
    let host = Host::new();
    skip_for!(Runc, "Debian's is older than personality");
    let report = host.report(host.config(&[]).set("/linux/personality", json!({"domain": "LINUX32"})), &[]);
    assert_eq!(report["personality"], 8);
}

#[test]
fn the_affinity_is_that_of_the_cpuset_however_the_caller_was_bound() {
    let host = Host::new();
    let many = std::thread::available_parallelism().unwrap().get() > 1;
    if !many || !std::path::Path::new("/sys/fs/cgroup/cpuset/cpuset.cpus").exists() {
        tests::skip!("there is one CPU only, or no v1 controller cpuset");
    }
    skip_for!(Runc, "Debian's is older than that");
    skip_for!(Crun, "it keeps the caller's");
    let mut container = host
        .container(host.config(&["report"]).set("/linux/resources/cpu", json!({"cpus": "1", "mems": "0"})));
    let bundle = container.bundle().to_string_lossy().into_owned();
    let program = host.runtime().program().to_string_lossy().into_owned();
    let root = host.runtime().root().to_string_lossy().into_owned();
    let words = ["taskset", "-c", "0", &program, "--root", &root, "run", "--bundle", &bundle, container.id()];
    assert_eq!(host.tool(&words).json()["affinity"], "1");
    let _ = container.force_delete();
}
