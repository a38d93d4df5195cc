//! How engines call a runtime beyond containerd's own words: each in its order, and what a caller gains by it.

use std::time::{Duration, Instant};

use serde_json::Value;
use tests::{Call, Console, Container, Host, Output, eventually, skip, skip_for};

/// A call whose words stand in one line; `ID`, `B` and `F` are the container, its bundle and a directory for files.
fn call(host: &Host, container: &Container, line: &str) -> Call {
    let (bundle, files) = (container.bundle().to_string_lossy(), host.files().to_string_lossy());
    let words: Vec<String> = line
        .split(' ')
        .map(|word| match word {
            "ID" => container.id().to_string(),
            "B" => bundle.to_string(),
            _ => word.replace("B/", &format!("{bundle}/")).replace("F/", &format!("{files}/")),
        })
        .collect();
    host.runtime().call(&words)
}

/// Calls and waits; the streams of create and run are the container's as well.
fn says(host: &Host, container: &Container, line: &str) -> Output {
    let mut running = call(host, container, line).spawn();
    running.wait()
}

fn document(host: &Host, terminal: bool) {
    let text = serde_json::json!({"cwd": "/", "terminal": terminal, "args": ["/bin/payload", "echo", "in"]});
    std::fs::write(host.files().join("process.json"), text.to_string()).unwrap();
}

