//! Seccomp: actions, arguments, defaults, and Docker's profile.

use serde_json::{Value, json};
use tare_bundle::config::Config;
use tests::{Host, skip_for};

fn profile(host: &Host, rules: &Value, words: &[&str]) -> Config {
    let profile =
        json!({"defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_X86_64"], "syscalls": rules});
    host.config(words).set("/linux/seccomp", profile)
}

/// What the container's probe of the call comes to under these rules.
#[track_caller]
fn probe(host: &Host, rules: &Value, call: &str) -> Value {
    host.run(profile(host, rules, &["syscall", call])).ok().json()[call].clone()
}

#[test]
fn errno_is_eperm_by_default_or_what_is_configured() {
    let host = Host::new();
    let rule = json!([{"names": ["getcwd"], "action": "SCMP_ACT_ERRNO"}]);
    assert_eq!(probe(&host, &rule, "getcwd"), "EPERM");
    let rule = json!([{"names": ["getcwd"], "action": "SCMP_ACT_ERRNO", "errnoRet": 38}]);
    assert_eq!(probe(&host, &rule, "getcwd"), "ENOSYS");
    let rule = json!([{"names": ["uname", "getcwd"], "action": "SCMP_ACT_ERRNO", "errnoRet": 6}]);
    assert_eq!(probe(&host, &rule, "uname"), "ENXIO");
}

#[test]
fn what_no_rule_names_is_allowed_by_an_allowing_default() {
    let host = Host::new();
    let rule = json!([{"names": ["getcwd"], "action": "SCMP_ACT_ERRNO"}]);
    let answer = host.run(profile(&host, &rule, &["syscall", "uname", "getcwd"])).ok().json();
    assert_eq!((&answer["uname"], &answer["getcwd"]), (&json!("ok"), &json!("EPERM")));
}

#[test]
fn a_rule_that_says_what_the_default_says_is_accepted() {
    let host = Host::new();
    let rules = json!([
        {"names": ["getcwd"], "action": "SCMP_ACT_ALLOW"},
        {"names": ["uname"], "action": "SCMP_ACT_ERRNO"},
    ]);
    assert_eq!(probe(&host, &rules, "getcwd"), "ok");
    assert_eq!(probe(&host, &rules, "uname"), "EPERM");
}

#[test]
fn the_path_of_an_agent_that_no_rule_needs_is_ignored() {
    skip_for!(Crun, "it connects all the same");
    let host = Host::new();
    let rules = json!([{"names": ["getcwd"], "action": "SCMP_ACT_ERRNO"}]);
    let config = profile(&host, &rules, &["syscall", "getcwd"]);
    let config = config.set("/linux/seccomp/listenerPath", "/nonexistent/agent");
    assert_eq!(host.run(config).ok().json()["getcwd"], "EPERM");
}

#[test]
fn kill_ends_the_process_with_sigsys() {
    let host = Host::new();
    for action in ["SCMP_ACT_KILL", "SCMP_ACT_KILL_THREAD", "SCMP_ACT_KILL_PROCESS"] {
        let rules = json!([{"names": ["getcwd"], "action": action}]);
        assert_eq!(host.run(profile(&host, &rules, &["syscall", "getcwd"])).code, 159, "{action}");
    }
}

#[test]
fn trap_raises_sigsys() {
    let host = Host::new();
    let rules = json!([{"names": ["getcwd"], "action": "SCMP_ACT_TRAP"}]);
    assert_eq!(host.run(profile(&host, &rules, &["syscall", "getcwd"])).code, 159);
}

/// Docker's profile denies by default: without the rule that allows getcwd, only a rule with LOG lets it through.
#[test]
fn log_allows_the_call() {
    let host = Host::new();
    let config = host.config(&["syscall", "getcwd"]).seccomp().unwrap();
    let mut rules = config.value()["linux"]["seccomp"]["syscalls"].as_array().unwrap().clone();
    for names in rules.iter_mut().filter_map(|rule| rule["names"].as_array_mut()) {
        names.retain(|name| name != "getcwd");
    }
    let config = config.set("/linux/seccomp/syscalls", rules);
    assert_eq!(host.run(config.clone()).ok().json()["getcwd"], "EPERM");
    let log = json!({"names": ["getcwd"], "action": "SCMP_ACT_LOG"});
    let config = config.set("/linux/seccomp/syscalls/-", log);
    assert_eq!(host.run(config).ok().json()["getcwd"], "ok");
}

#[test]
fn conditions_on_arguments_decide() {
    let host = Host::new();
    // socket(2): the first argument is the family, 2 for IPv4; the second the kind, 1 for streams and 3 for raw.
    let cases = [
        (0, "SCMP_CMP_EQ", 2, 0, true),
        (0, "SCMP_CMP_EQ", 3, 0, false),
        (0, "SCMP_CMP_NE", 2, 0, false),
        (0, "SCMP_CMP_NE", 3, 0, true),
        (0, "SCMP_CMP_LT", 3, 0, true),
        (0, "SCMP_CMP_LT", 2, 0, false),
        (0, "SCMP_CMP_LE", 2, 0, true),
        (0, "SCMP_CMP_GE", 2, 0, true),
        (0, "SCMP_CMP_GE", 3, 0, false),
        (0, "SCMP_CMP_GT", 1, 0, true),
        (0, "SCMP_CMP_GT", 2, 0, false),
        (0, "SCMP_CMP_MASKED_EQ", 3, 2, true),
        (0, "SCMP_CMP_MASKED_EQ", 3, 3, false),
    ];
    for (index, op, value, two, denied) in cases {
        let condition = json!({"index": index, "value": value, "valueTwo": two, "op": op});
        let rules = json!([{"names": ["socket"], "action": "SCMP_ACT_ERRNO", "args": [condition]}]);
        let wanted = if denied { "EPERM" } else { "ok" };
        assert_eq!(probe(&host, &rules, "socket"), wanted, "{op} {value} {two}");
    }
}

