//! The ways in which engines call a runtime, word by word, and what they read of its answers.

use serde_json::Value;
use tests::{Container, Host, Output};

/// A call whose words stand in one line; `ID`, `B` and `F` are the container, its bundle and a directory for files.
fn call(host: &Host, container: &Container, line: &str) -> tests::Call {
    let bundle = container.bundle().to_string_lossy().into_owned();
    let files = host.files().to_string_lossy().into_owned();
    let words: Vec<String> = line
        .split(' ')
        .map(|word| match word {
            "ID" => container.id().to_string(),
            _ => word.replace("B/", &format!("{bundle}/")).replace("F/", &format!("{files}/")),
        })
        .map(|word| if word == "B" { bundle.clone() } else { word })
        .collect();
    host.runtime().call(&words)
}

fn says(host: &Host, container: &Container, line: &str) -> Output {
    // Output of create is the container's as well, so that it is waited for and not read to its end.
    let mut running = call(host, container, line).spawn();
    running.wait()
}

#[test]
fn containerd_drives_a_container_through_its_life() {
    let host = Host::new();
    let container = host.container(host.config(&["sleep", "60"]));
    let log = "--log B/log.json --log-format json";
    std::fs::write(host.files().join("process.json"), r#"{"cwd": "/", "args": ["/bin/payload", "true"]}"#)
        .unwrap();
    for line in [
        "create --bundle B --pid-file B/init.pid ID",
        "start ID",
        "exec --process F/process.json --detach --pid-file F/exec.pid ID",
        "ps --format json ID",
        "pause ID",
        "resume ID",
        "kill ID 10",
        "kill --all ID 9",
        "delete ID",
        "delete --force ID",
    ] {
        let _ = says(&host, &container, &format!("{log} {line}")).ok();
        if line.starts_with("kill --all") {
            container.becomes("stopped");
            // Also of a stopped one.
            let _ = says(&host, &container, &format!("{log} {line}")).ok();
        }
    }
    // Nothing was wrong, so that nothing was logged.
    assert_eq!(std::fs::read_to_string(container.bundle().join("log.json")).unwrap(), "");
    let mut container = container;
    container.deleted_already();
}

#[test]
fn resources_come_on_standard_input_in_both_spellings() {
    let host = Host::new();
    let mut container = host.container(host.config(&["sleep", "60"]));
    container.create();
    container.start();
    for (line, limit) in [("update --resources - ID", 50), ("update --resources=- ID", 60)] {
        let document =
            format!(r#"{{"pids": {{"limit": {limit}}}, "devices": [{{"allow": false, "access": "rwm"}}]}}"#);
        let _ = call(&host, &container, line).input(&document).run().ok();
        assert_eq!(container.limit("pids", "pids.max"), limit.to_string());
    }
}

#[test]
fn podman_calls_without_a_root_a_path_or_a_runtime_directory() {
    let host = Host::new();
    let container = host.container(host.config(&["sleep", "60"]));
    let bundle = container.bundle().to_string_lossy().into_owned();
    let log = container.bundle().join("oci-log").to_string_lossy().into_owned();
    let bare = |words: &[&str]| {
        let call = host.runtime().bare().args(words.iter().map(ToString::to_string));
        let call = call.with(|command| {
            command.env_clear().env("XDG_RUNTIME_DIR", "");
        });
        call.spawn().wait()
    };
    let id = container.id();
    let create = ["--log-format=json", "--log", &log, "create", "--bundle", &bundle, "--pid-file", "F", id];
    let pid_file = host.files().join("pid").to_string_lossy().into_owned();
    let create = create.map(|word| if word == "F" { pid_file.as_str() } else { word });
    let _ = bare(&create).ok();
    for words in [&["start", id][..], &["state", id], &["pause", id], &["resume", id], &["kill", id, "9"]] {
        let _ = bare(words).ok();
    }
    tests::eventually("it has ended", || bare(&["state", id]).ok().json()["status"] == "stopped");
    let _ = bare(&["delete", "--force", id]).ok();
    assert!(!std::path::Path::new("/run/tare").join(id).exists());
    // What the default root is for is this runtime's own.
    let _ = std::fs::remove_dir("/run/tare");
    let mut container = container;
    container.deleted_already();
}

#[test]
fn buildah_leaks_descriptors_that_do_not_reach_the_container() {
    let host = Host::new();
    let container = host.container(host.config(&["report"]));
    let program = host.runtime().program().to_string_lossy().into_owned();
    let root = host.runtime().root().to_string_lossy().into_owned();
    let opened: String = (3..=17).map(|number| format!(" {number}</dev/null")).collect();
    let line = format!(
        "exec {program} --root {root} run --bundle {} {}{opened}",
        container.bundle().display(),
        container.id()
    );
    let report = host.tool(&["bash", "-c", &line]).json();
    assert_eq!(report["fds"].as_array().unwrap().len(), 3, "{}", report["fds"]);
}

#[test]
fn checkpoint_has_help_and_reports_what_an_option_lacks() {
    let host = Host::new();
    let _ = host.runtime().run(&["checkpoint", "--help"]).ok();
    let output = host.runtime().run(&["restore", "--lsm-mount-context"]).fails();
    let _ = output.says(&["flag needs an argument"]);
}

#[test]
fn a_failed_create_leaves_exactly_one_object_in_the_log() {
    let host = Host::new();
    let config = host
        .config(&[])
        .args(&["nope"])
        .set("/process/capabilities/bounding", serde_json::json!(["CAP_BOGUS"]));
    let container = host.container(config);
    let output = says(&host, &container, "--log-format=json --log F/oci-log create --bundle B ID").fails();
    assert_eq!(output.code, 1);
    let text = std::fs::read_to_string(host.files().join("oci-log")).unwrap();
    let object: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(object["level"], "error");
    assert!(object["msg"].as_str().unwrap().contains("executable file not found in $PATH"), "{text}");
    assert!(object["time"].as_str().unwrap().contains('T'), "{text}");
    let mut container = container;
    container.deleted_already();
}

#[test]
fn the_words_that_callers_look_for_are_there() {
    let host = Host::new();
    let mut container = host.container(host.config(&["sleep", "60"]));
    container.create();
    container.start();
    std::fs::write(container.rootfs().join("plain"), "").unwrap();
    for (program, words) in [
        ("nope", "executable file not found in $PATH"),
        ("/nope", "no such file or directory"),
        ("/plain", "permission denied"),
        ("/bin", "permission denied"),
        ("/bin", "is a directory"),
        ("/plain/nope", "not a directory"),
    ] {
        let output = container.exec(&[], &[program]).fails();
        assert!(output.err.contains(words), "{program}: {output:?}");
    }
    let _ = container.kill("KILL").ok();
    container.becomes("stopped");
    assert!(container.kill("KILL").fails().err.contains("container not running"));
    let missing = host.runtime().run(&["state", "nobody"]).fails();
    assert!(missing.err.contains("container does not exist: \\\"nobody\\\""), "{missing:?}");
    let _ = host.runtime().run(&["delete", "--force", "nobody"]).ok();
}

#[test]
fn the_version_has_the_lines_that_are_read() {
    let host = Host::new();
    let output = host.runtime().bare().args(["--version"]).run().ok();
    let lines: Vec<&str> = output.out.lines().collect();
    assert!(lines[0].contains(" version "), "{output:?}");
    assert!(lines[1].starts_with("commit: ") && lines[2].starts_with("spec: 1."), "{output:?}");
}

#[test]
fn features_are_json_and_nothing_else() {
    let host = Host::new();
    let output = host.runtime().bare().args(["features"]).run().ok();
    assert_eq!(output.err, "");
    let features = output.json();
    assert!(features["mountOptions"].as_array().unwrap().iter().any(|option| option == "rro"));
    assert_eq!(features["linux"]["mountExtensions"]["idmap"]["enabled"], true);
    assert!(!features["ociVersionMin"].as_str().unwrap().is_empty());
}

#[test]
fn options_before_the_verb_are_accepted() {
    let host = Host::new();
    let mut container = host.container(host.config(&["true"]));
    for line in [
        "--rootless=false list",
        "--rootless auto list",
        "--criu /usr/sbin/criu list",
        "--debug list",
        "--cgroup-manager cgroupfs list",
        "-log-format json list",
    ] {
        let _ = says(&host, &container, line).ok();
    }
    let _ = says(&host, &container, "--cgroup-manager bogus create --bundle B ID")
        .fails()
        .says(&["cgroup-manager"]);
    let _ = container.run_with(&["--no-new-keyring", "-no-pivot"]).ok();
    container.deleted_already();
}

#[test]
fn init_is_an_orphan_when_create_is_over() {
    let host = Host::new();
    let container = host.container(host.config(&["sleep", "60"]));
    let bundle = container.bundle().to_string_lossy().into_owned();
    let mut running = host.runtime().call(&["create", "--bundle", &bundle, container.id()]).spawn();
    let runtime = running.pid();
    let _ = running.wait().ok();
    let status = std::fs::read_to_string(format!("/proc/{}/status", container.pid())).unwrap();
    let parent = status.lines().find_map(|line| line.strip_prefix("PPid:")).unwrap().trim().to_string();
    // This process adopts orphans, as a shim does; no process of the runtime waits for it.
    assert_ne!(parent, runtime.to_string());
    let words = std::fs::read_to_string(format!("/proc/{parent}/cmdline")).unwrap();
    assert!(!words.contains(container.id()), "{words:?}");
}
