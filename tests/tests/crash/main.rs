//! Crashes and faults: a runtime that is killed at any system call leaves nothing that `delete --force` does not remove,
//! and one that is refused any system call says so, leaves nothing itself, and never runs a container half made.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "all of it is test code"
)]

mod faults;

use std::collections::BTreeMap;

use serde_json::json;
use tare_bundle::bundle::{Bundle, Layers};
use tare_bundle::config::Config;
use tests::killer::{Attack, attack_at, command};
use tests::{Container, Host, Kind, Snapshot, under_test};

/// A container that needs nearly everything that `create` can do.
fn demanding(host: &Host, words: &[&str]) -> Container {
    let config =
        Config::docker().unwrap().set("/ociVersion", "1.0.2").args(&[&["/bin/payload"], words].concat());
    let config = config
        .env(&format!("TARE_TEST={}", host.marker()))
        .hostname("demanding")
        .memory(64 << 20)
        .pids(32)
        .tmpfs("/run", &["size=1m"])
        .set("/linux/sysctl", json!({"net.ipv4.ip_forward": "1"}))
        .set(
            "/linux/devices",
            json!([{"path": "/dev/mine", "type": "c", "major": 1, "minor": 3, "fileMode": 0o666}]),
        );
    let container = host.container(config.clone());
    if under_test() == Kind::Tare {
        let bundle = Bundle::create(container.bundle()).unwrap();
        std::fs::rename(container.rootfs(), container.bundle().join("base")).unwrap();
        let layers = Layers { lower: vec!["base".into()], writable: true };
        let config = bundle.overlay(&layers, config.cgroup(&format!("/{}", container.id()))).unwrap();
        bundle.write(&config).unwrap();
    }
    container
}

/// Kills the verb at each of its calls in turn; before each, `prepare` brings the container into the state that the
/// verb wants. After each, `delete --force` has to succeed and to leave nothing.
fn killed_everywhere(verb: &[&str], attack: Attack, prepare: impl Fn(&mut Container)) {
    if under_test() != Kind::Tare && std::env::var_os("SHOW_LEAKS").is_none() {
        return tests::skip::note_peer("any peer", "they leak by design; SHOW_LEAKS=1 counts how often");
    }
    let host = Host::new();
    let mut leaks = BTreeMap::new();
    let mut points = 0;
    loop {
        let mut container = demanding(&host, &["sleep", "60"]);
        let clean = Snapshot::take(host.marker());
        prepare(&mut container);
        let bundle = container.bundle().to_string_lossy().into_owned();
        let root = host.runtime().root().to_string_lossy().into_owned();
        let bundle_words: &[&str] =
            if matches!(verb[0], "create" | "run") { &["--bundle", &bundle] } else { &[] };
        let words = [&["--root", &root], verb, bundle_words, &[container.id()]].concat();
        let death = attack_at(
            &command(host.runtime().program(), &words),
            attack,
            points,
            &host.files().join("attacked"),
        );
        let deleted = container.force_delete();
        let left = if deleted.code == 0 { clean.leaks(host.marker()) } else { vec![format!("{deleted:?}")] };
        let Some(call) = death.at else {
            assert!(left.is_empty(), "left by {verb:?} that was not killed: {left:#?}");
            break;
        };
        if !left.is_empty() {
            leaks.insert(points, (call, left));
            host.sweep();
            // It may be something else that was left.
            let _ = std::fs::remove_dir_all(host.runtime().root().join(container.id()));
        }
        points += 1;
    }
    eprintln!("{verb:?}: killed at {points} calls ({attack:?}), {} of them left something", leaks.len());
    assert!(under_test() != Kind::Tare || leaks.is_empty(), "left behind after delete --force: {leaks:#?}");
    assert!(points > 3, "only {points} calls: the tracer sees nothing");
}

#[test]
fn create_killed_at_every_call_leaves_nothing() {
    killed_everywhere(&["create"], Attack::KillFirst, |_| {});
}

#[test]
fn create_whose_any_process_is_killed_at_every_call_leaves_nothing() {
    killed_everywhere(&["create"], Attack::KillCaller, |_| {});
}

#[test]
fn start_killed_at_every_call_leaves_nothing() {
    killed_everywhere(&["start"], Attack::KillFirst, Container::create);
}

#[test]
fn delete_killed_at_every_call_leaves_nothing() {
    killed_everywhere(&["delete"], Attack::KillFirst, |container| {
        container.create();
        let _ = container.kill("KILL").ok();
        container.becomes("stopped");
    });
}

#[test]
fn delete_by_force_killed_at_every_call_leaves_nothing() {
    killed_everywhere(&["delete", "--force"], Attack::KillFirst, |container| {
        container.create();
        container.start();
    });
}

#[test]
fn run_killed_at_every_call_leaves_nothing() {
    killed_everywhere(&["run", "--detach"], Attack::KillFirst, |_| {});
}
