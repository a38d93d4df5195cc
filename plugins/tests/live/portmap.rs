//! `portmap`: published ports, reached from other hosts, from the host and from containers.

use crate::stage::{Namespace, Stage, ask_datagram, can_run, with, with_result};
use serde_json::{Value, json};

/// A host with a container on a bridge, and the result of its `ADD`.
struct Published {
    stage: Stage,
    container: Namespace,
    bridge: Value,
    attached: Value,
}

impl Published {
    fn new() -> Published {
        let (stage, container) = (Stage::new(), Namespace::new());
        let bridge = stage.config(
            r#"{"cniVersion": "1.0.0", "name": "net", "type": "bridge", "bridge": "br0",
                "isDefaultGateway": true, "ipMasq": true, "ipMasqBackend": "nftables", "hairpinMode": true,
                "ipam": {"type": "host-local", "dataDir": "$dir",
                         "ranges": [[{"subnet": "10.1.0.0/24"}], [{"subnet": "fd00:1::/64"}]]}}"#,
        );
        let attached = stage.add(&bridge, "c1", &container);
        container.serve("[::]:80");
        Published { stage, container, bridge, attached }
    }

    fn config(&self, mappings: Value) -> Value {
        let config = json!({"cniVersion": "1.0.0", "name": "net", "type": "portmap", "backend": "nftables",
            "capabilities": {"portMappings": true}, "runtimeConfig": {"portMappings": mappings}});
        with_result(&config, &self.attached)
    }

    fn add(&self, config: &Value) -> Value {
        self.stage.add(config, "c1", &self.container)
    }

    fn refused(&self, mappings: Value) -> (u64, String) {
        let before = self.stage.host.state();
        let refused =
            self.stage.call("ADD", &self.config(mappings)).container("c1").netns(&self.container).fail();
        assert_eq!(self.stage.host.state(), before);
        refused
    }
}

fn tcp(host: u16) -> Value {
    json!({"hostPort": host, "containerPort": 80, "protocol": "tcp"})
}

#[test]
fn a_port_is_reached_from_other_hosts_the_host_and_the_container_itself() {
    if !can_run() {
        return;
    }
    let it = Published::new();
    let before = it.stage.host.state();
    let config = it.config(json!([tcp(8080)]));
    let result = it.add(&config);
    assert_eq!(result, it.attached, "the result of the plugins before it is passed on");
    let Published { stage, container, .. } = &it;
    assert_eq!(stage.outside.ask("192.0.2.1:8080"), "192.0.2.2".parse().ok(), "the client's address is kept");
    assert_eq!(stage.outside.ask("[2001:db8::1]:8080"), "2001:db8::2".parse().ok());
    for address in ["192.0.2.1:8080", "127.0.0.1:8080", "10.1.0.1:8080", "[fd00:1::1]:8080"] {
        assert!(stage.host.ask(address).is_some(), "the host by {address}");
    }
    for address in ["192.0.2.1:8080", "10.1.0.1:8080", "[fd00:1::1]:8080"] {
        assert!(container.ask(address).is_some(), "the container itself by {address}");
    }
    let neighbour = Namespace::new();
    stage.add(&it.bridge, "c2", &neighbour);
    assert!(neighbour.ask("192.0.2.1:8080").is_some(), "a neighbour on the same bridge");
    stage.del(&it.bridge, "c2", &neighbour);
    stage.call("CHECK", &config).container("c1").netns(container).succeed();

    stage.del(&config, "c1", container);
    assert_eq!(stage.outside.ask("192.0.2.1:8080"), None);
    assert_eq!(stage.host.state(), before);
    assert_eq!(stage.call("CHECK", &config).container("c1").netns(container).fail().0, 100);
}

#[test]
fn a_port_of_one_address_is_not_published_at_others() {
    if !can_run() {
        return;
    }
    let it = Published::new();
    let at = |address: &str, port: u16| json!({"hostPort": port, "containerPort": 80, "hostIP": address});
    it.add(&it.config(json!([
        at("192.0.2.1", 81),
        at("127.0.0.1", 82),
        at("0.0.0.0", 83),
        at("2001:db8::1", 84)
    ])));
    let (host, outside) = (&it.stage.host, &it.stage.outside);
    assert!(outside.ask("192.0.2.1:81").is_some());
    assert_eq!(host.ask("127.0.0.1:81"), None);
    assert!(host.ask("127.0.0.1:82").is_some());
    assert_eq!(outside.ask("192.0.2.1:82"), None);
    assert!(outside.ask("192.0.2.1:83").is_some());
    assert_eq!(outside.ask("[2001:db8::1]:83"), None, "0.0.0.0 is every address of IPv4");
    assert!(outside.ask("[2001:db8::1]:84").is_some());
    assert_eq!(outside.ask("192.0.2.1:84"), None);
}

