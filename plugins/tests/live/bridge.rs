//! `bridge` with `host-local`: containers reach each other, the host and other networks; nothing is left afterwards.

use crate::stage::{Namespace, Stage, address_of, can_run, ours, with, with_result};
use serde_json::{Value, json};

/// The configuration that the README recommends, on a dual-stack network.
fn config(stage: &Stage) -> Value {
    stage.config(
        r#"{"cniVersion": "1.0.0", "name": "net", "type": "bridge", "bridge": "br0",
            "isDefaultGateway": true, "ipMasq": true, "ipMasqBackend": "nftables", "hairpinMode": true,
            "ipam": {"type": "host-local", "dataDir": "$dir",
                     "ranges": [[{"subnet": "10.1.0.0/24"}], [{"subnet": "fd00:1::/64"}]]}}"#,
    )
}

#[test]
fn containers_reach_each_other_and_the_host() {
    if !can_run() {
        return;
    }
    let stage = Stage::new();
    let (one, two, config) = (Namespace::new(), Namespace::new(), config(&stage));
    let first = stage.add(&config, "c1", &one);
    let second = stage.add(&config, "c2", &two);
    assert_eq!((address_of(&first).as_str(), address_of(&second).as_str()), ("10.1.0.2", "10.1.0.3"));
    one.serve("[::]:80");
    assert_eq!(two.ask("10.1.0.2:80"), "10.1.0.3".parse().ok());
    assert_eq!(two.ask("[fd00:1::2]:80"), "fd00:1::3".parse().ok());
    assert_eq!(stage.host.ask("10.1.0.2:80"), "10.1.0.1".parse().ok());
    stage.host.serve("[::]:81");
    assert_eq!(one.ask("10.1.0.1:81"), "10.1.0.2".parse().ok());
}

#[test]
fn packets_leaving_the_network_are_masqueraded() {
    if !can_run() {
        return;
    }
    let (stage, container) = (Stage::new(), Namespace::new());
    let config = config(&stage);
    stage.add(&config, "c1", &container);
    stage.outside.serve("[::]:80");
    assert_eq!(container.ask("192.0.2.2:80"), "192.0.2.1".parse().ok());
    assert_eq!(container.ask("[2001:db8::2]:80"), "2001:db8::1".parse().ok());
    stage.del(&config, "c1", &container);
    let plain = with(&config, "ipMasq", json!(false));
    stage.add(&plain, "c1", &container);
    assert_eq!(
        container.ask("192.0.2.2:80"),
        None,
        "the world has no route back to an address of the network"
    );
}

#[test]
fn the_result_equals_the_go_plugins() {
    if !can_run() {
        return;
    }
    let (stage, container) = (Stage::new(), Namespace::new());
    let result = stage.add(&config(&stage), "c1", &container);
    let names: Vec<&str> =
        result["interfaces"].as_array().unwrap().iter().map(|i| i["name"].as_str().unwrap()).collect();
    assert_eq!((names[0], names[2], names.len()), ("br0", "eth0", 3));
    assert_eq!(result["interfaces"][2]["sandbox"], container.path());
    assert_eq!(result["ips"][0], json!({"interface": 2, "address": "10.1.0.2/24", "gateway": "10.1.0.1"}));
    assert_eq!(result["ips"][1], json!({"interface": 2, "address": "fd00:1::2/64", "gateway": "fd00:1::1"}));
    let routes = json!([{"dst": "0.0.0.0/0", "gw": "10.1.0.1"}, {"dst": "::/0", "gw": "fd00:1::1"}]);
    assert_eq!(result["routes"], routes);
    for (number, side) in [&stage.host, &stage.host, &container].into_iter().enumerate() {
        let shown = side.ip(&format!("-o link show {}", names[number]));
        assert!(shown.contains(result["interfaces"][number]["mac"].as_str().unwrap()), "{shown}");
    }
}

#[test]
fn results_have_the_shape_of_the_version() {
    if !can_run() {
        return;
    }
    let (stage, container) = (Stage::new(), Namespace::new());
    for (version, place) in [("0.2.0", "/ip4/ip"), ("0.3.1", "/ips/0/address"), ("1.1.0", "/ips/0/address")] {
        let config = with(&config(&stage), "cniVersion", json!(version));
        let result = stage.add(&config, version, &container);
        assert_eq!(result["cniVersion"], version);
        assert!(result.pointer(place).unwrap().as_str().unwrap().starts_with("10.1.0."), "{result}");
        stage.del(&config, version, &container);
    }
}

