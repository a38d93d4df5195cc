//! Cgroups where version 2 is the only one: what `cgroups.rs` and its neighbours check by the files of version 1.
//!
//! On a machine with version 1 the tests of this module, and those of others that are about groups, are run by [`machine`] in a
//! user-mode Linux.
//!
//! [`machine`]: super::machine

use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use tests::{Container, Host, Output, eventually, skip_for};

use super::cgroups::a_disk;

const TOP: &str = "/sys/fs/cgroup";
const MIB: i64 = 1 << 20;

/// A machine with version 1 has to skip.
macro_rules! alone {
    () => {
        if !tests::hierarchies::only_v2() {
            tests::skip!("the machine has cgroup v1");
        }
    };
}

#[track_caller]
fn created(host: &Host, resources: &Value) -> Container {
    let config = host.config(&["sleep", "60"]).set("/linux/resources", resources.clone());
    let mut container = host.container(config);
    container.create();
    container
}

fn group(container: &Container) -> PathBuf {
    container.cgroup("")
}

#[track_caller]
fn read(path: &Path) -> String {
    std::fs::read_to_string(path)
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()))
        .trim()
        .to_owned()
}

/// The group of a process, below the topmost one.
#[track_caller]
fn group_of(pid: i32) -> String {
    let text = std::fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap();
    text.lines().find_map(|line| line.strip_prefix("0::")).unwrap().to_owned()
}

#[test]
fn every_controller_of_the_parent_is_enabled() {
    alone!();
    let host = Host::new();
    let container = created(&host, &json!({}));
    let sorted = |path: &Path| {
        let mut names: Vec<String> = read(path).split(' ').map(str::to_owned).collect();
        names.sort_unstable();
        names
    };
    let top = sorted(&Path::new(TOP).join("cgroup.controllers"));
    assert_eq!(sorted(&group(&container).join("cgroup.controllers")), top);
    assert!(top.iter().any(|name| name == "memory"), "{top:?}");
}

#[test]
fn limits_are_those_of_the_kernels_files() {
    alone!();
    let host = Host::new();
    let container = created(
        &host,
        &json!({
            "memory": {"limit": 64 * MIB, "reservation": 32 * MIB},
            "pids": {"limit": 17},
            "cpu": {"shares": 2048, "quota": 20_000, "period": 50_000, "burst": 5_000},
        }),
    );
    assert_eq!(container.limit("", "memory.max"), (64 * MIB).to_string());
    assert_eq!(container.limit("", "memory.low"), (32 * MIB).to_string());
    assert_eq!(container.limit("", "pids.max"), "17");
    assert_eq!(container.limit("", "cpu.max"), "20000 50000");
    assert_eq!(container.limit("", "cpu.max.burst"), "5000");
    let weight: u64 = container.limit("", "cpu.weight").parse().unwrap();
    assert!((150..250).contains(&weight), "{weight}");
    let container = created(&host, &json!({"pids": {"limit": 0}, "cpu": {"idle": 1}}));
    skip_for!(Runc, "Debian's takes no processes for no limit");
    skip_for!(Crun, "Debian's takes no processes for no limit");
    assert_eq!(container.limit("", "pids.max"), "1");
    assert_eq!(container.limit("", "cpu.idle"), "1");
}

#[test]
fn swap_is_counted_apart_and_memory_alike_leaves_none() {
    alone!();
    let host = Host::new();
    let container = created(&host, &json!({"memory": {"limit": 32 * MIB, "swap": 48 * MIB}}));
    if !group(&container).join("memory.swap.max").exists() {
        tests::skip!("this kernel counts no swap");
    }
    assert_eq!(container.limit("", "memory.swap.max"), (16 * MIB).to_string());
    let container = created(&host, &json!({"memory": {"limit": 32 * MIB, "swap": 32 * MIB}}));
    assert_eq!(container.limit("", "memory.swap.max"), "0");
    let container = created(&host, &json!({"memory": {"limit": 32 * MIB, "swap": -1}}));
    assert_eq!(container.limit("", "memory.swap.max"), "max");
    let mut container =
        host.container(host.config(&["true"]).set("/linux/resources", json!({"memory": {"swap": 32 * MIB}})));
    let _ = container.create_with(&[]).fails().says(&["swap"]);
}

