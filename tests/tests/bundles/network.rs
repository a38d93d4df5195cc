//! Networks: what the plugins of a list are given, in what order, and what happens when one refuses.

use std::fs::File;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use serde_json::{Map, Value, json};
use tare_bundle::network::{Attachment, List, PATIENCE, Plugins, inside, new_namespace};
use tests::Host;

/// A plugin that notes what it is given, in the order of the calls, and answers with its own name added.
const NOTING: &str = r#"#!/bin/sh
name=$(basename "$0")
request=$(cat)
printf '{"plugin":"%s","verb":"%s","id":"%s","netns":"%s","ifname":"%s","args":"%s","request":%s}\n' \
    "$name" "$CNI_COMMAND" "$CNI_CONTAINERID" "$CNI_NETNS" "$CNI_IFNAME" "$CNI_ARGS" "$request" >>"$(dirname "$0")/notes"
if [ "$CNI_COMMAND" = ADD ]; then
    if [ "$name" = refusing ]; then
        echo '{"cniVersion":"1.0.0","code":7,"msg":"no such day","details":"ever"}'
        exit 1
    fi
    printf '{"cniVersion":"1.0.0","dns":{"domain":"%s"}}\n' "$name"
fi
"#;

fn noting(host: &Host, names: &[&str]) -> Plugins {
    let directory = host.files().join("plugins");
    std::fs::create_dir_all(&directory).unwrap();
    for name in names {
        std::fs::write(directory.join(name), NOTING).unwrap();
        std::fs::set_permissions(directory.join(name), std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    Plugins {
        path: vec!["/nonexistent".into(), directory],
        cache: host.files().join("results"),
        host: None,
        limit: PATIENCE,
    }
}

fn list(plugins: &Value) -> List {
    let list = json!({"cniVersion": "1.0.0", "name": "net", "plugins": plugins});
    List::parse(list.to_string().as_bytes()).unwrap()
}

fn attachment(namespace: &str) -> Attachment {
    Attachment {
        container: "one".into(),
        namespace: namespace.into(),
        interface: "eth0".into(),
        args: [("A".to_string(), "1".to_string())].into(),
        capabilities: Map::from_iter([("ips".to_string(), json!(["10.0.0.9/24"]))]),
    }
}

fn notes(host: &Host) -> Vec<Value> {
    let text = std::fs::read_to_string(host.files().join("plugins/notes")).unwrap_or_default();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn add_runs_in_order_and_each_gets_the_result_of_the_one_before() {
    let host = Host::new();
    let plugins = noting(&host, &["first", "second"]);
    let list = list(
        &json!([{"type": "first", "key": 1}, {"type": "second", "capabilities": {"ips": true, "mac": true}}]),
    );
    let result = plugins.add(&list, &attachment("/some/netns")).unwrap();
    assert_eq!(result["dns"]["domain"], "second");
    let notes = notes(&host);
    assert_eq!((&notes[0]["plugin"], &notes[1]["plugin"]), (&json!("first"), &json!("second")));
    assert_eq!(notes[0]["request"], json!({"type": "first", "key": 1, "name": "net", "cniVersion": "1.0.0"}));
    assert_eq!(notes[1]["request"]["prevResult"]["dns"]["domain"], "first");
    assert_eq!(notes[1]["request"]["runtimeConfig"], json!({"ips": ["10.0.0.9/24"]}));
    assert!(notes[1]["request"].get("capabilities").is_none());
    assert_eq!(notes[0]["netns"], "/some/netns");
    assert_eq!(
        (&notes[0]["id"], &notes[0]["ifname"], &notes[0]["args"]),
        (&json!("one"), &json!("eth0"), &json!("A=1"))
    );
}

#[test]
fn check_and_del_get_the_kept_result_and_del_runs_backwards() {
    let host = Host::new();
    let plugins = noting(&host, &["first", "second"]);
    let list = list(&json!([{"type": "first"}, {"type": "second"}]));
    plugins.add(&list, &attachment("/n")).unwrap();
    plugins.check(&list, &attachment("/n")).unwrap();
    plugins.delete(&list, &attachment("")).unwrap();
    let notes = notes(&host);
    let order: Vec<String> =
        notes.iter().map(|note| format!("{} {}", note["verb"], note["plugin"]).replace('"', "")).collect();
    assert_eq!(order, ["ADD first", "ADD second", "CHECK first", "CHECK second", "DEL second", "DEL first"]);
    for note in &notes[2..] {
        assert_eq!(note["request"]["prevResult"]["dns"]["domain"], "second");
    }
    assert!(plugins.kept(&list, &attachment("")).is_none());
}

#[test]
fn a_refusal_is_reported_and_undone() {
    let host = Host::new();
    let plugins = noting(&host, &["first", "refusing", "third"]);
    let list = list(&json!([{"type": "first"}, {"type": "refusing"}, {"type": "third"}]));
    let error = plugins.add(&list, &attachment("/n")).unwrap_err().to_string();
    assert!(
        error.contains("refusing ADD") && error.contains("no such day") && error.contains("ever"),
        "{error}"
    );
    let verbs: Vec<String> =
        notes(&host).iter().map(|note| note["verb"].as_str().unwrap().to_string()).collect();
    assert_eq!(verbs, ["ADD", "ADD", "DEL", "DEL", "DEL"]);
    assert!(plugins.kept(&list, &attachment("/n")).is_none());
}

#[test]
fn a_plugin_that_is_missing_or_has_a_path_is_an_error() {
    let host = Host::new();
    let plugins = noting(&host, &["first"]);
    for (kind, said) in [("absent", "no plugin absent in"), ("../first", "slash")] {
        let error = plugins.add(&list(&json!([{"type": kind}])), &attachment("/n")).unwrap_err().to_string();
        assert!(error.contains(said), "{error}");
    }
}

#[test]
fn a_plugin_that_hangs_is_killed_with_what_it_has_started() {
    let host = Host::new();
    let mut plugins = noting(&host, &["first"]);
    plugins.limit = std::time::Duration::from_millis(300);
    let script = "#!/bin/sh\nsleep 77 &\nexec sleep 77\n";
    std::fs::write(host.files().join("plugins/first"), script).unwrap();
    let error =
        format!("{:#}", plugins.add(&list(&json!([{"type": "first"}])), &attachment("/n")).unwrap_err());
    assert!(error.contains("it did not end within 0 seconds"), "{error}");
}

#[test]
fn what_is_kept_is_what_the_go_library_keeps() {
    let host = Host::new();
    let plugins = noting(&host, &["first"]);
    let list = list(&json!([{"type": "first"}]));
    plugins.add(&list, &attachment("/n")).unwrap();
    let file = host.files().join("results/net-one-eth0");
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let kept: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    assert_eq!((&kept["kind"], &kept["networkName"]), (&json!("cniCacheV1"), &json!("net")));
    let config = kept["config"].as_str().unwrap();
    let decoded = host.tool(&["sh", "-c", &format!("echo {config} | base64 -d")]).out;
    assert_eq!(decoded.as_bytes(), list.source);
}

#[test]
fn a_list_that_is_wrong_is_an_error_that_says_what() {
    for (text, said) in [
        ("{", "not JSON"),
        (r#"{"name": "n"}"#, "no plugins"),
        (r#"{"name": "n", "plugins": []}"#, "no plugins"),
        (r#"{"plugins": [{"type": "x"}]}"#, "no name"),
    ] {
        let error = format!("{:#}", List::parse(text.as_bytes()).unwrap_err());
        assert!(error.contains(said), "{text}: {error}");
    }
}

#[test]
fn check_does_nothing_when_the_list_says_so_and_fails_for_old_versions() {
    let host = Host::new();
    let plugins = noting(&host, &["first"]);
    let parse = |list: Value| List::parse(list.to_string().as_bytes()).unwrap();
    let disabled = parse(
        json!({"cniVersion": "1.0.0", "name": "n", "disableCheck": true, "plugins": [{"type": "first"}]}),
    );
    plugins.check(&disabled, &attachment("/n")).unwrap();
    assert!(notes(&host).is_empty());
    let old = parse(json!({"cniVersion": "0.3.1", "name": "n", "plugins": [{"type": "first"}]}));
    let error = plugins.check(&old, &attachment("/n")).unwrap_err().to_string();
    assert!(error.contains("does not support the CHECK command"), "{error}");
}

/// The plugins under test, and a container's namespace.
fn real(host: &Host) -> (Plugins, File) {
    let plugins =
        Plugins { path: tests::plugins(), cache: host.files().join("results"), host: None, limit: PATIENCE };
    (plugins, new_namespace().unwrap())
}

fn path_of(namespace: &File) -> String {
    format!("/proc/{}/fd/{}", std::process::id(), namespace.as_raw_fd())
}

fn bridged(state: &Path) -> List {
    list(&json!([
        {
            "type": "bridge", "bridge": "br0", "isGateway": true, "ipMasq": true,
            "ipam": {
                "type": "host-local", "dataDir": state.join("leases"),
                "ranges": [[{"subnet": "10.77.0.0/24"}]], "routes": [{"dst": "0.0.0.0/0"}],
            },
        },
        {"type": "portmap", "capabilities": {"portMappings": true}},
    ]))
}

#[test]
fn a_container_is_connected_and_disconnected_without_a_trace() {
    let host = Host::new();
    let (plugins, namespace) = real(&host);
    let list = bridged(host.files());
    let mut link = attachment(&path_of(&namespace));
    link.args = [("IgnoreUnknown".to_string(), "1".to_string())].into();
    link.capabilities = Map::from_iter([(
        "portMappings".to_string(),
        json!([{"hostPort": 8080, "containerPort": 80, "protocol": "tcp"}]),
    )]);
    let result = plugins.add(&list, &link).unwrap();
    let address = result["ips"][0]["address"].as_str().unwrap().to_string();
    assert!(address.starts_with("10.77.0."), "{result}");
    let inner =
        inside(Some(&namespace), || host.tool(&["ip", "-4", "-oneline", "address", "show", "eth0"]).out)
            .unwrap();
    assert!(inner.contains(&address), "{inner}");
    let route = inside(Some(&namespace), || host.tool(&["ip", "route", "show", "default"]).out).unwrap();
    assert!(route.contains("via 10.77.0.1"), "{route}");
    plugins.delete(&list, &link).unwrap();
    let leases: Vec<_> = std::fs::read_dir(host.files().join("leases/net")).unwrap().flatten().collect();
    assert!(leases.iter().all(|entry| !entry.file_name().to_string_lossy().starts_with("10.")), "{leases:?}");
    let rules = host.tool(&["nft", "list", "ruleset"]).out;
    assert!(!rules.contains("10.77.0.2") && !rules.contains("8080"), "{rules}");
    let _ = host.tool(&["ip", "link", "delete", "br0"]);
    // The Go plugins leave a lock that they never remove.
    let _ = std::fs::remove_file("/run/xtables.lock");
}

#[test]
fn a_container_whose_namespace_is_gone_is_disconnected_all_the_same() {
    let host = Host::new();
    let (plugins, namespace) = real(&host);
    let list = bridged(host.files());
    let mut link = attachment(&path_of(&namespace));
    link.args = [("IgnoreUnknown".to_string(), "1".to_string())].into();
    plugins.add(&list, &link).unwrap();
    drop(namespace);
    link.namespace = String::new();
    plugins.delete(&list, &link).unwrap();
    plugins.delete(&list, &link).unwrap();
    let rules = host.tool(&["nft", "list", "ruleset"]).out;
    let _ = host.tool(&["ip", "link", "delete", "br0"]);
    if tests::plugins()[0] == Path::new("/usr/lib/cni") {
        return tests::skip::note_peer("the Go plugins", "they leave rules when the namespace is gone");
    }
    assert!(!rules.contains("10.77.0.2"), "{rules}");
}
