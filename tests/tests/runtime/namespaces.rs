//! Namespaces: new, shared and joined by path, host and domain names, users, sysctls.

use std::os::unix::fs::MetadataExt as _;

use serde_json::{Value, json};
use tests::{Container, Host, skip_for};

/// Kinds by the specification's name and the kernel's.
const KINDS: [(&str, &str); 6] = [
    ("mount", "mnt"),
    ("pid", "pid"),
    ("network", "net"),
    ("ipc", "ipc"),
    ("uts", "uts"),
    ("cgroup", "cgroup"),
];

fn own(kind: &str) -> u64 {
    std::fs::metadata(format!("/proc/thread-self/ns/{kind}")).unwrap().ino()
}

#[track_caller]
#[test]
fn a_namespace_without_a_path_is_new() {
    let host = Host::new();
    let report = host.report(host.config(&[]), &[]);
    for (_, kernel) in KINDS {
        assert_ne!(report["namespaces"][kernel], own(kernel), "{kernel}");
    }
}

#[test]
fn a_namespace_that_is_not_listed_is_the_runtimes() {
    let host = Host::new();
    for (kind, kernel) in
        [("network", "net"), ("ipc", "ipc"), ("uts", "uts"), ("pid", "pid"), ("cgroup", "cgroup")]
    {
        let report = host.report(host.config(&[]).share(kind), &[]);
        assert_eq!(report["namespaces"][kernel], own(kernel), "{kind}");
    }
}

#[test]
fn a_namespace_with_a_path_is_joined() {
    let host = Host::new();
    let first = host.running(host.config(&["sleep", "60"]));
    let pid = first.pid();
    for (kind, kernel) in
        [("network", "net"), ("ipc", "ipc"), ("uts", "uts"), ("cgroup", "cgroup"), ("pid", "pid")]
    {
        let path = format!("/proc/{pid}/ns/{kernel}");
        let report = host.report(host.config(&[]).join(kind, &path), &[]);
        assert_eq!(report["namespaces"][kernel], std::fs::metadata(&path).unwrap().ino(), "{kind}");
    }
}

#[test]
fn a_joined_namespace_outlives_the_second_container() {
    let host = Host::new();
    let first = host.running(host.config(&["serve", "8080", "still here"]));
    let path = format!("/proc/{}/ns/net", first.pid());
    first.prints("ready");
    let joined = host.config(&["fetch", "http://127.0.0.1:8080/"]).join("network", &path);
    for _ in 0..2 {
        assert!(host.run(joined.clone()).ok().out.contains("still here"));
    }
    assert_eq!(first.status(), "running");
}

#[test]
fn host_and_domain_names_are_as_configured() {
    let host = Host::new();
    let report = host.report(host.config(&[]).hostname("inside"), &[]);
    assert_eq!(report["hostname"], "inside");
    skip_for!(Runc, "Debian's is older than domainname");
    let report = host.report(host.config(&[]).set("/domainname", "domain.example"), &[]);
    assert_eq!(report["domainname"], "domain.example");
}

#[test]
fn an_empty_hostname_changes_nothing() {
    let host = Host::new();
    let own = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap().trim().to_owned();
    assert_eq!(host.report(host.config(&[]).hostname(""), &[])["hostname"], own);
}

#[test]
fn a_host_name_of_64_bytes_is_the_longest() {
    let host = Host::new();
    let name = "n".repeat(64);
    assert_eq!(host.report(host.config(&[]).hostname(&name), &[])["hostname"], name);
    let _ = host.run(host.config(&["true"]).hostname(&"n".repeat(65))).fails();
}

#[test]
fn a_parameter_may_repeat_the_domain_name_and_not_change_it() {
    skip_for!(Runc, "Debian's is older than that");
    let host = Host::new();
    let config = |value: &str| {
        let sysctl = json!({"kernel.domainname": value});
        host.config(&[]).set("/domainname", "one.example").set("/linux/sysctl", sysctl)
    };
    assert_eq!(host.report(config("one.example"), &[])["domainname"], "one.example");
    let _ = host.run(config("two.example")).fails();
}

#[test]
fn the_parameter_of_the_host_name_is_refused() {
    let host = Host::new();
    let config = host.config(&["true"]).set("/linux/sysctl", json!({"kernel.hostname": "other"}));
    let _ = host.run(config).fails();
}

#[test]
fn every_id_can_be_mapped() {
    let host = Host::new();
    let all = u32::MAX;
    let config = host.config(&["cat", "/proc/self/uid_map"]);
    // The kernel takes the whole range only of who has every right over it.
    let output = host.run(config.map_users(0, all)).ok();
    assert_eq!(output.out.split_whitespace().collect::<Vec<_>>(), ["0", "0", &all.to_string()]);
    let halves = json!([
        {"containerID": 0, "hostID": 100_000, "size": 1000},
        {"containerID": 1000, "hostID": 300_000, "size": 1000},
    ]);
    let config = host.config(&["cat", "/proc/self/uid_map"]).map_users(0, 1);
    let config = config.set("/linux/uidMappings", halves.clone()).set("/linux/gidMappings", halves);
    assert_eq!(host.run(config).ok().out.lines().count(), 2);
}

#[test]
fn a_container_that_joins_a_pid_namespace_can_be_killed() {
    let host = Host::new();
    let first = host.running(host.config(&["sleep", "60"]));
    let path = format!("/proc/{}/ns/pid", first.pid());
    let second = host.running(host.config(&["sleep", "60"]).join("pid", &path));
    let _ = second.kill("KILL").ok();
    second.becomes("stopped");
    assert_eq!(first.status(), "running");
}

