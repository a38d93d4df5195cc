//! Cgroups: limits as the kernel has them, paths, and what happens at a limit.

use serde_json::{Value, json};
use tests::{Container, Host, hierarchies, skip_for};

#[track_caller]
fn created(host: &Host, resources: &Value) -> Container {
    let mut container =
        host.container(host.config(&["sleep", "60"]).set("/linux/resources", resources.clone()));
    container.create();
    container
}

/// A machine without this v1 controller has to skip.
macro_rules! needs {
    ($controller:literal) => {
        if hierarchies::v1($controller).is_none() {
            tests::skip!("no v1 controller {}", $controller);
        }
    };
}

#[test]
fn memory_limits_are_the_kernels() {
    needs!("memory");
    let host = Host::new();
    let container = created(
        &host,
        &json!({"memory": {"limit": 67_108_864, "reservation": 33_554_432, "swappiness": 10}}),
    );
    assert_eq!(container.limit("memory", "memory.limit_in_bytes"), "67108864");
    assert_eq!(container.limit("memory", "memory.soft_limit_in_bytes"), "33554432");
    assert_eq!(container.limit("memory", "memory.swappiness"), "10");
}

#[test]
fn memory_and_swap_together_are_limited() {
    needs!("memory");
    let host = Host::new();
    if !std::path::Path::new("/sys/fs/cgroup/memory/memory.memsw.limit_in_bytes").exists() {
        tests::skip!("this kernel counts no swap");
    }
    let container = created(&host, &json!({"memory": {"limit": 67_108_864, "swap": 134_217_728}}));
    assert_eq!(container.limit("memory", "memory.memsw.limit_in_bytes"), "134217728");
}

#[test]
fn the_pids_limit_is_the_kernels() {
    needs!("pids");
    let host = Host::new();
    let container = created(&host, &json!({"pids": {"limit": 17}}));
    assert_eq!(container.limit("pids", "pids.max"), "17");
    let container = created(&host, &json!({"pids": {"limit": -1}}));
    assert_eq!(container.limit("pids", "pids.max"), "max");
}

#[test]
fn a_pids_limit_stops_forks() {
    let host = Host::new();
    let answer = host.run(host.config(&["fork", "50"]).pids(10)).ok().json();
    assert_eq!(answer["error"], "EAGAIN");
    assert!(answer["spawned"].as_i64().unwrap() < 10);
}

#[test]
fn a_negative_pids_limit_is_none() {
    let host = Host::new();
    let mut container = host.container(host.config(&["sleep", "60"]).pids(-1));
    // The cgroup has a limit, which must go.
    let cgroup = container.cgroup("pids");
    std::fs::create_dir(&cgroup).unwrap();
    std::fs::write(cgroup.join("pids.max"), "5").unwrap();
    container.create();
    assert_eq!(container.limit("pids", "pids.max"), "max");
    container.force_delete().ok();
    // The runtime keeps a cgroup that it has not created.
    let _ = std::fs::remove_dir(cgroup);
}

#[test]
fn cpu_shares_quota_and_period_are_the_kernels() {
    needs!("cpu");
    let host = Host::new();
    let container = created(&host, &json!({"cpu": {"shares": 512, "quota": 20_000, "period": 100_000}}));
    assert_eq!(container.limit("cpu", "cpu.shares"), "512");
    assert_eq!(container.limit("cpu", "cpu.cfs_quota_us"), "20000");
    assert_eq!(container.limit("cpu", "cpu.cfs_period_us"), "100000");
}

#[test]
fn zero_cpu_values_mean_unset() {
    needs!("cpu");
    let host = Host::new();
    // A value next to the zeros shows that the object is read; the others are the kernel's defaults.
    let container = created(&host, &json!({"cpu": {"shares": 512, "quota": 0, "period": 0}}));
    assert_eq!(container.limit("cpu", "cpu.shares"), "512");
    assert_eq!(container.limit("cpu", "cpu.cfs_quota_us"), "-1");
    assert_eq!(container.limit("cpu", "cpu.cfs_period_us"), "100000");
    let container = created(&host, &json!({"cpu": {"shares": 0, "quota": 20_000, "period": 0}}));
    assert_eq!(container.limit("cpu", "cpu.shares"), "1024");
    assert_eq!(container.limit("cpu", "cpu.cfs_quota_us"), "20000");
}

