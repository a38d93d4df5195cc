//! containerd and its shim on the runtime under test.

use std::path::PathBuf;

use tests::engines::{Containerd, Image, NAME};
use tests::{Host, eventually};

fn plugins() -> Vec<PathBuf> {
    tests::plugins()
}

#[test]
fn a_task_is_run_entered_paused_and_killed() {
    let host = Host::for_engines();
    let image = Image::make(&host);
    let engine = Containerd::start(&host, &plugins(), &image);
    let run = |options: &[&str], words: &[&str]| {
        let options = [&["--rm", "--env", "X=1"], options].concat();
        engine.container("short", &options, words).run()
    };
    assert_eq!(run(&[], &["echo", "hello"]).ok().out, "hello\n");
    assert_eq!(run(&[], &["sh", "-c", "exit 7"]).code, 7);
    let _ = run(&[], &["no-such-program"]).fails().says(&["executable file not found in $PATH"]);
    assert_eq!(run(&["--memory-limit", "16777216"], &["payload", "alloc", "268435456"]).code, 137);
    let _ = run(&["--read-only"], &["touch", "/x"]).fails().says(&["read-only"]);
    let _ = engine.container("long", &["-d"], &["sleep", "100"]).run().ok();
    let task = |words: &[&str]| engine.run(&[&["task"], words].concat()).ok().out;
    assert!(task(&["list"]).contains("RUNNING"));
    assert!(task(&["exec", "--exec-id", "e1", "long", "id"]).contains("uid=0"));
    assert_eq!(engine.run(&["task", "exec", "--exec-id", "e2", "long", "sh", "-c", "exit 9"]).code, 9);
    assert!(task(&["ps", "long"]).lines().count() >= 2);
    task(&["pause", "long"]);
    assert!(task(&["list"]).contains("PAUSED"));
    task(&["resume", "long"]);
    assert!(task(&["metrics", "long"]).contains("memory.usage_in_bytes"));
    task(&["kill", "-s", "KILL", "long"]);
    eventually("it has stopped", || task(&["list"]).contains("STOPPED"));
    let _ = engine.run(&["task", "delete", "long"]);
    engine.run(&["container", "delete", "long"]).ok();
}

#[test]
fn many_tasks_at_once_leave_nothing() {
    let host = Host::for_engines();
    let image = Image::make(&host);
    let engine = Containerd::start(&host, &plugins(), &image);
    let mut running: Vec<_> = (0..20)
        .map(|number| engine.container(&format!("c{number}"), &["--rm"], &["echo", "done"]).spawn())
        .collect();
    for one in &mut running {
        assert_eq!(one.wait().ok().out, "done\n");
    }
    assert_eq!(engine.run(&["task", "list", "-q"]).ok().out, "");
    assert!(engine.run(&["image", "list", "-q"]).ok().out.contains(NAME));
}

#[test]
fn tasks_outlive_their_daemon() {
    let host = Host::for_engines();
    let image = Image::make(&host);
    let mut engine = Containerd::start(&host, &plugins(), &image);
    let _ = engine.container("long", &["-d"], &["sleep", "100"]).run().ok();
    engine.crash();
    engine.boot();
    assert!(engine.run(&["task", "list"]).ok().out.contains("RUNNING"));
    engine.run(&["task", "exec", "--exec-id", "e1", "long", "true"]).ok();
    engine.run(&["task", "kill", "-s", "KILL", "long"]).ok();
    eventually("it has stopped", || engine.run(&["task", "list"]).out.contains("STOPPED"));
}