#[test]
fn files_are_set_by_name_over_other_values_and_line_by_line() {
    alone!();
    let host = Host::new();
    let container = created(
        &host,
        &json!({
            "memory": {"limit": 20 * MIB}, "pids": {"limit": 99}, "cpu": {"shares": 2000},
            "unified": {
                "memory.min": "131072", "memory.low": "524288", "memory.high": "5242880", "memory.max": "20484096",
                "pids.max": "42", "cpu.max": "5000 50000", "cpu.weight": "42", "cgroup.max.depth": "3",
            },
        }),
    );
    for (file, value) in [
        ("memory.min", "131072"),
        ("memory.low", "524288"),
        ("memory.high", "5242880"),
        ("memory.max", "20484096"),
        ("pids.max", "42"),
        ("cpu.max", "5000 50000"),
        ("cpu.weight", "42"),
        ("cgroup.max.depth", "3"),
    ] {
        assert_eq!(container.limit("", file), value, "{file}");
    }
}

#[test]
fn a_missing_file_and_a_missing_controller_are_reported() {
    alone!();
    skip_for!(Runc, "Debian's words are others");
    skip_for!(Crun, "Debian's words are others");
    let host = Host::new();
    let refused = |file: &str, words: &[&str]| {
        let config = host.config(&["true"]).set("/linux/resources/unified", json!({file: "1"}));
        let _ = host.container(config).create_with(&[]).fails().says(words);
        host.is_clean();
    };
    refused("memory.nonesuch", &["memory.nonesuch", "no such file or directory"]);
    refused("nonesuch.max", &["nonesuch.max", "not available"]);
    refused("../memory.max", &["linux.resources.unified"]);
}

#[test]
fn io_is_limited_by_device_and_by_file() {
    alone!();
    let host = Host::new();
    let Some((major, minor)) = a_disk() else { tests::skip!("there is no disk") };
    let device = format!("{major}:{minor}");
    let limits = |rate: u32| json!([{"major": major, "minor": minor, "rate": rate}]);
    let container = created(
        &host,
        &json!({"blockIO": {
            "throttleReadBpsDevice": limits(1_048_576), "throttleWriteBpsDevice": limits(2_097_152),
            "throttleReadIOPSDevice": limits(100), "throttleWriteIOPSDevice": limits(200),
        }}),
    );
    let line = format!("{device} rbps=1048576 wbps=2097152 riops=100 wiops=200");
    assert_eq!(container.limit("", "io.max"), line);
    let lines = format!("{device} rbps=5\n{device} wiops=7");
    let container = created(&host, &json!({"unified": {"io.max": lines}}));
    assert_eq!(container.limit("", "io.max"), format!("{device} rbps=5 wbps=max riops=max wiops=7"));
}

#[test]
fn exec_follows_init_where_it_has_gone() {
    alone!();
    skip_for!(Runc, "Debian's does not");
    skip_for!(Crun, "Debian's does not");
    let host = Host::new();
    let container = created(&host, &json!({}));
    container.start();
    let init = container.pid();
    let exec = |options: &[&str]| container.exec(options, &["/bin/payload", "cat", "/proc/self/cgroup"]);
    assert_eq!(exec(&[]).ok().out.trim(), "0::/");
    let below = group(&container).join("below");
    std::fs::create_dir(&below).unwrap();
    std::fs::write(below.join("cgroup.procs"), init.to_string()).unwrap();
    // The container's own group still takes processes.
    assert_eq!(exec(&[]).ok().out.trim(), "0::/");
    assert_eq!(exec(&["--cgroup", "below"]).ok().out.trim(), "0::/below");
    let _ = exec(&["--cgroup", "nowhere"]).fails();
    let _ = exec(&["--cgroup", "../x"]).fails().says(&["bad sub cgroup path"]);
    // Now it hands a controller on, and takes none any more.
    std::fs::write(group(&container).join("cgroup.subtree_control"), "+memory").unwrap();
    assert_eq!(exec(&[]).ok().out.trim(), "0::/below");
    let _ = exec(&["--cgroup", "/"]).fails().says(&["device or resource busy"]);
}

#[test]
fn exec_finds_init_when_the_containers_cgroup_is_gone() {
    alone!();
    skip_for!(Runc, "Debian's does not");
    skip_for!(Crun, "Debian's does not");
    let host = Host::new();
    let mut container = created(&host, &json!({}));
    container.start();
    let elsewhere = Path::new(TOP).join(format!("{}-elsewhere", host.marker()));
    std::fs::create_dir(&elsewhere).unwrap();
    std::fs::write(elsewhere.join("cgroup.procs"), container.pid().to_string()).unwrap();
    eventually("the group is empty", || std::fs::remove_dir(group(&container)).is_ok());
    let name = elsewhere.file_name().unwrap().to_string_lossy().into_owned();
    let said = container.exec(&[], &["/bin/payload", "cat", "/proc/self/cgroup"]).ok().out;
    assert!(said.trim().ends_with(&name), "{said}");
    let _ = container.force_delete().ok();
    eventually("the group is empty", || std::fs::remove_dir(&elsewhere).is_ok());
}

