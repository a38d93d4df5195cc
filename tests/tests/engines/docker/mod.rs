//! Docker Engine on the runtime under test: what the commands of a container's life do.

mod images;
mod life;
mod network;

use tests::engines::{Docker, Engine, Image, NAME, Node};
use tests::{Host, eventually};

const ALONE: &[&str] = &[];

fn node(options: &'static [&'static str]) -> Node {
    Node { name: "docker", network: None, options }
}

#[test]
fn a_container_is_run_entered_stopped_and_removed() {
    let host = Host::for_engines();
    let image = Image::make(&host);
    let docker = Docker::start(&host, node(ALONE), &image);
    assert_eq!(docker.container(&["--rm"], &["echo", "hello"]).ok().out, "hello\n");
    assert_eq!(docker.container(&["--rm"], &["sh", "-c", "exit 3"]).code, 3);
    assert_eq!(docker.container(&["--rm"], &["no-such-program"]).code, 127);
    assert_eq!(docker.container(&["--rm"], &["/etc"]).code, 126);
    docker.ok(&[
        "run",
        "-d",
        "--name",
        "one",
        "-e",
        "GREETING=hi",
        NAME,
        "sh",
        "-c",
        "echo first; exec sleep 100",
    ]);
    assert_eq!(docker.ok(&["ps", "-q", "--filter", "name=one"]).len(), 12);
    assert_eq!(docker.ok(&["exec", "one", "sh", "-c", "echo $GREETING"]), "hi");
    assert_eq!(docker.run(&["exec", "one", "sh", "-c", "exit 9"]).code, 9);
    assert!(
        docker
            .ok(&["exec", "-u", "1000", "-w", "/tmp", "one", "sh", "-c", "id -u; pwd"])
            .contains("1000\n/tmp")
    );
    assert!(docker.ok(&["top", "one"]).contains("sleep 100"));
    assert_eq!(docker.ok(&["logs", "--tail", "1", "one"]), "first");
    let told = docker.ok(&["stats", "--no-stream", "--format", "{{.Name}} {{.PIDs}}", "one"]);
    assert_eq!(told, "one 1");
    docker.ok(&["pause", "one"]);
    assert!(docker.ok(&["ps"]).contains("Paused"));
    docker.ok(&["unpause", "one"]);
    docker.ok(&["cp", "/etc/hostname", "one:/tmp/from-host"]);
    docker.ok(&["cp", "one:/tmp/from-host", &host.files().join("back").to_string_lossy()]);
    let there = std::fs::read_to_string("/etc/hostname").unwrap();
    assert_eq!(std::fs::read_to_string(host.files().join("back")).unwrap(), there);
    docker.ok(&["restart", "-t", "0", "one"]);
    assert_eq!(docker.ok(&["inspect", "-f", "{{.State.Status}}", "one"]), "running");
    docker.ok(&["stop", "-t", "1", "one"]);
    assert_eq!(docker.ok(&["inspect", "-f", "{{.State.Status}} {{.State.ExitCode}}", "one"]), "exited 137");
    docker.ok(&["start", "one"]);
    docker.ok(&["kill", "-s", "KILL", "one"]);
    eventually("it is dead", || docker.ok(&["ps", "-a", "--filter", "status=exited", "-q"]).len() == 12);
    docker.ok(&["rm", "one"]);
    docker.ok(&["create", "--name", "two", NAME, "sleep", "100"]);
    assert_eq!(docker.ok(&["inspect", "-f", "{{.State.Status}}", "two"]), "created");
    docker.ok(&["start", "two"]);
    docker.ok(&["rm", "-f", "two"]);
}

#[test]
fn terminals_input_and_signals_come_through() {
    let host = Host::for_engines();
    let image = Image::make(&host);
    let docker = Docker::start(&host, node(ALONE), &image);
    let typed = docker.call(&["run", "--rm", "-i", NAME, "cat"]).input("typed\n").run().ok();
    assert_eq!(typed.out, "typed\n");
    docker.ok(&[
        "run",
        "-d",
        "-t",
        "--name",
        "tty",
        NAME,
        "sh",
        "-c",
        "test -t 0 && echo a terminal; exec payload trap USR1",
    ]);
    eventually("it has a terminal", || docker.ok(&["logs", "tty"]).contains("a terminal"));
    eventually("it listens", || docker.ok(&["logs", "tty"]).contains("ready"));
    docker.ok(&["kill", "-s", "USR1", "tty"]);
    eventually("the signal arrives", || docker.ok(&["logs", "tty"]).contains("SIGUSR1"));
    let words = ["exec", "-t", "tty", "sh", "-c", "test -t 1 && echo yes"];
    let line = |call: tests::Call| call.run().ok().out;
    assert!(line(docker.call(&words)).contains("yes"));
}

