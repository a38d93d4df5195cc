//! events: what a container uses, and that its memory has run out.

use serde_json::Value;
use tests::{Container, Host, eventually};

fn running(host: &Host, words: &[&str]) -> Container {
    host.running(host.config(words).memory(64 << 20))
}

fn lines(text: &str) -> Vec<Value> {
    text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

#[test]
fn statistics_are_printed_once_when_asked_so() {
    tests::only_v1!();
    let host = Host::new();
    let container = running(&host, &["do", "burn 300", "sleep 60"]);
    let event = || container.verb(&["events", "--stats"]).ok().json();
    eventually("time is used", || {
        event()["data"]["cpu"]["usage"]["total"].as_u64().unwrap_or(0) > 20_000_000
    });
    let event = event();
    assert_eq!((event["type"].as_str(), event["id"].as_str()), (Some("stats"), Some(container.id())));
    let data = &event["data"];
    assert_eq!(data["memory"]["usage"]["limit"], 64 << 20);
    assert!(data["memory"]["usage"]["usage"].as_u64().unwrap() > 0, "{data}");
    // The kernel sums this one up every two seconds only.
    assert!(data["memory"]["raw"]["pgfault"].is_u64(), "{data}");
    assert_eq!(data["pids"]["current"], 1);
    assert!(data["cpu"]["usage"]["percpu"].is_array(), "{data}");
}

#[test]
fn they_come_at_the_interval_until_the_container_ends() {
    let host = Host::new();
    let container = running(&host, &["sleep", "60"]);
    let mut watching = host.runtime().call(&["events", "--interval", "50ms", container.id()]).spawn();
    eventually("three events come", || lines(&watching.printed()).len() >= 3);
    let _ = container.kill("KILL").ok();
    let output = watching.wait().ok();
    assert!(lines(&output.out).iter().all(|event| event["type"] == "stats"), "{output:?}");
}

#[test]
fn an_oom_kill_is_an_event_at_once() {
    let host = Host::new();
    let container = running(&host, &["do", "sleep 0.3", "alloc 268435456", "sleep 60"]);
    let mut watching = host.runtime().call(&["events", container.id()]).spawn();
    let output = watching.wait().ok();
    assert!(lines(&output.out).iter().any(|event| event["type"] == "oom"), "{output:?}");
}

#[test]
fn a_container_that_does_not_run_has_none() {
    let host = Host::new();
    let container = running(&host, &["true"]);
    container.becomes("stopped");
    let _ = container.verb(&["events"]).fails().says(&["is not running"]);
    let _ = container.verb(&["events", "--stats"]).fails().says(&["is not running"]);
    let _ = host.runtime().run(&["events", "no-such-container"]).fails().says(&["does not exist"]);
    let _ = container.verb(&["events", "--interval", "soon"]).fails().says(&["--interval"]);
}
