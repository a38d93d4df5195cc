//! Our own runtime passes every check but those that are known, and a check that is killed leaves nothing.

#![allow(clippy::unwrap_used, clippy::panic, reason = "all of it is test code")]

use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

fn conformance() -> Command {
    Command::new(env!("CARGO_BIN_EXE_conformance"))
}

fn known() -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("known.txt").to_string_lossy().into_owned()
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// The cgroups on the machine whose names have the text.
fn groups(with: &str) -> Vec<String> {
    let pattern = format!("*{with}*");
    let list =
        Command::new("find").args(["/sys/fs/cgroup", "-type", "d", "-name", &pattern]).output().unwrap();
    String::from_utf8_lossy(&list.stdout).lines().map(str::to_owned).collect()
}

#[test]
fn our_runtime_conforms_but_for_what_is_known() {
    let _timed = test_report::Timed::start();
    let words = ["--runtime", "tare", "--known", &known(), "--format", "json"];
    let run = conformance().args(words).output().unwrap();
    assert!(run.status.success(), "{}", text(&run));
    let report: serde_json::Value = serde_json::from_slice(&run.stdout).unwrap();
    let suites = report["suites"].as_array().unwrap();
    let checks: Vec<_> = suites.iter().flat_map(|suite| suite["checks"].as_array().unwrap()).collect();
    assert!(checks.len() > 100, "{}", checks.len());
    for check in checks {
        let outcome = &check["outcomes"]["tare"];
        if outcome["outcome"] == "skipped" {
            let name = format!("conformance::{}", check["name"].as_str().unwrap());
            test_report::note_skip_of(&name, outcome["why"].as_str().unwrap());
        }
    }
}

#[test]
fn each_form_of_output_reports_the_same() {
    let run = |format: &str| {
        let words = ["--runtime", "tare", "--only", "runtime.md#query-state", "--format", format];
        let output = conformance().args(words).output().unwrap();
        assert!(output.status.success(), "{}", text(&output));
        text(&output)
    };
    assert!(run("table").contains("tare: 3 passed, 0 failed, 0 skipped"));
    assert!(
        run("tap").contains("1..3\nok 1 - tare state-needs-an-id\n# runtime.md#query-state: This operation")
    );
    let json: serde_json::Value = serde_json::from_str(&run("json")).unwrap();
    assert_eq!(json["suites"][0]["checks"][0]["outcomes"]["tare"]["outcome"], "passed");
}

#[test]
fn a_subject_that_does_nothing_fails() {
    let words = ["--runtime", "/bin/true", "--only", "state-needs-an-id"];
    let run = conformance().args(words).output().unwrap();
    assert!(!run.status.success() && text(&run).contains("FAIL"), "{}", text(&run));
}

#[test]
fn a_run_that_is_killed_leaves_nothing_that_the_next_does_not_remove() {
    let words = ["--runtime", "tare", "--only", "kill-sends-the-signal"];
    let mut run = conformance().args(words).stdout(Stdio::null()).spawn().unwrap();
    let marker = format!("conformance-{}-", run.id());
    let begun = Instant::now();
    while groups(&marker).is_empty() {
        assert!(
            run.try_wait().unwrap().is_none() && begun.elapsed() < Duration::from_secs(20),
            "no container"
        );
    }
    run.kill().unwrap();
    run.wait().unwrap();
    let begun = Instant::now();
    let is_alive = || {
        let mut processes = std::fs::read_dir("/proc").unwrap().flatten();
        processes.any(|process| {
            let words = std::fs::read(process.path().join("cmdline")).unwrap_or_default();
            String::from_utf8_lossy(&words).contains(&marker)
        })
    };
    while is_alive() {
        assert!(begun.elapsed() < Duration::from_secs(10), "its processes live on");
        std::thread::sleep(Duration::from_millis(10));
    }
    let next = conformance().args(["--runtime", "tare", "--only", "state-needs-an-id"]).output().unwrap();
    assert!(next.status.success() && groups(&marker).is_empty(), "{:?}", groups(&marker));
}

/// Crun gives the null device to a container's user: the machine's must not be within its reach.
#[test]
fn the_machines_devices_are_out_of_reach() {
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
    let owner = || std::fs::metadata("/dev/null").unwrap().uid();
    let before = owner();
    let directory = std::env::temp_dir().join(format!("grasping-{}", std::process::id()));
    std::fs::create_dir(&directory).unwrap();
    let script = directory.join("runtime");
    std::fs::write(&script, "#!/bin/sh\nchown 4711 /dev/null; exit 1\n").unwrap();
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).unwrap();
    let words = ["--runtime", &script.to_string_lossy(), "--only", "state-needs-an-id"];
    let run = conformance().args(words).output().unwrap();
    std::fs::remove_dir_all(directory).unwrap();
    let after = owner();
    chown("/dev/null", Some(before), None).unwrap();
    assert!(run.status.success(), "{}", text(&run));
    assert_eq!(after, before);
}