#[test]
fn a_monitor_creates_enters_and_updates_without_a_cgroup_and_with_one() {
    skip_for!(Runc, "it has no option for the manager of cgroups");
    skip_for!(Crun, "it kills no process where it has no cgroup");
    let host = Host::new();
    document(&host, true);
    std::fs::write(host.files().join("podman1"), r#"{"pids": {"limit": 50}}"#).unwrap();
    for manager in ["", "--cgroup-manager disabled "] {
        let mut container = host.container(host.config(&["sleep", "60"]).set("/process/terminal", true));
        let log = "--log-format=json --log B/oci-log";
        let console = Console::listen(host.files());
        let line = format!(
            "{log} {manager}create --bundle B --pid-file B/pidfile --no-new-keyring --no-pivot --preserve-fds 0 \
             --console-socket F/console ID"
        );
        let mut created = call(&host, &container, &line).spawn();
        let _terminal = console.accept();
        let _ = created.wait().ok();
        assert_eq!(
            std::fs::read_to_string(container.bundle().join("pidfile")).unwrap(),
            container.pid().to_string()
        );
        let _ = says(&host, &container, "start ID").ok();
        let console = Console::listen(host.files());
        let line = format!(
            "{log} exec --pid-file F/exec.pid --process F/process.json --detach --tty --console-socket F/console ID"
        );
        let mut entered = call(&host, &container, &line).spawn();
        let mut terminal = console.accept();
        let _ = entered.wait().ok();
        let _ = terminal.expect("in");
        let updated = says(&host, &container, "update --resources=F/podman1 ID");
        if manager.is_empty() {
            let _ = updated.ok();
            assert_eq!(container.limit("pids", "pids.max"), "50");
        } else {
            let _ = updated.fails();
            assert!(!container.cgroup("pids").exists(), "it was asked to make none");
        }
        let _ = says(&host, &container, "kill --all ID 9").ok();
        container.becomes("stopped");
        let _ = says(&host, &container, "delete --force ID").ok();
        // That there is no cgroup to be shown in the container is warned of, and no error.
        let logged = std::fs::read_to_string(container.bundle().join("oci-log")).unwrap();
        assert!(!logged.contains("\"error\""), "{logged}");
        container.deleted_already();
    }
}

#[test]
fn a_builder_creates_starts_asks_and_deletes() {
    skip_for!(Crun, "its words are others");
    let host = Host::new();
    let mut container = host.container(host.config(&["fail", "3"]));
    for line in ["create --bundle B --pid-file B/pid --no-new-keyring ID", "start ID"] {
        let _ = says(&host, &container, line).ok();
    }
    eventually("it has stopped", || says(&host, &container, "state ID").ok().json()["status"] == "stopped");
    let state = says(&host, &container, "state ID").ok().json();
    assert_eq!(state["pid"], 0);
    assert!(says(&host, &container, "kill ID 9").fails().err.contains("container not running"));
    let _ = says(&host, &container, "delete ID").ok();
    container.deleted_already();
}

#[test]
fn a_build_runs_in_the_foreground_kept_or_not() {
    skip_for!(Crun, "its words are others");
    let host = Host::new();
    let mut container = host.container(host.config(&["fail", "3"]));
    let log = "--log F/log --log-format json";
    assert_eq!(says(&host, &container, &format!("{log} run --bundle B ID")).code, 3);
    let _ = says(&host, &container, "state ID").fails().says(&["does not exist"]);
    assert_eq!(says(&host, &container, &format!("{log} run --keep --bundle B ID")).code, 3);
    assert_eq!(says(&host, &container, "state ID").ok().json()["status"], "stopped");
    let _ = says(&host, &container, "delete ID").ok();
    document(&host, false);
    container.create();
    let entered = says(&host, &container, "exec --process F/process.json --pid-file F/exec.pid ID").ok();
    assert_eq!(entered.out, "in\n");
    assert_eq!(std::fs::read_to_string(host.files().join("log")).unwrap(), "");
}

#[test]
fn signals_come_by_name_and_a_state_has_every_field() {
    skip_for!(Crun, "it reports the root file system as the configuration has it");
    let host = Host::new();
    let config = host.config(&["trap", "TERM", "USR1"]).annotation("org.example", "kept");
    let mut container = host.container(config);
    container.create();
    container.start();
    container.prints("ready");
    let _ = says(&host, &container, "kill ID USR1").ok();
    container.prints("SIGUSR1");
    let state = says(&host, &container, "state ID").ok().json();
    assert_eq!((state["id"].as_str(), state["status"].as_str()), (Some(container.id()), Some("running")));
    assert_eq!(state["bundle"].as_str().unwrap(), container.bundle().to_string_lossy());
    assert_eq!(state["rootfs"].as_str().unwrap(), container.rootfs().to_string_lossy());
    assert_eq!(state["annotations"]["org.example"], "kept");
    let created = state["created"].as_str().unwrap();
    assert!(created.len() >= 20 && created.contains('T') && created.ends_with('Z'), "{created}");
    let _ = call(&host, &container, "update --resources - ID").input(r#"{"pids": {"limit": 40}}"#).run().ok();
    assert_eq!(container.limit("pids", "pids.max"), "40");
    let _ = says(&host, &container, "kill -a ID KILL").ok();
    container.becomes("stopped");
    assert_eq!(says(&host, &container, "ps --format json ID").ok().json(), Value::Null);
    assert!(says(&host, &container, "pause ID").fails().err.contains("not running"));
}

#[test]
fn what_is_deleted_already_is_said_or_passed_over() {
    skip_for!(Crun, "its words are others");
    let host = Host::new();
    let container = host.container(host.config(&["true"]));
    let forced = says(&host, &container, "delete --force ID").ok();
    assert_eq!((forced.out.as_str(), forced.err.as_str()), ("", ""));
    for line in ["delete ID", "kill ID 9", "state ID", "start ID", "pause ID"] {
        let _ = says(&host, &container, line).fails().says(&["does not exist"]);
    }
    let mut container = container;
    container.deleted_already();
}

#[test]
fn a_mount_of_the_wrong_kind_says_so_in_the_kernels_words() {
    skip_for!(Crun, "its words begin with a capital letter");
    let host = Host::new();
    let directory = host.files().to_string_lossy().into_owned();
    let mut container = host.container(host.config(&["true"]).bind(&directory, "/file", &[]));
    std::fs::write(container.rootfs().join("file"), "").unwrap();
    let output = says(&host, &container, "create --bundle B ID").fails();
    // Docker adds its own hint to these words.
    assert!(output.code == 1 && output.err.contains("not a directory"), "{output:?}");
    container.deleted_already();
}

#[test]
fn both_cgroup_versions_at_once_are_used() {
    let host = Host::new();
    let Some(v2) = tests::hierarchies::v2().filter(|_| !tests::hierarchies::only_v2()) else {
        skip!("this machine has one version of cgroups");
    };
    let mut container = host.container(host.config(&["sleep", "60"]).pids(30));
    container.create();
    assert_eq!(container.limit("pids", "pids.max"), "30");
    let path = v2.join(container.id()).join("cgroup.procs");
    assert!(std::fs::read_to_string(path).unwrap().lines().any(|pid| pid == container.pid().to_string()));
}

#[test]
fn a_limit_of_one_mebibyte_is_enough() {
    skip_for!(Runc, "it needs more itself");
    let host = Host::new();
    if tests::hierarchies::v1("memory").is_none() {
        skip!("this machine does not have the v1 controller");
    }
    let mut container = host.container(host.config(&["sleep", "60"]).memory(1 << 20));
    container.create();
    container.start();
    assert_eq!(container.status(), "running");
}

#[test]
fn delete_by_force_does_not_pause() {
    let host = Host::new();
    let mut container = host.container(host.config(&["true"]));
    let mut best = Duration::MAX;
    // The best of several: other tests run on the same CPUs.
    for _ in 0..8 {
        container.create();
        container.start();
        container.becomes("stopped");
        let _ = container.delete().ok();
        let begun = Instant::now();
        let _ = says(&host, &container, "delete --force ID").ok();
        best = best.min(begun.elapsed());
    }
    assert!(best < Duration::from_millis(60), "{best:?}");
    container.deleted_already();
}

#[test]
fn a_run_in_the_foreground_always_ends() {
    let host = Host::new();
    let mut container = host.container(host.config(&["true"]));
    for _ in 0..30 {
        let _ = says(&host, &container, "run --bundle B ID").ok();
    }
    container.deleted_already();
}
