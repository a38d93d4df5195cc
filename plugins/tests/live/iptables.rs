//! The iptables backend with iptables-nft and with legacy iptables.

use crate::stage::{Call, Namespace, Stage, ask_datagram, can_run, skip, theirs, with, with_result};
use serde_json::{Value, json};
use std::fs::Permissions;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

/// A host with one kind of iptables, and a container on a masquerading bridge.
pub(crate) struct Filtered {
    pub(crate) stage: Stage,
    pub(crate) container: Namespace,
    pub(crate) programs: PathBuf,
    kind: &'static str,
    pub(crate) bridge: Value,
    pub(crate) attached: Value,
}

/// Returns a host for each installed kind of iptables.
pub(crate) fn hosts() -> Vec<Filtered> {
    if !can_run() {
        return Vec::new();
    }
    let here = |kind: &&str| {
        let has = Path::new("/usr/sbin").join(format!("xtables-{kind}-multi")).exists();
        if !has {
            skip(&format!("iptables of kind {kind} is not installed"));
        }
        has
    };
    ["nft", "legacy"].into_iter().filter(here).map(Filtered::new).collect()
}

impl Filtered {
    fn new(kind: &'static str) -> Filtered {
        let (stage, container) = (Stage::new(), Namespace::new());
        let programs = stage.directory.join("programs");
        std::fs::create_dir(&programs).unwrap();
        // The Go plugins run the first two.
        for name in [
            "iptables",
            "ip6tables",
            "iptables-restore",
            "ip6tables-restore",
            "iptables-save",
            "ip6tables-save",
        ] {
            symlink(format!("/usr/sbin/xtables-{kind}-multi"), programs.join(name)).unwrap();
        }
        let bridge = stage.config(
            r#"{"cniVersion": "1.0.0", "name": "net", "type": "bridge", "bridge": "br0",
                "isDefaultGateway": true, "ipMasq": true, "ipMasqBackend": "iptables", "hairpinMode": true,
                "ipam": {"type": "host-local", "dataDir": "$dir",
                         "ranges": [[{"subnet": "10.1.0.0/24"}], [{"subnet": "fd00:1::/64"}]]}}"#,
        );
        let mut it =
            Filtered { stage, container, programs, kind, bridge: bridge.clone(), attached: Value::Null };
        it.attached = it.call("ADD", &bridge).container("c1").netns(&it.container).succeed();
        it.container.serve("[::]:80");
        it
    }

    /// A call with the host's kind of iptables.
    pub(crate) fn call<'a>(&'a self, command: &'a str, config: &'a Value) -> Call<'a> {
        self.stage.call(command, config).system(&self.programs).netns(&self.container)
    }

    pub(crate) fn ports(&self, mappings: Value) -> Value {
        let config = json!({"cniVersion": "1.0.0", "name": "net", "type": "portmap", "backend": "iptables",
            "capabilities": {"portMappings": true}, "runtimeConfig": {"portMappings": mappings}});
        with_result(&config, &self.attached)
    }

    fn tables(&self, verb: &str) -> Vec<String> {
        let run = |family: &str| self.stage.host.command(&format!("{family}-{}-save", self.kind), verb);
        let text = run("iptables") + &run("ip6tables");
        text.lines().filter(|line| !line.starts_with('#')).map(without_count).collect()
    }

    /// The state of the host with the tables that `nft` does not show.
    pub(crate) fn state(&self) -> (String, Vec<String>) {
        (self.stage.host.state(), self.tables("-t nat"))
    }

    /// Replaces a program by a script.
    fn replace(&self, name: &str, script: &str) {
        let program = self.programs.join(name);
        std::fs::remove_file(&program).unwrap();
        std::fs::write(&program, format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(&program, Permissions::from_mode(0o755)).unwrap();
    }

    fn rules(&self) -> Vec<String> {
        self.tables("-t nat").into_iter().filter(|line| line.starts_with("-A")).collect()
    }

    fn outside_asks(&self, port: u16) -> bool {
        self.stage.outside.ask(&format!("192.0.2.1:{port}")).is_some()
    }
}

fn without_count(line: &str) -> String {
    let is_chain = line.starts_with(':');
    if is_chain { line.split(" [").next().unwrap().to_owned() } else { line.to_owned() }
}

