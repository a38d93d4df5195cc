//! The default backend: iptables if the host has it, like the Go plugins.

use crate::stage::{Call, Namespace, Stage, can_run, with, with_result};
use serde_json::{Value, json};
use std::path::Path;

fn bridge(stage: &Stage) -> Value {
    stage.config(
        r#"{"cniVersion": "1.0.0", "name": "net", "type": "bridge", "bridge": "br0", "isGateway": true, "ipMasq": true,
            "ipam": {"type": "host-local", "dataDir": "$dir", "subnet": "10.1.0.0/24"}}"#,
    )
}

fn portmap(attached: &Value) -> Value {
    let ports = json!({"portMappings": [{"hostPort": 8080, "containerPort": 80}]});
    with_result(
        &json!({"cniVersion": "1.0.0", "name": "net", "type": "portmap", "runtimeConfig": ports}),
        attached,
    )
}

/// Hides the programs of iptables from the call.
fn without_iptables(call: &Call<'_>) -> Value {
    let script = "mount -t tmpfs none /usr/sbin && exec \"$@\"";
    let words = ["/usr/bin/unshare", "--mount", "/bin/sh", "-c", script, "sh"].map(str::to_owned);
    let output = call.wrapped(&words);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    serde_json::from_slice(&output.stdout).unwrap_or(Value::Null)
}

/// Returns the tables with entries of attachments.
fn tables(stage: &Stage) -> Vec<String> {
    let text = stage.host.command("nft", "list tables");
    text.lines().filter_map(|line| line.split("tare_").nth(1)).map(str::to_owned).collect()
}

fn can_compare() -> bool {
    can_run() && Path::new("/usr/sbin/iptables-restore").exists()
}

#[test]
fn iptables_is_the_default_if_the_host_has_it_even_without_a_path() {
    if !can_compare() {
        return;
    }
    for bare in [false, true] {
        let (stage, container) = (Stage::new(), Namespace::new());
        let (bridge, path) =
            (
                bridge(&stage),
                |call: Call<'_>| if bare { call.without_path().succeed() } else { call.succeed() },
            );
        let attached = path(stage.call("ADD", &bridge).netns(&container));
        let ports = portmap(&attached);
        path(stage.call("ADD", &ports).netns(&container));
        assert_eq!(tables(&stage), ["iptables_masq", "iptables_port"]);
        path(stage.call("CHECK", &ports).netns(&container));
        path(stage.call("CHECK", &with_result(&bridge, &attached)).netns(&container));
        for config in [&ports, &bridge] {
            path(stage.call("DEL", config).netns(&container));
        }
        assert_eq!(tables(&stage), Vec::<String>::new());
    }
}

#[test]
fn nftables_is_the_default_without_iptables() {
    if !can_run() {
        return;
    }
    let (stage, container) = (Stage::new(), Namespace::new());
    let bridge = bridge(&stage);
    let attached = without_iptables(&stage.call("ADD", &bridge).netns(&container));
    let ports = portmap(&attached);
    without_iptables(&stage.call("ADD", &ports).netns(&container));
    assert_eq!(tables(&stage), ["masquerade", "portmap"]);
    without_iptables(&stage.call("CHECK", &ports).netns(&container));
    let asked = with(&bridge, "ipMasqBackend", json!("iptables"));
    let script = "mount -t tmpfs none /usr/sbin && exec \"$@\"";
    let words = ["/usr/bin/unshare", "--mount", "/bin/sh", "-c", script, "sh"].map(str::to_owned);
    let other = Namespace::new();
    let output = stage.call("ADD", &asked).container("c2").netns(&other).wrapped(&words);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(text.contains("the iptables backend needs iptables-restore, which is not installed"), "{text}");
    // DEL looks in both, independent of the host's current default.
    for config in [&ports, &bridge] {
        stage.call("DEL", config).netns(&container).succeed();
    }
    assert_eq!(tables(&stage), Vec::<String>::new());
}

#[test]
fn del_with_one_backend_removes_the_rules_of_the_other() {
    if !can_compare() {
        return;
    }
    for (made, removed) in [("iptables", "nftables"), ("nftables", "iptables")] {
        let (stage, container) = (Stage::new(), Namespace::new());
        let bridge = bridge(&stage);
        let attached = stage.add(&with(&bridge, "ipMasqBackend", json!(made)), "c1", &container);
        let ports = portmap(&attached);
        stage.add(&with(&ports, "backend", json!(made)), "c1", &container);
        assert_eq!(tables(&stage).len(), 2);
        stage.del(&with(&ports, "backend", json!(removed)), "c1", &container);
        stage.del(&with(&bridge, "ipMasqBackend", json!(removed)), "c1", &container);
        assert_eq!(tables(&stage), Vec::<String>::new());
    }
}
