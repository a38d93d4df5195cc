//! Hooks: which run, in what order, where, with what on standard input, and what a failing one does.

use std::os::unix::fs::MetadataExt as _;

use serde_json::{Value, json};
use tare_bundle::config::Config;
use tests::{Host, Kind, built, skip_for};

/// The host's path of the payload, which plays the hooks that the runtime starts from its own root.
fn program() -> String {
    built().join("tare-payload").to_string_lossy().into_owned()
}

/// Adds a hook of the kind that writes its line to the host's file. Inside, that file is under /hooks.
fn with_hook(host: &Host, config: Config, kind: &str, name_and_code: [&str; 2]) -> Config {
    let directory = if kind == "startContainer" {
        "/hooks".into()
    } else {
        host.files().join("hooks").to_string_lossy().into_owned()
    };
    let program = if kind == "startContainer" { "/bin/payload".into() } else { program() };
    config.hook(kind, &[&program, "hook", &format!("{directory}/lines"), name_and_code[0], name_and_code[1]])
}

fn prepared(host: &Host, words: &[&str]) -> Config {
    let directory = host.files().join("hooks");
    std::fs::create_dir_all(&directory).unwrap();
    host.config(words).bind(&directory.to_string_lossy(), "/hooks", &["rw"])
}

/// The lines that hooks have written so far.
fn lines(host: &Host) -> Vec<Value> {
    let text = std::fs::read_to_string(host.files().join("hooks/lines")).unwrap_or_default();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn names(host: &Host) -> Vec<String> {
    lines(host).iter().map(|line| line["hook"].as_str().unwrap().to_string()).collect()
}

const KINDS: [&str; 6] =
    ["prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"];

#[test]
fn all_kinds_run_at_their_time_in_the_order_of_the_list() {
    skip_for!(Runc, "it runs poststart at create, against the specification");
    let host = Host::new();
    let mut config = prepared(&host, &["sleep", "60"]);
    for kind in KINDS {
        for number in 1..=2 {
            config = with_hook(&host, config, kind, [&format!("{kind} {number}"), "0"]);
        }
    }
    let mut container = host.container(config);
    container.create();
    let of_create = [
        "prestart 1",
        "prestart 2",
        "createRuntime 1",
        "createRuntime 2",
        "createContainer 1",
        "createContainer 2",
    ];
    assert_eq!(names(&host), of_create);
    container.start();
    let of_start = ["startContainer 1", "startContainer 2", "poststart 1", "poststart 2"];
    assert_eq!(names(&host)[6..], of_start);
    let _ = container.kill("KILL").ok();
    container.becomes("stopped");
    assert_eq!(names(&host).len(), 10);
    let _ = container.delete().ok();
    assert_eq!(names(&host)[10..], ["poststop 1", "poststop 2"]);
}

#[test]
fn each_hook_is_given_the_state() {
    skip_for!(Runc, "it runs poststart at create, against the specification");
    let host = Host::new();
    let mut config = prepared(&host, &["sleep", "60"]).annotation("key", "value");
    for kind in KINDS {
        config = with_hook(&host, config, kind, [kind, "0"]);
    }
    let mut container = host.container(config);
    container.create();
    let pid = container.pid();
    container.start();
    let _ = container.kill("KILL").ok();
    container.becomes("stopped");
    let _ = container.delete().ok();
    let lines = lines(&host);
    assert_eq!(lines.len(), KINDS.len());
    let expected = [
        ("prestart", "creating"),
        ("createRuntime", "creating"),
        ("createContainer", "creating"),
        ("startContainer", "created"),
        ("poststart", "running"),
        ("poststop", "stopped"),
    ];
    for (line, (kind, status)) in lines.iter().zip(expected) {
        let state = &line["state"];
        assert_eq!(line["hook"], kind);
        assert_eq!(state["id"], container.id(), "{kind}");
        assert_eq!(state["bundle"], container.bundle().to_string_lossy().as_ref(), "{kind}");
        assert_eq!(state["annotations"]["key"], "value", "{kind}");
        assert!(state["ociVersion"].is_string(), "{kind}");
        assert_eq!(state["status"], status, "{kind}");
        if matches!(kind, "prestart" | "createRuntime" | "poststart") {
            assert_eq!(state["pid"], pid, "{kind}");
        }
    }
}

#[test]
fn hooks_run_in_the_namespaces_that_the_specification_names() {
    let host = Host::new();
    let mut config = prepared(&host, &["sleep", "60"]);
    for kind in KINDS {
        config = with_hook(&host, config, kind, [kind, "0"]);
    }
    let mut container = host.container(config);
    container.create();
    let inode = |path: String| std::fs::metadata(path).unwrap().ino();
    let inside = inode(format!("/proc/{}/ns/mnt", container.pid()));
    let outside = inode("/proc/thread-self/ns/mnt".into());
    container.start();
    let _ = container.force_delete().ok();
    assert_eq!(names(&host).len(), KINDS.len());
    for line in lines(&host) {
        let kind = line["hook"].as_str().unwrap();
        let wanted = if matches!(kind, "createContainer" | "startContainer") { inside } else { outside };
        assert_eq!(line["namespaces"]["mnt"], wanted, "{kind}");
    }
}

#[test]
fn the_mounts_are_there_for_create_container_and_the_root_is_not_yet_left() {
    let host = Host::new();
    let config = with_hook(&host, prepared(&host, &["true"]), "createContainer", ["hook", "0"]);
    let mut container = host.container(config);
    let rootfs = container.rootfs().to_string_lossy().into_owned();
    let _ = container.run().ok();
    let line = &lines(&host)[0];
    let points: Vec<&str> =
        line["mounts"].as_array().unwrap().iter().map(|mount| mount["point"].as_str().unwrap()).collect();
    assert!(points.contains(&format!("{rootfs}/proc").as_str()), "{points:?}");
}

#[test]
fn arguments_and_environment_are_exactly_as_configured() {
    let host = Host::new();
    let file = host.files().join("hooks/lines").to_string_lossy().into_owned();
    let hook = json!({"path": program(), "args": ["own name", "hook", file, "it"], "env": ["ONLY=this"]});
    let config = prepared(&host, &["true"]).set("/hooks/createRuntime/-", hook);
    let _ = host.run(config).ok();
    let line = &lines(&host)[0];
    assert_eq!(line["args"][0], "own name");
    assert_eq!(line["env"], json!(["ONLY=this"]));
}

#[test]
fn hooks_inherit_no_descriptor_of_the_runtime() {
    skip_for!(Runc, "its createContainer hooks get three");
    let host = Host::new();
    let mut config = prepared(&host, &["true"]);
    for kind in KINDS {
        config = with_hook(&host, config, kind, [kind, "0"]);
    }
    let mut container = host.container(config);
    let _ = container.run().ok();
    assert_eq!(names(&host), KINDS);
    for line in lines(&host) {
        let open: Vec<&Value> =
            line["fds"].as_array().unwrap().iter().filter(|fd| fd["fd"].as_u64().unwrap() > 2).collect();
        assert!(open.is_empty(), "{}: {open:?}", line["hook"]);
    }
}

#[test]
fn a_failing_hook_before_the_program_fails_create_and_leaves_nothing() {
    for kind in ["prestart", "createRuntime", "createContainer"] {
        a_failing_hook_fails_create(kind);
    }
}

/// In a thread of its own, since each host is a thread's.
fn a_failing_hook_fails_create(kind: &'static str) {
    let thread = std::thread::spawn(move || {
        let host = Host::new();
        let config = with_hook(&host, prepared(&host, &["true"]), kind, ["good", "0"]);
        let config = with_hook(&host, config, kind, ["bad", "3"]);
        let mut container = host.container(with_hook(&host, config, "poststop", ["after", "0"]));
        let output = container.create_with(&[]).fails();
        assert!(output.err.contains("hook"), "{kind}: {output:#?}");
        let _ = container.verb(&["state"]).fails();
        // "continue the lifecycle at step 12": what create made is undone, and poststop hooks run.
        if tests::under_test() != tests::Kind::Crun {
            assert_eq!(names(&host), ["good", "bad", "after"], "{kind}");
        }
        host.is_clean();
    });
    thread.join().unwrap();
}

#[test]
fn the_error_of_a_hook_names_its_kind_and_its_number() {
    let host = Host::new();
    for kind in ["prestart", "createRuntime", "createContainer"] {
        let config = with_hook(&host, prepared(&host, &["true"]), kind, ["good", "0"]);
        let mut container = host.container(with_hook(&host, config, kind, ["bad", "3"]));
        let output = container.create_with(&[]).fails();
        if tests::under_test() == tests::Kind::Tare {
            let _ = output.says(&[kind, "#1", "exit status 3"]);
        }
    }
}

#[test]
fn a_failing_hook_fails_run_and_the_program_does_not_print() {
    skip_for!(Runc, "a failing startContainer hook fails nothing");
    skip_for!(Crun, "a failing startContainer hook fails nothing");
    let host = Host::new();
    for kind in ["prestart", "createRuntime", "createContainer", "startContainer", "poststart"] {
        let output =
            host.run(with_hook(&host, prepared(&host, &["do", "sleep 0.3", "echo ran"]), kind, ["bad", "3"]));
        assert_ne!(output.code, 0, "{kind}: {output:#?}");
        assert!(!output.out.contains("ran"), "{kind}: {output:#?}");
    }
}

#[test]
fn a_hook_without_an_environment_has_that_of_its_side() {
    skip_for!(Runc, "it gives them none");
    skip_for!(Crun, "it gives a startContainer hook the runtime's");
    let host = Host::new();
    let mut config = prepared(&host, &["sleep", "60"]).env("SIDE=inside");
    for kind in ["createRuntime", "createContainer", "startContainer"] {
        config = with_hook(&host, config, kind, [kind, "0"]);
    }
    let mut container = host.container(config);
    let bundle = container.bundle().to_string_lossy().into_owned();
    let call = host.runtime().call(&["create", "--bundle", &bundle, container.id()]).with(|command| {
        command.env("SIDE", "outside");
    });
    let _ = call.run().ok();
    container.start();
    assert_eq!(names(&host), ["createRuntime", "createContainer", "startContainer"]);
    for (line, side) in lines(&host).iter().zip(["SIDE=outside", "SIDE=outside", "SIDE=inside"]) {
        assert!(
            line["env"].as_array().unwrap().iter().any(|pair| pair == side),
            "{}: {}",
            line["hook"],
            line["env"]
        );
    }
    let _ = container.force_delete().ok();
}

#[test]
fn a_hook_may_mount_into_the_root() {
    let host = Host::new();
    let library = host.files().join("library");
    std::fs::write(&library, "of a hook\n").unwrap();
    let config = host.config(&["cat", "/etc/passwd"]);
    let mut container = host.container(config);
    let target = container.rootfs().join("etc/passwd");
    let script = format!("exec mount --bind {} {}", library.display(), target.display());
    let config = host.config(&["cat", "/etc/passwd"]).cgroup(&format!("/{}", container.id()));
    let config = config.hook("createContainer", &["/bin/sh", "-c", &script]);
    let config = config.set("/hooks/createContainer/0/env", json!(["PATH=/usr/bin:/bin"]));
    std::fs::write(container.bundle().join("config.json"), config.value().to_string()).unwrap();
    assert_eq!(container.run().ok().out, "of a hook\n");
}

#[test]
fn a_failing_start_container_hook_keeps_the_program_from_running() {
    let host = Host::new();
    let config = prepared(&host, &["write", "/tmp/ran", "yes"]);
    let mut container = host.container(with_hook(&host, config, "startContainer", ["bad", "3"]));
    container.create();
    let _ = container.verb(&["start"]);
    tests::eventually("the container is gone or stopped", || {
        let output = container.verb(&["state"]);
        output.code != 0 || output.json()["status"] == "stopped"
    });
    assert!(!container.rootfs().join("tmp/ran").exists());
}

/// runtime.md, "Lifecycle", step 9: "If any poststart hook fails, the runtime MUST generate an error, stop the container".
#[test]
fn a_failing_poststart_hook_is_an_error_and_stops_the_container() {
    let host = Host::new();
    skip_for!(Crun, "it lets the container run on");
    let mut config = prepared(&host, &["sleep", "60"]);
    for (name, code) in [("first", "3"), ("second", "0")] {
        config = with_hook(&host, config, "poststart", [name, code]);
    }
    let mut container = host.container(config);
    container.create();
    let _ = container.verb(&["start"]).fails();
    tests::eventually("the container is stopped", || container.status() == "stopped");
    assert_eq!(names(&host), ["first"]);
}

#[test]
fn a_failing_poststop_hook_keeps_nothing_from_being_deleted() {
    skip_for!(Runc, "it stops at the first, against the specification");
    let host = Host::new();
    let mut config = prepared(&host, &["true"]);
    for (name, code) in [("first", "3"), ("second", "0")] {
        config = with_hook(&host, config, "poststop", [name, code]);
    }
    let mut container = host.container(config);
    container.create();
    let output = container.verb(&["delete", "--force"]);
    let _ = container.verb(&["state"]).fails();
    assert_eq!(names(&host), ["first", "second"]);
    if host.runtime().kind() == Kind::Tare {
        let _ = output.ok().says(&["warning", "poststop"]);
    }
}

#[test]
fn a_hook_that_takes_longer_than_its_timeout_is_killed_and_fails() {
    let host = Host::new();
    let hook = json!({"path": program(), "args": ["payload", "sleep", "60"], "timeout": 1});
    let mut container = host.container(host.config(&["true"]).set("/hooks/createRuntime/-", hook));
    let _ = container.create_with(&[]).fails();
    host.is_clean();
}

#[test]
fn a_hook_that_is_missing_fails_create() {
    let host = Host::new();
    let mut container = host.container(host.config(&["true"]).hook("createRuntime", &["/nonexistent/hook"]));
    let _ = container.create_with(&[]).fails().says(&["/nonexistent/hook"]);
    host.is_clean();
}

/// Docker's filter answers that there is no clone3.
#[test]
fn start_container_hooks_run_under_the_filter_of_docker() {
    let host = Host::new();
    let config = prepared(&host, &["true"]).seccomp().unwrap();
    let config = with_hook(&host, config, "startContainer", ["under the filter", "0"]);
    let _ = host.run(config).ok();
    assert_eq!(names(&host), ["under the filter"]);
}