#[test]
fn delete_by_force_removes_cgroups_below_threaded_ones_too() {
    alone!();
    let host = Host::new();
    let mut container = created(&host, &json!({}));
    container.start();
    let below = group(&container).join("below");
    std::fs::create_dir_all(below.join("deeper")).unwrap();
    std::fs::create_dir(group(&container).join("threads")).unwrap();
    std::fs::write(group(&container).join("threads/cgroup.type"), "threaded").unwrap();
    let _ = container.force_delete().ok();
    assert!(!group(&container).exists());
    host.is_clean();
}

#[test]
fn all_of_a_container_without_a_pid_namespace_is_killed_at_once() {
    alone!();
    let host = Host::new();
    let config = host.config(&["do", "leave 60", "leave 60", "sleep 60"]).share("pid");
    let mut container = host.container(config);
    container.create();
    container.start();
    let procs = group(&container).join("cgroup.procs");
    eventually("there are three", || read(&procs).lines().count() == 3);
    let _ = container.force_delete().ok();
    host.is_clean();
}

#[test]
fn the_mount_shows_the_containers_own_cgroup_and_no_other() {
    alone!();
    let host = Host::new();
    let mut other = created(&host, &json!({}));
    let config = host.config(&["list", TOP]).memory(64 * MIB);
    let listed = host.run(config).ok().out;
    assert!(listed.contains("cgroup.procs") && !listed.contains(host.marker()), "{listed}");
    let path = format!("{TOP}/memory.max");
    let report = host.report(host.config(&[]).memory(64 * MIB), &[TOP, &path]);
    assert_eq!(report["cgroup"].as_str().unwrap().trim(), "0::/");
    assert_eq!(report["paths"][path.as_str()]["write"], "EROFS");
    let _ = other.force_delete().ok();
}

#[test]
fn a_writable_mount_in_a_user_namespace_is_its_users() {
    alone!();
    skip_for!(Runc, "Debian's leaves it root's");
    skip_for!(Crun, "Debian's leaves it root's");
    let host = Host::new();
    let mount = json!({"destination": TOP, "type": "cgroup", "source": "cgroup", "options": ["nosuid", "noexec", "nodev"]});
    let config = host.config(&["sleep", "60"]).map_users(100_000, 65_536).namespace("cgroup");
    let mut container = host.container(config.mount(mount));
    container.create();
    use std::os::unix::fs::MetadataExt as _;
    let owner = |file: &str| std::fs::metadata(group(&container).join(file)).unwrap().uid();
    assert_eq!(
        (owner(""), owner("cgroup.procs"), owner("cgroup.subtree_control")),
        (100_000, 100_000, 100_000)
    );
    assert_eq!((owner("memory.max"), owner("cgroup.kill")), (0, 0));
}

#[test]
fn pause_is_the_cgroups_own_freezer() {
    alone!();
    let host = Host::new();
    let container = created(&host, &json!({}));
    container.start();
    let _ = container.verb(&["pause"]).ok();
    assert_eq!(container.limit("", "cgroup.freeze"), "1");
    assert!(container.limit("", "cgroup.events").contains("frozen 1"));
    assert_eq!(container.status(), "paused");
    let _ = container.verb(&["resume"]).ok();
    assert_eq!(container.limit("", "cgroup.freeze"), "0");
    assert_eq!(container.status(), "running");
}

#[test]
fn statistics_come_from_the_cgroups_files() {
    alone!();
    let host = Host::new();
    let mut container = host
        .container(host.config(&["do", "burn 200", "alloc 4194304", "sleep 60"]).memory(64 * MIB).pids(20));
    container.create();
    container.start();
    let data = || container.verb(&["events", "--stats"]).ok().json()["data"].clone();
    eventually("time is used", || data()["cpu"]["usage"]["total"].as_u64().unwrap_or(0) > 20_000_000);
    let data = data();
    assert_eq!(data["memory"]["usage"]["limit"], 64 * MIB);
    assert!(data["memory"]["usage"]["usage"].as_u64().unwrap() > 0, "{data}");
    assert!(data["memory"]["raw"]["anon"].is_u64(), "{data}");
    assert_eq!((&data["pids"]["current"], &data["pids"]["limit"]), (&json!(1), &json!(20)));
    assert!(data["cpu"]["usage"]["user"].is_u64() || data["cpu"]["usage"]["kernel"].is_u64(), "{data}");
}

