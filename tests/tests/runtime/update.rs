//! update: other limits, all of them or none.

use serde_json::{Value, json};
use tests::{Container, Host, Output};

const MIB: i64 = 1 << 20;

fn running(host: &Host) -> Container {
    host.running(host.config(&["sleep", "60"]).memory(64 * MIB).pids(20))
}

fn update(container: &Container, options: &[&str]) -> Output {
    container.verb(&[&["update"], options].concat())
}

fn update_by(host: &Host, container: &Container, document: &Value) -> Output {
    let call = host.runtime().call(&["update", "--resources", "-", container.id()]);
    call.input(&document.to_string()).run()
}

#[test]
fn every_option_is_written() {
    tests::only_v1!();
    let host = Host::new();
    let container = running(&host);
    let options =
        ["--memory", "100M", "--memory-reservation", "50M", "--pids-limit", "10", "--cpu-share", "512"];
    let _ = update(&container, &options).ok();
    assert_eq!(container.limit("memory", "memory.limit_in_bytes"), (100 * MIB).to_string());
    assert_eq!(container.limit("memory", "memory.soft_limit_in_bytes"), (50 * MIB).to_string());
    assert_eq!(container.limit("pids", "pids.max"), "10");
    assert_eq!(container.limit("cpu", "cpu.shares"), "512");
    let options =
        ["--cpu-period", "50000", "--cpu-quota", "20000", "--cpu-burst", "10000", "--cpuset-cpus", "0"];
    let _ = update(&container, &options).ok();
    assert_eq!(container.limit("cpu", "cpu.cfs_period_us"), "50000");
    assert_eq!(container.limit("cpu", "cpu.cfs_quota_us"), "20000");
    assert_eq!(container.limit("cpu", "cpu.cfs_burst_us"), "10000");
    assert_eq!(container.limit("cpuset", "cpuset.cpus"), "0");
    let _ = update(&container, &["--cpu-idle", "1"]).ok();
    assert_eq!(container.limit("cpu", "cpu.idle"), "1");
    let _ = update(&container, &["--pids-limit", "30"]).ok();
    assert_eq!(container.limit("cpu", "cpu.idle"), "1", "another update resets it");
    // What is not named stays as it was.
    assert_eq!(container.limit("memory", "memory.limit_in_bytes"), (100 * MIB).to_string());
}

#[test]
fn less_than_nothing_is_no_limit_and_nothing_is_one_task() {
    tests::only_v1!();
    let host = Host::new();
    let container = running(&host);
    let _ = update(&container, &["--memory", "-1", "--pids-limit", "-1"]).ok();
    assert_eq!(container.limit("memory", "memory.limit_in_bytes"), "9223372036854771712");
    assert_eq!(container.limit("pids", "pids.max"), "max");
    let _ = update(&container, &["--pids-limit", "0"]).ok();
    assert_eq!(container.limit("pids", "pids.max"), "1");
    let _ = update(&container, &["--cpu-quota", "5000"]).ok();
    let _ = update(&container, &["--cpu-quota", "-1"]).ok();
    assert_eq!(container.limit("cpu", "cpu.cfs_quota_us"), "-1");
}

#[test]
fn memory_and_swap_are_raised_and_lowered_together() {
    tests::only_v1!();
    let host = Host::new();
    let container = running(&host);
    for (memory, both) in [(128, 256), (512, 1024), (32, 64), (64, 64)] {
        let (memory, both) = (format!("{memory}M"), format!("{both}M"));
        let _ = update(&container, &["--memory", &memory, "--memory-swap", &both]).ok();
        let bytes = |text: &str| (text.trim_end_matches('M').parse::<i64>().unwrap() * MIB).to_string();
        assert_eq!(container.limit("memory", "memory.limit_in_bytes"), bytes(&memory));
        assert_eq!(container.limit("memory", "memory.memsw.limit_in_bytes"), bytes(&both));
    }
}

#[test]
fn quota_and_period_come_together_or_alone() {
    tests::only_v1!();
    let host = Host::new();
    let container = running(&host);
    let now = || (container.limit("cpu", "cpu.cfs_period_us"), container.limit("cpu", "cpu.cfs_quota_us"));
    let is = |period: &str, quota: &str| assert_eq!(now(), (period.to_string(), quota.to_string()));
    let _ = update(&container, &["--cpu-period", "20000"]).ok();
    is("20000", "-1");
    let _ = update(&container, &["--cpu-quota", "10000"]).ok();
    is("20000", "10000");
    let _ = update(&container, &["--cpu-period", "500000", "--cpu-quota", "400000"]).ok();
    is("500000", "400000");
    let _ = update(&container, &["--cpu-period", "2000", "--cpu-quota", "1000"]).ok();
    is("2000", "1000");
    let _ = update(&container, &["--cpu-period", "10"]).fails().says(&["cpu.period", "EINVAL"]);
    is("2000", "1000");
}

