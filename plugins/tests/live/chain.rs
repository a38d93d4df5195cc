//! Our plugins together with other plugins, and the configurations that engines write.

use crate::stage::{Namespace, Stage, address_of, can_run, ours, skip, theirs, with, with_result};
use serde_json::{Value, json};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::PathBuf;

fn bridge(stage: &Stage) -> Value {
    stage.config(
        r#"{"cniVersion": "0.4.0", "name": "net", "type": "bridge", "bridge": "br0", "isGateway": true,
            "ipam": {"type": "host-local", "dataDir": "$dir", "subnet": "10.1.0.0/24"}}"#,
    )
}

fn has_theirs() -> bool {
    let has = theirs().join("host-local").exists();
    if !has {
        skip("the Go plugins of containernetworking-plugins are not installed");
    }
    has
}

#[test]
fn our_host_local_runs_without_an_exec() {
    if !can_run() {
        return;
    }
    let (stage, netns) = (Stage::new(), Namespace::new());
    // A file that contains our build ID, and would fail if it were run.
    let directory = stage.directory.join("bin");
    std::fs::create_dir_all(&directory).unwrap();
    let mut head = std::fs::read(ours().join("host-local")).unwrap();
    head.truncate(4096);
    std::fs::write(directory.join("host-local"), head).unwrap();
    let path = directory.to_str().unwrap();
    let config = bridge(&stage);
    let result = stage.call("ADD", &config).netns(&netns).path(path).succeed();
    assert_eq!(address_of(&result), "10.1.0.2");
    stage.call("DEL", &config).netns(&netns).path(path).succeed();
    assert_eq!(stage.leases("net"), Vec::<String>::new());
}

#[test]
fn our_bridge_runs_the_go_host_local() {
    if !can_run() || !has_theirs() {
        return;
    }
    let (stage, netns) = (Stage::new(), Namespace::new());
    let config = bridge(&stage);
    let theirs = theirs();
    let path = theirs.to_str().unwrap();
    let args = "MAC=02:11:22:33:44:55";
    let result = stage.call("ADD", &config).netns(&netns).path(path).args(args).succeed();
    assert_eq!(address_of(&result), "10.1.0.2");
    assert_eq!(stage.leases("net"), ["10.1.0.2"]);
    stage.call("CHECK", &with_result(&config, &result)).netns(&netns).path(path).succeed();
    let (code, msg) = stage.call("ADD", &config).netns(&netns).path(path).fail();
    assert_eq!(
        (code, msg.contains("duplicate allocation is not allowed")),
        (999, true),
        "their error is passed on"
    );
    stage.call("DEL", &config).netns(&netns).path(path).succeed();
    assert_eq!(stage.leases("net"), Vec::<String>::new());
}

#[test]
fn the_go_bridge_runs_our_host_local() {
    if !can_run() || !has_theirs() {
        return;
    }
    let (stage, netns) = (Stage::new(), Namespace::new());
    let config = bridge(&stage);
    let call = |command| stage.call(command, &config).netns(&netns).plugins(&theirs());
    let result = call("ADD").succeed();
    assert_eq!(address_of(&result), "10.1.0.2");
    // Our plugin removes an attachment of the Go bridge.
    stage.call("DEL", &config).netns(&netns).succeed();
    assert!(!netns.ip("-o link").contains("eth0"));
    assert_eq!(stage.leases("net"), Vec::<String>::new());
}

#[test]
fn a_failing_or_invalid_delegate_is_reported_and_gets_del() {
    if !can_run() {
        return;
    }
    let (stage, netns) = (Stage::new(), Namespace::new());
    let before = stage.host.state();
    let directory = stage.directory.join("bin");
    std::fs::create_dir_all(&directory).unwrap();
    let script = |answer: &str| {
        let log = stage.directory.join("log");
        let text = format!("#!/bin/sh\necho $CNI_COMMAND >> {}\ncat > /dev/null\n{answer}\n", log.display());
        std::fs::write(directory.join("odd"), text).unwrap();
        std::fs::set_permissions(directory.join("odd"), PermissionsExt::from_mode(0o755)).unwrap();
        let _ = std::fs::remove_file(&log);
        log
    };
    let mut config = bridge(&stage);
    config["ipam"]["type"] = json!("odd");
    let call = || stage.call("ADD", &config).netns(&netns).path(directory.to_str().unwrap()).fail();
    for (answer, code, msg) in [
        (r#"echo '{"code": 11, "msg": "try later"}'; exit 1"#, 11, "try later"),
        ("echo nonsense", 6, "IPAM result is not JSON: expected ident at line 1 column 2"),
        (r#"echo '{"cniVersion": "0.4.0"}'"#, 7, "IPAM plugin returned missing IP config"),
    ] {
        let log = script(answer);
        assert_eq!(call(), (code, msg.to_owned()));
        assert_eq!(std::fs::read_to_string(log).unwrap(), "ADD\nDEL\n");
        assert_eq!(stage.host.state(), before);
    }
}

/// The parameters of a chain of plugins.
struct Chain<'a> {
    stage: &'a Stage,
    netns: &'a Namespace,
    path: [PathBuf; 2],
}

impl Chain<'_> {
    /// Runs plugins like an engine: each gets the result of the previous one.
    fn run(&self, command: &str, plugins: &[Value]) -> Value {
        let Chain { stage, netns, path } = self;
        let mut result = Value::Null;
        for plugin in plugins {
            let name = plugin["type"].as_str().unwrap();
            let directory = path.iter().find(|directory| directory.join(name).exists()).unwrap();
            let config = if result.is_null() { plugin.clone() } else { with_result(plugin, &result) };
            let path: Vec<&str> = path.iter().map(|directory| directory.to_str().unwrap()).collect();
            let answer =
                stage.call(command, &config).netns(netns).path(&path.join(":")).plugins(directory).succeed();
            result = if answer.is_null() { result } else { answer };
        }
        result
    }
}

