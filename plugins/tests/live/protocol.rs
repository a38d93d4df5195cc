//! The common behavior of all plugins: environment, versions, errors.

use crate::stage::{Namespace, Stage, can_run, ours};
use serde_json::{Value, json};
use std::process::{Command, Output, Stdio};

const PLUGINS: [&str; 5] = ["bridge", "host-device", "host-local", "loopback", "portmap"];

fn bare(plugin: &str, command: &str) -> Output {
    let mut call = Command::new(ours().join(plugin));
    call.env_clear().stdin(Stdio::null());
    if !command.is_empty() {
        call.env("CNI_COMMAND", command);
    }
    call.output().unwrap()
}

#[test]
fn version_needs_no_input() {
    for plugin in PLUGINS {
        let mut call = Command::new(ours().join(plugin));
        // A pipe that is never written or closed: reading it would never end.
        let child =
            call.env_clear().env("CNI_COMMAND", "VERSION").stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = child.spawn().unwrap();
        let held_open = child.stdin.take();
        let output = child.wait_with_output().unwrap();
        drop(held_open);
        let all = r#""0.1.0","0.2.0","0.3.0","0.3.1","0.4.0","1.0.0","1.1.0""#;
        let expected = format!("{{\"cniVersion\":\"1.1.0\",\"supportedVersions\":[{all}]}}\n");
        assert_eq!(String::from_utf8(output.stdout).unwrap(), expected);
    }
}

#[test]
fn a_plugin_without_a_command_prints_its_name_and_versions() {
    for plugin in PLUGINS {
        let output = bare(plugin, "");
        assert!(output.status.success() && output.stdout.is_empty());
        let text = String::from_utf8(output.stderr).unwrap();
        assert!(text.starts_with(&format!("CNI {plugin} plugin")), "{text}");
        assert!(
            text.ends_with(
                "CNI protocol versions supported: 0.1.0, 0.2.0, 0.3.0, 0.3.1, 0.4.0, 1.0.0, 1.1.0\n"
            )
        );
    }
}

#[test]
fn errors_are_printed_like_the_go_plugins_do() {
    let output = bare("bridge", "ADD");
    let missing = "required env variables [CNI_CONTAINERID,CNI_NETNS,CNI_IFNAME,CNI_PATH] missing";
    let expected = format!("{{\n    \"code\": 4,\n    \"msg\": \"{missing}\"\n}}");
    assert_eq!((String::from_utf8(output.stdout).unwrap(), output.status.code()), (expected, Some(1)));
    let unknown: Value = serde_json::from_slice(&bare("bridge", "NOPE").stdout).unwrap();
    assert_eq!(unknown, json!({"code": 4, "msg": "unknown CNI_COMMAND: NOPE"}));
}

#[test]
fn invalid_names_are_refused_before_anything_changes() {
    if !can_run() {
        return;
    }
    let (stage, container) = (Stage::new(), Namespace::new());
    let before = stage.host.state();
    let ipam = r#""ipam": {"type": "host-local", "dataDir": "$dir", "subnet": "10.1.0.0/24"}"#;
    let config = |name: &str| {
        stage.config(&format!(r#"{{"cniVersion": "1.0.0", "name": "{name}", "type": "bridge", {ipam}}}"#))
    };
    let good = config("net");
    for id in ["../../x", "a/b", "a\nb", ".x"] {
        assert_eq!(stage.call("ADD", &good).container(id).netns(&container).fail().0, 4, "{id:?}");
    }
    for interface in ["../x", "a:b", "sixteen-chars-xx", ".."] {
        assert_eq!(
            stage.call("ADD", &good).interface(interface).netns(&container).fail().0,
            4,
            "{interface}"
        );
    }
    for name in ["../../evil", "a/b", ""] {
        assert_eq!(stage.call("ADD", &config(name)).netns(&container).fail().0, 7, "{name}");
    }
    assert_eq!(stage.host.state(), before);
    assert_eq!(std::fs::read_dir(&stage.directory).unwrap().count(), 0);
}

#[test]
fn a_plugin_refuses_its_own_namespace() {
    if !can_run() {
        return;
    }
    let stage = Stage::new();
    let config = stage.config(r#"{"cniVersion": "1.0.0", "name": "net", "type": "bridge"}"#);
    let before = stage.host.state();
    for command in ["ADD", "DEL"] {
        let (code, msg) = stage.call(command, &config).netns(&stage.host).fail();
        assert_eq!(
            (code, msg.as_str()),
            (8, "plugin's netns and netns from CNI_NETNS should not be the same")
        );
    }
    assert_eq!(stage.host.state(), before);
}

#[test]
fn an_unsupported_version_is_code_1() {
    if !can_run() {
        return;
    }
    let (stage, container) = (Stage::new(), Namespace::new());
    let config = stage.config(r#"{"cniVersion": "9.9.9", "name": "net", "type": "bridge"}"#);
    let (code, msg) = stage.call("ADD", &config).netns(&container).fail();
    assert_eq!((code, msg.as_str()), (1, "incompatible CNI versions"));
    let config = stage.config(r#"{"cniVersion": "0.3.1", "name": "net", "type": "bridge"}"#);
    let (code, msg) = stage.call("CHECK", &config).netns(&container).fail();
    assert_eq!((code, msg.as_str()), (1, "config version does not allow CHECK"));
}

#[test]
fn loopback_is_set_up_checked_and_set_down() {
    if !can_run() {
        return;
    }
    let (stage, container) = (Stage::new(), Namespace::new());
    let config = stage.config(r#"{"cniVersion": "0.4.0", "name": "lo", "type": "loopback"}"#);
    let result = stage.add(&config, "c1", &container);
    assert_eq!(result["interfaces"][0]["name"], "lo");
    assert_eq!(result["ips"][0]["address"], "127.0.0.1/8");
    container.serve("127.0.0.1:7");
    assert!(container.ask("127.0.0.1:7").is_some());
    let checked = crate::stage::with_result(&config, &result);
    stage.call("CHECK", &checked).netns(&container).succeed();
    stage.del(&config, "c1", &container);
    let (code, msg) = stage.call("CHECK", &checked).netns(&container).fail();
    assert_eq!((code, msg.as_str()), (100, "loopback interface is down"));
    stage.call("DEL", &config).netns_path("").succeed();
    stage.call("DEL", &config).netns_path("/no/such/namespace").succeed();
}
