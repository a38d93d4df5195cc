//! `list` and `state`: the output that engines read.

use std::path::Path;

use serde_json::Value;
use tests::{Host, skip_for};

#[test]
fn state_has_what_the_specification_and_engines_want() {
    let host = Host::new();
    let mut container = host.container(host.config(&["sleep", "60"]).annotation("org.example.key", "value"));
    container.create();
    let state = container.state();
    assert_eq!(state["id"], container.id());
    assert_eq!(state["status"], "created");
    assert_eq!(Path::new(state["bundle"].as_str().unwrap()), container.bundle());
    assert_eq!(Path::new(state["rootfs"].as_str().unwrap()), container.rootfs());
    assert_eq!(state["annotations"]["org.example.key"], "value");
    assert!(state["ociVersion"].as_str().unwrap().starts_with("1."));
    assert!(state["pid"].as_i64().unwrap() > 1);
    let created = state["created"].as_str().unwrap();
    assert!(created.starts_with("20") && created.contains('T') && created.ends_with('Z'), "{created}");
}

#[test]
fn keys_are_in_the_order_of_runc() {
    const STATE: &[&str] =
        &["ociVersion", "id", "pid", "status", "bundle", "rootfs", "created", "annotations", "owner"];
    const EVENT: &[&str] =
        &["type", "id", "data", "cpu", "cpuset", "memory", "pids", "blkio", "hugetlb", "intel_rdt"];
    let host = Host::new();
    skip_for!(Crun, "its order is another");
    let mut container = host.container(host.config(&["sleep", "60"]).annotation("org.example.key", "value"));
    container.create();
    container.start();
    let state = container.verb(&["state"]).ok().out;
    let list = host.runtime().run(&["list", "--format", "json"]).ok().out;
    let event = container.verb(&["events", "--stats"]).ok().out;
    for (keys, text) in [(STATE, state), (STATE, list), (EVENT, event)] {
        let place =
            |key: &&str| text.find(&format!("\"{key}\":")).unwrap_or_else(|| panic!("no {key}: {text}"));
        assert!(keys.iter().map(place).is_sorted(), "{text}");
    }
}

#[test]
fn the_state_of_a_stopped_container_has_pid_0() {
    let host = Host::new();
    let mut container = host.container(host.config(&["true"]));
    container.create();
    container.start();
    container.becomes("stopped");
    assert_eq!(container.state()["pid"], 0);
}

#[test]
fn the_pid_is_the_hosts_pid_of_process_1() {
    let host = Host::new();
    let mut container = host.container(host.config(&["sleep", "60"]));
    container.create();
    let status = std::fs::read_to_string(format!("/proc/{}/status", container.pid())).unwrap();
    let inner = status.lines().find(|line| line.starts_with("NSpid:")).unwrap();
    assert_eq!(inner.split_whitespace().last(), Some("1"), "{inner}");
}

#[test]
fn list_is_a_table_that_names_each_container() {
    let host = Host::new();
    let mut container = host.container(host.config(&["sleep", "60"]));
    container.create();
    let output = host.runtime().run(&["list"]).ok();
    let mut lines = output.out.lines();
    let head: Vec<&str> = lines.next().unwrap().split_whitespace().collect();
    assert_eq!(&head[..5], ["ID", "PID", "STATUS", "BUNDLE", "CREATED"]);
    let row: Vec<&str> = lines.next().unwrap().split_whitespace().collect();
    assert_eq!(row[0], container.id());
    assert_eq!(row[1], container.pid().to_string());
    assert_eq!(row[2], "created");
    assert_eq!(Path::new(row[3]), container.bundle());
    assert_eq!(lines.next(), None);
}

#[test]
fn list_as_json_has_the_states_fields_and_the_owner() {
    let host = Host::new();
    let mut container = host.container(host.config(&["sleep", "60"]));
    container.create();
    let all = host.runtime().run(&["list", "--format", "json"]).ok().json();
    let one = &all.as_array().unwrap()[0];
    assert_eq!(one["id"], container.id());
    assert_eq!(one["status"], "created");
    assert_eq!(one["pid"], container.pid());
    assert_eq!(Path::new(one["bundle"].as_str().unwrap()), container.bundle());
    assert_eq!(one["owner"], "root");
}

