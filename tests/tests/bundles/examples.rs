//! The examples: each makes a bundle that runs and shows what it says.

use serde_json::Value;
use tare_bundle::example::{EXAMPLES, Example};
use tests::{Call, Console, Container, Host, Kind, built, skip_for, under_test};

/// The example as a container of the test.
fn made(host: &Host, name: &str) -> Container {
    let id = host.id();
    let directory = host.files().join(&id);
    Example::named(name).unwrap().make(&directory, &built().join("tare-payload")).unwrap();
    let path = directory.join("config.json");
    let mut config: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
    config["linux"]["cgroupsPath"] = format!("/{id}").into();
    if under_test() != Kind::Tare {
        config["ociVersion"] = "1.0.2".into();
    }
    std::fs::write(path, config.to_string()).unwrap();
    host.adopt(id, &directory)
}

#[test]
fn every_example_has_a_name_and_a_sentence_of_its_own() {
    let mut names: Vec<&str> = EXAMPLES.iter().map(|one| one.name).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), EXAMPLES.len());
    assert!(EXAMPLES.iter().all(|one| one.shows.len() > 10));
}

#[test]
fn the_program_lists_them_and_makes_them() {
    let host = Host::new();
    let program = built().join("tare-bundle");
    let listed = Call::new(&program, host.files()).args(["examples"]).run().ok().out;
    for example in EXAMPLES {
        assert!(listed.lines().any(|line| line.starts_with(example.name)), "{}", example.name);
        let directory = host.files().join(example.name);
        let words = ["example", example.name, &directory.to_string_lossy()].map(String::from);
        let _ = Call::new(&program, host.files()).args(words).run().ok();
        assert!(directory.join("config.json").is_file());
    }
    let _ = Call::new(&program, host.files())
        .args(["example", "none", "x"])
        .run()
        .fails()
        .says(&["no example 'none'", "page"]);
}

#[test]
fn page_serves_until_it_is_ended() {
    let host = Host::new();
    let mut container = made(&host, "page");
    container.create();
    container.start();
    container.prints("ready");
    let _ = container.kill("TERM").ok();
    container.becomes("stopped");
}

#[test]
fn report_prints_json() {
    let host = Host::new();
    let report = made(&host, "report").run().ok().json();
    assert_eq!(report["hostname"], "report");
    assert_eq!(report["seccomp"], 2);
}

#[test]
fn limits_stop_the_program() {
    let host = Host::new();
    assert_eq!(made(&host, "limits").run().ok().json()["error"], "EAGAIN");
}

#[test]
fn read_only_takes_no_write() {
    let host = Host::new();
    let report = made(&host, "read-only").run().ok().json();
    assert_eq!(report["paths"]["/"]["write"], "EROFS");
    assert_eq!(report["paths"]["/dev/shm"]["write"], "ok");
}

#[test]
fn overlay_shows_both_layers_and_takes_writes() {
    if under_test() != Kind::Tare {
        return tests::skip::note_peer("any peer", "the overlay root is ours alone");
    }
    let host = Host::new();
    let mut container = made(&host, "overlay");
    assert_eq!(container.run().ok().out, "group\nnew\npasswd\nsite\na file of the upper layer\n");
    assert!(container.bundle().join("upper/etc/new").is_file());
}

#[test]
fn overlay_read_only_takes_no_write() {
    if under_test() != Kind::Tare {
        return tests::skip::note_peer("any peer", "the overlay root is ours alone");
    }
    let host = Host::new();
    assert_eq!(made(&host, "overlay-read-only").run().ok().json()["paths"]["/etc"]["write"], "EROFS");
}

#[test]
fn users_are_mapped() {
    let host = Host::new();
    let mut container = made(&host, "users");
    let report = container.run().ok().json();
    assert_eq!(report["uid"], 0);
    let own = std::fs::metadata("/proc/self/ns/user").unwrap();
    assert_ne!(report["namespaces"]["user"].as_u64().unwrap(), std::os::unix::fs::MetadataExt::ino(&own));
}

#[test]
fn terminal_has_one() {
    let host = Host::new();
    let console = Console::listen(host.files());
    let mut container = made(&host, "terminal");
    let _ = container.create_with(&["--console-socket", &console.path()]).ok();
    let mut master = console.accept();
    container.start();
    master.expect("ready");
}

#[test]
fn a_bundle_of_any_root_file_system_runs() {
    skip_for!(Crun, "it refuses the version");
    let host = Host::new();
    let root = made(&host, "report").bundle().join("rootfs");
    let mut container = host.container(host.config(&["true"]));
    let words = [
        "new",
        &container.bundle().to_string_lossy(),
        "--root",
        &root.to_string_lossy(),
        "--",
        "/bin/payload",
        "echo",
        "it runs",
    ];
    let _ = Call::new(built().join("tare-bundle"), host.files()).args(words.map(String::from)).run().ok();
    assert_eq!(container.run().ok().out, "it runs\n");
}
