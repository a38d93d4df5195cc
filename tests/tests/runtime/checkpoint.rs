//! checkpoint and restore, with a stand-in for criu: what is asked of it, and what becomes of the container.

use std::path::PathBuf;

use serde_json::{Value, json};
use tare_bundle::config::Config;
use tests::{Call, Container, Host, Output, built, eventually, skip_for};

/// criu's numbers for what is asked.
const DUMP: u64 = 1;
const RESTORE: u64 = 2;
const PRE_DUMP: u64 = 4;

/// The container goes before its host, which looks for what is left.
struct Stage {
    container: Container,
    host: Host,
    images: PathBuf,
}

impl Stage {
    fn new(change: impl FnOnce(Config) -> Config) -> Self {
        let host = Host::new();
        let mut container = host.container(change(host.config(&["sleep", "60"])));
        container.create();
        container.start();
        let images = host.files().join("images");
        Self { container, host, images }
    }

    fn notes(&self) -> PathBuf {
        self.host.files().join("notes")
    }

    fn call(&self, verb: &str, options: &[&str]) -> Call {
        let stub = built().join("criu-stub").to_string_lossy().into_owned();
        let images = self.images.to_string_lossy().into_owned();
        let words =
            [&["--criu", &stub, verb, "--image-path", &images], options, &[self.container.id()]].concat();
        self.host.runtime().call(&words).with(|command| {
            command.env("STUB_NOTES", self.notes());
        })
    }

    fn checkpoint(&self, options: &[&str]) -> Output {
        self.call("checkpoint", options).run()
    }

    fn restore(&self, options: &[&str]) -> Output {
        let bundle = self.container.bundle().to_string_lossy().into_owned();
        // The restored process keeps the streams.
        let mut running = self.call("restore", &[&["--bundle", &bundle], options].concat()).spawn();
        running.wait()
    }

    /// The options of the last request of this kind, by criu's numbers.
    fn asked(&self, kind: u64) -> Value {
        let text = std::fs::read_to_string(self.notes()).unwrap();
        let all = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let mut all = all.filter(|request| request["kind"] == kind);
        all.next_back().expect("a request of this kind")["options"].clone()
    }
}

#[test]
fn a_dumped_container_is_gone_and_comes_back() {
    skip_for!(Crun, "Debian's has no checkpoint");
    let mut stage = Stage::new(|config| config.pids(20));
    let pid = stage.container.pid();
    let _ = stage.checkpoint(&[]).ok();
    assert!(stage.images.join("inventory.img").exists());
    let _ = stage.container.verb(&["state"]).fails().says(&["does not exist"]);
    let asked = stage.asked(DUMP);
    assert_eq!(asked["2"], json!([pid]));
    assert_eq!(asked["13"], json!([stage.container.rootfs().to_string_lossy()]));
    assert_eq!(asked["10"], json!(["dump.log"]));
    let pid_file = stage.host.files().join("pid").to_string_lossy().into_owned();
    let _ = stage.restore(&["--detach", "--pid-file", &pid_file]).ok();
    assert_eq!(stage.container.status(), "running");
    assert_eq!(std::fs::read_to_string(&pid_file).unwrap(), stage.container.pid().to_string());
    assert_eq!(stage.container.limit("pids", "pids.max"), "20");
    let asked = stage.asked(RESTORE);
    let roots = asked["25"].as_array().unwrap();
    assert!(roots.contains(&json!(["pids", format!("/{}", stage.container.id())])), "{roots:?}");
    let cgroups = std::fs::read_to_string(format!("/proc/{}/cgroup", stage.container.pid())).unwrap();
    assert!(cgroups.contains(&format!("pids:/{}", stage.container.id())), "{cgroups}");
    let _ = stage.container.force_delete().ok();
}

#[test]
fn a_container_that_is_left_running_runs() {
    let stage = Stage::new(|config| config);
    // Podman says it twice.
    let _ = stage.checkpoint(&["--leave-running", "--leave-running"]).ok();
    assert_eq!(stage.container.status(), "running");
    assert_eq!(stage.asked(DUMP)["3"], json!([1]));
}