fn tcp(host: u16) -> Value {
    json!({"hostPort": host, "containerPort": 80, "protocol": "tcp"})
}

#[test]
fn packets_leaving_the_network_are_masqueraded_until_del() {
    for it in hosts() {
        it.stage.outside.serve("[::]:80");
        assert_eq!(it.container.ask("192.0.2.2:80"), "192.0.2.1".parse().ok(), "{}", it.kind);
        assert_eq!(it.container.ask("[2001:db8::2]:80"), "2001:db8::1".parse().ok(), "{}", it.kind);
        let comment = r#"-m comment --comment "name: \"net\" id: \"c1\"""#;
        let found = |wanted: &str| it.rules().iter().any(|rule| rule.contains(wanted));
        for rule in [
            format!("-A POSTROUTING -s 10.1.0.2/32 {comment} -j CNI-"),
            format!("-d 10.1.0.0/24 {comment} -j ACCEPT"),
            format!("! -d 224.0.0.0/4 {comment} -j MASQUERADE"),
            format!("! -d ff00::/8 {comment} -j MASQUERADE"),
        ] {
            assert!(found(&rule), "{rule} in {:#?}", it.rules());
        }
        let checked = with_result(&it.bridge, &it.attached);
        it.call("CHECK", &checked).container("c1").succeed();
        // Without namespace and result everything is removed; the Go plugin leaves it.
        it.call("DEL", &it.bridge).container("c1").netns_path("").succeed();
        assert_eq!(it.rules(), Vec::<String>::new(), "{}", it.kind);
        assert!(!it.stage.host.state().contains("tare_"));
        it.call("DEL", &it.bridge).container("c1").netns_path("").succeed();
    }
}

#[test]
fn a_port_is_reached_from_other_hosts_the_host_and_the_container_itself() {
    for it in hosts() {
        let config = it.ports(json!([tcp(8080)]));
        assert_eq!(it.call("ADD", &config).container("c1").succeed(), it.attached);
        let (host, outside) = (&it.stage.host, &it.stage.outside);
        assert_eq!(outside.ask("192.0.2.1:8080"), "192.0.2.2".parse().ok(), "the client's address is kept");
        assert_eq!(outside.ask("[2001:db8::1]:8080"), "2001:db8::2".parse().ok());
        for address in ["192.0.2.1:8080", "127.0.0.1:8080", "10.1.0.1:8080", "[fd00:1::1]:8080"] {
            assert!(host.ask(address).is_some(), "the host by {address}, {}", it.kind);
        }
        for address in ["192.0.2.1:8080", "10.1.0.1:8080", "[fd00:1::1]:8080"] {
            assert!(it.container.ask(address).is_some(), "the container by {address}, {}", it.kind);
        }
        let neighbour = Namespace::new();
        it.call("ADD", &it.bridge).container("c2").netns(&neighbour).succeed();
        assert!(neighbour.ask("192.0.2.1:8080").is_some());
        it.call("CHECK", &config).container("c1").succeed();
        it.call("DEL", &config).container("c1").netns_path("").succeed();
        assert_eq!(outside.ask("192.0.2.1:8080"), None);
        assert_eq!(it.call("CHECK", &config).container("c1").fail().0, 100);
        let left = it.rules();
        assert!(!left.iter().any(|rule| rule.contains("CNI-DN-")), "{left:#?}");
    }
}

