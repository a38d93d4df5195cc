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
use std::time::Instant;

use serde_json::json;
use tare_bundle::bundle::{Bundle, Layers};
use tare_bundle::config::Config;
use tests::killer::{Attack, attack_at, command};
use tests::{Container, Host, Kind, Snapshot, under_test};

/// A container that needs nearly everything that `create` can do.
fn demanding(host: &Host, words: &[&str]) -> Container {
    with_layers(host, configuration(host, words))
}

/// The same that sleeps, with hooks of all kinds.
fn hooked(host: &Host) -> Container {
    let config = configuration(host, &["sleep", "60"])
        .hook("prestart", &["/bin/true"])
        .hook("createRuntime", &["/bin/true"])
        .hook("createContainer", &["/bin/true"])
        .hook("startContainer", &["/bin/payload", "true"])
        .hook("poststart", &["/bin/true"])
        .hook("poststop", &["/bin/true"]);
    with_layers(host, config)
}

fn configuration(host: &Host, words: &[&str]) -> Config {
    let config =
        Config::docker().unwrap().set("/ociVersion", "1.0.2").args(&[&["/bin/payload"], words].concat());
    config
        .env(&format!("TARE_TEST={}", host.marker()))
        .hostname("demanding")
        .memory(64 << 20)
        .pids(32)
        .tmpfs("/run", &["size=1m"])
        .set("/linux/sysctl", json!({"net.ipv4.ip_forward": "1"}))
        .set(
            "/linux/devices",
            json!([{"path": "/dev/mine", "type": "c", "major": 1, "minor": 3, "fileMode": 0o666}]),
        )
}

fn with_layers(host: &Host, config: Config) -> Container {
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

/// One that enters namespaces of others, by way of a process in between.
fn joining(host: &Host) -> Container {
    let config = host.config(&["sleep", "60"]);
    let config = config.join("pid", "/proc/self/ns/pid").join("ipc", "/proc/self/ns/ipc");
    host.container(config.pids(32).memory(64 << 20))
}

/// What is killed, and where.
struct Campaign {
    container: fn(&Host) -> Container,
    verb: &'static [&'static str],
    attack: Attack,
    /// One call in so many.
    every: usize,
}

impl Campaign {
    fn of(verb: &'static [&'static str], attack: Attack) -> Self {
        Self { container: hooked, verb, attack, every: 1 }
    }

    /// The command line of the verb.
    fn words(&self, host: &Host, container: &Container) -> Vec<String> {
        let bundle = container.bundle().to_string_lossy().into_owned();
        let root = host.runtime().root().to_string_lossy().into_owned();
        let bundle: &[&str] =
            if matches!(self.verb[0], "create" | "run") { &["--bundle", &bundle] } else { &[] };
        let signal: &[&str] = if self.verb[0] == "kill" { &["TERM"] } else { &[] };
        let words = [&["--root", &root], self.verb, bundle, &[container.id()], signal].concat();
        command(host.runtime().program(), &words)
    }

    /// Kills the verb at its calls in turn; before each, `prepare` brings the container into the state that the verb
    /// wants. After each, `delete --force` has to succeed and to leave nothing, and the id is used again.
    fn leaves_nothing(&self, prepare: impl Fn(&mut Container)) {
        if under_test() != Kind::Tare && std::env::var_os("SHOW_LEAKS").is_none() {
            return tests::skip::note_peer("any peer", "they leak by design; SHOW_LEAKS=1 counts how often");
        }
        let host = Host::new();
        let mut container = (self.container)(&host);
        let clean = Snapshot::take(host.marker());
        let words = self.words(&host, &container);
        let output = host.files().join("attacked");
        let (mut leaks, mut tried, begun) = (BTreeMap::new(), 0, Instant::now());
        loop {
            prepare(&mut container);
            let death = attack_at(&words, self.attack, tried * self.every, &output);
            let left = left_after_deletion(&host, &mut container, &clean);
            let Some(call) = death.at else {
                assert!(left.is_empty(), "left by {:?} that was not killed: {left:#?}", self.verb);
                break;
            };
            if !left.is_empty() {
                leaks.insert(tried * self.every, (call, left));
                host.sweep();
                // It may be something else that was left.
                let _ = std::fs::remove_dir_all(host.runtime().root().join(container.id()));
            }
            tried += 1;
        }
        let (verb, attack, every, took) = (self.verb, self.attack, self.every, begun.elapsed());
        eprintln!(
            "{verb:?}: {attack:?} at {tried} calls (one in {every}) in {took:.1?}, {} left something",
            leaks.len()
        );
        assert!(
            under_test() != Kind::Tare || leaks.is_empty(),
            "left behind after delete --force: {leaks:#?}"
        );
        assert!(tried > 3, "only {tried} calls: the tracer sees nothing");
    }
}