#[test]
fn every_option_reaches_criu() {
    let stage = Stage::new(|config| config);
    let work = stage.host.files().join("work").to_string_lossy().into_owned();
    let options = [
        "--leave-running",
        "--work-path",
        &work,
        "--tcp-established",
        "--ext-unix-sk",
        "--shell-job",
        "--file-locks",
        "--auto-dedup",
        "--lazy-pages",
        "--page-server",
        "127.0.0.1:2700",
        "--manage-cgroups-mode",
        "full",
        "--empty-ns",
        "network",
        "--tcp-skip-in-flight",
        "--link-remap",
    ];
    let _ = stage.checkpoint(&options).ok();
    let asked = stage.asked(DUMP);
    for (number, value) in [
        ("4", json!([1])),
        ("5", json!([1])),
        ("7", json!([1])),
        ("8", json!([1])),
        ("11", json!([["127.0.0.1", 2700]])),
        ("16", json!([1])),
        ("18", json!([1])),
        ("34", json!([4])),
        ("38", json!([0x4000_0000])),
        ("46", json!([1])),
        ("48", json!([1])),
        ("50", json!([1])),
    ] {
        assert_eq!(asked[number], value, "{number}: {asked}");
    }
    assert!(std::path::Path::new(&work).is_dir());
}

#[test]
fn mounts_that_show_other_places_are_not_crius_to_make() {
    let shown = std::env::temp_dir().join(format!("shown-{}", std::process::id()));
    let source = shown.to_string_lossy().into_owned();
    let mut stage = Stage::new(|config| {
        std::fs::create_dir_all(&shown).unwrap();
        config.bind(&source, "/shown/deep", &["rbind", "ro"])
    });
    let _ = stage.checkpoint(&[]).ok();
    let pair = json!(["/shown/deep", "/shown/deep"]);
    assert!(stage.asked(DUMP)["23"].as_array().unwrap().contains(&pair), "{}", stage.asked(DUMP));
    // Where it is mounted is gone meanwhile.
    std::fs::remove_dir_all(stage.container.rootfs().join("shown")).unwrap();
    let _ = stage.restore(&["-d"]).ok();
    let pair = json!(["/shown/deep", source]);
    assert!(stage.asked(RESTORE)["23"].as_array().unwrap().contains(&pair), "{}", stage.asked(RESTORE));
    assert!(stage.container.rootfs().join("shown/deep").is_dir());
    let _ = stage.container.force_delete().ok();
    std::fs::remove_dir_all(shown).unwrap();
}

#[test]
fn files_that_are_hidden_are_known_by_the_null_device() {
    let mut stage =
        Stage::new(|config| config.set("/linux/maskedPaths", json!(["/proc/keys", "/sys/firmware"])));
    let _ = stage.checkpoint(&[]).ok();
    let dumped = stage.asked(DUMP)["23"].as_array().unwrap().clone();
    assert!(dumped.contains(&json!(["/proc/keys", "/dev/null"])), "{dumped:?}");
    assert!(!dumped.iter().any(|pair| pair[0] == "/sys/firmware"), "a tmpfs is criu's to make: {dumped:?}");
    let _ = stage.restore(&["-d"]).ok();
    let restored = stage.asked(RESTORE)["23"].as_array().unwrap().clone();
    assert!(restored.contains(&json!(["/dev/null", "/dev/null"])), "{restored:?}");
    let _ = stage.container.force_delete().ok();
}

#[test]
fn a_first_dump_of_memory_is_found_by_a_later_one() {
    let mut stage = Stage::new(|config| config);
    let first = stage.host.files().join("first").to_string_lossy().into_owned();
    let _ = stage.checkpoint(&["--pre-dump", "--image-path", &first]).ok();
    assert_eq!(stage.container.status(), "running");
    assert_eq!(stage.asked(PRE_DUMP)["15"], json!([1]));
    for (parent, right) in [("/somewhere", false), ("../nowhere", false), ("../first", true)] {
        std::fs::create_dir_all(&stage.images).unwrap();
        let output = stage.checkpoint(&["--parent-path", parent]);
        if right {
            let _ = output.ok();
        } else {
            let _ = output.fails().says(&["--parent-path"]);
        }
    }
    assert_eq!(stage.asked(DUMP)["14"], json!(["../first"]));
    stage.container.deleted_already();
}