#[test]
fn the_rules_equal_the_go_plugins() {
    for it in hosts() {
        let mappings: Vec<Value> = (9000..9016)
            .map(tcp)
            .chain([
                json!({"hostPort": 53, "containerPort": 54, "protocol": "udp", "hostIP": "192.0.2.1"}),
                json!({"hostPort": 7, "containerPort": 8, "protocol": "sctp"}),
            ])
            .collect();
        it.call("ADD", &it.ports(json!(mappings))).container("c1").succeed();
        let rules = it.rules();
        let comment = r#"-m comment --comment "dnat name: \"net\" id: \"c1\"""#;
        let ports = (9000..9015).map(|port| port.to_string()).collect::<Vec<_>>().join(",");
        for wanted in [
            "-A PREROUTING -m addrtype --dst-type LOCAL -j CNI-HOSTPORT-DNAT".to_owned(),
            "-A OUTPUT -m addrtype --dst-type LOCAL -j CNI-HOSTPORT-DNAT".to_owned(),
            r#"-A POSTROUTING -m comment --comment "CNI portfwd requiring masquerade" -j CNI-HOSTPORT-MASQ"#.to_owned(),
            "-A CNI-HOSTPORT-MASQ -m mark --mark 0x2000/0x2000 -j MASQUERADE".to_owned(),
            r#"-A CNI-HOSTPORT-SETMARK -m comment --comment "CNI portfwd masquerade mark" -j MARK --set-xmark 0x2000/0x2000"#.to_owned(),
            format!("-A CNI-HOSTPORT-DNAT -p tcp {comment} -m multiport --dports {ports} -j CNI-DN-"),
            format!("-A CNI-HOSTPORT-DNAT -p tcp {comment} -m multiport --dports 9015 -j CNI-DN-"),
            "-s 10.1.0.0/24 -p tcp -m tcp --dport 9000 -j CNI-HOSTPORT-SETMARK".to_owned(),
            "-s 127.0.0.1/32 -p tcp -m tcp --dport 9000 -j CNI-HOSTPORT-SETMARK".to_owned(),
            "-p tcp -m tcp --dport 9000 -j DNAT --to-destination 10.1.0.2:80".to_owned(),
            "-d 192.0.2.1/32 -p udp -m udp --dport 53 -j DNAT --to-destination 10.1.0.2:54".to_owned(),
            "-p sctp -m sctp --dport 7 -j DNAT --to-destination 10.1.0.2:8".to_owned(),
            "--to-destination [fd00:1::2]:80".to_owned(),
        ] {
            assert!(rules.iter().any(|rule| rule.contains(&wanted)), "{}: {wanted} is not in {rules:#?}", it.kind);
        }
        let masquerading = rules.iter().filter(|rule| rule.starts_with("-A POSTROUTING"));
        let first: Vec<bool> = masquerading.map(|rule| rule.ends_with("CNI-HOSTPORT-MASQ")).collect();
        assert_eq!(
            first,
            [true, false, true, false],
            "marked packets come before bridges' own, in each protocol"
        );
    }
}

#[test]
fn udp_is_redirected_and_known_flows_follow_a_change() {
    for it in hosts() {
        it.stage.host.serve_datagrams("0.0.0.0:5353");
        let flow = it.stage.outside.datagram_socket("192.0.2.1:5353");
        assert_eq!(ask_datagram(&flow), "192.0.2.2".parse().ok(), "the host's own server answers");
        it.container.serve_datagrams("0.0.0.0:53");
        let config = it.ports(json!([{"hostPort": 5353, "containerPort": 53, "protocol": "UDP"}]));
        it.call("ADD", &config).container("c1").succeed();
        assert_eq!(ask_datagram(&flow), "192.0.2.2".parse().ok());
        let counted = it.stage.host.command("cat", "/proc/net/nf_conntrack");
        assert!(counted.is_empty() || counted.contains("src=10.1.0.2"), "{counted}");
        it.call("DEL", &config).container("c1").succeed();
        assert!(ask_datagram(&flow).is_some(), "the same flow goes to the host's server again");
    }
}

#[test]
fn two_interfaces_of_a_container_on_one_network_are_independent() {
    for it in hosts() {
        it.call("ADD", &it.ports(json!([tcp(8080)]))).container("c1").succeed();
        let mut second = it.ports(json!([tcp(8081)]));
        second["prevResult"]["interfaces"][2]["name"] = json!("eth1");
        it.call("ADD", &second).container("c1").interface("eth1").succeed();
        assert!(it.outside_asks(8080) && it.outside_asks(8081));
        let bare = json!({"cniVersion": "1.0.0", "name": "net", "type": "portmap"});
        it.call("DEL", &bare).container("c1").interface("eth1").netns_path("").succeed();
        assert!(it.outside_asks(8080) && !it.outside_asks(8081));
    }
}

