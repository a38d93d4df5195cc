//! Podman and buildah on the runtime under test.

use tests::engines::{Engine, Image, NAME, PAUSE, Podman, Rootless};
use tests::{Host, eventually};

use crate::networks::Whose::{Go, Ours};
use crate::networks::path;

#[test]
fn a_container_is_run_entered_stopped_and_removed() {
    let host = Host::for_engines();
    let image = Image::make(&host);
    let podman = Podman::start(&host, &tests::plugins(), &image);
    let quick = |options: &[&str], words: &[&str]| {
        podman.container(&[&["--rm", "--network", "none"], options].concat(), words)
    };
    assert_eq!(quick(&[], &["echo", "hello"]).ok().out, "hello\n");
    for (program, code) in [("no-such-program", 127), ("/etc", 126)] {
        assert_eq!(quick(&[], &[program]).code, code, "{program}");
    }
    assert_eq!(quick(&[], &["sh", "-c", "exit 3"]).code, 3);
    assert_eq!(quick(&["--user", "1000"], &["id", "-u"]).ok().out, "1000\n");
    let ok = |words: &[&str]| podman.ok(words);
    let _ = podman.container(&["-d", "--name", "one", "--network", "none"], &["sleep", "100"]).ok();
    assert_eq!(ok(&["exec", "one", "echo", "in"]), "in");
    assert_eq!(podman.run(&["exec", "one", "sh", "-c", "exit 9"]).code, 9);
    assert_eq!(podman.run(&["exec", "one", "no-such-program"]).code, 127);
    assert!(ok(&["top", "one"]).contains("sleep"));
    assert_eq!(ok(&["stats", "--no-stream", "--format", "{{.Name}} {{.PIDs}}", "one"]), "one 1");
    ok(&["pause", "one"]);
    assert_eq!(ok(&["inspect", "-f", "{{.State.Status}}", "one"]), "paused");
    ok(&["unpause", "one"]);
    ok(&["restart", "-t", "0", "one"]);
    ok(&["kill", "-s", "USR1", "one"]);
    ok(&["stop", "-t", "0", "one"]);
    eventually("it has ended", || ok(&["inspect", "-f", "{{.State.Status}}", "one"]) == "exited");
    ok(&["start", "one"]);
    ok(&["rm", "-f", "-t", "0", "one"]);
}

#[test]
fn limits_and_confinement_are_as_asked() {
    let host = Host::for_engines();
    let image = Image::make(&host);
    let podman = Podman::start(&host, &tests::plugins(), &image);
    let quick = |options: &[&str], words: &[&str]| {
        podman.container(&[&["--rm", "--network", "none"], options].concat(), words)
    };
    let limit = quick(&["-m", "64m"], &["cat", "/sys/fs/cgroup/memory/memory.limit_in_bytes"]).ok().out;
    assert_eq!(limit, "67108864\n");
    assert_eq!(quick(&["-m", "16m"], &["payload", "alloc", "268435456"]).code, 137);
    assert_eq!(quick(&["--pids-limit", "7"], &["cat", "/sys/fs/cgroup/pids/pids.max"]).ok().out, "7\n");
    let status = |options: &[&str]| quick(options, &["cat", "/proc/self/status"]).ok().out;
    assert!(status(&["--cap-drop", "all"]).contains("CapEff:\t0000000000000000"));
    assert!(status(&["--security-opt", "seccomp=unconfined"]).contains("Seccomp:\t0"));
    assert!(status(&[]).contains("Seccomp:\t2"));
    let _ = quick(&["--privileged"], &["true"]).ok();
    let _ = quick(&["--read-only"], &["touch", "/x"]).fails().says(&["read-only"]);
    if host.runtime().kind() != tests::Kind::Runc {
        let _ = quick(&["--cgroups", "disabled"], &["true"]).ok();
    }
    assert_eq!(quick(&["--uidmap", "0:100000:5000"], &["id", "-u"]).ok().out, "0\n");
}