#[test]
fn udp_is_redirected_and_known_flows_follow_a_change() {
    if !can_run() {
        return;
    }
    let it = Published::new();
    it.container.serve_datagrams("0.0.0.0:53");
    it.stage.host.serve_datagrams("0.0.0.0:5353");
    let flow = it.stage.outside.datagram_socket("192.0.2.1:5353");
    assert_eq!(ask_datagram(&flow), "192.0.2.2".parse().ok(), "the host's own server answers");
    it.container.serve_datagrams("0.0.0.0:54");
    let config = it.config(json!([{"hostPort": 5353, "containerPort": 53, "protocol": "UDP"}]));
    it.add(&config);
    assert_eq!(ask_datagram(&flow), "192.0.2.2".parse().ok());
    let counted = it.stage.host.command("cat", "/proc/net/nf_conntrack");
    assert!(
        counted.is_empty() || counted.contains("src=10.1.0.2"),
        "the flow leads to the container: {counted}"
    );
    it.stage.del(&config, "c1", &it.container);
    let other = it.stage.outside.datagram_socket("192.0.2.1:5353");
    assert!(ask_datagram(&other).is_some());
    assert!(ask_datagram(&flow).is_some(), "the same flow goes to the host's server again");
}

#[test]
fn forwarded_packets_are_not_redirected() {
    // CVE-2025-67499: a port is published on the host, not on the machines behind it.
    if !can_run() {
        return;
    }
    let it = Published::new();
    it.add(&it.config(json!([tcp(8080)])));
    it.stage.outside.serve("0.0.0.0:8080");
    assert_eq!(
        it.container.ask("192.0.2.2:8080"),
        "192.0.2.1".parse().ok(),
        "the other machine's own server"
    );
}

#[test]
fn without_snat_the_source_is_kept() {
    if !can_run() {
        return;
    }
    let it = Published::new();
    let config = with(&it.config(json!([tcp(8080)])), "snat", json!(false));
    it.add(&config);
    assert_eq!(it.stage.outside.ask("192.0.2.1:8080"), "192.0.2.2".parse().ok());
    assert_eq!(it.stage.host.ask("127.0.0.1:8080"), None);
    it.stage.del(&config, "c1", &it.container);
    let all = with(&it.config(json!([tcp(8080)])), "masqAll", json!(true));
    it.add(&all);
    assert_eq!(it.stage.outside.ask("192.0.2.1:8080"), "10.1.0.1".parse().ok());
    assert!(it.stage.host.ask("127.0.0.1:8080").is_some());
}

#[test]
fn del_removes_only_the_ports_of_its_attachment() {
    if !can_run() {
        return;
    }
    let it = Published::new();
    let Published { stage, container, .. } = &it;
    let first = it.config(json!([tcp(8080)]));
    it.add(&first);
    // The same container on another network, and with another interface on the same network.
    let mut elsewhere = it.config(json!([tcp(8081)]));
    elsewhere["name"] = json!("other");
    it.add(&elsewhere);
    let mut second = it.config(json!([tcp(8082)]));
    second["prevResult"]["interfaces"][2]["name"] = json!("eth1");
    stage.call("ADD", &second).container("c1").interface("eth1").netns(container).succeed();
    assert!([8080, 8081, 8082].iter().all(|port| stage.outside.ask(&format!("192.0.2.1:{port}")).is_some()));
    // The caller passes only the attachment: no mappings, no result, no namespace.
    let bare = json!({"cniVersion": "1.0.0", "name": "net", "type": "portmap"});
    for _ in 0..2 {
        stage.call("DEL", &bare).container("c1").netns_path("").succeed();
        assert_eq!(stage.outside.ask("192.0.2.1:8080"), None);
        assert!([8081, 8082].iter().all(|port| stage.outside.ask(&format!("192.0.2.1:{port}")).is_some()));
    }
}

