//! What the specification and the Go library require of every verb.

use crate::stage::{Namespace, Stage, can_run, ours, with, with_result};
use serde_json::{Value, json};
use std::fs::File;
use std::process::Command;

fn bridge(stage: &Stage) -> Value {
    stage.config(
        r#"{"cniVersion": "1.1.0", "name": "net", "type": "bridge", "bridge": "br0", "isGateway": true,
            "ipam": {"type": "host-local", "dataDir": "$dir", "subnet": "10.1.0.0/24"}}"#,
    )
}

#[test]
fn input_that_cannot_be_read_is_code_5() {
    let mut call = Command::new(ours().join("loopback"));
    call.env_clear().env("CNI_COMMAND", "STATUS").env("CNI_PATH", "/");
    // A directory can be opened, but not read.
    let output = call.stdin(File::open("/").unwrap()).output().unwrap();
    let error: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((output.status.code(), error["code"].as_u64()), (Some(1), Some(5)));
    assert!(error["msg"].as_str().unwrap().starts_with("error reading from stdin: "));
}

#[test]
fn netns_override_allows_the_plugins_own_namespace() {
    if !can_run() {
        return;
    }
    let stage = Stage::new();
    let config = stage.config(r#"{"cniVersion": "1.0.0", "name": "lo", "type": "loopback"}"#);
    stage.host.ip("link set lo down");
    for word in ["1", "TRUE", "true"] {
        let words = ["/usr/bin/env", &format!("CNI_NETNS_OVERRIDE={word}")].map(str::to_owned);
        let output = stage.call("ADD", &config).netns(&stage.host).wrapped(&words);
        assert!(output.status.success(), "{word}: {}", String::from_utf8_lossy(&output.stdout));
        assert!(stage.host.ip("link show lo").contains("UP"));
    }
    assert_eq!(stage.call("ADD", &config).netns(&stage.host).fail().0, 8);
}

#[test]
fn a_version_that_cannot_express_a_link_without_addresses_leaves_none() {
    if !can_run() {
        return;
    }
    for version in ["0.1.0", "0.2.0"] {
        let (stage, container) = (Stage::new(), Namespace::new());
        let before = (stage.host.state(), container.state());
        let config = json!({"cniVersion": version, "name": "l2", "type": "bridge", "bridge": "br0"});
        let (code, msg) = stage.call("ADD", &config).netns(&container).fail();
        assert_eq!((code, msg.as_str()), (7, "cannot convert: no valid IP addresses"));
        assert_eq!((stage.host.state(), container.state()), before);
    }
}

#[test]
fn the_list_for_gc_is_read_under_its_former_name() {
    if !can_run() {
        return;
    }
    let (stage, one, two) = (Stage::new(), Namespace::new(), Namespace::new());
    let config = bridge(&stage);
    stage.add(&config, "c1", &one);
    stage.add(&config, "c2", &two);
    let valid = json!([{"containerID": "c2", "ifname": "eth0"}]);
    for unclear in [json!([{"ifname": "eth0"}]), json!([{"containerID": "c1"}])] {
        let (code, msg) = stage.call("GC", &with(&config, "cni.dev/valid-attachments", unclear)).fail();
        assert!(code == 7 && msg.starts_with("a valid attachment has no "), "{code} {msg}");
    }
    assert_eq!(stage.leases("net"), ["10.1.0.2", "10.1.0.3"]);
    stage.call("GC", &with(&config, "cni.dev/attachments", valid)).succeed();
    assert_eq!(stage.leases("net"), ["10.1.0.3"]);
    assert!(!one.ip("-o link").contains("eth0") && two.ip("-o link").contains("eth0"));
}

#[test]
fn names_longer_than_an_alias_are_attached_collected_and_deleted() {
    if !can_run() {
        return;
    }
    let (stage, container) = (Stage::new(), Namespace::new());
    let before = stage.host.ip("-o link");
    let network = "n".repeat(200);
    let config = with(&bridge(&stage), "name", json!(network));
    let id = "c".repeat(100);
    let call = |command: &str, config: &Value| {
        stage.call(command, config).container(&id).netns(&container).succeed();
    };
    call("ADD", &config);
    let valid =
        |id: &str| with(&config, "cni.dev/valid-attachments", json!([{"containerID": id, "ifname": "eth0"}]));
    call("GC", &valid(&id));
    assert!(container.ip("-o link").contains("eth0"));
    call("GC", &valid("other"));
    assert!(!container.ip("-o link").contains("eth0"));
    assert_eq!(stage.leases(&network), Vec::<String>::new());
    call("ADD", &config);
    stage.call("DEL", &config).container(&id).netns_path("").succeed();
    stage.host.ip("link del br0");
    assert_eq!(stage.host.ip("-o link"), before);
}

#[test]
fn errors_of_a_configuration_name_the_key() {
    if !can_run() {
        return;
    }
    let (stage, container) = (Stage::new(), Namespace::new());
    let config = bridge(&stage);
    let (before, range) = (stage.host.state(), json!({"subnet": "10.1.0.0/24"}));
    for (keys, details) in [
        (json!({"hairpinMode": true, "promiscMode": true}), "hairpinMode"),
        (json!({"disableContainerInterface": true}), "disableContainerInterface"),
        (json!({"bridge": "br\0x"}), "bridge"),
        (json!({"mtu": 1}), "mtu"),
        (json!({"ipMasqBackend": "x"}), "ipMasqBackend"),
        (json!({"vlan": 4095}), "vlan"),
        (json!({"ipam": {"type": "no-such"}}), "ipam.type"),
        (json!({"ipam": {"type": "host-local"}}), "ipam.ranges"),
        (json!({"ipam": {"type": "host-local", "ranges": [[]]}}), "ipam.ranges[0]"),
        (json!({"ipam": {"type": "host-local", "ranges": [[range], [range]]}}), "ipam.ranges"),
        (json!({"ipam": {"type": "host-local", "ranges": [[range, range]]}}), "ipam.ranges[0]"),
        (
            json!({"ipam": {"type": "host-local", "ranges": [[{"subnet": "10.1.0.0/31"}]]}}),
            "ipam.ranges[0][0].subnet",
        ),
        (json!({"type": "host-device"}), "device"),
        (json!({"name": ""}), "name"),
    ] {
        let mut config = config.clone();
        config.as_object_mut().unwrap().extend(keys.as_object().unwrap().clone());
        let output = stage.call("ADD", &config).netns(&container).output();
        let error: Value = serde_json::from_slice(&output.stdout).unwrap();
        let found = error["details"].as_str().unwrap_or_default();
        assert_eq!((error["code"].as_u64(), found), (Some(7), details), "{error}");
    }
    assert_eq!(stage.host.state(), before);
}

#[test]
fn a_bridge_that_the_kernel_refuses_has_the_go_plugins_text() {
    if !can_run() {
        return;
    }
    let (stage, container) = (Stage::new(), Namespace::new());
    let without = ["setpriv", "--bounding-set=-net_admin", "--inh-caps=-net_admin"].map(str::to_owned);
    let output = stage.call("ADD", &bridge(&stage)).netns(&container).wrapped(&without);
    let error: Value = serde_json::from_slice(&output.stdout).unwrap();
    let msg = "failed to create bridge \"br0\": could not add \"br0\": operation not permitted";
    assert_eq!((error["code"].as_u64(), error["msg"].as_str()), (Some(5), Some(msg)));
    assert_eq!(stage.leases("net"), Vec::<String>::new());
}

#[test]
fn gc_continues_after_an_error_and_reports_it() {
    if !can_run() {
        return;
    }
    let (stage, container) = (Stage::new(), Namespace::new());
    let mut config = with(&bridge(&stage), "cni.dev/valid-attachments", json!([]));
    stage.add(&config, "c1", &container);
    config["ipam"]["type"] = json!("no-such-plugin");
    let (code, msg) = stage.call("GC", &config).fail();
    assert_eq!(code, 7);
    assert!(msg.starts_with("failed to find plugin \"no-such-plugin\""), "{msg}");
    assert!(!container.ip("-o link").contains("eth0"), "the link went all the same");
}

#[test]
fn check_reports_an_attachment_in_another_place() {
    if !can_run() {
        return;
    }
    let (stage, container) = (Stage::new(), Namespace::new());
    let config = bridge(&stage);
    let result = stage.add(&config, "c1", &container);
    let changed = |place: &str, key: &str, value: Value| {
        let mut result = result.clone();
        *result.pointer_mut(&format!("{place}/{key}")).unwrap() = value;
        stage.call("CHECK", &with_result(&config, &result)).netns(&container).fail()
    };
    let netns = container.path();
    assert_eq!(
        changed("/interfaces/2", "sandbox", json!("/else")),
        (100, format!("Sandbox in prevResult /else doesn't match configured netns: {netns}"))
    );
    let (code, msg) = changed("/interfaces/2", "mac", json!("02:00:00:00:00:01"));
    assert!(code == 100 && msg.starts_with("interface eth0 has MAC "), "{msg}");
    let (code, msg) = changed("/interfaces/0", "name", json!("br9"));
    assert_eq!((code, msg.as_str()), (100, "interface br0 is not in prevResult"));
    container.ip("addr del 10.1.0.2/24 dev eth0");
    let checked = with_result(&config, &result);
    let (code, msg) = stage.call("CHECK", &checked).netns(&container).fail();
    assert_eq!((code, msg.as_str()), (100, "Failed to match addr 10.1.0.2/24 on interface eth0"));
    let lease = stage.directory.join("net/10.1.0.2");
    std::fs::remove_file(lease).unwrap();
    let (code, msg) = stage.call("CHECK", &checked).netns(&container).fail();
    assert_eq!((code, msg.as_str()), (100, "host-local: Failed to find address added by container c1"));
}

#[test]
fn loopback_returns_the_previous_result_and_refuses_another_address() {
    if !can_run() {
        return;
    }
    let (stage, container) = (Stage::new(), Namespace::new());
    let previous = json!({"cniVersion": "1.0.0", "ips": [{"address": "10.7.0.2/24"}]});
    let config = json!({"cniVersion": "1.0.0", "name": "lo", "type": "loopback"});
    let result = stage.add(&with(&config, "prevResult", previous.clone()), "c1", &container);
    assert_eq!(result, previous);
    container.ip("addr add 10.8.0.1/32 dev lo");
    let (code, msg) = stage.call("ADD", &config).netns(&container).fail();
    let expected = "loopback interface found with non-loopback address \"10.8.0.1\"";
    assert_eq!((code, msg.as_str()), (7, expected));
    let fresh = Namespace::new();
    fresh.ip("addr add 10.8.0.1/32 dev lo");
    assert_eq!(stage.call("ADD", &config).netns(&fresh).fail().0, 7);
    assert!(!fresh.ip("-o link show lo").contains(",UP"), "what is refused leaves nothing");
}

#[test]
fn runtime_ranges_come_first_and_each_set_leases_an_address() {
    if !can_run() {
        return;
    }
    let (stage, netns) = (Stage::new(), Namespace::new());
    let config = stage.config(
        r#"{"cniVersion": "1.0.0", "name": "net", "type": "host-local",
            "runtimeConfig": {"ipRanges": [[{"subnet": "10.9.0.0/24", "rangeStart": "10.9.0.77"}]]},
            "ipam": {"type": "host-local", "dataDir": "$dir", "subnet": "10.1.0.0/24", "gateway": "10.1.0.9",
                     "routes": [{"dst": "0.0.0.0/0", "gw": "10.1.0.8"}],
                     "ranges": [[{"subnet": "10.2.0.0/24", "rangeStart": "10.2.0.5", "rangeEnd": "10.2.0.5"},
                                 {"subnet": "10.3.0.0/24"}], [{"subnet": "fd00:1::/64"}]]}}"#,
    );
    let addresses = |result: &Value| {
        let ips = result["ips"].as_array().unwrap().iter();
        ips.map(|ip| (ip["address"].as_str().unwrap().to_owned(), ip["gateway"].as_str().unwrap().to_owned()))
            .collect::<Vec<_>>()
    };
    let pair = |address: &str, gateway: &str| (address.to_owned(), gateway.to_owned());
    let first = stage.add(&config, "c1", &netns);
    let expected = [
        pair("10.9.0.77/24", "10.9.0.1"),
        pair("10.1.0.1/24", "10.1.0.9"),
        pair("10.2.0.5/24", "10.2.0.1"),
        pair("fd00:1::2/64", "fd00:1::1"),
    ];
    assert_eq!(addresses(&first), expected);
    assert_eq!(first["routes"], json!([{"dst": "0.0.0.0/0", "gw": "10.1.0.8"}]));
    let second = addresses(&stage.add(&config, "c2", &netns));
    assert_eq!(second[2], pair("10.3.0.2/24", "10.3.0.1"), "the next range of the set follows");
}