#[test]
fn a_named_configuration_of_criu_is_used() {
    let stage = Stage::new(|config| config.annotation("org.criu.config", "/etc/own.conf"));
    let _ = stage.checkpoint(&["--leave-running"]).ok();
    assert_eq!(stage.asked(DUMP)["51"], json!(["/etc/own.conf"]));
}

#[test]
fn a_refusal_of_crius_leaves_everything_as_it_was() {
    let mut stage = Stage::new(|config| config);
    let refuse = |call: Call| {
        call.with(|command| {
            command.env("STUB_FAILS", "1");
        })
    };
    let output = refuse(stage.call("checkpoint", &[])).run().fails();
    let _ = output.says(&["criu failed: type DUMP errno 22", "dump.log"]);
    assert_eq!(stage.container.status(), "running");
    let _ = stage.checkpoint(&[]).ok();
    let bundle = stage.container.bundle().to_string_lossy().into_owned();
    let output = refuse(stage.call("restore", &["--bundle", &bundle, "-d"])).run().fails();
    let _ = output.says(&["criu failed: type RESTORE errno 22", "restore.log"]);
    let _ = stage.container.verb(&["state"]).fails();
    assert!(!stage.container.cgroup("pids").exists());
    stage.container.deleted_already();
}

#[test]
fn a_root_of_layers_that_criu_refuses_is_gone_with_the_rest() {
    let mut stage = Stage::new(|config| config);
    let _ = stage.checkpoint(&[]).ok();
    // The same container on layers: its root is mounted in the directory of its state.
    let bundle = stage.container.bundle();
    for name in ["upper", "work"] {
        std::fs::create_dir(bundle.join(name)).unwrap();
    }
    let config = stage.host.config(&["sleep", "60"]).cgroup(&format!("/{}", stage.container.id()));
    let config = config.overlay(&["rootfs".to_owned()], Some(("upper", "work")));
    std::fs::write(bundle.join("config.json"), config.value().to_string()).unwrap();
    let bundle = bundle.to_string_lossy().into_owned();
    let call = stage.call("restore", &["--bundle", &bundle, "-d"]).with(|command| {
        command.env("STUB_FAILS", "1");
    });
    let _ = call.run().fails().says(&["criu failed: type RESTORE errno 22"]);
    let _ = stage.container.verb(&["state"]).fails().says(&["does not exist"]);
    assert!(!stage.host.runtime().root().join(stage.container.id()).exists());
    stage.container.deleted_already();
}

#[test]
fn nothing_is_brought_back_into_a_frozen_group() {
    skip_for!(Runc, "it waits without end");
    let mut stage = Stage::new(|config| config);
    let _ = stage.checkpoint(&[]).ok();
    let group = stage.container.cgroup("freezer");
    std::fs::create_dir(&group).unwrap();
    stage.container.freeze();
    let _ = stage.restore(&["-d"]).fails().says(&["frozen"]);
    std::fs::remove_dir(group).unwrap();
    stage.container.deleted_already();
}

#[test]
fn a_process_that_ends_on_its_way_back_is_not_waited_for() {
    skip_for!(Runc, "it waits without end");
    let mut stage = Stage::new(|config| config);
    let _ = stage.checkpoint(&[]).ok();
    let bundle = stage.container.bundle().to_string_lossy().into_owned();
    let call = stage.call("restore", &["--bundle", &bundle, "-d"]).with(|command| {
        command.env("STUB_LOSES", "1");
    });
    let _ = call.run().fails().says(&["the process that criu was restoring has ended: signal 9"]);
    let _ = stage.container.verb(&["state"]).fails().says(&["does not exist"]);
    assert!(!stage.container.cgroup("pids").exists());
    stage.container.deleted_already();
}