#[test]
fn a_published_port_is_refused_with_its_owner() {
    if !can_run() {
        return;
    }
    let it = Published::new();
    it.add(&it.config(json!([tcp(8080)])));
    let neighbour = Namespace::new();
    let attached = it.stage.add(&it.bridge, "c2", &neighbour);
    let second = with_result(&it.config(json!([tcp(8081), tcp(8080)])), &attached);
    let before = it.stage.host.state();
    let (code, msg) = it.stage.call("ADD", &second).container("c2").netns(&neighbour).fail();
    assert_eq!((code, msg.as_str()), (102, "host port 8080/tcp is published already, for net/c1/eth0"));
    assert_eq!(it.stage.host.state(), before);
    assert!(it.stage.outside.ask("192.0.2.1:8080").is_some());
}

#[test]
fn port_mapping_keys_match_in_any_case_and_are_checked() {
    if !can_run() {
        return;
    }
    let it = Published::new();
    // The form in which containerd passes them.
    let camel = json!([{"HostPort": 8080, "ContainerPort": 80, "Protocol": "TCP", "HostIP": ""}]);
    it.add(&it.config(camel));
    assert!(it.stage.outside.ask("192.0.2.1:8080").is_some());
    for (mapping, msg) in [
        (json!({"hostPort": 0, "containerPort": 80}), "Invalid host port number: 0"),
        (json!({"hostPort": 70000, "containerPort": 80}), "Invalid host port number: 70000"),
        (json!({"hostPort": 1, "containerPort": 0}), "Invalid container port number: 0"),
        (json!({"hostPort": 1, "containerPort": 80, "hostIP": "garbage"}), "invalid hostIP \"garbage\""),
        (json!({"hostPort": 1, "containerPort": 80, "protocol": "icmp"}), "invalid protocol \"icmp\""),
    ] {
        let (code, found) = it.refused(json!([mapping]));
        assert_eq!((code, found.as_str()), (7, msg));
    }
    let at = |host: &str, to: u16| json!({"hostPort": 99, "containerPort": to, "hostIP": host});
    for twins in [
        json!([tcp(99), tcp(99)]),
        json!([at("", 80), at("0.0.0.0", 81)]),
        json!([at("::", 80), at("192.0.2.1", 80), at("", 81)]),
        json!([at("192.0.2.1", 80), at("::ffff:192.0.2.1", 81)]),
    ] {
        assert_eq!(it.refused(twins), (7, "host port 99 is mapped twice".to_owned()));
    }
    it.stage.del(&it.config(json!([])), "c1", &it.container);
    it.add(&it.config(json!([at("0.0.0.0", 80), at("::", 80), at("192.0.2.1", 81)])));
}

#[test]
fn keys_that_contradict_each_other_are_refused() {
    if !can_run() {
        return;
    }
    let it = Published::new();
    let config = with(&it.config(json!([tcp(8080)])), "backend", json!(""));
    let words = json!(["ip", "saddr", "10.0.0.0/8"]);
    let foreign = |ours: &str, theirs: &str, keys: &str| {
        format!("{ours} backend was requested but configuration contains {theirs}-specific options [{keys}]")
    };
    for (keys, code, msg) in [
        (json!({"backend": "x"}), 7, "unrecognized backend \"x\"".to_owned()),
        (json!({"markMasqBit": 32}), 7, "MasqMarkBit must be between 0 and 31".to_owned()),
        (json!({"markMasqBit": -1}), 7, "MasqMarkBit must be between 0 and 31".to_owned()),
        (
            json!({"externalSetMarkChain": "A-NAME-LONGER-THAN-IPTABLES-IS"}),
            7,
            "invalid chain name \"A-NAME-LONGER-THAN-IPTABLES-IS\"".to_owned(),
        ),
        (
            json!({"markMasqBit": 5, "externalSetMarkChain": "X"}),
            7,
            "Cannot specify externalSetMarkChain and markMasqBit".to_owned(),
        ),
        (
            json!({"backend": "nftables", "externalSetMarkChain": "X", "conditionsV4": ["-s", "10.0.0.0/8"]}),
            7,
            foreign("nftables", "iptables", "externalSetMarkChain conditionsV4"),
        ),
        (
            json!({"backend": "iptables", "conditionsV6": words}),
            7,
            foreign("iptables", "nftables", "conditionsV6"),
        ),
        (
            json!({"conditionsV4": words, "conditionsV6": ["!", "-s", "fd00::/8"]}),
            7,
            foreign("iptables", "nftables", "conditionsV4"),
        ),
        (
            json!({"conditionsV4": ["-s", "10.0.0.0/8\nCOMMIT"]}),
            7,
            "invalid condition \"10.0.0.0/8\\nCOMMIT\"".to_owned(),
        ),
    ] {
        let mut config = config.clone();
        config.as_object_mut().unwrap().extend(keys.as_object().unwrap().clone());
        assert_eq!(it.stage.call("ADD", &config).netns(&it.container).fail(), (code, msg));
    }
}