#[test]
fn ipv6_is_turned_on_for_an_attachment_with_ipv6_addresses() {
    if !can_run() {
        return;
    }
    let (stage, container) = (Stage::new(), Namespace::new());
    let set = |path: &str, value: &str| {
        let path = format!("/proc/sys/net/ipv6/conf/{path}/disable_ipv6");
        container.run(|| std::fs::write(&path, value).unwrap());
    };
    for name in ["default", "lo", "all"] {
        set(name, "1");
    }
    let mut config = bridge(&stage);
    config["ipam"]["ranges"] = json!([[{"subnet": "fd00:1::/64"}]]);
    stage.add(&config, "c1", &container);
    assert!(container.ip("-6 -o addr show eth0").contains("fd00:1::2/64"));
    assert_eq!(container.sysctl("net/ipv6/conf/lo/disable_ipv6"), "0");
    assert_eq!(container.sysctl("net/ipv6/conf/eth0/keep_addr_on_down"), "1");
    assert_eq!(container.sysctl("net/ipv4/conf/eth0/arp_notify"), "1");
}

#[test]
fn add_waits_for_duplicate_detection_and_reports_its_failure() {
    if !can_run() {
        return;
    }
    let (stage, one, two) = (Stage::new(), Namespace::new(), Namespace::new());
    let mut config = with(&bridge(&stage), "enabledad", json!(true));
    config["ipam"]["ranges"] = json!([[{"subnet": "fd00:1::/64"}]]);
    stage.add(&config, "c1", &one);
    assert_eq!(one.sysctl("net/ipv6/conf/eth0/accept_dad"), "1");
    assert_eq!(one.sysctl("net/ipv6/conf/eth0/enhanced_dad"), "1");
    assert!(!one.ip("-6 -o addr show eth0 tentative").contains("fd00:1::2"));
    // The address is in use already, without a lease.
    one.ip("addr add fd00:1::3/64 dev eth0 nodad");
    let (code, msg) = stage.call("ADD", &config).container("c2").netns(&two).fail();
    assert_eq!((code, msg.as_str()), (11, "address fd00:1::3/64 is in use by another host"));
    assert_eq!(stage.leases("net"), ["10.1.0.2", "fd00:1::2"]);
}