#[test]
fn a_new_network_has_a_loopback_only() {
    let host = Host::new();
    // Without a namespace of its own the container would see these.
    let _ = host.tool(&["ip", "link", "add", "of-host", "type", "veth", "peer", "name", "of-host-too"]);
    let report = host.report(host.config(&[]), &[]);
    let _ = host.tool(&["ip", "link", "delete", "of-host"]);
    let names: Vec<&str> =
        report["interfaces"].as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap()).collect();
    assert!(!names.is_empty() && names.iter().all(|name| *name == "lo"), "{names:?}");
}

#[test]
fn sysctls_are_set_in_the_containers_namespaces_only() {
    let host = Host::new();
    let before = std::fs::read_to_string("/proc/thread-self/net/../../sys/net/ipv4/ip_forward").ok();
    let sysctls = json!({"net.ipv4.ip_forward": "1", "kernel.msgmax": "4096", "net.ipv4.ip_unprivileged_port_start": "0"});
    let config = host.config(&["cat", "/proc/sys/net/ipv4/ip_forward", "/proc/sys/kernel/msgmax"]);
    let output = host.run(config.set("/linux/sysctl", sysctls)).ok();
    assert_eq!(output.out, "1\n4096\n");
    assert_eq!(std::fs::read_to_string("/proc/thread-self/net/../../sys/net/ipv4/ip_forward").ok(), before);
}

#[test]
fn a_user_namespace_maps_root_to_a_user_of_the_host() {
    let host = Host::new();
    let mut container = host.container(host.config(&["sleep", "60"]).map_users(100_000, 65_536));
    open_to_mapped(&container);
    container.create();
    let pid = container.pid();
    let map = |file: &str| {
        let text = std::fs::read_to_string(format!("/proc/{pid}/{file}")).unwrap();
        text.split_whitespace().map(String::from).collect::<Vec<_>>()
    };
    assert_eq!(map("uid_map"), ["0", "100000", "65536"]);
    assert_eq!(map("gid_map"), ["0", "100000", "65536"]);
    assert_eq!(std::fs::metadata(format!("/proc/{pid}")).unwrap().uid(), 100_000);
    container.start();
    assert_eq!(container.status(), "running");
}

#[test]
fn root_of_a_user_namespace_sees_itself_as_root_and_the_default_devices_work() {
    let host = Host::new();
    let mut container = host.container(
        host.config(&["report", "/dev/null", "/dev/zero", "/proc/sys/kernel/hostname"])
            .map_users(100_000, 65_536),
    );
    open_to_mapped(&container);
    let report = container.run().ok().json();
    assert_eq!((&report["uid"], &report["pid"]), (&0.into(), &1.into()));
    assert_ne!(report["namespaces"]["user"], own("user"));
    assert_eq!(report["paths"]["/dev/null"]["write"], "ok");
    assert_eq!(report["paths"]["/dev/zero"]["read"], 256);
}

#[test]
fn a_user_namespace_is_joined_by_path() {
    skip_for!(Runc, "Debian's is older than that");
    let host = Host::new();
    let mut first = host.container(host.config(&["sleep", "60"]).map_users(100_000, 65_536));
    open_to_mapped(&first);
    first.create();
    let path = format!("/proc/{}/ns/user", first.pid());
    let mut second = host.container(host.config(&["report"]).join("user", &path));
    open_to_mapped(&second);
    let report = second.run().ok().json();
    assert_eq!(report["namespaces"]["user"], std::fs::metadata(&path).unwrap().ino());
    assert_eq!(report["uid"], 0);
}

#[test]
fn a_time_namespace_shifts_the_boot_clock() {
    let host = Host::new();
    skip_for!(Runc, "Debian's is older than time namespaces");
    let config = host
        .config(&[])
        .namespace("time")
        .set("/linux/timeOffsets", json!({"boottime": {"secs": 1_000_000, "nanosecs": 0}}));
    let shifted = host.report(config, &[])["boottime_ns"].as_i64().unwrap();
    let plain = host.report(host.config(&[]), &[])["boottime_ns"].as_i64().unwrap();
    assert!((shifted - plain) / 1_000_000_000 > 999_000, "{shifted} {plain}");
}

#[test]
fn the_cgroup_namespace_hides_the_hosts_path() {
    let host = Host::new();
    let report = host.report(host.config(&[]), &[]);
    let text = report["cgroup"].as_str().unwrap();
    assert!(!text.contains(host.marker()), "{text}");
    let report = host.report(host.config(&[]).share("cgroup"), &[]);
    assert!(report["cgroup"].as_str().unwrap().contains(host.marker()));
}

#[test]
fn a_shared_pid_namespace_shows_the_hosts_processes() {
    let host = Host::new();
    let report = host.report(host.config(&[]).share("pid"), &[]);
    assert!(report["pid"].as_i64().unwrap() > 1);
    assert!(report["processes"].as_i64().unwrap() > 1);
}

#[test]
fn configuration_of_processes_is_untouched_by_the_callers_environment() {
    let host = Host::new();
    let config = host.config(&[]).set("/process/env", Value::from(Vec::<String>::new()));
    let report = host.report(config, &[]);
    let env: Vec<&str> =
        report["env"].as_array().unwrap().iter().map(|pair| pair.as_str().unwrap()).collect();
    assert!(env.iter().all(|pair| pair.starts_with("HOME=") || pair.starts_with("PATH=")), "{env:?}");
}

/// A root that is a user of the host needs the way to its root file system open.
fn open_to_mapped(container: &Container) {
    use std::os::unix::fs::PermissionsExt as _;
    for path in [container.bundle(), container.bundle().parent().unwrap(), &container.rootfs()] {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
}