fn left_after_deletion(host: &Host, container: &mut Container, clean: &Snapshot) -> Vec<String> {
    let deleted = container.force_delete();
    if deleted.code == 0 { clean.leaks(host.marker()) } else { vec![format!("{deleted:?}")] }
}

fn started(container: &mut Container) {
    container.create();
    container.start();
}

fn stopped(container: &mut Container) {
    container.create();
    let _ = container.kill("KILL").ok();
    container.becomes("stopped");
}

#[test]
fn create_killed_at_every_call_leaves_nothing() {
    Campaign::of(&["create"], Attack::KillFirst).leaves_nothing(|_| {});
}

#[test]
fn create_whose_any_process_is_killed_at_every_call_leaves_nothing() {
    Campaign::of(&["create"], Attack::KillCaller).leaves_nothing(|_| {});
}

#[test]
fn create_by_way_of_other_namespaces_killed_at_every_third_call_leaves_nothing() {
    let campaign = Campaign::of(&["create"], Attack::KillFirst);
    Campaign { container: joining, every: 3, ..campaign }.leaves_nothing(|_| {});
}

#[test]
fn create_by_way_of_other_namespaces_whose_any_process_is_killed_at_every_third_call_leaves_nothing() {
    let campaign = Campaign::of(&["create"], Attack::KillCaller);
    Campaign { container: joining, every: 3, ..campaign }.leaves_nothing(|_| {});
}

#[test]
fn run_killed_at_every_fourth_call_leaves_nothing() {
    Campaign { every: 4, ..Campaign::of(&["run", "--detach"], Attack::KillFirst) }.leaves_nothing(|_| {});
}

#[test]
fn run_whose_any_process_is_killed_at_every_fourth_call_leaves_nothing() {
    Campaign { every: 4, ..Campaign::of(&["run", "--detach"], Attack::KillCaller) }.leaves_nothing(|_| {});
}

#[test]
fn start_killed_at_every_call_leaves_nothing() {
    Campaign::of(&["start"], Attack::KillFirst).leaves_nothing(Container::create);
}

#[test]
fn start_whose_any_process_is_killed_at_every_call_leaves_nothing() {
    Campaign::of(&["start"], Attack::KillCaller).leaves_nothing(Container::create);
}

#[test]
fn kill_killed_at_every_call_leaves_nothing() {
    Campaign::of(&["kill"], Attack::KillFirst).leaves_nothing(started);
}

#[test]
fn delete_killed_at_every_call_leaves_nothing() {
    Campaign::of(&["delete"], Attack::KillFirst).leaves_nothing(stopped);
}

#[test]
fn delete_whose_any_process_is_killed_at_every_call_leaves_nothing() {
    Campaign::of(&["delete"], Attack::KillCaller).leaves_nothing(stopped);
}

#[test]
fn delete_by_force_killed_at_every_call_leaves_nothing() {
    Campaign::of(&["delete", "--force"], Attack::KillFirst).leaves_nothing(started);
}

#[test]
fn delete_by_force_whose_any_process_is_killed_at_every_call_leaves_nothing() {
    Campaign::of(&["delete", "--force"], Attack::KillCaller).leaves_nothing(started);
}