#[test]
fn limits_are_the_kernels() {
    let host = Host::for_engines();
    let image = Image::make(&host);
    let docker = Docker::start(&host, node(ALONE), &image);
    let read = |options: &[&str], file: &str| {
        docker.container(&[&["--rm"], options].concat(), &["cat", file]).ok().out.trim().to_string()
    };
    assert_eq!(read(&["-m", "64m"], "/sys/fs/cgroup/memory/memory.limit_in_bytes"), "67108864");
    assert_eq!(read(&["--pids-limit", "7"], "/sys/fs/cgroup/pids/pids.max"), "7");
    assert_eq!(read(&["--cpus", "0.5"], "/sys/fs/cgroup/cpu/cpu.cfs_quota_us"), "50000");
    assert_eq!(read(&["--cpu-shares", "512"], "/sys/fs/cgroup/cpu/cpu.shares"), "512");
    let limits = read(&["--ulimit", "nofile=1234"], "/proc/self/limits");
    assert!(limits.lines().any(|line| line.contains("open files") && line.contains("1234")), "{limits}");
    let killed = docker.container(&["--name", "greedy", "-m", "16m"], &["payload", "alloc", "268435456"]);
    assert_eq!(killed.code, 137);
    // The event of the kill may come after the exit code.
    let inspected = || docker.ok(&["inspect", "-f", "{{.State.OOMKilled}}", "greedy"]);
    tests::eventually("the OOM kill is recorded", || inspected() == "true");
    docker.ok(&["run", "-d", "--name", "one", NAME, "sleep", "100"]);
    docker.ok(&[
        "update",
        "-m",
        "100m",
        "--memory-swap",
        "200m",
        "--cpus",
        "0.3",
        "--pids-limit",
        "50",
        "one",
    ]);
    let limit = docker.ok(&["exec", "one", "cat", "/sys/fs/cgroup/memory/memory.limit_in_bytes"]);
    assert_eq!(limit, "104857600");
    // Its devices are still there: an update does not touch them.
    docker.ok(&["exec", "one", "sh", "-c", "echo x > /dev/null"]);
}

#[test]
fn confinement_is_as_asked() {
    let host = Host::for_engines();
    let image = Image::make(&host);
    let docker = Docker::start(&host, node(ALONE), &image);
    let status = |options: &[&str], field: &str| {
        let text = docker.container(&[&["--rm"], options].concat(), &["cat", "/proc/self/status"]).ok().out;
        let line = text.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
        line.unwrap().trim().to_string()
    };
    assert_eq!(status(&["--cap-drop", "ALL"], "CapEff"), "0000000000000000");
    assert_eq!(status(&["--cap-drop", "ALL", "--cap-add", "KILL"], "CapEff"), "0000000000000020");
    assert_eq!(status(&[], "Seccomp"), "2");
    assert_eq!(status(&["--security-opt", "seccomp=unconfined"], "Seccomp"), "0");
    assert_eq!(status(&["--security-opt", "no-new-privileges"], "NoNewPrivs"), "1");
    assert_eq!(status(&["--user", "1000:1000"], "Uid").split_whitespace().next(), Some("1000"));
    let profile = host.files().join("profile.json");
    let rules = r#"{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO"}]}"#;
    std::fs::write(&profile, rules).unwrap();
    let option = format!("seccomp={}", profile.display());
    let refused = docker.container(&["--rm", "--security-opt", &option], &["mkdir", "/d"]).fails();
    let _ = refused.says(&["not permitted"]);
    let _ = docker.container(&["--rm", "--privileged"], &["mount", "-t", "tmpfs", "t", "/www"]).ok();
    let _ = docker.container(&["--rm", "--read-only"], &["touch", "/x"]).fails().says(&["read-only"]);
    let _ = docker.container(&["--rm", "--read-only", "--tmpfs", "/t"], &["touch", "/t/x"]).ok();
    let _ = docker
        .container(&["--rm", "--device", "/dev/null:/dev/other"], &["sh", "-c", "echo x > /dev/other"])
        .ok();
}

