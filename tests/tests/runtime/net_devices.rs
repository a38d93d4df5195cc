//! Network devices that move into the container: all of them are made by the test, in its own namespace.

use serde_json::{Value, json};
use tests::{Host, skip_for};

/// A pair of devices on the test's host, whose first one moves, with addresses of several scopes.
fn device(host: &Host, name: &str) {
    let (peer, mac) = (format!("{name}p"), "02:00:00:00:00:07");
    host.tool(&["ip", "link", "add", name, "mtu", "1400", "address", mac, "type", "veth", "peer", &peer]);
    for address in ["10.9.8.7/24", "2001:db8::7/64"] {
        host.tool(&["ip", "address", "add", address, "dev", name]);
    }
    host.tool(&["ip", "address", "add", "10.9.9.7/24", "scope", "link", "dev", name]);
}

/// Waits until the kernel has taken the device's pair away, which it does some time after its namespace is gone.
#[track_caller]
fn gone(name: &str) {
    let there = || std::fs::read_to_string("/proc/thread-self/net/dev").unwrap().contains(name);
    let begun = std::time::Instant::now();
    while there() {
        assert!(begun.elapsed().as_secs() < 20, "{name} is still there");
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
}

/// What ip says of a device in the container's namespace.
#[track_caller]
fn inside(host: &Host, pid: i32, name: &str) -> Value {
    let path = format!("--net=/proc/{pid}/ns/net");
    host.tool(&["nsenter", &path, "ip", "-j", "address", "show", "dev", name]).json()[0].clone()
}

fn globals(link: &Value) -> Vec<String> {
    let all = link["addr_info"].as_array().unwrap().iter();
    let own = all.filter(|one| !one["local"].as_str().unwrap().starts_with("fe80:"));
    own.map(|one| format!("{}/{}", one["local"].as_str().unwrap(), one["prefixlen"])).collect()
}

#[test]
fn a_device_moves_with_its_addresses_mtu_and_hardware_address() {
    skip_for!(Runc, "Debian's is older than that");
    skip_for!(Crun, "Debian's is older than that");
    for (devices, name) in [
        (json!({"move0": {}}), "move0"),
        (json!({"move0": {"name": "inner0"}}), "inner0"),
        (json!({"move0": {"name": "pat%d"}}), "pat0"),
    ] {
        let host = Host::new();
        device(&host, "move0");
        let mut container = host.container(host.config(&["sleep", "60"]).set("/linux/netDevices", devices));
        container.create();
        let link = inside(&host, container.pid(), name);
        assert_eq!(globals(&link), ["10.9.8.7/24", "2001:db8::7/64"], "{link:#}");
        assert_eq!((&link["mtu"], &link["address"]), (&json!(1400), &json!("02:00:00:00:00:07")));
        assert!(link["flags"].as_array().unwrap().iter().any(|flag| flag == "UP"), "{link:#}");
        container.force_delete().ok();
        gone("move0p");
    }
}

#[test]
fn a_device_moves_to_a_namespace_that_is_joined_and_to_one_of_another_user() {
    skip_for!(Runc, "Debian's is older than that");
    skip_for!(Crun, "Debian's is older than that");
    let host = Host::new();
    let mut first = host.container(host.config(&["sleep", "60"]));
    first.create();
    device(&host, "move0");
    let config = host.config(&["sleep", "60"]).join("network", &format!("/proc/{}/ns/net", first.pid()));
    let mut second = host.container(config.set("/linux/netDevices", json!({"move0": {}})));
    second.create();
    second.force_delete().ok();
    // It stays where it is when its container goes.
    assert_eq!(globals(&inside(&host, first.pid(), "move0")).len(), 2);
    first.force_delete().ok();
    device(&host, "move1");
    let config = host.config(&["sleep", "60"]).map_users(100_000, 65_536);
    let mut third = host.container(config.set("/linux/netDevices", json!({"move1": {}})));
    third.create();
    assert_eq!(globals(&inside(&host, third.pid(), "move1")).len(), 2);
    third.force_delete().ok();
    gone("move0p");
    gone("move1p");
}

#[test]
fn a_missing_device_and_a_taken_name_are_reported() {
    skip_for!(Runc, "Debian's is older than that");
    skip_for!(Crun, "Debian's is older than that");
    let host = Host::new();
    let config = host.config(&["true"]).set("/linux/netDevices", json!({"nosuch0": {}}));
    let _ = host.run(config).fails().says(&["nosuch0", "linux.netDevices", "ENODEV"]);
    device(&host, "move0");
    let config = host.config(&["true"]).set("/linux/netDevices", json!({"move0": {"name": "lo"}}));
    let _ = host.run(config).fails().says(&["move0", "linux.netDevices", "EEXIST"]);
    host.tool(&["ip", "link", "del", "move0"]);
}