#[test]
fn all_conditions_of_a_rule_must_hold_and_any_of_several_rules() {
    let host = Host::new();
    let condition = |index: u32, value: u32| json!({"index": index, "value": value, "op": "SCMP_CMP_EQ"});
    let both = |kind: u32| json!([{"names": ["socket"], "action": "SCMP_ACT_ERRNO", "args": [condition(0, 2), condition(2, kind)]}]);
    assert_eq!(probe(&host, &both(0), "socket"), "EPERM");
    assert_eq!(probe(&host, &both(7), "socket"), "ok");
    let either = json!([
        {"names": ["socket"], "action": "SCMP_ACT_ERRNO", "args": [condition(0, 9)]},
        {"names": ["socket"], "action": "SCMP_ACT_ERRNO", "args": [condition(0, 2)]},
    ]);
    assert_eq!(probe(&host, &either, "socket"), "EPERM");
}

#[test]
fn conditions_compare_all_64_bits() {
    let host = Host::new();
    // The lower half is the family that the payload asks for, the upper one is not.
    for (op, wanted) in [("SCMP_CMP_EQ", "ok"), ("SCMP_CMP_NE", "EPERM"), ("SCMP_CMP_LT", "EPERM")] {
        let condition = json!({"index": 0, "value": (1_u64 << 32) + 2, "op": op});
        let rules = json!([{"names": ["socket"], "action": "SCMP_ACT_ERRNO", "args": [condition]}]);
        assert_eq!(probe(&host, &rules, "socket"), wanted, "{op}");
    }
}

#[test]
fn an_unknown_call_in_a_rule_is_passed_over() {
    let host = Host::new();
    let rules = json!([{"names": ["no_such_call", "getcwd"], "action": "SCMP_ACT_ERRNO"}]);
    assert_eq!(probe(&host, &rules, "getcwd"), "EPERM");
}

#[test]
fn dockers_profile_lets_programs_work_and_denies_what_docker_denies() {
    let host = Host::new();
    let calls = [
        "getcwd",
        "mkdir",
        "socket",
        "socket-vsock",
        "mount",
        "unshare",
        "reboot",
        "settime",
        "execve",
        "personality",
    ];
    let config =
        Config::docker().unwrap().set("/ociVersion", "1.0.2").env(&format!("TARE_TEST={}", host.marker()));
    let words: Vec<&str> = ["/bin/payload", "syscall"].iter().chain(&calls).copied().collect();
    let answer = host.run(config.args(&words)).ok().json();
    for (call, wanted) in [
        ("getcwd", "ok"),
        ("mkdir", "ok"),
        ("socket", "ok"),
        ("socket-vsock", "EPERM"),
        ("mount", "EPERM"),
        ("unshare", "EPERM"),
        ("reboot", "EPERM"),
        ("settime", "EPERM"),
        ("execve", "ok"),
        ("personality", "ok"),
    ] {
        assert_eq!(answer[call], wanted, "{call}: {answer}");
    }
}

#[test]
fn the_filter_is_installed_with_and_without_no_new_privs() {
    let host = Host::new();
    for no_new_privileges in [true, false] {
        let rules = json!([{"names": ["uname"], "action": "SCMP_ACT_ERRNO"}]);
        let config =
            profile(&host, &rules, &["syscall", "uname"]).set("/process/noNewPrivileges", no_new_privileges);
        assert_eq!(host.run(config).ok().json()["uname"], "EPERM", "{no_new_privileges}");
    }
    let rules = json!([{"names": ["mkdir"], "action": "SCMP_ACT_ERRNO"}]);
    let config = profile(&host, &rules, &["report"]).set("/process/noNewPrivileges", false);
    let report = host.run(config).ok().json();
    assert_eq!(report["seccomp"], 2);
    assert_eq!(report["no_new_privs"], false);
}

#[test]
fn a_denying_default_needs_its_own_errno() {
    let host = Host::new();
    skip_for!(Runc, "it needs more calls than the list to start its own program");
    let mut config =
        Config::docker().unwrap().set("/ociVersion", "1.0.2").set("/linux/seccomp/defaultErrnoRet", 6);
    config = config.args(&["/bin/payload", "syscall", "mount"]);
    assert_eq!(host.run(config).ok().json()["mount"], "ENXIO");
}

#[test]
fn without_a_profile_there_is_no_filter() {
    let host = Host::new();
    assert_eq!(host.report(host.config(&[]), &[])["seccomp"], 0);
}