#[test]
fn a_cpu_quota_is_kept() {
    let host = Host::new();
    let config = host
        .config(&["burn", "1000"])
        .set("/linux/resources/cpu", json!({"quota": 20_000, "period": 100_000}));
    let used = host.run(config).ok().json()["user_ms"].as_i64().unwrap();
    assert!(used < 500, "{used} ms of 1000 under a quota of a fifth");
}

#[test]
fn a_negative_quota_is_none() {
    let host = Host::new();
    let config = host.config(&["sleep", "60"]).set("/linux/resources/cpu/quota", -1);
    let mut container = host.container(config);
    // The cgroup has a quota, which must go.
    let cgroup = container.cgroup("cpu");
    std::fs::create_dir(&cgroup).unwrap();
    let (file, none) =
        if cgroup.join("cpu.max").exists() { ("cpu.max", "max 100000") } else { ("cpu.cfs_quota_us", "-1") };
    std::fs::write(cgroup.join(file), "20000").unwrap();
    container.create();
    assert_eq!(container.limit("cpu", file), none);
    container.force_delete().ok();
    let _ = std::fs::remove_dir(cgroup);
}

#[test]
fn a_frozen_cgroup_is_refused() {
    let host = Host::new();
    let mut container = host.container(host.config(&["true"]));
    let group = container.cgroup("freezer");
    std::fs::create_dir(&group).unwrap();
    container.freeze();
    let _ = container.create_with(&[]).fails().says(&["frozen"]);
    std::fs::remove_dir(group).unwrap();
}

#[test]
fn cpusets_are_the_kernels_and_the_processs() {
    needs!("cpuset");
    let host = Host::new();
    let container = created(&host, &json!({"cpu": {"cpus": "0", "mems": "0"}}));
    assert_eq!(container.limit("cpuset", "cpuset.cpus"), "0");
    assert_eq!(container.limit("cpuset", "cpuset.mems"), "0");
    let report = host.report(host.config(&[]).set("/linux/resources/cpu", json!({"cpus": "0"})), &[]);
    assert_eq!(report["affinity"], "0");
}

#[test]
fn block_io_limits_are_the_kernels() {
    needs!("blkio");
    let host = Host::new();
    let Some((major, minor)) = a_disk() else { tests::skip!("there is no disk") };
    let limits = |rate: u32| json!([{"major": major, "minor": minor, "rate": rate}]);
    let container = created(
        &host,
        &json!({"blockIO": {
            "throttleReadBpsDevice": limits(1_048_576), "throttleWriteBpsDevice": limits(2_097_152),
            "throttleReadIOPSDevice": limits(100), "throttleWriteIOPSDevice": limits(200),
        }}),
    );
    for (file, rate) in
        [("read_bps", 1_048_576), ("write_bps", 2_097_152), ("read_iops", 100), ("write_iops", 200)]
    {
        let file = format!("blkio.throttle.{file}_device");
        assert_eq!(container.limit("blkio", &file), format!("{major}:{minor} {rate}"), "{file}");
    }
}

