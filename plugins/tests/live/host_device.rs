//! `host-device`: an interface of the host moves into a container and back.

use crate::stage::{Namespace, Stage, address_of, can_run, theirs, with, with_result};
use serde_json::{Value, json};

/// A host with an interface `nic0` to the machine outside, which has the address 198.51.100.1 and serves port 80.
fn stage() -> Stage {
    let stage = Stage::new();
    stage.host.ip(&format!(
        "link add nic0 address 02:00:00:00:00:07 type veth peer name wire netns {}",
        stage.outside.path()
    ));
    stage.host.ip("link set nic0 up");
    stage.outside.ip("addr add 198.51.100.1/24 dev wire");
    stage.outside.ip("link set wire up");
    stage.outside.serve("0.0.0.0:80");
    stage
}

fn config(stage: &Stage) -> Value {
    stage.config(
        r#"{"cniVersion": "1.0.0", "name": "net", "type": "host-device", "device": "nic0",
            "ipam": {"type": "host-local", "dataDir": "$dir", "subnet": "198.51.100.0/24", "rangeStart": "198.51.100.9", "rangeEnd": "198.51.100.9"}}"#,
    )
}

/// Returns the configuration with another key for the device.
fn by(config: &Value, key: &str, value: Value) -> Value {
    let mut config = with(config, key, value);
    config.as_object_mut().unwrap().remove("device");
    config
}

fn returned(stage: &Stage) -> bool {
    let shown = stage.host.ip("-o link show");
    shown.contains(": nic0") && !shown.contains("alias") && shown.contains("02:00:00:00:00:07")
}

#[test]
fn a_device_moves_to_the_container_and_back_to_its_name() {
    if !can_run() {
        return;
    }
    let (stage, container) = (stage(), Namespace::new());
    let config = config(&stage);
    let before = container.state();
    for _ in 0..2 {
        let result = stage.add(&config, "c1", &container);
        assert_eq!(
            result["interfaces"],
            json!([{"name": "eth0", "mac": "02:00:00:00:00:07", "sandbox": container.path()}])
        );
        assert_eq!(
            result["ips"],
            json!([{"interface": 0, "address": "198.51.100.9/24", "gateway": "198.51.100.1"}])
        );
        assert!(!stage.host.ip("-o link").contains("nic0"));
        assert!(container.ip("link show eth0").contains("alias nic0"));
        assert_eq!(container.ask("198.51.100.1:80"), "198.51.100.9".parse().ok());
        stage.call("CHECK", &with_result(&config, &result)).netns(&container).succeed();
        stage.del(&config, "c1", &container);
        assert!(returned(&stage), "{}", stage.host.ip("link"));
        assert!(stage.host.ip("link show nic0").contains("state DOWN"));
        stage.del(&config, "c1", &container);
        stage.call("DEL", &config).netns_path("").succeed();
        assert_eq!((container.state(), stage.leases("net")), (before.clone(), Vec::new()));
    }
}

#[test]
fn a_device_is_found_by_an_alternative_name() {
    if !can_run() {
        return;
    }
    let (stage, container) = (stage(), Namespace::new());
    let name = "a-name-that-is-longer-than-names-are";
    stage.host.ip(&format!("link property add dev nic0 altname {name}"));
    let config = with(&config(&stage), "device", json!(name));
    stage.add(&config, "c1", &container);
    assert!(container.ip("link show eth0").contains("alias nic0"));
    stage.del(&config, "c1", &container);
    assert!(returned(&stage), "{}", stage.host.ip("link"));
}

#[test]
fn a_device_is_found_by_hardware_address_kernel_path_and_pci_address() {
    if !can_run() {
        return;
    }
    let (stage, container) = (stage(), Namespace::new());
    let config = config(&stage);
    // A sysfs mount shows the namespace in which it was mounted; the PCI devices are files of the test.
    let script = "mount -t sysfs sys /sys && mount -t tmpfs bus /sys/bus && mkdir -p \
                  /sys/bus/pci/devices/0000:01:00.0/virtio9/net/nic0 /sys/bus/pci/devices/0000:02:00.0 \
                  /sys/bus/pci/devices/0000:03:00.0/net/nic0 /sys/bus/auxiliary/devices/mlx5_core.sf.2/net/nic0 \
                  && ln -s /sys/bus/pci/drivers/vfio-pci /sys/bus/pci/devices/0000:02:00.0/driver; exec \"$@\"";
    let wrapper = ["unshare", "-m", "sh", "-c", script, "sh"].map(str::to_owned);
    for (key, value) in [
        ("hwaddr", json!("02:00:00:00:00:07")),
        ("kernelpath", json!("/sys/devices/virtual")),
        ("pciBusID", json!("0000:01:00.0")),
        ("pciBusID", json!("0000:03:00.0")),
        ("runtimeConfig", json!({"deviceID": "0000:01:00.0"})),
        ("runtimeConfig", json!({"deviceID": "mlx5_core.sf.2"})),
    ] {
        let config = by(&config, key, value.clone());
        let output = stage.call("ADD", &config).netns(&container).wrapped(&wrapper);
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{key} {value}: {text}");
        assert!(container.ip("link show eth0").contains("02:00:00:00:00:07"), "{key} {value}");
        let output = stage.call("DEL", &config).netns(&container).wrapped(&wrapper);
        assert!(output.status.success() && returned(&stage), "{key} {value}");
    }
    let dpdk = by(&config, "pciBusID", json!("0000:02:00.0"));
    let output = stage.call("ADD", &dpdk).netns(&container).wrapped(&wrapper);
    let error: Value = serde_json::from_slice(&output.stdout).unwrap();
    let msg = "device 0000:02:00.0 is bound to vfio-pci for user space (DPDK): it has no interface to move";
    assert_eq!(error, json!({"code": 2, "msg": msg, "details": "pciBusID"}));
    assert_eq!(stage.leases("net"), Vec::<String>::new());
}