#[test]
fn routes_have_their_priority_table_and_scope() {
    if !can_run() {
        return;
    }
    let (stage, container) = (Stage::new(), Namespace::new());
    let mut config = bridge(&stage);
    config["ipam"]["routes"] = json!([
        {"dst": "203.0.113.0/24", "priority": 77, "table": 300, "mtu": 1300, "advmss": 1200},
        {"dst": "198.51.100.0/24", "scope": 200}
    ]);
    let result = stage.add(&config, "c1", &container);
    let route = container.ip("route show table 300");
    assert!(route.contains("203.0.113.0/24 via 10.1.0.1") && route.contains("metric 77"), "{route}");
    assert!(!route.contains("mtu") && !route.contains("advmss"), "{route}");
    assert!(container.ip("route").contains("198.51.100.0/24 via 10.1.0.1 dev eth0 scope site"));
    stage.call("CHECK", &with_result(&config, &result)).netns(&container).succeed();
}

#[test]
fn the_default_route_of_ipam_takes_precedence() {
    if !can_run() {
        return;
    }
    let stage = Stage::new();
    let mut config = with(&bridge(&stage), "isDefaultGateway", json!(true));
    config.as_object_mut().unwrap().remove("bridge");
    for (given, gateway) in [
        (json!([]), "10.1.0.1"),
        (json!([{"dst": "0.0.0.0/0", "gw": "10.1.0.77"}]), "10.1.0.77"),
        (json!([{"dst": "0.0.0.0/0"}]), "10.1.0.1"),
        (json!([{"dst": "0.0.0.0/0", "table": 300}]), "10.1.0.1"),
    ] {
        let container = Namespace::new();
        config["ipam"]["routes"] = given;
        let result = stage.add(&config, "c1", &container);
        assert_eq!(result["interfaces"][0]["name"], "cni0");
        assert_eq!(container.ip("route show default").trim(), format!("default via {gateway} dev eth0"));
        stage.call("CHECK", &with_result(&config, &result)).netns(&container).succeed();
        stage.del(&config, "c1", &container);
    }
}

#[test]
fn an_ipv6_address_is_usable_right_after_add() {
    if !can_run() {
        return;
    }
    let stage = Stage::new();
    let mut config = bridge(&stage);
    config["ipam"]["ranges"] = json!([[{"subnet": "fd00:1::/64"}]]);
    for number in 0..30 {
        let container = Namespace::new();
        let result = stage.add(&config, &format!("c{number}"), &container);
        let address = result["ips"][1]["address"].as_str().unwrap().replace("/64", "");
        let bound = container.run(|| std::net::TcpListener::bind(format!("[{address}]:80")).map(drop));
        assert!(bound.is_ok(), "{address} of the {number}th: {bound:?}");
    }
}