#[test]
fn volumes_and_images_hold_what_containers_wrote() {
    let host = Host::for_engines();
    let image = Image::make(&host);
    let docker = Docker::start(&host, node(ALONE), &image);
    docker.ok(&["volume", "create", "kept"]);
    let _ = docker.container(&["--rm", "-v", "kept:/v"], &["sh", "-c", "echo one > /v/f"]).ok();
    assert_eq!(docker.container(&["--rm", "-v", "kept:/v:ro"], &["cat", "/v/f"]).ok().out, "one\n");
    let _ = docker.container(&["--rm", "-v", "kept:/v:ro"], &["touch", "/v/f"]).fails().says(&["read-only"]);
    let shared = host.files().join("shared");
    std::fs::create_dir(&shared).unwrap();
    let bind = format!("{}:/shared", shared.display());
    let _ = docker.container(&["--rm", "-v", &bind], &["sh", "-c", "echo two > /shared/f"]).ok();
    assert_eq!(std::fs::read_to_string(shared.join("f")).unwrap(), "two\n");
    let context = host.files().join("context");
    std::fs::create_dir(&context).unwrap();
    std::fs::write(context.join("Dockerfile"), format!("FROM {NAME}\nRUN echo built > /b\nCMD cat /b\n"))
        .unwrap();
    docker.ok(&["build", "-q", "-t", "built:1", &context.to_string_lossy()]);
    assert_eq!(docker.ok(&["run", "--rm", "built:1"]), "built");
    let saved = host.files().join("saved.tar").to_string_lossy().into_owned();
    docker.ok(&["save", "-o", &saved, "built:1"]);
    docker.ok(&["rmi", "built:1"]);
    docker.ok(&["load", "-q", "-i", &saved]);
    assert_eq!(docker.ok(&["run", "--rm", "built:1"]), "built");
    docker.ok(&["volume", "rm", "kept"]);
}

#[test]
fn networks_of_four_modes_and_names_are_as_docker_has_them() {
    let host = Host::for_engines();
    let image = Image::make(&host);
    let docker = Docker::start(&host, node(ALONE), &image);
    let links =
        |options: &[&str]| docker.container(&[&["--rm"], options].concat(), &["ip", "-o", "link"]).ok().out;
    assert!(links(&[]).contains("eth0"));
    assert!(!links(&["--network", "none"]).contains("eth0"));
    assert!(links(&["--network", "host"]).contains("docker0"));
    let web = ["httpd", "-f", "-p", "80", "-h", "/www"];
    let _ = docker.container(&["-d", "--name", "web", "-p", "18080:80"], &web).ok();
    let fetch = "wget -qO- http://127.0.0.1/";
    let shared = docker.container(&["--rm", "--network", "container:web"], &["sh", "-c", fetch]).ok();
    assert!(shared.out.contains("hello from a container"));
    let fetches = |address: &str| host.tool(&["busybox", "wget", "-qO-", address]).out.contains("hello");
    assert!(fetches("http://127.0.0.1:18080/"));
    let linked = docker.container(&["--rm", "--link", "web:alias"], &["wget", "-qO-", "http://alias/"]).ok();
    assert!(linked.out.contains("hello"));
    docker.ok(&["network", "create", "--subnet", "10.77.0.0/24", "named"]);
    let _ = docker
        .container(&["-d", "--name", "inner", "--network", "named", "--network-alias", "other"], &web)
        .ok();
    for name in ["inner", "other"] {
        let address = format!("http://{name}/");
        let got = docker.container(&["--rm", "--network", "named"], &["wget", "-qO-", &address]).ok();
        assert!(got.out.contains("hello"), "{name}");
    }
    let apart = docker.container(&["--rm"], &["ping", "-c", "1", "-W", "1", "10.77.0.2"]);
    assert_ne!(apart.code, 0, "two networks reach each other");
    docker.ok(&["rm", "-f", "web", "inner"]);
    docker.ok(&["network", "rm", "named"]);
}

#[test]
fn containers_outlive_their_daemon_and_can_be_stopped() {
    let host = Host::for_engines();
    let image = Image::make(&host);
    let mut docker = Docker::start(&host, node(&["--live-restore"]), &image);
    docker.ok(&["run", "-d", "--name", "one", NAME, "sleep", "100"]);
    let pid = docker.ok(&["inspect", "-f", "{{.State.Pid}}", "one"]);
    docker.crash();
    assert!(std::path::Path::new(&format!("/proc/{pid}")).exists());
    docker.boot();
    assert_eq!(
        docker.ok(&["inspect", "-f", "{{.State.Pid}} {{.State.Status}}", "one"]),
        format!("{pid} running")
    );
    assert_eq!(docker.ok(&["exec", "one", "echo", "in"]), "in");
    docker.ok(&["stop", "-t", "0", "one"]);
    docker.ok(&["rm", "one"]);
}