#[test]
fn invalid_devices_are_refused_and_nothing_is_leased() {
    if !can_run() {
        return;
    }
    let (stage, container) = (stage(), Namespace::new());
    let config = config(&stage);
    for (key, value, code, msg) in [
        ("device", json!("nope"), 7, "failed to find host device: no interface has the name nope"),
        ("device", json!("nic0\0x"), 7, "failed to find host device: no interface has the name nic0\0x"),
        ("device", json!(""), 7, "specify either \"device\", \"hwaddr\", \"kernelpath\" or \"pciBusID\""),
        ("hwaddr", json!("garbage"), 7, "failed to parse MAC address \"garbage\""),
        (
            "hwaddr",
            json!("02:ff:ff:ff:ff:ff"),
            7,
            "failed to find host device: no interface has the hardware address 02:ff:ff:ff:ff:ff",
        ),
        (
            "kernelpath",
            json!("/etc"),
            7,
            "kernel device path \"/etc\" must be absolute and begin with /sys/devices/",
        ),
        (
            "pciBusID",
            json!("../0000:00:00.0"),
            7,
            "error with host device: there is no PCI device ../0000:00:00.0",
        ),
        ("runtimeConfig", json!({"deviceID": "x"}), 7, "runtime config DeviceID x not found or unsupported"),
    ] {
        let config = if key == "device" { with(&config, key, value) } else { by(&config, key, value) };
        assert_eq!(stage.call("ADD", &config).netns(&container).fail(), (code, msg.to_owned()));
        stage.call("DEL", &config).netns(&container).succeed();
    }
    container.ip("link add eth0 type veth peer name other");
    let (code, msg) = stage.call("ADD", &config).netns(&container).fail();
    assert_eq!((code, msg.as_str()), (102, "interface \"eth0\" already exists in the container"));
    // It is not touched if it is not the device's.
    stage.call("DEL", &config).netns(&container).succeed();
    assert!(container.ip("-o link").contains("eth0"));
    assert_eq!(stage.leases("net"), Vec::<String>::new());
    assert!(returned(&stage));
}

#[test]
fn a_failing_add_moves_the_device_back_and_sets_it_up() {
    if !can_run() {
        return;
    }
    let (stage, container) = (stage(), Namespace::new());
    let mut config = config(&stage);
    config["ipam"]["routes"] = json!([{"dst": "203.0.113.0/24", "gw": "10.9.9.9"}]);
    let before = (stage.host.state(), container.state());
    let (code, msg) = stage.call("ADD", &config).netns(&container).fail();
    assert_eq!(code, 5);
    assert!(msg.starts_with("cannot add route to 203.0.113.0/24 via 10.9.9.9"), "{msg}");
    assert_eq!((stage.host.state(), container.state()), before);
    assert_eq!(stage.leases("net"), Vec::<String>::new());
}

#[test]
fn a_lease_is_released_without_a_namespace() {
    // The Go plugin keeps the lease in the first case, and fails forever in the second.
    if !can_run() {
        return;
    }
    let stage = stage();
    let config = config(&stage);
    let container = Namespace::new();
    stage.add(&config, "c1", &container);
    stage.call("DEL", &config).netns_path("").succeed();
    assert_eq!(stage.leases("net"), Vec::<String>::new());
    stage.del(&config, "c1", &container);
    assert!(returned(&stage));
    stage.add(&config, "c1", &container);
    let path = container.path();
    drop(container);
    for path in [path.as_str(), "/no/such/namespace", ""] {
        stage.call("DEL", &config).netns_path(path).succeed();
        assert_eq!(stage.leases("net"), Vec::<String>::new());
    }
}