#[test]
fn portmap_needs_a_previous_result_and_does_nothing_without_mappings() {
    if !can_run() {
        return;
    }
    let it = Published::new();
    let before = it.stage.host.state();
    let bare = json!({"cniVersion": "1.0.0", "name": "net", "type": "portmap"});
    let (code, msg) = it.stage.call("ADD", &bare).netns(&it.container).fail();
    assert_eq!((code, msg.as_str()), (7, "must be called as chained plugin"));
    assert_eq!(it.add(&with_result(&bare, &it.attached)), it.attached);
    assert_eq!(it.stage.host.state(), before);
}

#[test]
fn a_hundred_ports_are_published_and_removed() {
    if !can_run() {
        return;
    }
    let it = Published::new();
    let before = it.stage.host.state();
    let mappings: Vec<Value> = (9000..9100).map(tcp).collect();
    let config = it.config(json!(mappings));
    it.add(&config);
    for port in [9000, 9050, 9099] {
        assert!(it.stage.outside.ask(&format!("192.0.2.1:{port}")).is_some(), "{port}");
    }
    let check = || it.stage.call("CHECK", &config).netns(&it.container);
    check().succeed();
    it.stage.host.command("nft", "flush chain inet tare_portmap output");
    assert_eq!(check().fail(), (100, "chain output does not jump to the published ports".to_owned()));
    it.stage.host.command("nft", "flush chain inet tare_portmap postrouting");
    assert_eq!(check().fail().0, 100);
    it.stage.call("DEL", &config).netns_path("").succeed();
    assert_eq!(it.stage.host.state(), before);
}

#[test]
fn gc_removes_ports_of_attachments_that_are_gone() {
    if !can_run() {
        return;
    }
    let it = Published::new();
    let before = it.stage.host.state();
    // A name that is too long for the kernel's tables is hashed there.
    for network in ["net", &"n".repeat(120)] {
        let config = with(&it.config(json!([tcp(8080)])), "cniVersion", json!("1.1.0"));
        let mut config = with(&config, "name", json!(network));
        config["prevResult"]["cniVersion"] = json!("1.1.0");
        it.add(&config);
        let gc = |valid: Value| {
            let gc = json!({"cniVersion": "1.1.0", "name": network, "type": "portmap", "cni.dev/valid-attachments": valid});
            it.stage.call("GC", &gc).succeed();
        };
        gc(json!([{"containerID": "c1", "ifname": "eth0"}]));
        assert!(it.stage.outside.ask("192.0.2.1:8080").is_some());
        gc(json!([]));
        assert_eq!(it.stage.host.state(), before);
    }
}

#[test]
fn the_hosts_loopback_stays_closed() {
    if !can_run() {
        return;
    }
    let it = Published::new();
    it.stage.host.serve("127.0.0.1:90");
    // A container that has 127.0.0.1 as an address of its gateway.
    it.container.ip("route flush table local 127.0.0.0/8");
    it.container.ip("route add 127.0.0.1 via 10.1.0.1");
    it.container.run(|| std::fs::write("/proc/sys/net/ipv4/conf/all/route_localnet", "1").unwrap());
    let config = it.config(json!([tcp(8080)]));
    it.add(&config);
    assert_eq!(it.stage.host.sysctl("net/ipv4/conf/br0/route_localnet"), "1");
    assert!(it.stage.host.ask("127.0.0.1:8080").is_some());
    assert_eq!(it.container.ask("127.0.0.1:90"), None);
    // Proves that the attempt would succeed without the rule.
    it.stage.host.command("nft", "flush chain inet tare_portmap loopback");
    assert_eq!(it.container.ask("127.0.0.1:90"), "10.1.0.2".parse().ok());
}