#[test]
fn one_value_that_is_refused_leaves_all_as_they_were() {
    tests::only_v1!();
    let host = Host::new();
    let container = running(&host);
    let before = (container.limit("memory", "memory.limit_in_bytes"), container.limit("pids", "pids.max"));
    let output = update(&container, &["--memory", "40M", "--pids-limit", "5", "--cpuset-cpus", "4000"]);
    let _ = output.fails().says(&["linux.resources.cpu.cpus"]);
    let after = (container.limit("memory", "memory.limit_in_bytes"), container.limit("pids", "pids.max"));
    assert_eq!(before, after);
    for (option, value) in
        [("--cpu-idle", "2"), ("--cpu-idle", "-1"), ("--memory", "much"), ("--pids-limit", "x")]
    {
        let _ = update(&container, &["--pids-limit", "5", option, value]).fails();
    }
    assert_eq!(container.limit("pids", "pids.max"), before.1);
}

#[test]
fn shares_of_caches_need_a_class_of_resctrl() {
    let host = Host::new();
    let container = running(&host);
    let output = update(&container, &["--pids-limit", "5", "--l3-cache-schema", "L3:0=f"]).fails();
    let _ = output.says(&["linux.intelRdt"]);
    assert_eq!(container.limit("pids", "pids.max"), "20");
}

#[test]
fn a_document_comes_from_a_file_or_from_standard_input() {
    tests::only_v1!();
    let host = Host::new();
    let container = running(&host);
    let file = host.files().join("resources.json");
    std::fs::write(&file, json!({"memory": {"limit": 80 * MIB}}).to_string()).unwrap();
    let _ = update(&container, &["-r", &file.to_string_lossy()]).ok();
    assert_eq!(container.limit("memory", "memory.limit_in_bytes"), (80 * MIB).to_string());
    // As Go reads JSON: whatever the case of the keys.
    let document = json!({"Memory": {"Limit": 90 * MIB}, "CPU": {"Cpus": "0", "mems": "0"}});
    let _ = update_by(&host, &container, &document).ok();
    assert_eq!(container.limit("memory", "memory.limit_in_bytes"), (90 * MIB).to_string());
    assert_eq!(container.limit("cpuset", "cpuset.cpus"), "0");
    let call = host.runtime().call(&["update", "--resources=-", container.id()]);
    let _ = call.input("{}").run().ok();
    let call = host.runtime().call(&["update", "--resources=-", container.id()]);
    let _ = call.input("{\"pids\": {\"limit\": \"many\"}}").run().fails().says(&["pids.limit"]);
}

#[test]
fn device_rules_in_it_are_ignored() {
    tests::only_v1!();
    let host = Host::new();
    let container = running(&host);
    let rules = container.limit("devices", "devices.list");
    let document = json!({"devices": [{"allow": false, "access": "rwm"}], "pids": {"limit": 9}});
    let _ = update_by(&host, &container, &document).ok();
    assert_eq!(container.limit("devices", "devices.list"), rules);
    let _ = container.exec(&[], &["/bin/payload", "cat", "/dev/null"]).ok();
}

#[test]
fn a_paused_container_stays_paused() {
    let host = Host::new();
    let container = running(&host);
    let _ = container.verb(&["pause"]).ok();
    let _ = update(&container, &["--pids-limit", "7"]).ok();
    assert_eq!(container.status(), "paused");
    assert_eq!(container.limit("pids", "pids.max"), "7");
}

#[test]
fn what_has_ended_is_refused() {
    let host = Host::new();
    let container = running(&host);
    let _ = container.kill("KILL").ok();
    container.becomes("stopped");
    let _ = update(&container, &["--pids-limit", "7"]).fails().says(&["container not running"]);
    let _ = host.runtime().run(&["update", "--pids-limit", "7", "nobody"]).fails().says(&["does not exist"]);
}

#[test]
fn unified_files_need_version_2() {
    tests::only_v1!();
    let host = Host::new();
    let container = running(&host);
    let output = update_by(&host, &container, &json!({"unified": {"pids.max": "5"}}));
    let _ = output.fails().says(&["invalid configuration", "unified"]);
}