#[test]
fn a_published_port_is_refused_with_its_owner() {
    for it in hosts() {
        it.call("ADD", &it.ports(json!([tcp(8080)]))).container("c1").succeed();
        let neighbour = Namespace::new();
        let attached = it.call("ADD", &it.bridge).container("c2").netns(&neighbour).succeed();
        let second = with_result(&it.ports(json!([tcp(8081), tcp(8080)])), &attached);
        let before = it.state();
        let refused = it.call("ADD", &second).container("c2").netns(&neighbour).fail();
        assert_eq!(refused, (102, "host port 8080/tcp is published already, for net/c1/eth0".to_owned()));
        assert_eq!(it.state(), before);
        // Only conditions distinguish the packets of the two attachments.
        let only = with(&second, "conditionsV4", json!(["-s", "198.51.100.0/24"]));
        let only = with(&only, "conditionsV6", json!(["-s", "2001:db8:5::/48"]));
        it.call("ADD", &only).container("c2").netns(&neighbour).succeed();
        assert!(it.outside_asks(8080) && !it.outside_asks(8081));
    }
}

#[test]
fn marks_conditions_and_snat_follow_the_configuration() {
    for it in hosts() {
        let config = it.ports(json!([tcp(8080)]));
        let add = |keys: Value| {
            let mut config = config.clone();
            config.as_object_mut().unwrap().extend(keys.as_object().unwrap().clone());
            it.call("ADD", &config).container("c1").succeed();
            config
        };
        let del = |config: &Value| it.call("DEL", config).container("c1").succeed();
        let has = |text: &str| it.rules().iter().any(|rule| rule.contains(text));

        let plain = add(json!({"snat": false}));
        assert!(!has("SETMARK") && it.outside_asks(8080));
        assert_eq!(it.stage.host.ask("127.0.0.1:8080"), None);
        del(&plain);
        let all = add(json!({"masqAll": true}));
        assert_eq!(it.stage.outside.ask("192.0.2.1:8080"), "10.1.0.1".parse().ok(), "{}", it.kind);
        assert!(it.stage.host.ask("127.0.0.1:8080").is_some());
        del(&all);
        let bit = add(json!({"markMasqBit": 20}));
        assert!(has("--set-xmark 0x100000/0x100000") && has("--mark 0x100000/0x100000 -j MASQUERADE"));
        assert!(it.stage.host.ask("127.0.0.1:8080").is_some());
        del(&bit);
        let some = add(json!({"conditionsV4": ["!", "-s", "192.0.2.2"], "backend": ""}));
        assert!(has("! -s 192.0.2.2/32 -p tcp") && !it.outside_asks(8080));
        assert!(it.stage.host.ask("192.0.2.1:8080").is_some());
        it.call("CHECK", &some).container("c1").succeed();
        del(&some);

        let tool = |family: &str, words: &str| it.stage.host.command(&format!("{family}-{}", it.kind), words);
        for family in ["iptables", "ip6tables"] {
            tool(family, "-t nat -N KUBE-MARK-MASQ");
            tool(family, "-t nat -A KUBE-MARK-MASQ -j MARK --set-xmark 0x4000/0x4000");
        }
        let external = add(json!({"externalSetMarkChain": "KUBE-MARK-MASQ", "backend": ""}));
        assert!(has("--dport 8080 -j KUBE-MARK-MASQ") && !has("--dport 8080 -j CNI-HOSTPORT-SETMARK"));
        del(&external);
        let before = it.state();
        let missing = with(&config, "externalSetMarkChain", json!("NO-SUCH-CHAIN"));
        let (code, msg) = it.call("ADD", &missing).container("c1").fail();
        match it.kind {
            "nft" => {
                assert_eq!((code, msg.as_str()), (7, "there is no chain NO-SUCH-CHAIN in the nat table"))
            }
            _ => assert!(code == 5 && msg.contains("iptables-restore failed: "), "{code} {msg}"),
        }
        assert_eq!(it.state(), before);
    }
}

#[test]
fn check_reports_flushed_rules_and_del_works_without_them() {
    for it in hosts() {
        let config = it.ports(json!([tcp(8080)]));
        it.call("ADD", &config).container("c1").succeed();
        for family in ["iptables", "ip6tables"] {
            it.stage.host.command(&format!("{family}-{}", it.kind), "-t nat -F");
        }
        let (code, msg) = it.call("CHECK", &config).container("c1").fail();
        assert!(code == 100 && msg.starts_with("a rule of chain CNI-DN-"), "{code} {msg}");
        it.call("DEL", &config).container("c1").succeed();
        // Shared chains without the jumps to them are reused.
        it.call("ADD", &config).container("c1").succeed();
        assert!(it.outside_asks(8080) && it.stage.host.ask("127.0.0.1:8080").is_some());
        it.call("DEL", &config).container("c1").succeed();
        it.call("DEL", &it.bridge).container("c1").succeed();
        assert!(!it.rules().iter().any(|rule| rule.contains("c1")), "{:#?}", it.rules());
    }
}