#[test]
fn nftables_conditions_accept_only_matching_packets() {
    if !can_run() {
        return;
    }
    let it = Published::new();
    let (stage, neighbour) = (&it.stage, Namespace::new());
    let attached = stage.add(&it.bridge, "c2", &neighbour);
    neighbour.serve("[::]:80");
    stage.outside.ip("addr add 192.0.2.3/24 dev in");
    let before = stage.host.state();
    // The same port, for one attachment from one address and for the other from the rest. The conditions stay separate.
    let config = it.config(json!([tcp(8080)]));
    let keys =
        |config: &Value, v4: Value, v6: Value| with(&with(config, "conditionsV4", v4), "conditionsV6", v6);
    let one = keys(
        &config,
        json!(["ip saddr", "192.0.2.2", "tcp sport > 1023"]),
        json!(["ip6 saddr 2001:db8::/64"]),
    );
    let two = keys(
        &with_result(&config, &attached),
        json!(["ip saddr != { 203.0.113.0/24, 192.0.2.2/32, 198.51.100.0/24, 192.0.2.128/25 }"]),
        json!(["ip6 saddr != 2001:db8::/64"]),
    );
    let from = |source: &str, to: &str| stage.outside.ask_from(source, to);
    stage.add(&one, "c1", &it.container);
    assert!(from("192.0.2.2", "192.0.2.1:8080").is_some());
    assert_eq!(from("192.0.2.3", "192.0.2.1:8080"), None);
    assert!(stage.outside.ask("[2001:db8::1]:8080").is_some());
    stage.add(&two, "c2", &neighbour);
    assert!(from("192.0.2.3", "192.0.2.1:8080").is_some());
    stage.call("CHECK", &one).netns(&it.container).succeed();
    stage.host.command("nft", "flush chain inet tare_portmap when/net/c1/eth0");
    let missing = "a port of the attachment's conditions is missing";
    assert_eq!(stage.call("CHECK", &one).netns(&it.container).fail(), (100, missing.to_owned()));
    stage.del(&one, "c1", &it.container);
    assert_eq!(stage.call("CHECK", &one).netns(&it.container).fail().0, 100);
    assert_eq!(from("192.0.2.2", "192.0.2.1:8080"), None);
    assert!(from("192.0.2.3", "192.0.2.1:8080").is_some());
    let newest = |config: &Value| {
        let mut config = with(config, "cniVersion", json!("1.1.0"));
        config["prevResult"]["cniVersion"] = json!("1.1.0");
        with(&config, "cni.dev/valid-attachments", json!([]))
    };
    stage.call("GC", &newest(&two)).succeed();
    assert_eq!(stage.host.state(), before);
}