#[test]
fn podmans_conflist_works_together_with_go_plugins() {
    if !can_run() || !has_theirs() {
        return;
    }
    let (stage, netns) = (Stage::new(), Namespace::new());
    // 87-podman.conflist of Podman 4.3 with another directory: bridge and portmap are ours, firewall and tuning are the
    // Go plugins.
    let common = json!({"cniVersion": "0.4.0", "name": "podman"});
    let data = stage.directory.to_str().unwrap();
    let plugins: Vec<Value> = [
        json!({"type": "bridge", "bridge": "cni-podman0", "isGateway": true, "ipMasq": true, "hairpinMode": true,
            "capabilities": {"ips": true}, "ipam": {"type": "host-local", "dataDir": data,
            "routes": [{"dst": "0.0.0.0/0"}], "ranges": [[{"subnet": "10.88.0.0/16", "gateway": "10.88.0.1"}]]}}),
        json!({"type": "portmap", "capabilities": {"portMappings": true}, "runtimeConfig": {"portMappings":
            [{"hostPort": 8080, "containerPort": 80, "protocol": "tcp", "hostIP": ""}]}}),
        json!({"type": "firewall"}),
        json!({"type": "tuning"}),
    ]
    .into_iter()
    .map(|plugin| common.as_object().unwrap().iter().fold(plugin, |plugin, (key, value)| with(&plugin, key, value.clone())))
    .collect();
    let chain = Chain { stage: &stage, netns: &netns, path: [ours(), theirs()] };
    let warm = stage.host.state();
    let result = chain.run("ADD", &plugins);
    assert_eq!(result["ips"][0]["address"], "10.88.0.2/16");
    netns.serve("0.0.0.0:80");
    assert_eq!(stage.outside.ask("192.0.2.1:8080"), "192.0.2.2".parse().ok());
    stage.outside.serve("0.0.0.0:81");
    assert_eq!(netns.ask("192.0.2.2:81"), "192.0.2.1".parse().ok());
    let done: Vec<Value> = plugins.iter().map(|plugin| with_result(plugin, &result)).collect();
    for plugin in &done {
        chain.run("CHECK", std::slice::from_ref(plugin));
    }
    for plugin in done.iter().rev() {
        chain.run("DEL", std::slice::from_ref(plugin));
    }
    assert!(!stage.host.state().contains("tare_") && !warm.contains("tare_"));
    assert_eq!(stage.leases("podman"), Vec::<String>::new());
}

#[test]
fn symbolic_links_to_our_plugins_work() {
    if !can_run() {
        return;
    }
    let (stage, netns) = (Stage::new(), Namespace::new());
    let directory = stage.directory.join("bin");
    std::fs::create_dir_all(&directory).unwrap();
    for name in ["bridge", "host-local"] {
        symlink(ours().join(name), directory.join(name)).unwrap();
    }
    let config = bridge(&stage);
    let path = directory.to_str().unwrap();
    stage.call("ADD", &config).netns(&netns).path(path).plugins(&directory).succeed();
    stage.call("DEL", &config).netns(&netns).path(path).plugins(&directory).succeed();
    assert_eq!(stage.leases("net"), Vec::<String>::new());
}

#[test]
fn the_documented_example_is_a_plugin() {
    if !can_run() {
        return;
    }
    let (stage, netns) = (Stage::new(), Namespace::new());
    let bridge = bridge(&stage);
    let attached = stage.add(&bridge, "c1", &netns);
    let examples = ours().join("examples");
    let before = netns.state();
    let bare =
        json!({"cniVersion": "0.4.0", "name": "net", "type": "extra-address", "address": "10.99.0.7/32"});
    let config = with_result(&bare, &attached);
    let call = |command| stage.call(command, &config).netns(&netns).plugins(&examples);
    let result = call("ADD").succeed();
    assert_eq!(result["ips"][1]["address"], "10.99.0.7/32");
    assert!(netns.ip("-4 -o addr show eth0").contains("10.99.0.7/32"));
    call("CHECK").succeed();
    let (code, msg) = call("ADD").fail();
    assert_eq!((code, msg.as_str()), (5, "cannot add address 10.99.0.7/32 to eth0: file exists"));
    call("DEL").succeed();
    call("DEL").succeed();
    assert_eq!(netns.state(), before);
    assert_eq!(call("CHECK").fail(), (100, "eth0 lacks address 10.99.0.7/32".to_owned()));
    stage.call("DEL", &config).netns_path("").plugins(&examples).succeed();
}