#[test]
fn gc_removes_rules_of_attachments_that_are_gone() {
    for it in hosts() {
        let newest = |config: &Value| with(config, "cniVersion", json!("1.1.0"));
        let mut config = newest(&it.ports(json!([tcp(8080)])));
        config["prevResult"]["cniVersion"] = json!("1.1.0");
        it.call("ADD", &config).container("c1").succeed();
        let gc = |config: &Value, valid: Value| {
            let config = with(config, "cni.dev/valid-attachments", valid);
            it.call("GC", &config).netns_path("").succeed();
        };
        gc(&config, json!([{"containerID": "c1", "ifname": "eth0"}]));
        assert!(it.outside_asks(8080));
        gc(&config, json!([]));
        gc(&newest(&it.bridge), json!([]));
        assert!(!it.rules().iter().any(|rule| rule.contains("c1")), "{:#?}", it.rules());
        assert!(!it.stage.host.state().contains("tare_"));
    }
}

#[test]
fn each_verb_runs_at_most_one_iptables_restore_per_family() {
    if !Path::new("/usr/bin/strace").exists() {
        return skip("strace is not installed, by which programs are counted");
    }
    for it in hosts() {
        let config = it.ports(json!([tcp(8080)]));
        // The first call on a host also lists the existing rules.
        it.call("ADD", &config).container("c1").succeed();
        it.call("DEL", &config).container("c1").succeed();
        let log = it.stage.directory.join("programs.log");
        let wrapper = [
            "strace",
            "-f",
            "-qq",
            "-e",
            "trace=execve",
            "-e",
            "status=successful",
            "-o",
            log.to_str().unwrap(),
        ];
        let wrapper = wrapper.map(str::to_owned);
        for (command, config) in
            [("ADD", &config), ("CHECK", &config), ("DEL", &config), ("DEL", &it.bridge), ("ADD", &it.bridge)]
        {
            assert!(it.call(command, config).container("c1").wrapped(&wrapper).status.success());
            let text = std::fs::read_to_string(&log).unwrap();
            let mut run: Vec<&str> = text.lines().skip(1).filter_map(|line| line.split('"').nth(1)).collect();
            run.sort_unstable();
            let name = |path: &&str| Some(path.rsplit('/').next()?.replace("-legacy", ""));
            let names: Vec<String> = run.iter().filter_map(name).collect();
            let expected: &[&str] =
                if it.kind == "nft" { &[] } else { &["ip6tables-restore", "iptables-restore"] };
            assert_eq!(names, expected, "{command} of {}: {text}", config["type"]);
        }
        it.call("DEL", &config).container("c1").wrapped(&wrapper);
        let text = std::fs::read_to_string(&log).unwrap();
        assert_eq!(text.lines().count(), 1, "a DEL of what is gone runs nothing: {text}");
    }
}

/// The same attachment, created with the programs of iptables and without them.
#[test]
fn rules_over_netlink_equal_those_of_the_programs() {
    let Some(it) = hosts().into_iter().find(|it| it.kind == "nft") else { return };
    let mut mappings: Vec<Value> = (9000..9017).map(tcp).collect();
    mappings.extend([
        json!({"hostPort": 53, "containerPort": 54, "protocol": "udp", "hostIP": "192.0.2.1"}),
        json!({"hostPort": 7, "containerPort": 8, "protocol": "sctp", "hostIP": "2001:db8::1"}),
    ]);
    let ports = with(&it.ports(json!(mappings)), "markMasqBit", json!(21));
    it.call("ADD", &ports).container("c1").succeed();
    let of_ours = it.tables("-t nat");
    it.call("CHECK", &ports).container("c1").succeed();
    it.call("DEL", &ports).container("c1").succeed();
    it.call("DEL", &it.bridge).container("c1").succeed();
    for family in ["ip", "ip6"] {
        it.stage.host.command("nft", &format!("delete table {family} nat"));
    }
    // A script can't be distinguished from legacy iptables, and so is run.
    for name in ["iptables-restore", "ip6tables-restore"] {
        it.replace(name, &format!("exec /usr/sbin/xtables-nft-multi {name} \"$@\""));
    }
    for set in 0..2 {
        std::fs::remove_file(it.stage.directory.join(format!("net/last_reserved_ip.{set}"))).unwrap();
    }
    it.call("ADD", &it.bridge).container("c1").succeed();
    it.call("ADD", &ports).container("c1").succeed();
    assert_eq!(of_ours.join("\n"), it.tables("-t nat").join("\n"));
}

