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
    let said = task(&["exec", "--exec-id", "e1", "long", "id"]);
    assert!(said.contains("uid=0"), "{said:?}");
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

#[test]
fn a_terminal_signals_and_a_second_start() {
    let host = Host::for_engines();
    let image = Image::make(&host);
    let engine = Containerd::start(&host, &plugins(), &image);
    let call = engine.container("desk", &["--rm", "-t", "--cwd", "/tmp"], &["sh"]);
    let shown = call.typed("test -t 0 && echo at $(pwd)\nexit 4\n").run();
    assert!(shown.code == 4 && shown.out.contains("at /tmp"), "{shown:?}");
    let listens = "trap 'echo heard; exit 5' TERM; echo ready; while :; do sleep 0.05; done";
    let mut listening = engine.container("one", &[], &["sh", "-c", listens]).spawn();
    eventually("it listens", || listening.printed().contains("ready"));
    let shown = engine.call(&["task", "exec", "-t", "--exec-id", "e1", "one", "sh"]);
    let shown = shown.typed("test -t 1 && echo a $(echo terminal)\nexit 6\n").run();
    assert!(shown.code == 6 && shown.out.contains("a terminal"), "{shown:?}");
    let user = ["task", "exec", "--exec-id", "e2", "--user", "1000:1000", "--cwd", "/tmp", "one"];
    let told = engine.run(&[&user[..], &["sh", "-c", "id -u; pwd"]].concat()).ok().out;
    assert_eq!(told, "1000\n/tmp\n");
    engine.run(&["task", "kill", "one"]).ok();
    let ended = listening.wait();
    assert!(ended.code == 5 && ended.out.contains("heard"), "{ended:?}");
    // The container is there yet, and can have another task.
    let mut again = engine.call(&["task", "start", "one"]).spawn();
    eventually("it listens again", || again.printed().contains("ready"));
    engine.run(&["task", "kill", "-s", "KILL", "one"]).ok();
    assert_eq!(again.wait().code, 137);
    engine.run(&["container", "delete", "one"]).ok();
}

#[test]
fn limits_and_confinement_are_as_asked() {
    let host = Host::for_engines();
    let image = Image::make(&host);
    let engine = Containerd::start(&host, &plugins(), &image);
    let run = |options: &[&str], words: &[&str]| {
        engine.container("one", &[&["--rm"], options].concat(), words).run()
    };
    let options = ["-d", "--cpus", "0.5", "--cpu-shares", "512", "--memory-limit", "67108864"];
    engine.container("limited", &options, &["sleep", "100"]).run().ok();
    let limit = |file: &str| {
        let (controller, _) = file.split_once('.').unwrap();
        let path = format!("/sys/fs/cgroup/{controller}/{}/limited/{file}", host.marker());
        std::fs::read_to_string(path).unwrap().trim().to_string()
    };
    assert_eq!((limit("cpu.cfs_quota_us").as_str(), limit("cpu.shares").as_str()), ("50000", "512"));
    assert_eq!(limit("memory.limit_in_bytes"), "67108864");
    engine.run(&["task", "delete", "--force", "limited"]).ok();
    engine.run(&["container", "delete", "limited"]).ok();
    let status = |options: &[&str], field: &str| {
        let text = run(options, &["cat", "/proc/self/status"]).ok().out;
        let line = text.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
        line.unwrap().trim().to_string()
    };
    let dropped = u64::from_str_radix(&status(&["--cap-drop", "CAP_KILL"], "CapEff"), 16).unwrap();
    assert_eq!(dropped & (1 << 5), 0);
    assert_eq!(status(&[], "NoNewPrivs"), "1");
    assert_eq!(status(&["--allow-new-privs"], "NoNewPrivs"), "0");
    assert_eq!(
        (status(&[], "Seccomp"), status(&["--seccomp"], "Seccomp")),
        ("0".to_string(), "2".to_string())
    );
    let profile = host.files().join("profile.json");
    let rules = r#"{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO"}]}"#;
    std::fs::write(&profile, rules).unwrap();
    let refused =
        run(&["--seccomp", "--seccomp-profile", profile.to_str().unwrap()], &["mkdir", "/d"]).fails();
    let _ = refused.says(&["not permitted"]);
    let _ = run(&["--privileged"], &["mount", "-t", "tmpfs", "t", "/www"]).ok();
    let shared = host.files().join("shared");
    std::fs::create_dir(&shared).unwrap();
    let bind = format!("type=bind,src={},dst=/v,options=rbind:", shared.display());
    let _ = run(&["--mount", &format!("{bind}rw")], &["sh", "-c", "echo one > /v/f"]).ok();
    assert_eq!(run(&["--mount", &format!("{bind}ro")], &["cat", "/v/f"]).ok().out, "one\n");
    let _ = run(&["--mount", &format!("{bind}ro")], &["touch", "/v/f"]).fails().says(&["read-only"]);
    let tmpfs = "type=tmpfs,src=tmpfs,dst=/t,options=size=1m";
    let mounts =
        run(&["--read-only", "--mount", tmpfs], &["sh", "-c", "touch /t/x && cat /proc/mounts"]).ok().out;
    assert!(
        mounts.lines().any(|line| line.contains(" /t tmpfs ") && line.contains("size=1024k")),
        "{mounts}"
    );
    let _ = run(&["--device", "/dev/zero"], &["head", "-c", "1", "/dev/zero"]).ok();
    // By this option the name of the runtime is lost on the way, and what is called runc is run.
    let mapped =
        run(&["--uidmap", "0:100000:65536", "--gidmap", "0:100000:65536"], &["cat", "/proc/self/uid_map"]);
    assert_eq!(mapped.ok().out.split_whitespace().collect::<Vec<_>>(), ["0", "100000", "65536"]);
}