#[test]
fn del_restores_the_host_except_the_bridge() {
    if !can_run() {
        return;
    }
    let stage = Stage::new();
    let (one, two, config) = (Namespace::new(), Namespace::new(), config(&stage));
    stage.add(&config, "c0", &one);
    stage.del(&config, "c0", &one);
    let before = (stage.host.state(), one.state());
    for _ in 0..3 {
        let result = stage.add(&config, "c1", &one);
        stage.add(&config, "c2", &two);
        stage.call("DEL", &with_result(&config, &result)).container("c1").netns(&one).succeed();
        stage.del(&config, "c2", &two);
        assert_eq!((stage.host.state(), one.state()), before);
    }
    assert_eq!(stage.leases("net"), Vec::<String>::new());
}

#[test]
fn del_needs_neither_namespace_nor_result_and_may_be_repeated() {
    if !can_run() {
        return;
    }
    let stage = Stage::new();
    let config = config(&stage);
    let container = Namespace::new();
    stage.add(&config, "c0", &container);
    stage.del(&config, "c0", &container);
    let before = stage.host.state();
    stage.add(&config, "c1", &container);
    // The namespace exists, but the caller does not pass it.
    stage.call("DEL", &config).netns_path("").succeed();
    assert_eq!(stage.host.state(), before);
    assert!(!container.ip("-o link").contains("eth0"));
    stage.call("DEL", &config).netns_path("").succeed();

    let gone = Namespace::new();
    stage.add(&config, "c2", &gone);
    let path = gone.path();
    drop(gone);
    stage.call("DEL", &config).container("c2").netns_path(&path).succeed();
    stage.call("DEL", &config).container("c2").netns_path("/no/such/namespace").succeed();
    // The kernel removes the interfaces of a namespace asynchronously.
    for _ in 0..100 {
        if stage.host.state() == before {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    assert_eq!(stage.host.state(), before);
    assert_eq!(stage.leases("net"), Vec::<String>::new());
}

#[test]
fn a_failing_add_leaves_nothing() {
    if !can_run() {
        return;
    }
    let (stage, container) = (Stage::new(), Namespace::new());
    let before = (stage.host.state(), container.state());
    // The address is leased, the bridge exists and the rules are in place when the last step finds its name taken.
    container.ip("link add eth0 type veth peer name other");
    let occupied = container.state();
    let (code, msg) = stage.call("ADD", &config(&stage)).netns(&container).fail();
    assert_eq!(code, 102);
    assert!(msg.starts_with("container veth name (\"eth0\") peer provided (\"veth"), "{msg}");
    assert!(msg.ends_with("already exists"), "{msg}");
    assert_eq!((stage.host.state(), container.state()), (before.0.clone(), occupied));
    assert_eq!(stage.leases("net"), Vec::<String>::new());
    container.ip("link del eth0");

    // No address is free.
    let mut small = config(&stage);
    small["ipam"]["ranges"] =
        json!([[{"subnet": "10.1.0.0/24", "rangeStart": "10.1.0.9", "rangeEnd": "10.1.0.9"}]]);
    std::fs::create_dir_all(stage.directory.join("net")).unwrap();
    std::fs::write(stage.directory.join("net/10.1.0.9"), "other\r\neth0").unwrap();
    let (code, msg) = stage.call("ADD", &small).netns(&container).fail();
    let expected =
        "failed to allocate for range 0: no IP addresses available in range set: 10.1.0.9-10.1.0.9";
    assert_eq!((code, msg.as_str()), (101, expected));
    assert_eq!((stage.host.state(), container.state()), before);
}

#[test]
fn a_refused_route_undoes_everything_and_has_the_kernels_reason() {
    if !can_run() {
        return;
    }
    let (stage, container) = (Stage::new(), Namespace::new());
    let before = (stage.host.state(), container.state());
    let mut config = config(&stage);
    config["ipam"]["routes"] = json!([{"dst": "203.0.113.0/24", "gw": "198.51.100.1"}]);
    let (code, msg) = stage.call("ADD", &config).netns(&container).fail();
    assert_eq!(code, 5);
    assert!(msg.starts_with("cannot add route to 203.0.113.0/24 via 198.51.100.1: "), "{msg}");
    assert_eq!((stage.host.state(), container.state()), before);
    assert_eq!(stage.leases("net"), Vec::<String>::new());
}

#[test]
fn a_second_add_is_refused_and_the_first_attachment_works() {
    if !can_run() {
        return;
    }
    let (stage, container) = (Stage::new(), Namespace::new());
    let config = config(&stage);
    stage.add(&config, "c1", &container);
    let before = (stage.host.state(), stage.leases("net"));
    let (code, msg) = stage.call("ADD", &config).netns(&container).fail();
    assert_eq!(code, 102);
    assert!(msg.ends_with("10.1.0.2 has been allocated to c1, duplicate allocation is not allowed"), "{msg}");
    let (code, _) = stage.call("ADD", &config).container("c9").netns(&container).fail();
    assert_eq!(code, 102, "another container's id with an interface that exists");
    assert_eq!((stage.host.state(), stage.leases("net")), before);
    stage.outside.serve("0.0.0.0:80");
    assert_eq!(container.ask("192.0.2.2:80"), "192.0.2.1".parse().ok());
}

#[test]
fn check_reports_the_difference() {
    if !can_run() {
        return;
    }
    let (stage, container) = (Stage::new(), Namespace::new());
    let config = config(&stage);
    let result = stage.add(&config, "c1", &container);
    let checked = with_result(&config, &result);
    let check = || stage.call("CHECK", &checked).netns(&container);
    check().succeed();
    let host_end = result["interfaces"][1]["name"].as_str().unwrap();
    let differs = |undo: &str, msg: &str| {
        let (code, found) = check().fail();
        assert_eq!(code, 100, "{found}");
        assert!(found.contains(msg), "{found}");
        if !undo.is_empty() {
            container.ip(undo);
        }
        check().succeed();
    };
    container.ip("route del default");
    differs("route add default via 10.1.0.1", "Expected Route 0.0.0.0/0 not found in routing table");
    stage.host.ip(&format!("link set {host_end} nomaster"));
    let (code, msg) = check().fail();
    assert_eq!((code, msg), (100, format!("interface {host_end} is not a port of bridge br0")));
    stage.host.ip(&format!("link set {host_end} master br0"));
    assert_eq!(check().fail(), (100, format!("port {host_end} differs in hairpin mode")));
    stage.host.ip(&format!("link set {host_end} type bridge_slave hairpin on"));
    stage.host.command("nft", "flush set inet tare_masquerade in/10.1.0.0/24");
    assert_eq!(check().fail(), (100, "address 10.1.0.2/24 is not masqueraded".to_owned()));
    stage.del(&config, "c1", &container);
    stage.add(&config, "c1", &container);
    stage.host.command("nft", "flush chain inet tare_masquerade postrouting");
    let (code, msg) = stage.call("CHECK", &checked).netns(&container).fail();
    assert!(code == 100 && msg.ends_with(" is not masqueraded"), "{code} {msg}");
    let (code, msg) = stage.call("CHECK", &config).netns(&container).fail();
    assert_eq!((code, msg.as_str()), (7, "Required prevResult missing"));
    // DEL succeeds for resources that another program has removed.
    stage.del(&config, "c1", &container);
    assert!(!stage.host.state().contains("tare_"));
}

#[test]
fn added_rules_do_not_remove_a_table_before_its_last_attachment() {
    if !can_run() {
        return;
    }
    let (stage, one, two) = (Stage::new(), Namespace::new(), Namespace::new());
    let config = config(&stage);
    stage.add(&config, "c1", &one);
    let result = stage.add(&config, "c2", &two);
    for _ in 0..3 {
        stage.host.command("nft", "add rule inet tare_masquerade postrouting counter");
    }
    stage.del(&config, "c1", &one);
    stage.call("CHECK", &with_result(&config, &result)).container("c2").netns(&two).succeed();
    stage.del(&config, "c2", &two);
    assert!(!stage.host.state().contains("tare_"));
}

#[test]
fn hardware_address_and_ip_can_be_requested() {
    if !can_run() {
        return;
    }
    let (stage, container) = (Stage::new(), Namespace::new());
    let config = config(&stage);
    // The Go plugins fail here without IgnoreUnknown: host-local does not know MAC.
    let result =
        stage.call("ADD", &config).args("MAC=02:11:22:33:44:55;IP=10.1.0.77").netns(&container).succeed();
    assert_eq!(result["interfaces"][2]["mac"], "02:11:22:33:44:55");
    assert_eq!(address_of(&result), "10.1.0.77");
    stage.del(&config, "c1", &container);
    let capabilities = json!({"mac": "02:00:00:00:00:99", "ips": ["10.1.0.78/24"]});
    let asked = with(&config, "runtimeConfig", capabilities);
    let args = "IgnoreUnknown=1;K8S_POD_NAME=pod;MAC=02:11:22:33:44:55";
    let result = stage.call("ADD", &asked).args(args).netns(&container).succeed();
    assert_eq!(
        result["interfaces"][2]["mac"], "02:00:00:00:00:99",
        "the capability is the runtime's last word"
    );
    assert_eq!(address_of(&result), "10.1.0.78");
    stage.del(&config, "c1", &container);
    let conventional = with(&config, "args", json!({"cni": {"mac": "02:00:00:00:00:77"}}));
    let result = stage.call("ADD", &conventional).args(args).netns(&container).succeed();
    assert_eq!(
        result["interfaces"][2]["mac"], "02:00:00:00:00:77",
        "and the convention is before the environment"
    );
    let (code, msg) = stage.call("ADD", &config).container("c2").args("K8S=x").netns(&container).fail();
    assert_eq!((code, msg.as_str()), (4, "ARGS: unknown args [\"K8S=x\"]"));
}

#[test]
fn the_bridge_and_its_ports_follow_the_configuration() {
    if !can_run() {
        return;
    }
    let (stage, container) = (Stage::new(), Namespace::new());
    let config = with(&config(&stage), "mtu", json!(1400));
    let result = stage.add(&config, "c1", &container);
    let host_end = result["interfaces"][1]["name"].as_str().unwrap();
    let shown = stage.host.ip(&format!("-d link show {host_end}"));
    assert!(
        shown.contains("mtu 1400") && shown.contains("hairpin on") && shown.contains("state forwarding"),
        "{shown}"
    );
    assert!(stage.host.ip("link show br0").contains("mtu 1400"));
    assert!(container.ip("link show eth0").contains("mtu 1400"));
    // CVE-2020-10749: the host must ignore router advertisements of containers.
    for interface in ["br0", host_end] {
        assert_eq!(stage.host.sysctl(&format!("net/ipv6/conf/{interface}/accept_ra")), "0");
    }
    assert_eq!(stage.host.sysctl("net/ipv4/ip_forward"), "1");
    assert_eq!(stage.host.sysctl("net/ipv6/conf/all/forwarding"), "1");
    assert_eq!(container.sysctl("net/ipv6/conf/eth0/accept_dad"), "0");
    let mac = result["interfaces"][0]["mac"].as_str().unwrap().to_owned();
    stage.del(&config, "c1", &container);
    assert!(stage.host.ip("link show br0").contains(&mac), "the bridge keeps its address without ports");

    let promiscuous = with(&with(&config, "hairpinMode", json!(false)), "promiscMode", json!(true));
    stage.add(&promiscuous, "c1", &container);
    assert!(stage.host.ip("link show br0").contains("PROMISC"));
    let both = with(&promiscuous, "hairpinMode", json!(true));
    let (code, msg) = stage.call("ADD", &both).container("c2").netns(&container).fail();
    assert_eq!((code, msg.as_str()), (7, "cannot set hairpin mode and promiscuous mode at the same time"));
}

#[test]
fn another_bridge_address_is_refused_or_replaced() {
    if !can_run() {
        return;
    }
    let (stage, container) = (Stage::new(), Namespace::new());
    stage.host.ip("link add br0 type bridge");
    stage.host.ip("addr add 10.9.9.1/24 dev br0");
    stage.host.ip("link set br0 up");
    let before = stage.host.state();
    let (code, msg) = stage.call("ADD", &config(&stage)).netns(&container).fail();
    assert_eq!((code, msg.as_str()), (102, "\"br0\" already has an IP address different from 10.1.0.1/24"));
    assert_eq!(stage.host.state(), before);
    stage.add(&with(&config(&stage), "forceAddress", json!(true)), "c1", &container);
    let addresses = stage.host.ip("-4 -o addr show br0");
    assert!(addresses.contains("10.1.0.1/24") && !addresses.contains("10.9.9.1"), "{addresses}");
}

#[test]
fn a_link_that_is_not_a_bridge_is_refused() {
    if !can_run() {
        return;
    }
    let (stage, container) = (Stage::new(), Namespace::new());
    stage.host.ip("link add br0 type veth peer name other");
    let before = stage.host.state();
    let (code, msg) = stage.call("ADD", &config(&stage)).netns(&container).fail();
    assert_eq!((code, msg.as_str()), (102, "\"br0\" already exists but is not a bridge"));
    assert_eq!(stage.host.state(), before);
}

#[test]
fn frames_with_a_spoofed_sender_are_dropped() {
    if !can_run() {
        return;
    }
    let stage = Stage::new();
    let (checked, free) = (Namespace::new(), Namespace::new());
    let config = config(&stage);
    stage.add(&config, "c0", &free);
    stage.host.serve("[::]:81");
    let before = stage.host.state();
    let checking = with(&config, "macspoofchk", json!(true));
    let result = stage.add(&checking, "c1", &checked);
    let mac = result["interfaces"][2]["mac"].as_str().unwrap();
    assert!(checked.ask("10.1.0.1:81").is_some());
    let verified = with_result(&checking, &result);
    let verify = || stage.call("CHECK", &verified).netns(&checked);
    verify().succeed();
    for (container, reached) in [(&checked, false), (&free, true)] {
        container.ip("link set eth0 address 02:00:00:00:00:66");
        assert_eq!(container.ask("10.1.0.1:81").is_some(), reached);
    }
    checked.ip(&format!("link set eth0 address {mac}"));
    assert!(checked.ask("10.1.0.1:81").is_some());
    stage.host.command("nft", "flush set bridge tare_macspoof senders");
    let (code, msg) = verify().fail();
    assert!(
        code == 100 && msg.starts_with("the sender's hardware address is not checked: veth"),
        "{code} {msg}"
    );
    // The Go plugin leaves the rules if the namespace is gone.
    stage.call("DEL", &config).netns_path("").succeed();
    assert_eq!(stage.host.state(), before);
}

#[test]
fn gc_removes_mac_spoof_checks() {
    if !can_run() {
        return;
    }
    let (stage, container) = (Stage::new(), Namespace::new());
    let config = with(&with(&config(&stage), "macspoofchk", json!(true)), "cniVersion", json!("1.1.0"));
    stage.add(&config, "c1", &container);
    assert!(stage.host.state().contains("tare_macspoof"));
    stage.call("GC", &with(&config, "cni.dev/valid-attachments", json!([]))).succeed();
    assert!(!stage.host.state().contains("tare_"));
}

#[test]
fn a_reused_address_is_reached_at_once() {
    // With the Go plugins, neighbours use the hardware address of the former container for about ten seconds.
    if !can_run() {
        return;
    }
    let (stage, neighbour) = (Stage::new(), Namespace::new());
    let config = config(&stage);
    stage.add(&config, "c0", &neighbour);
    for id in ["c1", "c2"] {
        let container = Namespace::new();
        stage.call("ADD", &config).container(id).args("IP=10.1.0.99").netns(&container).succeed();
        container.serve("0.0.0.0:80");
        assert!(neighbour.ask("10.1.0.99:80").is_some() && stage.host.ask("10.1.0.99:80").is_some(), "{id}");
        assert_eq!(container.sysctl("net/ipv4/conf/eth0/arp_notify"), "1");
        stage.del(&config, id, &container);
    }
}

#[test]
fn an_attachment_without_ipam_is_a_link() {
    if !can_run() {
        return;
    }
    let (stage, container) = (Stage::new(), Namespace::new());
    let config = stage.config(r#"{"cniVersion": "1.0.0", "name": "l2", "type": "bridge", "bridge": "br0"}"#);
    let result = stage.add(&config, "c1", &container);
    assert_eq!(result.get("ips"), None);
    assert!(container.ip("link show eth0").contains("state UP"));
    stage.call("CHECK", &with_result(&config, &result)).netns(&container).succeed();
    stage.del(&config, "c1", &container);
    let down = with(&config, "disableContainerInterface", json!(true));
    stage.add(&down, "c1", &container);
    assert!(container.ip("link show eth0").contains("state DOWN"));
    let refused = with(&down, "ipam", json!({"type": "host-local"}));
    let expected = "cannot use IPAM when DisableContainerInterface flag is set";
    assert_eq!(stage.call("ADD", &refused).container("c2").netns(&container).fail().1, expected);
}

#[test]
fn isolated_ports_reach_the_host_but_not_each_other() {
    if !can_run() {
        return;
    }
    let stage = Stage::new();
    let (one, two) = (Namespace::new(), Namespace::new());
    let config = with(&config(&stage), "portIsolation", json!(true));
    stage.add(&config, "c1", &one);
    stage.add(&config, "c2", &two);
    one.serve("0.0.0.0:80");
    assert_eq!(stage.host.ask("10.1.0.2:80"), "10.1.0.1".parse().ok());
    assert_eq!(two.ask("10.1.0.2:80"), None);
}

#[test]
fn gc_removes_attachments_without_a_del() {
    if !can_run() {
        return;
    }
    let stage = Stage::new();
    let config = with(&config(&stage), "cniVersion", json!("1.1.0"));
    let (one, two) = (Namespace::new(), Namespace::new());
    stage.add(&config, "c1", &one);
    let kept = (stage.host.state(), stage.leases("net"));
    stage.add(&config, "c2", &two);
    let valid = json!([{"containerID": "c1", "ifname": "eth0"}]);
    let gc = with(&config, "cni.dev/valid-attachments", valid);
    stage.call("GC", &gc).succeed();
    assert_eq!((stage.host.state(), stage.leases("net")), kept);
    assert!(!two.ip("-o link").contains("eth0"));
    let (code, _) = stage.call("GC", &config).fail();
    assert_eq!(code, 7, "no list is not an empty list");
    assert_eq!((stage.host.state(), stage.leases("net")), kept);
}

#[test]
fn status_reports_exhaustion() {
    if !can_run() {
        return;
    }
    let (stage, container) = (Stage::new(), Namespace::new());
    let mut config = with(&config(&stage), "cniVersion", json!("1.1.0"));
    config["ipam"]["ranges"] = json!([[{"subnet": "10.1.0.0/24", "rangeEnd": "10.1.0.2"}]]);
    stage.call("STATUS", &config).succeed();
    stage.add(&config, "c1", &container);
    let (code, msg) = stage.call("STATUS", &config).fail();
    assert_eq!((code, msg.as_str()), (50, "no IP addresses available in range set: 10.1.0.1-10.1.0.2"));
}

#[test]
fn an_ipam_type_with_a_path_runs_nothing() {
    if !can_run() {
        return;
    }
    let (stage, container) = (Stage::new(), Namespace::new());
    let mut config = config(&stage);
    config["ipam"]["type"] = json!("../../bin/true");
    assert_eq!(stage.call("ADD", &config).netns(&container).fail().1, "invalid plugin name: ../../bin/true");
    config["ipam"]["type"] = json!("no-such");
    let (_, msg) = stage.call("ADD", &config).netns(&container).fail();
    assert_eq!(msg, format!("failed to find plugin \"no-such\" in path [{}]", ours().display()));
}

#[test]
fn fifty_concurrent_adds_on_a_new_bridge_succeed() {
    if !can_run() {
        return;
    }
    let stage = Stage::new();
    let containers: Vec<Namespace> = (0..50).map(|_| Namespace::new()).collect();
    let config = config(&stage);
    let before_bridge = stage.host.state();
    let all = |act: &(dyn Fn(usize, &Namespace) + Sync)| {
        std::thread::scope(|scope| {
            for (number, some) in containers.chunks(10).enumerate() {
                scope.spawn(move || {
                    some.iter().enumerate().for_each(|(n, netns)| act(number * 10 + n, netns))
                });
            }
        });
    };
    all(&|number, netns| {
        stage.add(&config, &format!("c{number}"), netns);
    });
    assert_eq!(stage.leases("net").len(), 100);
    containers[7].serve("0.0.0.0:80");
    let address = containers[7].ip("-4 -o addr show eth0");
    let address = address.split_whitespace().nth(3).unwrap().split('/').next().unwrap();
    assert!(containers[42].ask(&format!("{address}:80")).is_some());
    all(&|number, netns| stage.del(&config, &format!("c{number}"), netns));
    assert_eq!(stage.leases("net"), Vec::<String>::new());
    stage.host.ip("link del br0");
    assert_eq!(stage.host.state(), before_bridge);
}

#[test]
fn a_bridge_without_ipam_ignores_addresses_of_previous_plugins() {
    if !can_run() {
        return;
    }
    let (stage, container) = (Stage::new(), Namespace::new());
    let previous = json!({"cniVersion": "1.0.0", "ips": [{"address": "10.7.0.2/24"}]});
    let config = json!({"cniVersion": "1.0.0", "name": "l2", "type": "bridge", "bridge": "br0", "prevResult": previous});
    assert_eq!(stage.add(&config, "c1", &container).get("ips"), None);
    assert!(!container.ip("-4 -o addr").contains("10.7.0.2"));
}