/// Conditions, and what `nft` prints of their rules.
const CONDITIONS: [(&str, &str); 56] = [
    ("ip saddr 10.0.0.0/8", "ip saddr 10.0.0.0/8"),
    ("ip daddr != 192.0.2.1-192.0.2.9", "ip daddr != 192.0.2.1-192.0.2.9"),
    ("ip protocol tcp", "ip protocol tcp"),
    ("ip dscp cs1", "ip dscp cs1"),
    ("ip dscp != 0x2e", "ip dscp != ef"),
    ("ip ttl < 64", "ip ttl < 64"),
    ("tcp sport 1024-65535", "tcp sport 1024-65535"),
    ("udp sport != 53", "udp sport != 53"),
    ("tcp flags syn", "tcp flags syn"),
    ("tcp flags & (syn|ack) == syn", "tcp flags syn / syn,ack"),
    ("th dport >= 80", "th dport >= 80"),
    ("meta mark 0x10", "meta mark 0x00000010"),
    ("mark & 0xff == 0x1", "meta mark & 0x000000ff == 0x00000001"),
    ("meta mark > 5", "meta mark > 0x00000005"),
    ("meta mark != 1-9", "meta mark != 0x00000001-0x00000009"),
    ("meta l4proto sctp", "meta l4proto sctp"),
    ("iifname \"eth*\"", "iifname \"eth*\""),
    ("iifname != out", "iifname != \"out\""),
    ("ct state new,related", "ct state related,new"),
    ("ct mark and 0x3 eq 2", "ct mark & 0x00000003 == 0x00000002"),
    ("ct status dnat", "ct status dnat"),
    ("ether saddr 02:00:00:00:00:01", "ether saddr 02:00:00:00:00:01"),
    ("fib saddr type unicast", "fib saddr type unicast"),
    ("meta skuid 0", "meta skuid 0"),
    ("iif out", "iif \"out\""),
    ("iif 1", "iif \"lo\""),
    ("meta oif != lo", "oif != \"lo\""),
    ("tcp sport 0100", "tcp sport 64"),
    ("pkttype host", "meta pkttype host"),
    (
        "ip saddr != { 10.0.0.0/8, 192.168.0.0/16, 192.0.2.7 }",
        "ip saddr != 192.0.2.7 ip saddr != 10.0.0.0/8 ip saddr != 192.168.0.0/16",
    ),
    (
        "mark != { 1-9, 20-29, 5 }",
        "meta mark != 0x00000005 meta mark != 0x00000001-0x00000009 meta mark != 0x00000014-0x0000001d",
    ),
    ("ip dscp != { cs1, 3-4 }", "ip dscp != cs1 ip dscp != 0x03-0x04"),
    ("tcp flags { syn, }", "tcp flags == syn"),
    ("ip daddr 192.0.2.1", "ip daddr 192.0.2.1"),
    ("ip length > 100", "ip length > 100"),
    ("ip id 7", "ip id 7"),
    ("ip6 saddr fd00::/8", "ip6 saddr fd00::/8"),
    ("ip6 daddr != 2001:db8::1-2001:db8::9", "ip6 daddr != 2001:db8::1-2001:db8::9"),
    ("ip6 nexthdr udp", "ip6 nexthdr udp"),
    ("ip6 hoplimit 255", "ip6 hoplimit 255"),
    ("ip6 length <= 1400", "ip6 length <= 1400"),
    ("ip6 dscp af42", "ip6 dscp af42"),
    ("tcp dport 1-1023", "tcp dport 1-1023"),
    ("udp dport 53", "udp dport 53"),
    ("sctp sport 7", "sctp sport 7"),
    ("sctp dport != 7", "sctp dport != 7"),
    ("th sport 1-9", "th sport 1-9"),
    ("meta length 100-200", "meta length 100-200"),
    ("meta protocol ip", "meta protocol ip"),
    ("meta nfproto ipv4", "meta nfproto ipv4"),
    ("oifname != \"lo\"", "oifname != \"lo\""),
    ("skgid 1000", "meta skgid 1000"),
    ("ct direction original", "ct direction original"),
    ("ether daddr 02:00:00:00:00:01", "ether daddr 02:00:00:00:00:01"),
    ("ether type ip", "ether type ip"),
    ("fib daddr type != local", "fib daddr type != local"),
];

#[test]
fn nft_prints_the_conditions_that_were_configured() {
    if !can_run() {
        return;
    }
    let it = Published::new();
    let mut different = Vec::new();
    for (asked, printed) in CONDITIONS {
        let key = if asked.starts_with("ip6") { "conditionsV6" } else { "conditionsV4" };
        let config = with(&it.config(json!([tcp(8080)])), key, json!([asked]));
        let config = with(&config, "backend", json!(""));
        it.add(&config);
        let rules = it.stage.host.command("nft", "list chain inet tare_portmap prerouting");
        let rule = rules.lines().find(|line| line.contains("when/net/c1/eth0")).unwrap_or(&rules);
        if !rule.contains(printed) {
            different.push(format!("{asked}: {rule}"));
        }
        it.stage.del(&config, "c1", &it.container);
    }
    assert_eq!(different, Vec::<String>::new());
    let refused = with(&it.config(json!([tcp(8080)])), "conditionsV4", json!(["ip saddr", "10.0.0.1 oops"]));
    let (code, msg) = it.stage.call("ADD", &refused).netns(&it.container).fail();
    assert_eq!((code, msg.as_str()), (7, "invalid condition: unknown word at \"oops\""));
    it.stage.del(&refused, "c1", &it.container);
}