#[test]
fn twenty_containers_at_once_all_run_and_all_end() {
    let host = Host::for_engines();
    let image = Image::make(&host);
    let docker = Docker::start(&host, node(ALONE), &image);
    let mut calls: Vec<_> = (0..20)
        .map(|number| {
            let name = format!("c{number}");
            docker.call(&["run", "-d", "--network", "none", "--name", &name, NAME, "sleep", "100"]).spawn()
        })
        .collect();
    for call in &mut calls {
        let _ = call.wait().ok();
    }
    assert_eq!(docker.ok(&["ps", "-q"]).lines().count(), 20);
    let ids = docker.ok(&["ps", "-q"]);
    let ids: Vec<&str> = ids.lines().collect();
    docker.ok(&[&["rm", "-f"], &ids[..]].concat());
    assert_eq!(docker.ok(&["ps", "-aq"]), "");
}

#[test]
fn health_and_restart_policies_are_followed() {
    let host = Host::for_engines();
    let image = Image::make(&host);
    let docker = Docker::start(&host, node(ALONE), &image);
    let check = ["--health-cmd", "test -e /healthy", "--health-interval", "300ms", "--health-retries", "1"];
    let options = [&["-d", "--name", "one", "--init"], &check[..]].concat();
    let _ = docker.container(&options, &["sleep", "100"]).ok();
    let health = || docker.ok(&["inspect", "-f", "{{.State.Health.Status}}", "one"]);
    eventually("it is unhealthy", || health() == "unhealthy");
    docker.ok(&["exec", "one", "touch", "/healthy"]);
    eventually("it is healthy", || health() == "healthy");
    let _ = docker.container(&["-d", "--name", "two", "--restart", "on-failure:2"], &["false"]).ok();
    eventually("it is restarted", || docker.ok(&["inspect", "-f", "{{.RestartCount}}", "two"]) == "2");
}

#[test]
fn containers_have_ids_of_their_own_where_the_daemon_remaps_them() {
    let host = Host::for_engines();
    let image = Image::make(&host);
    // Whose ids they are is known to this host alone.
    for name in ["subuid", "subgid"] {
        let (own, place) = (host.files().join(name), format!("/etc/{name}"));
        std::fs::write(&own, "nobody:300000:65536\nnogroup:300000:65536\n").unwrap();
        std::fs::OpenOptions::new().append(true).create(true).open(&place).unwrap();
        host.tool(&["mount", "--bind", own.to_str().unwrap(), &place]);
    }
    let docker = Docker::start(&host, node(&["--userns-remap", "nobody:nogroup"]), &image);
    let map = docker.container(&["--rm"], &["cat", "/proc/self/uid_map"]).ok().out;
    assert_eq!(map.split_whitespace().collect::<Vec<_>>(), ["0", "300000", "65536"]);
    docker.ok(&["run", "-d", "--name", "one", "-m", "64m", "-v", "kept:/v", NAME, "sleep", "100"]);
    assert_eq!(docker.ok(&["exec", "one", "sh", "-c", "id -u; echo x > /v/f; echo x > /dev/null"]), "0");
    let pid = docker.ok(&["inspect", "-f", "{{.State.Pid}}", "one"]);
    let owner = |path: &str| host.tool(&["stat", "-c", "%u", path]).out.trim().to_string();
    assert_eq!(owner(&format!("/proc/{pid}")), "300000");
    let place = docker.ok(&["volume", "inspect", "-f", "{{.Mountpoint}}", "kept"]);
    assert_eq!(owner(&format!("{place}/f")), "300000");
    assert!(docker.ok(&["exec", "one", "ip", "-o", "addr"]).contains("172.17.0."));
    let _ = docker.container(&["--rm", "--read-only", "--tmpfs", "/t"], &["touch", "/t/x"]).ok();
    let host_mode = docker.container(&["--rm", "--userns", "host"], &["cat", "/proc/self/uid_map"]).ok().out;
    assert!(host_mode.contains("4294967295"), "{host_mode}");
    docker.ok(&["pause", "one"]);
    docker.ok(&["unpause", "one"]);
    docker.ok(&["stop", "-t", "0", "one"]);
    docker.ok(&["rm", "one"]);
    drop(docker);
    for name in ["subuid", "subgid"] {
        host.tool(&["umount", &format!("/etc/{name}")]);
    }
}