#[test]
fn list_quietly_is_ids_alone() {
    let host = Host::new();
    let mut ids = Vec::new();
    let mut containers: Vec<_> = (0..2).map(|_| host.container(host.config(&["sleep", "60"]))).collect();
    for container in &mut containers {
        container.create();
        ids.push(container.id().to_string());
    }
    for flag in ["-q", "--quiet"] {
        let output = host.runtime().run(&["list", flag]).ok();
        let mut listed: Vec<&str> = output.out.lines().collect();
        listed.sort_unstable();
        assert_eq!(listed, ids);
    }
}

#[test]
fn list_of_nothing_succeeds() {
    let host = Host::new();
    let output = host.runtime().run(&["list", "--quiet"]).ok();
    assert_eq!(output.out, "");
    skip_for!(Crun, "it prints [] with a blank");
    let json = host.runtime().run(&["list", "--format", "json"]).ok().json();
    assert!(matches!(json, Value::Null) || json.as_array().is_some_and(Vec::is_empty));
}

#[test]
fn list_of_a_root_that_is_missing() {
    tests::skip_for!(Runc, "Debian's is older than that");
    tests::skip_for!(Crun, "it makes the directory");
    let host = Host::new();
    let missing = host.runtime().rooted(&host.files().join("missing"));
    let _ = missing.run(&["list"]).fails();
    // The usual one may be missing: nothing was ever created.
    let _ = host.runtime().bare().args(["list"]).run().ok();
}

#[test]
fn spec_for_a_rootless_user() {
    let host = Host::new();
    let directory = host.files().join("rootless");
    std::fs::create_dir(&directory).unwrap();
    let _ = host.runtime().call(&["spec", "--rootless"]).within(&directory).run().ok();
    let text = std::fs::read_to_string(directory.join("config.json")).unwrap();
    let config: serde_json::Value = serde_json::from_str(&text).unwrap();
    let kinds: Vec<&str> = config["linux"]["namespaces"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["type"].as_str().unwrap())
        .collect();
    assert!(kinds.contains(&"user") && !kinds.contains(&"network"), "{kinds:?}");
    assert_eq!(config["linux"]["uidMappings"][0]["size"], 1);
}

#[test]
fn list_refuses_an_unknown_format() {
    let host = Host::new();
    let _ = host.runtime().run(&["list", "--format", "xml"]).fails();
}

#[test]
fn list_shows_the_other_containers_when_one_state_is_broken() {
    let host = Host::new();
    skip_for!(Crun, "it stops at the first broken state");
    let mut container = host.container(host.config(&["sleep", "60"]));
    container.create();
    let broken = host.runtime().root().join("broken");
    std::fs::create_dir(&broken).unwrap();
    std::fs::write(broken.join("state.json"), "{").unwrap();
    let output = host.runtime().run(&["list", "-q"]);
    assert!(output.out.lines().any(|line| line == container.id()), "{output:#?}");
    std::fs::remove_dir_all(broken).unwrap();
}

#[test]
fn spec_writes_a_configuration_that_runs() {
    let host = Host::new();
    let mut container = host.container(host.config(&["true"]));
    std::fs::remove_file(container.bundle().join("config.json")).unwrap();
    let bundle = container.bundle().to_string_lossy().into_owned();
    let _ = host.runtime().run(&["spec", "--bundle", &bundle]).ok();
    let path = container.bundle().join("config.json");
    let config: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
    assert_eq!(config["process"]["args"][0], "sh");
    assert_eq!(config["root"]["path"], "rootfs");
    assert_eq!(config["process"]["terminal"], true);
    let text = config
        .to_string()
        .replace("\"sh\"", "\"/bin/payload\",\"true\"")
        .replace("\"terminal\":true", "\"terminal\":false");
    std::fs::write(path, text).unwrap();
    let _ = container.run().ok();
    let _ = host.runtime().run(&["spec", "--bundle", &bundle]).fails();
}

#[test]
fn features_is_json_alone_on_standard_output() {
    let host = Host::new();
    skip_for!(Crun, "Debian's is older than features");
    let output = host.runtime().bare().args(["features"]).run().ok();
    let features = output.json();
    assert_eq!(output.err, "");
    assert!(features["ociVersionMin"].is_string() && features["ociVersionMax"].is_string());
    for list in ["hooks", "mountOptions"] {
        assert!(!features[list].as_array().unwrap().is_empty(), "{list}");
    }
    assert!(features["linux"]["namespaces"].as_array().unwrap().iter().any(|name| name == "cgroup"));
}