#[test]
fn pods_share_namespaces_and_images_are_built() {
    let host = Host::for_engines();
    let image = Image::make(&host);
    let podman = Podman::start(&host, &tests::plugins(), &image);
    let pod = ["--infra-image", NAME, "--infra-command", "sleep 100", "--network", "none", "--name", "pod"];
    podman.run(&[&["pod", "create"], &pod[..]].concat()).ok();
    let web = ["httpd", "-f", "-p", "80", "-h", "/www"];
    let _ = podman.container(&["-d", "--pod", "pod"], &web).ok();
    let fetch = || podman.container(&["--rm", "--pod", "pod"], &["wget", "-qO-", "http://127.0.0.1/"]);
    eventually("its neighbour answers", || fetch().out.contains("hello from a container"));
    podman.run(&["pod", "rm", "-f", "-t", "0", "pod"]).ok();
    let context = host.files().join("context");
    std::fs::create_dir(&context).unwrap();
    std::fs::write(context.join("Containerfile"), format!("FROM {NAME}\nRUN echo built > /b\n")).unwrap();
    podman.run(&["build", "-q", "--network", "none", "-t", "built", &context.to_string_lossy()]).ok();
    let built = podman.run(&["run", "--rm", "--network", "none", "localhost/built", "cat", "/b"]).ok();
    assert_eq!(built.out, "built\n");
}

#[test]
fn terminals_signals_and_ends() {
    let host = Host::for_engines();
    let image = Image::make(&host);
    let podman = Podman::start(&host, &tests::plugins(), &image);
    let ok = |words: &[&str]| podman.ok(words);
    let words = ["run", "-it", "--rm", "--network", "none", "-w", "/tmp", "-e", "WHO=me", NAME, "sh"];
    let shown = podman.call(&words).typed("test -t 0 && echo at $(pwd) as $WHO\nexit 4\n").run();
    assert!(shown.code == 4 && shown.out.contains("at /tmp as me"), "{shown:?}");
    let typed = ["run", "--rm", "-i", "--network", "none", NAME, "cat"];
    assert_eq!(podman.call(&typed).input("typed\n").run().ok().out, "typed\n");
    let waits = |name: &str, program: &str| {
        let _ = podman.container(&["-d", "--name", name, "--network", "none"], &["sh", "-c", program]).ok();
        eventually("it listens", || ok(&["logs", name]).contains("ready"));
    };
    waits("heeds", "trap 'echo heard; exit 5' TERM; echo ready; while :; do sleep 0.05; done");
    waits("deaf", "trap '' TERM; echo ready; while :; do sleep 0.05; done");
    let words = ["exec", "-ti", "heeds", "sh"];
    let shown = podman.call(&words).typed("test -t 1 && echo a $(echo terminal)\nexit 6\n").run();
    assert!(shown.code == 6 && shown.out.contains("a terminal"), "{shown:?}");
    ok(&["stop", "-t", "20", "heeds"]);
    ok(&["stop", "-t", "1", "deaf"]);
    for (name, code) in [("heeds", "5"), ("deaf", "137")] {
        assert_eq!(ok(&["inspect", "-f", "{{.State.ExitCode}}", name]), code, "{name}");
    }
    ok(&["start", "heeds"]);
    eventually("it listens again", || ok(&["logs", "heeds"]).matches("ready").count() == 2);
    ok(&["kill", "-s", "TERM", "heeds"]);
    assert_eq!(ok(&["wait", "heeds"]), "5");
    assert_eq!(ok(&["logs", "--tail", "1", "heeds"]), "heard");
    let _ = podman
        .container(&["-d", "--name", "again", "--network", "none", "--restart", "on-failure:2"], &["false"])
        .ok();
    eventually("it is restarted", || ok(&["inspect", "-f", "{{.RestartCount}}", "again"]) == "2");
    ok(&["rm", "heeds", "deaf", "again"]);
}