#[test]
fn del_renames_a_device_that_the_kernel_moved_back() {
    if !can_run() {
        return;
    }
    let stage = stage();
    let named = config(&stage);
    // The kernel moves hardware out of a deleted namespace under the name it had there, or under a numbered name.
    for stray in ["eth0", "dev7"] {
        stage.host.ip("link set nic0 down");
        stage.host.ip(&format!("link set nic0 name {stray} alias nic0"));
        stage.call("DEL", &named).netns_path("").succeed();
        assert!(returned(&stage), "{}", stage.host.ip("link"));
    }
    let by_mac = by(&named, "hwaddr", json!("02:00:00:00:00:07"));
    stage.host.ip("link set nic0 name eth0 alias nic0");
    // Another program may have set the alias: without the result of ADD it is not changed.
    stage.call("DEL", &by_mac).netns_path("").succeed();
    assert!(!returned(&stage));
    let result = json!({"cniVersion": "1.0.0", "interfaces": [{"name": "eth0", "mac": "02:00:00:00:00:07", "sandbox": "/gone"}]});
    stage.call("DEL", &with_result(&by_mac, &result)).netns_path("/gone").succeed();
    assert!(returned(&stage));
}

#[test]
fn a_name_taken_meanwhile_leaves_the_device_in_the_container() {
    if !can_run() {
        return;
    }
    let (stage, container) = (stage(), Namespace::new());
    let config = config(&stage);
    stage.add(&config, "c1", &container);
    stage.host.ip("link add nic0 type veth peer name other");
    let (code, msg) = stage.call("DEL", &config).netns(&container).fail();
    assert_eq!(
        (code, msg.as_str()),
        (102, "cannot move eth0 back as nic0: the host has another interface of that name")
    );
    assert!(container.ip("link show eth0").contains("alias nic0"));
    assert_eq!(stage.leases("net").len(), 1, "the address is still in use");
    stage.host.ip("link del nic0");
    stage.del(&config, "c1", &container);
    assert!(returned(&stage));
}

#[test]
fn check_reports_the_difference() {
    if !can_run() {
        return;
    }
    let (stage, container) = (stage(), Namespace::new());
    let config = config(&stage);
    let result = stage.add(&config, "c1", &container);
    let checked = with_result(&config, &result);
    let check = || stage.call("CHECK", &checked).netns(&container);
    check().succeed();
    container.ip("addr del 198.51.100.9/24 dev eth0");
    assert_eq!(check().fail().0, 100);
    container.ip("addr add 198.51.100.9/24 dev eth0");
    check().succeed();
    container.ip("link set eth0 address 02:00:00:00:00:08");
    assert_eq!(check().fail().0, 100);
    assert_eq!(
        stage.call("CHECK", &config).netns(&container).fail(),
        (7, "Required prevResult missing".to_owned())
    );
}

#[test]
fn without_ipam_the_device_is_moved_up_and_either_plugin_moves_it_back() {
    if !can_run() {
        return;
    }
    let (stage, container) = (stage(), Namespace::new());
    let config =
        stage.config(r#"{"cniVersion": "1.0.0", "name": "net", "type": "host-device", "device": "nic0"}"#);
    let result = stage.add(&config, "c1", &container);
    assert_eq!(address_of_none(&result), None);
    assert!(container.ip("link show eth0").contains("state UP"));
    let with_theirs = theirs().join("host-device").exists();
    let others = |command: &str| {
        stage.call(command, &config).container("c1").netns(&container).plugins(&theirs()).succeed();
    };
    if !with_theirs {
        return crate::stage::skip("the Go plugins of containernetworking-plugins are not installed");
    }
    others("DEL");
    assert!(stage.host.ip("-o link").contains(": nic0"));
    others("ADD");
    stage.del(&config, "c1", &container);
    assert!(returned(&stage));
}

fn address_of_none(result: &Value) -> Option<String> {
    result.get("ips").map(|_| address_of(result))
}

#[test]
fn status_and_gc_are_delegated_to_ipam() {
    if !can_run() {
        return;
    }
    let (stage, container) = (stage(), Namespace::new());
    let config = with(&config(&stage), "cniVersion", json!("1.1.0"));
    stage.call("STATUS", &config).succeed();
    stage.add(&config, "c1", &container);
    stage
        .call(
            "GC",
            &with(&config, "cni.dev/valid-attachments", json!([{"containerID": "c1", "ifname": "eth0"}])),
        )
        .succeed();
    assert_eq!(stage.leases("net").len(), 1);
    stage.call("GC", &with(&config, "cni.dev/valid-attachments", json!([]))).succeed();
    assert_eq!(stage.leases("net"), Vec::<String>::new());
    let none = by(&config, "hwaddr", json!("garbage"));
    assert_eq!(stage.call("STATUS", &none).fail().0, 50);
}