#[test]
fn thousands_of_ports_are_published_and_removed() {
    for it in hosts() {
        let before = it.state();
        let mappings: Vec<Value> = (10_000..13_000).map(tcp).collect();
        let config = it.ports(json!(mappings));
        it.call("ADD", &config).container("c1").succeed();
        assert!(it.outside_asks(10_000) && it.outside_asks(12_999));
        it.call("CHECK", &config).container("c1").succeed();
        it.call("DEL", &config).container("c1").netns_path("").succeed();
        let (after, rules) = it.state();
        assert_eq!(after.contains("CNI-DN-"), before.0.contains("CNI-DN-"));
        assert!(!rules.iter().any(|rule| rule.contains("CNI-DN-")), "{rules:#?}");
    }
}

#[test]
fn each_plugin_removes_the_rules_of_the_other() {
    let go = theirs();
    if !go.join("portmap").exists() {
        return skip("the Go plugins are not installed");
    }
    for it in hosts() {
        let config = it.ports(json!([tcp(8080), {"hostPort": 53, "containerPort": 53, "protocol": "udp"}]));
        it.call("ADD", &config).container("c1").succeed();
        it.call("DEL", &config).container("c1").plugins(&go).succeed();
        let own = |rules: &[String]| rules.iter().any(|rule| rule.contains("CNI-DN-"));
        assert!(!own(&it.tables("-t nat")), "{:#?}", it.tables("-t nat"));
        it.call("DEL", &config).container("c1").succeed();
        it.call("DEL", &it.bridge).container("c1").plugins(&go).path(go.to_str().unwrap()).succeed();
        assert_eq!(it.rules().iter().filter(|rule| rule.contains("c1")).count(), 0, "{:#?}", it.rules());
        it.call("DEL", &it.bridge).container("c1").succeed();
        for config in [&it.bridge, &config] {
            it.call("ADD", config).container("c1").plugins(&go).path(go.to_str().unwrap()).succeed();
        }
        assert!(own(&it.tables("-t nat")));
        for config in [&config, &it.bridge] {
            it.call("DEL", config).container("c1").netns_path("").succeed();
        }
        assert_eq!(it.rules().iter().filter(|rule| rule.contains("c1")).count(), 0, "{:#?}", it.rules());
    }
}

#[test]
fn rules_of_the_former_iptables_are_removed() {
    for it in hosts() {
        let config = it.ports(json!([tcp(8080)]));
        it.call("ADD", &config).container("c1").succeed();
        let other = if it.kind == "nft" { "legacy" } else { "nft" };
        for name in ["iptables-restore", "ip6tables-restore"] {
            it.replace(name, &format!("exec /usr/sbin/xtables-{other}-multi {name} \"$@\""));
        }
        for config in [&config, &it.bridge] {
            it.call("DEL", config).container("c1").netns_path("").succeed();
        }
        assert!(!it.rules().iter().any(|rule| rule.contains("c1")), "{}: {:#?}", it.kind, it.rules());
        assert!(!it.stage.host.state().contains("at/net/c1"));
    }
}

#[test]
fn a_missing_backend_is_named() {
    for it in hosts() {
        it.replace("iptables-restore", "echo no such table >&2; exit 3");
        let config = it.ports(json!([tcp(8080)]));
        let before = it.state();
        let (code, msg) = it.call("ADD", &config).container("c1").fail();
        assert!(code == 5 && msg.contains("iptables-restore"), "{code} {msg}");
        assert_eq!(it.state(), before);
    }
}