#[test]
fn further_limits_mounts_and_devices() {
    let host = Host::for_engines();
    let image = Image::make(&host);
    let podman = Podman::start(&host, &tests::plugins(), &image);
    let quick = |options: &[&str], words: &[&str]| {
        podman.container(&[&["--rm", "--network", "none"], options].concat(), words)
    };
    let quota = quick(
        &["--cpus", "0.5", "--cpu-shares", "512"],
        &["cat", "/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "/sys/fs/cgroup/cpu/cpu.shares"],
    );
    assert_eq!(quota.ok().out, "50000\n512\n");
    let _ = podman.container(&["-d", "--name", "one", "--network", "none"], &["sleep", "100"]).ok();
    podman.run(&["update", "--memory", "100m", "--cpus", "0.3", "one"]).ok();
    let limit = podman.run(&["exec", "one", "cat", "/sys/fs/cgroup/memory/memory.limit_in_bytes"]).ok().out;
    assert_eq!(limit, "104857600\n");
    // Its devices are still there: an update does not touch them.
    podman.run(&["exec", "one", "sh", "-c", "echo x > /dev/null"]).ok();
    podman.run(&["rm", "-f", "-t", "0", "one"]).ok();
    let profile = host.files().join("profile.json");
    let rules = r#"{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO"}]}"#;
    std::fs::write(&profile, rules).unwrap();
    let refused =
        quick(&["--security-opt", &format!("seccomp={}", profile.display())], &["mkdir", "/d"]).fails();
    let _ = refused.says(&["not permitted"]);
    let status = quick(
        &["--cap-drop", "all", "--cap-add", "KILL", "--security-opt", "no-new-privileges"],
        &["cat", "/proc/self/status"],
    );
    let status = status.ok().out;
    assert!(status.contains("CapEff:\t0000000000000020") && status.contains("NoNewPrivs:\t1"), "{status}");
    let _ = quick(&["--privileged"], &["mount", "-t", "tmpfs", "t", "/www"]).ok();
    podman.run(&["volume", "create", "kept"]).ok();
    let _ = quick(&["-v", "kept:/v"], &["sh", "-c", "echo one > /v/f"]).ok();
    assert_eq!(quick(&["-v", "kept:/v:ro"], &["cat", "/v/f"]).ok().out, "one\n");
    let _ = quick(&["-v", "kept:/v:ro"], &["touch", "/v/f"]).fails().says(&["read-only"]);
    let owner = quick(&["--user", "1000", "-v", "kept:/v:U"], &["stat", "-c", "%u", "/v/f"]);
    assert_eq!(owner.ok().out, "1000\n");
    let over = host.files().join("over");
    std::fs::create_dir(&over).unwrap();
    let _ = quick(&["-v", &format!("{}:/o:O", over.display())], &["touch", "/o/gone"]).ok();
    assert!(!over.join("gone").exists(), "what is written over it is thrown away");
    podman.run(&["volume", "rm", "kept"]).ok();
    let mounts =
        quick(&["--read-only", "--tmpfs", "/t:size=1m"], &["sh", "-c", "touch /t/x && cat /proc/mounts"])
            .ok()
            .out;
    assert!(
        mounts.lines().any(|line| line.contains(" /t tmpfs ") && line.contains("size=1024k")),
        "{mounts}"
    );
    let _ = quick(&["--device", "/dev/null:/dev/other"], &["sh", "-c", "echo x > /dev/other"]).ok();
    assert_eq!(
        quick(&["--sysctl", "net.ipv4.ip_forward=1"], &["cat", "/proc/sys/net/ipv4/ip_forward"]).ok().out,
        "1\n"
    );
}

#[test]
fn health_is_asked_for_and_twenty_run_at_once() {
    let host = Host::for_engines();
    let image = Image::make(&host);
    let podman = Podman::start(&host, &tests::plugins(), &image);
    let options = [
        "-d",
        "--name",
        "one",
        "--network",
        "none",
        "--health-cmd",
        "test -e /healthy",
        "--health-interval",
        "disable",
    ];
    let _ = podman.container(&options, &["sleep", "100"]).ok();
    assert_eq!(podman.run(&["healthcheck", "run", "one"]).code, 1);
    podman.run(&["exec", "one", "touch", "/healthy"]).ok();
    podman.run(&["healthcheck", "run", "one"]).ok();
    podman.run(&["rm", "-f", "-t", "0", "one"]).ok();
    let mut calls: Vec<_> = (0..20)
        .map(|number| {
            let name = format!("c{number}");
            podman.call(&["run", "-d", "--network", "none", "--name", &name, NAME, "sleep", "100"]).spawn()
        })
        .collect();
    for call in &mut calls {
        let _ = call.wait().ok();
    }
    assert_eq!(podman.run(&["ps", "-q"]).ok().out.lines().count(), 20);
    podman.run(&["rm", "-a", "-f", "-t", "0"]).ok();
    assert_eq!(podman.run(&["ps", "-aq"]).ok().out, "");
}

#[test]
fn a_pod_is_played_from_a_file_of_kubernetes() {
    let host = Host::for_engines();
    let image = Image::make(&host);
    // Its network wants plugins that are not ours.
    let podman = Podman::start(&host, &path(&[Ours, Go]), &image);
    let file = host.files().join("pod.yaml");
    let container = |name: &str, words: &str| {
        format!(
            "  - name: {name}\n    image: {NAME}\n    imagePullPolicy: Never\n    command: [{words}]\n    \
             resources:\n      limits:\n        memory: 64Mi\n"
        )
    };
    let pod = format!(
        "apiVersion: v1\nkind: Pod\nmetadata:\n  name: played\nspec:\n  containers:\n{}{}",
        container("web", "httpd, -f, -p, \"80\", -h, /www"),
        container("asks", "sleep, \"100\""),
    );
    std::fs::write(&file, pod).unwrap();
    podman.run(&["load", "-q", "-i", Image::pause(&host).archive().to_str().unwrap()]).ok();
    let own = podman.directory().join("containers.conf");
    let text = std::fs::read_to_string(&own).unwrap();
    let line = format!("[engine]\ninfra_image = \"{PAUSE}\"\n");
    std::fs::write(&own, text.replace("[engine]\n", &line)).unwrap();
    podman.run(&["play", "kube", file.to_str().unwrap()]).ok();
    let ask = || podman.run(&["exec", "played-asks", "wget", "-qO-", "http://127.0.0.1/"]);
    eventually("its neighbour answers", || ask().out.contains("hello from a container"));
    let limit = podman.run(&["exec", "played-asks", "cat", "/sys/fs/cgroup/memory/memory.limit_in_bytes"]);
    assert_eq!(limit.ok().out, "67108864\n");
    podman.run(&["pod", "stop", "-t", "0", "played"]).ok();
    podman.run(&["play", "kube", "--down", file.to_str().unwrap()]).ok();
    assert_eq!(podman.run(&["ps", "-aq"]).ok().out, "");
}

#[test]
fn a_container_outlives_its_monitor() {
    let host = Host::for_engines();
    let image = Image::make(&host);
    let podman = Podman::start(&host, &tests::plugins(), &image);
    let _ = podman.container(&["-d", "--name", "one", "--network", "none"], &["sleep", "100"]).ok();
    let told = podman.run(&["inspect", "-f", "{{.State.Pid}} {{.State.ConmonPid}}", "one"]).ok().out;
    let (pid, monitor) = told.trim().split_once(' ').unwrap();
    let monitor = nix::unistd::Pid::from_raw(monitor.parse().unwrap());
    nix::sys::signal::kill(monitor, nix::sys::signal::Signal::SIGKILL).unwrap();
    eventually("its monitor has ended", || !std::path::Path::new(&format!("/proc/{monitor}")).exists());
    let id = podman.run(&["inspect", "-f", "{{.Id}}", "one"]).ok().out;
    let state = host.runtime().bare().args(["state", id.trim()]).run().ok().json();
    assert_eq!((&state["status"], state["pid"].to_string().as_str()), (&"running".into(), pid));
    podman.run(&["rm", "-f", "-t", "0", "one"]).ok();
    eventually("it has ended", || !std::path::Path::new(&format!("/proc/{pid}")).exists());
    // Podman leaves the clearing up to the monitor, whatever the runtime.
    host.runtime().bare().args(["delete", "--force", id.trim()]).run().ok();
}

#[test]
fn a_rootless_user_runs_containers_without_a_cgroup() {
    let host = Host::for_engines();
    let image = Image::make(&host);
    let podman = Rootless::start(&host, &image);
    let quick = |options: &[&str], words: &[&str]| {
        podman.container(&[&["--rm", "--network", "none"], options].concat(), words)
    };
    let ok = |words: &[&str]| podman.ok(words);
    let map = quick(&[], &["cat", "/proc/self/uid_map"]).ok().out;
    let map: Vec<&str> = map.split_whitespace().collect();
    assert_eq!(map, ["0", "4711", "1", "1", "300000", "65536"]);
    assert_eq!(quick(&[], &["sh", "-c", "exit 3"]).code, 3);
    for (program, code) in [("no-such-program", 127), ("/etc", 126)] {
        assert_eq!(quick(&[], &[program]).code, code, "{program}");
    }
    assert_eq!(quick(&["--user", "1000"], &["id", "-u"]).ok().out, "1000\n");
    assert!(quick(&["--userns", "keep-id"], &["id"]).ok().out.contains("uid=4711"));
    assert!(
        quick(&["--cap-drop", "all"], &["cat", "/proc/self/status"])
            .ok()
            .out
            .contains("CapEff:\t0000000000000000")
    );
    let _ = quick(&["--read-only"], &["touch", "/x"]).fails().says(&["read-only"]);
    let _ = quick(&["--read-only", "--tmpfs", "/t"], &["touch", "/t/x"]).ok();
    let _ = quick(&["-v", "kept:/v"], &["sh", "-c", "echo one > /v/f"]).ok();
    assert_eq!(quick(&["-v", "kept:/v:ro"], &["cat", "/v/f"]).ok().out, "one\n");
    let _ = quick(&["--device", "/dev/null:/dev/other"], &["sh", "-c", "echo x > /dev/other"]).ok();
    // Podman itself leaves out a limit that it may not set.
    let _ = quick(&["-m", "64m"], &["true"]).ok();
    assert!(podman.container(&["--rm", "--network", "host"], &["ip", "-o", "link"]).ok().out.contains("lo:"));
    ok(&["run", "-d", "--name", "one", "--network", "none", NAME, "sleep", "100"]);
    if host.runtime().kind() == tests::Kind::Tare {
        assert!(podman.session().join("tare").is_dir(), "its state lies in the user's session");
    }
    assert_eq!(ok(&["exec", "one", "echo", "in"]), "in");
    let shown = podman
        .call(&["exec", "-ti", "one", "sh"])
        .typed("test -t 1 && echo a $(echo terminal)\nexit 6\n")
        .run();
    assert!(shown.code == 6 && shown.out.contains("a terminal"), "{shown:?}");
    assert!(ok(&["top", "one"]).contains("sleep"));
    let _ = podman.run(&["pause", "one"]).fails().says(&["cgroup"]);
    ok(&["restart", "-t", "0", "one"]);
    ok(&["kill", "-s", "KILL", "one"]);
    assert_eq!(ok(&["wait", "one"]), "137");
    ok(&["rm", "one"]);
    ok(&[
        "pod",
        "create",
        "--infra-image",
        NAME,
        "--infra-command",
        "sleep 100",
        "--network",
        "none",
        "--name",
        "pod",
    ]);
    let web = ["-d", "--pod", "pod"];
    let _ = podman.container(&web, &["httpd", "-f", "-p", "8080", "-h", "/www"]).ok();
    let fetch = || podman.container(&["--rm", "--pod", "pod"], &["wget", "-qO-", "http://127.0.0.1:8080/"]);
    eventually("its neighbour answers", || fetch().out.contains("hello from a container"));
    ok(&["pod", "rm", "-f", "-t", "0", "pod"]);
    ok(&["volume", "rm", "kept"]);
}

#[test]
fn networks_are_the_hosts_anothers_or_none() {
    let host = Host::for_engines();
    let image = Image::make(&host);
    let podman = Podman::start(&host, &tests::plugins(), &image);
    let web = ["-d", "--name", "web", "--network", "none"];
    let _ = podman.container(&web, &["httpd", "-f", "-p", "80", "-h", "/www"]).ok();
    let shared = ["--rm", "--network", "container:web"];
    let ask = || podman.container(&shared, &["wget", "-qO-", "http://127.0.0.1/"]);
    eventually("the other answers over its loopback", || ask().out.contains("hello from a container"));
    assert!(ask().out.contains("hello from a container"), "it survives who joined it");
    let here = std::fs::read_link("/proc/thread-self/ns/net").unwrap();
    let there = podman.container(&["--rm", "--network", "host"], &["readlink", "/proc/self/ns/net"]).ok();
    assert_eq!(there.out.trim(), here.to_string_lossy());
    let alone = podman.container(&["--rm", "--network", "none"], &["ip", "-o", "link"]).ok().out;
    assert_eq!(alone.lines().count(), 1, "{alone}");
    podman.run(&["rm", "-f", "-t", "0", "web"]).ok();
}