#[test]
fn a_missing_or_too_old_criu_is_reported() {
    let stage = Stage::new(|config| config);
    let call = stage.call("checkpoint", &[]).with(|command| {
        command.env("STUB_VERSION", "9");
    });
    let _ = call.run().fails().says(&["criu 3.9 is too old"]);
    let words = ["--criu", "/no/such/criu", "checkpoint", stage.container.id()];
    let output = stage.host.runtime().call(&words).within(stage.host.files()).run().fails();
    let _ = output.says(&["/no/such/criu", "no such file or directory"]);
    assert_eq!(stage.container.status(), "running");
}

#[test]
fn restore_waits_for_the_end_unless_detached() {
    let mut stage = Stage::new(|config| config);
    let _ = stage.checkpoint(&[]).ok();
    let bundle = stage.container.bundle().to_string_lossy().into_owned();
    let mut running = stage.call("restore", &["--bundle", &bundle]).spawn();
    eventually("it runs", || stage.container.verb(&["state"]).out.contains("running"));
    let _ = stage.container.kill("KILL").ok();
    assert_eq!(running.wait().code, 137);
    let _ = stage.container.verb(&["state"]).fails();
    stage.container.deleted_already();
}

#[test]
fn containerds_words_for_a_restore_are_taken() {
    let mut stage = Stage::new(|config| config);
    let _ = stage.checkpoint(&[]).ok();
    let work = stage.host.files().join("work").to_string_lossy().into_owned();
    let _ = stage.restore(&["--work-path", &work, "--detach", "-no-subreaper"]).ok();
    let output = stage.restore(&["--detach"]).fails();
    let _ = output.says(&["already exists"]);
    let _ = stage.container.force_delete().ok();
}

#[test]
fn hooks_of_the_runtime_run_when_the_namespaces_are_there() {
    let lines = std::env::temp_dir().join(format!("lines-{}", std::process::id()));
    let file = lines.to_string_lossy().into_owned();
    let payload = built().join("tare-payload").to_string_lossy().into_owned();
    let mut stage = Stage::new(|config| config.hook("createRuntime", &[&payload, "hook", &file, "made"]));
    let _ = std::fs::remove_file(&lines);
    let _ = stage.checkpoint(&[]).ok();
    let _ = stage.restore(&["-d"]).ok();
    let text = std::fs::read_to_string(&lines).unwrap();
    let hook: Value = serde_json::from_str(text.lines().next_back().unwrap()).unwrap();
    assert_eq!(
        (&hook["state"]["id"], &hook["state"]["pid"]),
        (&json!(stage.container.id()), &json!(stage.container.pid()))
    );
    let _ = stage.container.force_delete().ok();
    std::fs::remove_file(lines).unwrap();
}

#[test]
fn a_container_that_does_not_run_is_refused() {
    let stage = Stage::new(|config| config);
    let _ = stage.container.kill("KILL").ok();
    stage.container.becomes("stopped");
    let _ = stage.checkpoint(&[]).fails().says(&["stopped"]);
    let _ = stage.host.runtime().run(&["checkpoint", "nobody"]).fails().says(&["does not exist"]);
}

#[test]
fn a_value_that_criu_does_not_know_is_refused_and_nothing_is_dumped() {
    skip_for!(Runc, "it does not say which");
    let stage = Stage::new(|config| config);
    for (option, value) in
        [("--empty-ns", "pid"), ("--manage-cgroups-mode", "none"), ("--page-server", "here")]
    {
        let _ = stage.checkpoint(&[option, value]).fails().says(&[value]);
    }
    assert_eq!(stage.container.status(), "running");
    let notes = std::fs::read_to_string(stage.notes()).unwrap_or_default();
    let requests = notes.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    assert!(requests.into_iter().all(|request| request["kind"] != DUMP), "{notes}");
}