/// The numbers of the disk that is first in the machine's list.
pub(super) fn a_disk() -> Option<(u32, u32)> {
    let entry = std::fs::read_dir("/sys/block").ok()?.flatten().next()?;
    let text = std::fs::read_to_string(entry.path().join("dev")).ok()?;
    let (major, minor) = text.trim().split_once(':')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

#[test]
fn a_container_beyond_its_memory_is_killed_with_137() {
    let host = Host::new();
    let output = host.run(host.config(&["alloc", "134217728"]).memory(33_554_432));
    assert_eq!(output.code, 137, "{output:#?}");
    assert!(!output.out.contains("touched"));
}

#[test]
fn a_container_within_its_memory_lives() {
    let host = Host::new();
    let _ = host.run(host.config(&["alloc", "4194304"]).memory(33_554_432)).ok();
}

#[test]
fn a_memory_limit_too_small_to_start_is_an_error_that_says_so() {
    needs!("memory");
    skip_for!(Runc, "it says no more than that it failed");
    let host = Host::new();
    let mut container = host.container(host.config(&["sleep", "60"]).memory(4096));
    let _ = container.create_with(&[]).fails().says(&["memory"]);
    host.is_clean();
}

#[test]
fn an_absolute_path_is_the_cgroups_in_every_hierarchy() {
    let host = Host::new();
    // Not the container's ID, which is the default.
    let path = format!("/{}-absolute", host.marker());
    let mut container = host.container(host.config(&["sleep", "60"]).cgroup(&path));
    container.create();
    let text = std::fs::read_to_string(format!("/proc/{}/cgroup", container.pid())).unwrap();
    for line in text.lines().filter(|line| !line.starts_with("0::")) {
        assert!(line.ends_with(&format!(":{path}")), "{line}");
    }
}

#[test]
fn a_path_with_several_parts_is_made_and_its_own_part_is_removed() {
    let host = Host::new();
    let path = format!("/{}/inner/group", host.marker());
    let mut container = host.container(host.config(&["sleep", "60"]).cgroup(&path));
    container.create();
    let text = std::fs::read_to_string(format!("/proc/{}/cgroup", container.pid())).unwrap();
    assert!(text.lines().any(|line| line.ends_with(&format!(":{path}"))), "{text}");
    let _ = container.force_delete().ok();
    remove_cgroups(&format!("{}/inner", host.marker()));
    remove_cgroups(host.marker());
}

/// Parents that a runtime has created belong to the caller: engines share them between containers.
fn remove_cgroups(path: &str) {
    for hierarchy in std::fs::read_dir("/sys/fs/cgroup").unwrap().flatten() {
        // Not every hierarchy has it.
        let _ = std::fs::remove_dir(hierarchy.path().join(path));
    }
    // Version 2 alone has no directories between.
    let _ = std::fs::remove_dir(std::path::Path::new("/sys/fs/cgroup").join(path));
}

#[test]
fn without_a_path_the_container_still_has_a_cgroup_of_its_own() {
    needs!("pids");
    let host = Host::new();
    let mut container = host.container(host.config(&["sleep", "60"]));
    let config = host.config(&["sleep", "60"]).pids(9);
    tare_bundle::bundle::Bundle::create(container.bundle()).unwrap().write(&config).unwrap();
    container.create();
    let text = std::fs::read_to_string(format!("/proc/{}/cgroup", container.pid())).unwrap();
    let line = text.lines().find(|line| line.contains(":pids:")).unwrap();
    let path = line.rsplit(':').next().unwrap();
    assert!(path.contains(container.id()), "{line}");
    let limit = std::fs::read_to_string(format!("/sys/fs/cgroup/pids{path}/pids.max")).unwrap();
    assert_eq!(limit.trim(), "9");
}

#[test]
fn an_existing_cgroup_is_used_and_stays_when_it_is_not_empty() {
    needs!("memory");
    let host = Host::new();
    let path = format!("/{}", host.marker());
    for hierarchy in ["memory", "pids"] {
        std::fs::create_dir_all(format!("/sys/fs/cgroup/{hierarchy}{path}/others")).unwrap();
    }
    let mut container =
        host.container(host.config(&["sleep", "60"]).cgroup(&format!("{path}/{}", host.id())));
    container.create();
    let _ = container.force_delete().ok();
    for hierarchy in ["memory", "pids"] {
        assert!(std::path::Path::new(&format!("/sys/fs/cgroup/{hierarchy}{path}/others")).exists());
    }
    remove_cgroups(&format!("{}/others", host.marker()));
    remove_cgroups(host.marker());
}

#[test]
fn settings_of_v2_are_refused_on_v1() {
    needs!("memory");
    let host = Host::new();
    let mut container = host.container(
        host.config(&["true"]).set("/linux/resources/unified", json!({"memory.high": "10000000"})),
    );
    skip_for!(Crun, "it ignores them");
    let _ = container.create_with(&[]).fails();
    host.is_clean();
}

#[test]
fn a_setting_the_kernel_refuses_is_an_error_that_names_the_value() {
    let host = Host::new();
    needs!("cpu");
    let mut container =
        host.container(host.config(&["true"]).set("/linux/resources/cpu", json!({"period": 1})));
    let output = container.create_with(&[]).fails();
    assert!(output.err.contains("cfs_period") || output.err.contains("cpu.period"), "{output:#?}");
    host.is_clean();
}

#[test]
fn without_a_manager_there_is_no_cgroup_of_its_own() {
    skip_for!(Runc, "it has no such option");
    let host = Host::new();
    let mut container = host.container(host.config(&["sleep", "60"]));
    let bundle = container.bundle().to_string_lossy().into_owned();
    let words = ["--cgroup-manager", "disabled", "create", "--bundle", &bundle, container.id()];
    let mut created = host.runtime().call(&words).spawn();
    let _ = created.wait().ok();
    container.start();
    assert!(!container.cgroup("pids").exists());
    let own = std::fs::read_to_string("/proc/self/cgroup").unwrap();
    assert_eq!(std::fs::read_to_string(format!("/proc/{}/cgroup", container.pid())).unwrap(), own);
    assert_eq!(container.exec(&[], &["/bin/payload", "echo", "in"]).ok().out, "in\n");
    assert_eq!(container.verb(&["ps", "-f", "json"]).ok().json(), serde_json::json!([container.pid()]));
    let _ = container.verb(&["pause"]).fails();
    let _ = container.verb(&["kill", "--all"]).ok();
    container.becomes("stopped");
    let _ = container.delete().ok();
}

#[test]
fn a_pids_limit_of_zero_is_one() {
    needs!("pids");
    skip_for!(Runc, "Debian's takes it for no limit");
    skip_for!(Crun, "Debian's takes it for no limit");
    let host = Host::new();
    let container = created(&host, &json!({"pids": {"limit": 0}}));
    assert_eq!(container.limit("pids", "pids.max"), "1");
}

#[test]
fn burst_idleness_and_real_time_are_the_kernels() {
    needs!("cpu");
    skip_for!(Runc, "Debian's knows neither burst nor idleness");
    skip_for!(Crun, "Debian's sets them on version 2 alone");
    let host = Host::new();
    let container = created(
        &host,
        &json!({"cpu": {"quota": 50_000, "period": 100_000, "burst": 20_000, "shares": 100, "idle": 1}}),
    );
    assert_eq!(container.limit("cpu", "cpu.cfs_burst_us"), "20000");
    assert_eq!(container.limit("cpu", "cpu.idle"), "1");
    if !std::path::Path::new("/sys/fs/cgroup/cpu/cpu.rt_runtime_us").exists() {
        tests::skip!("this kernel has no real-time groups");
    }
    let container = created(&host, &json!({"cpu": {"realtimePeriod": 500_000, "realtimeRuntime": 10_000}}));
    assert_eq!(container.limit("cpu", "cpu.rt_period_us"), "500000");
    assert_eq!(container.limit("cpu", "cpu.rt_runtime_us"), "10000");
}

#[test]
fn the_oom_killer_can_be_turned_off_and_buffers_limited() {
    needs!("memory");
    let host = Host::new();
    let container = created(&host, &json!({"memory": {"limit": 67_108_864, "disableOOMKiller": true}}));
    assert!(container.limit("memory", "memory.oom_control").contains("oom_kill_disable 1"));
    skip_for!(Crun, "it ignores the limit of buffers where memory has one");
    let container = created(&host, &json!({"memory": {"kernelTCP": 4_194_304}}));
    assert_eq!(container.limit("memory", "memory.kmem.tcp.limit_in_bytes"), "4194304");
}

/// The container's cgroup in the hierarchy with the hugetlb controller, and the last part of its files' names.
fn huge_pages(id: &str) -> Option<(std::path::PathBuf, &'static str)> {
    if let Some(mount) = hierarchies::v1("hugetlb") {
        return Some((mount.join(id), "limit_in_bytes"));
    }
    let mount = hierarchies::v2()?;
    let controllers = std::fs::read_to_string(mount.join("cgroup.controllers")).unwrap();
    controllers.split_whitespace().any(|name| name == "hugetlb").then(|| (mount.join(id), "max"))
}

#[test]
fn huge_pages_are_limited_used_and_reserved() {
    skip_for!(Runc, "on a machine with both versions it looks at version 1 alone");
    skip_for!(Crun, "on a machine with both versions it looks at version 1 alone");
    let host = Host::new();
    let resources = json!({"hugepageLimits": [{"pageSize": "2MB", "limit": 4_194_304}]});
    let config = host.config(&["sleep", "60"]).set("/linux/resources", resources);
    let mut container = host.container(config);
    let Some((group, file)) = huge_pages(container.id()) else { tests::skip!("no controller hugetlb") };
    container.create();
    for counted in ["", ".rsvd"] {
        let path = group.join(format!("hugetlb.2MB{counted}.{file}"));
        assert_eq!(std::fs::read_to_string(&path).unwrap().trim(), "4194304", "{}", path.display());
    }
}

#[test]
fn an_unknown_size_of_huge_pages_is_reported_with_its_place() {
    let host = Host::new();
    skip_for!(Runc, "on a machine with both versions it looks at version 1 alone");
    skip_for!(Crun, "it does not name the place");
    let limit = |size: &str| json!([{"pageSize": size, "limit": 4_194_304}]);
    let config = |size| host.config(&["true"]).set("/linux/resources/hugepageLimits", limit(size));
    let _ = host.run(config("3GB")).fails().says(&["linux.resources.hugepageLimits[0]"]);
    let _ = host.run(config("3XX")).fails().says(&["linux.resources.hugepageLimits[0].pageSize"]);
}

#[test]
fn a_limit_that_the_kernel_refuses_names_its_file_and_its_value() {
    needs!("pids");
    skip_for!(Runc, "it does not name the place");
    skip_for!(Crun, "it does not name the place");
    let host = Host::new();
    let config = host.config(&["true"]).pids(i64::from(i32::MAX));
    let words = ["pids.max", "2147483647", "EINVAL", "linux.resources.pids.limit"];
    let _ = host.run(config).fails().says(&words);
}

/// The directory stays when its hierarchy is gone; a limit must not be written into a file of its own making.
#[test]
fn an_empty_directory_named_after_a_controller_is_no_hierarchy() {
    needs!("pids");
    skip_for!(Runc, "it does not name the place");
    skip_for!(Crun, "it does not name the place");
    let host = Host::new();
    let directory = hierarchies::v1("pids").unwrap();
    let _ = host.tool(&["mount", "-t", "tmpfs", "empty", directory.to_str().unwrap()]);
    let _ = host.run(host.config(&["true"])).ok();
    let words = ["pids controller is not available", "linux.resources.pids.limit"];
    let _ = host.run(host.config(&["true"]).pids(10)).fails().says(&words);
    assert_eq!(std::fs::read_dir(&directory).unwrap().count(), 0);
    let _ = host.tool(&["umount", directory.to_str().unwrap()]);
}

#[test]
fn a_missing_controller_is_reported() {
    skip_for!(Runc, "it does not name the place");
    skip_for!(Crun, "it does not name the place");
    let host = Host::new();
    let v2 = hierarchies::v2().map(|mount| mount.join("cgroup.controllers"));
    let has_rdma = |file| std::fs::read_to_string(file).unwrap().contains("rdma");
    if hierarchies::v1("rdma").is_some() || v2.is_some_and(has_rdma) {
        tests::skip!("there is a controller rdma");
    }
    let rdma = json!({"mlx5_1": {"hcaHandles": 3}});
    let config = host.config(&["true"]).set("/linux/resources/rdma", rdma);
    let _ =
        host.run(config).fails().says(&["rdma controller is not available", "linux.resources.rdma.mlx5_1"]);
}

#[test]
fn a_cgroup_with_a_process_is_refused() {
    skip_for!(Runc, "Debian's joins it");
    let host = Host::new();
    let mut container = host.container(host.config(&["sleep", "60"]));
    let group = container.cgroup("pids");
    std::fs::create_dir(&group).unwrap();
    let mut stranger = tests::Call::new("sleep", host.files()).args(["60"]).spawn();
    std::fs::write(group.join("cgroup.procs"), stranger.pid().to_string()).unwrap();
    let _ = container.create_with(&[]).fails().says(&["container's cgroup is not empty"]);
    assert!(!stranger.ended());
    container.deleted_already();
    drop(stranger);
    tests::eventually("the group is empty", || std::fs::remove_dir(&group).is_ok());
}