fn update(container: &Container, options: &[&str]) -> Output {
    container.verb(&[&["update"], options].concat())
}

fn update_by(host: &Host, container: &Container, document: &Value) -> Output {
    host.runtime().call(&["update", "--resources", "-", container.id()]).input(&document.to_string()).run()
}

#[test]
fn update_writes_the_cgroups_files() {
    alone!();
    let host = Host::new();
    let container = created(&host, &json!({"memory": {"limit": 64 * MIB}, "pids": {"limit": 20}}));
    container.start();
    let is = |file: &str, value: &str| assert_eq!(container.limit("", file), value, "{file}");
    let _ =
        update(&container, &["--memory", "100M", "--memory-reservation", "50M", "--pids-limit", "10"]).ok();
    is("memory.max", &(100 * MIB).to_string());
    is("memory.low", &(50 * MIB).to_string());
    is("pids.max", "10");
    let _ = update(&container, &["--cpu-quota", "20000"]).ok();
    is("cpu.max", "20000 100000");
    let _ = update(&container, &["--cpu-period", "50000"]).ok();
    is("cpu.max", "20000 50000");
    let _ = update(&container, &["--cpu-quota", "-1"]).ok();
    is("cpu.max", "max 50000");
    let _ = update(&container, &["--memory", "-1", "--pids-limit", "-1", "--cpu-share", "512"]).ok();
    is("memory.max", "max");
    is("pids.max", "max");
    assert_ne!(container.limit("", "cpu.weight"), "100");
}

#[test]
fn update_takes_files_by_name_and_all_or_nothing() {
    alone!();
    skip_for!(Runc, "Debian's leaves what it has written");
    skip_for!(Crun, "Debian's leaves what it has written");
    let host = Host::new();
    let container = created(&host, &json!({"memory": {"limit": 64 * MIB}, "pids": {"limit": 20}}));
    container.start();
    let unified = json!({"unified": {"pids.max": "5", "cpu.max": "7000 50000", "cpu.weight": "33"}});
    let _ = update_by(&host, &container, &unified).ok();
    let now = || ["pids.max", "cpu.max", "cpu.weight", "memory.max"].map(|file| container.limit("", file));
    assert_eq!(now()[..3], ["5", "7000 50000", "33"]);
    let before = now();
    let bad = json!({"unified": {"pids.max": "9", "cpu.weight": "0"}, "memory": {"limit": 80 * MIB}});
    let _ = update_by(&host, &container, &bad).fails().says(&["cpu.weight"]);
    assert_eq!(now(), before);
    let missing = json!({"unified": {"pids.max": "9", "memory.nonesuch": "1"}});
    let _ = update_by(&host, &container, &missing).fails().says(&["no such file or directory"]);
    assert_eq!(now(), before);
}

#[test]
fn a_limit_below_what_is_used_is_refused_when_it_is_to_be_checked() {
    alone!();
    skip_for!(Runc, "Debian's does not know the check");
    skip_for!(Crun, "Debian's does not know the check");
    let host = Host::new();
    let mut container = host.container(host.config(&["do", "alloc 16777216", "sleep 60"]).memory(64 * MIB));
    container.create();
    container.start();
    container.prints("touched");
    let document = json!({"memory": {"limit": 64 * 1024, "checkBeforeUpdate": true}});
    let _ = update_by(&host, &container, &document).fails().says(&["rejecting memory limit"]);
    assert_eq!(container.limit("", "memory.max"), (64 * MIB).to_string());
    assert_eq!(container.status(), "running");
}

#[test]
fn a_process_of_execs_is_in_the_containers_group() {
    alone!();
    let host = Host::new();
    let container = created(&host, &json!({}));
    container.start();
    let mut running = container.exec_call(&[], &["/bin/payload", "sleep", "60"]).spawn();
    let procs = group(&container).join("cgroup.procs");
    eventually("there are two", || read(&procs).lines().count() == 2);
    for pid in read(&procs).lines() {
        assert_eq!(group_of(pid.parse().unwrap()), format!("/{}", container.id()));
    }
    let _ = container.kill("KILL").ok();
    let _ = running.wait();
}
