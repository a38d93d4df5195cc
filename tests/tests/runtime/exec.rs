//! exec: one more program in a container, with all that makes it like the first.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};
use tests::{Console, Container, Host, eventually};

fn sleeping(host: &Host) -> Container {
    host.running(host.config(&["sleep", "60"]))
}

fn link(pid: i32, name: &str) -> String {
    std::fs::read_link(format!("/proc/{pid}/{name}")).unwrap().to_string_lossy().into_owned()
}

fn pid_in(file: &Path) -> i32 {
    std::fs::read_to_string(file).unwrap().trim().parse().unwrap()
}

#[test]
fn output_and_exit_code_are_the_programs() {
    let host = Host::new();
    let container = sleeping(&host);
    assert_eq!(container.exec(&[], &["/bin/payload", "echo", "a b", "--tty"]).ok().out, "a b --tty\n");
    for code in [1, 42] {
        assert_eq!(container.exec(&[], &["/bin/payload", "fail", &code.to_string()]).code, code);
    }
    assert_eq!(container.exec(&[], &["/bin/payload", "die", "KILL"]).code, 137);
}

#[test]
fn the_runtimes_own_failure_is_255() {
    let host = Host::new();
    let container = sleeping(&host);
    let missing = container.exec(&[], &["nope"]);
    assert_eq!(missing.code, 255);
    let _ = missing.says(&["nope", "executable file not found in $PATH"]);
    let pid_file = container.exec(&["--pid-file", "/no/such/dir/pid"], &["/bin/payload", "true"]);
    assert_eq!(pid_file.code, 255);
    let unknown = host.runtime().run(&["exec", "no-such-container", "true"]);
    assert_eq!(unknown.code, 255);
    let _ = unknown.says(&["does not exist"]);
    assert_eq!(container.exec(&["--detach"], &["/nope"]).code, 255);
}

#[test]
fn a_script_with_a_bad_interpreter_is_one_error() {
    let host = Host::new();
    let container = sleeping(&host);
    let script = container.rootfs().join("script");
    std::fs::write(&script, "#!/no/such/interpreter\n").unwrap();
    let _ = host.tool(&["chmod", "755", &script.to_string_lossy()]);
    let output = container.exec(&[], &["/script"]).fails().says(&["no such file or directory"]);
    assert_eq!(output.err.lines().count(), 1, "{output:?}");
}

#[test]
fn it_is_in_every_namespace_and_cgroup_of_init() {
    let host = Host::new();
    let container = sleeping(&host);
    let pid_file = host.files().join("pid");
    let options = ["--detach", "--pid-file", &pid_file.to_string_lossy()];
    let _ = container.exec(&options, &["/bin/payload", "sleep", "60"]).ok();
    let (init, other) = (container.pid(), pid_in(&pid_file));
    assert_ne!(init, other);
    let kinds = ["cgroup", "ipc", "mnt", "net", "pid", "user", "uts", "time"];
    for kind in kinds.into_iter().filter(|kind| Path::new("/proc/self/ns").join(kind).exists()) {
        assert_eq!(link(other, &format!("ns/{kind}")), link(init, &format!("ns/{kind}")), "{kind}");
    }
    assert_eq!(link(other, "root"), link(init, "root"));
    let cgroups = |pid| std::fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap();
    assert_eq!(cgroups(other), cgroups(init));
    let status = std::fs::read_to_string(format!("/proc/{other}/status")).unwrap();
    assert!(status.contains("PPid:"), "{status}");
}

#[test]
fn a_relative_pid_file_counts_from_the_callers_directory() {
    let host = Host::new();
    let container = sleeping(&host);
    let call = container.exec_call(&["-d", "--pid-file", "pid"], &["/bin/payload", "sleep", "60"]);
    let _ = call.within(host.files()).run().ok();
    assert_ne!(pid_in(&host.files().join("pid")), container.pid());
}

#[test]
fn a_created_container_can_be_entered_and_stays_created() {
    let host = Host::new();
    let mut container = host.container(host.config(&["sleep", "60"]));
    container.create();
    assert_eq!(container.exec(&[], &["/bin/payload", "echo", "in"]).ok().out, "in\n");
    assert_eq!(container.status(), "created");
}

#[test]
fn a_stopped_container_is_refused() {
    let host = Host::new();
    let container = host.running(host.config(&["true"]));
    container.becomes("stopped");
    let output = container.exec(&[], &["/bin/payload", "true"]).fails();
    assert_eq!(output.code, 255);
    let _ = output.says(&["cannot exec in a stopped container"]);
}

#[test]
fn a_paused_container_is_refused_unless_one_waits() {
    let host = Host::new();
    let container = sleeping(&host);
    let _ = container.verb(&["pause"]).ok();
    let refused = container.exec(&[], &["/bin/payload", "true"]);
    assert_eq!(refused.code, 255);
    let _ = refused.says(&["cannot exec in a paused container"]);
    let mut waiting = container.exec_call(&["--ignore-paused"], &["/bin/payload", "echo", "late"]).spawn();
    std::thread::sleep(std::time::Duration::from_millis(200));
    assert!(!waiting.ended());
    let _ = container.verb(&["resume"]).ok();
    assert_eq!(waiting.wait().ok().out, "late\n");
}

#[test]
fn options_change_what_the_configuration_says() {
    let host = Host::new();
    let container = sleeping(&host);
    let options =
        ["--cwd", "/tmp", "-e", "A=1", "--env", "B=2\n3", "--user", "1000:1001", "-g", "5", "-g", "6"];
    let report = container.exec_report(&options);
    assert_eq!(report["cwd"], "/tmp");
    let env = report["env"].as_array().unwrap();
    for pair in ["A=1", "B=2\n3"] {
        assert!(env.contains(&json!(pair)), "{env:?}");
    }
    assert!(env.iter().any(|pair| pair.as_str().unwrap().starts_with("PATH=")), "{env:?}");
    assert_eq!((&report["uid"], &report["gid"]), (&json!(1000), &json!(1001)));
    let mut groups: Vec<u32> = serde_json::from_value(report["groups"].clone()).unwrap();
    groups.retain(|group| *group != 1001);
    assert_eq!(groups, [5, 6]);
}

#[test]
fn home_is_that_of_the_user() {
    let host = Host::new();
    let config = host.config(&["sleep", "60"]).set("/process/env", json!(["PATH=/bin"]));
    let container = host.running(config);
    for (user, home) in [("0", "HOME=/root"), ("1000", "HOME=/tmp"), ("4711:4711", "HOME=/")] {
        let report = container.exec_report(&["--user", user]);
        assert!(report["env"].as_array().unwrap().contains(&json!(home)), "{home}: {}", report["env"]);
    }
}

#[test]
fn a_name_for_a_user_is_refused() {
    let host = Host::new();
    let container = sleeping(&host);
    let _ = container.exec(&["--user", "root"], &["/bin/payload", "true"]).fails().says(&["--user"]);
}

#[test]
fn a_process_document_says_all_but_what_it_leaves_out() {
    let host = Host::new();
    let config = host.config(&["sleep", "60"]).env("SECRET=1");
    let container = host.running(config);
    let document = host.files().join("process.json");
    let process =
        json!({"cwd": "/bin", "args": ["payload", "report"], "env": ["PATH=/bin"], "user": {"uid": 1000}});
    std::fs::write(&document, process.to_string()).unwrap();
    let report = container.exec(&["--process", &document.to_string_lossy()], &[]).ok().json();
    let mut env: Vec<&str> =
        report["env"].as_array().unwrap().iter().map(|one| one.as_str().unwrap()).collect();
    env.sort_unstable();
    assert_eq!(env, ["HOME=/tmp", "PATH=/bin"]);
    assert_eq!((&report["cwd"], &report["uid"]), (&json!("/bin"), &json!(1000)));
}

#[test]
fn every_mistake_of_a_process_document_is_reported() {
    let host = Host::new();
    let container = sleeping(&host);
    let document = host.files().join("process.json");
    std::fs::write(&document, r#"{"cwd": "bin", "args": []}"#).unwrap();
    let output = container.exec(&["-p", &document.to_string_lossy()], &[]).fails();
    assert_eq!(output.code, 255);
    let _ = output.says(&["Cwd must be an absolute path", "args must not be empty"]);
}

#[test]
fn what_engines_have_asked_for_is_done() {
    let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../runtime/plan/tests/samples");
    let mut seen = 0;
    for entry in std::fs::read_dir(samples).unwrap() {
        let path = entry.unwrap().path();
        if !path.to_string_lossy().contains("-process-") {
            continue;
        }
        seen += 1;
        let thread = std::thread::spawn(move || {
            let mut process: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
            runs_like(&mut process);
        });
        assert!(thread.join().is_ok());
    }
    assert_eq!(seen, 16);
}

/// Runs the process of a sample, with a program and a terminal of this test.
fn runs_like(process: &mut Value) {
    let host = Host::new();
    let container = sleeping(&host);
    process["args"] = json!(["/bin/payload", "report"]);
    process["cwd"] = "/".into();
    process["terminal"] = false.into();
    if !Path::new("/sys/kernel/security/apparmor").exists() {
        process.as_object_mut().unwrap().remove("apparmorProfile");
    }
    let document = host.files().join("process.json");
    std::fs::write(&document, process.to_string()).unwrap();
    let report = container.exec(&["--process", &document.to_string_lossy()], &[]).ok().json();
    assert_eq!(report["uid"], process["user"]["uid"]);
    assert_eq!(report["no_new_privs"], process["noNewPrivileges"] == true);
    let wanted = process["capabilities"]["effective"].as_array().cloned().unwrap_or_default();
    let held = report["capabilities"]["effective"].as_array().unwrap();
    assert!(held.iter().all(|one| wanted.contains(one)), "{held:?} {wanted:?}");
    assert!(wanted.is_empty() || !held.is_empty(), "none of {wanted:?}");
}

#[test]
fn without_capabilities_there_are_none_but_those_added() {
    let host = Host::new();
    let container = sleeping(&host);
    let sets = |options: &[&str]| container.exec_report(options)["capabilities"].clone();
    let none = sets(&[]);
    let added = sets(&["--cap", "CAP_KILL", "--cap", "CAP_CHOWN"]);
    for set in ["bounding", "effective", "permitted", "inheritable", "ambient"] {
        assert_eq!(none[set], json!([]), "{set}");
        let both = matches!(set, "bounding" | "effective" | "permitted");
        assert_eq!(added[set].as_array().unwrap().len(), if both { 2 } else { 0 }, "{set}: {added}");
    }
    let _ = container.exec(&["--cap", "CAP_BOGUS"], &["/bin/payload", "true"]).fails().says(&["CAP_BOGUS"]);
}

#[test]
fn an_added_capability_is_ambient_next_to_inheritable_ones() {
    let host = Host::new();
    let config = host.config(&["sleep", "60"]);
    let config = ["bounding", "inheritable", "permitted"].iter().fold(config, |config, set| {
        config.set(&format!("/process/capabilities/{set}"), json!(["CAP_CHOWN"]))
    });
    let container = host.running(config);
    let sets = container.exec_report(&["--cap", "CAP_KILL", "--user", "1000"])["capabilities"].clone();
    assert!(sets["ambient"].as_array().unwrap().contains(&json!("CAP_KILL")), "{sets}");
}

#[test]
fn new_privileges_are_given_up_as_asked() {
    let host = Host::new();
    let container = host.running(host.config(&["sleep", "60"]).set("/process/noNewPrivileges", false));
    assert_eq!(container.exec_report(&[])["no_new_privs"], false);
    assert_eq!(container.exec_report(&["--no-new-privs"])["no_new_privs"], true);
}

#[test]
fn the_filter_and_the_limits_of_the_container_hold() {
    let host = Host::new();
    let limits = json!([{"type": "RLIMIT_NOFILE", "soft": 100, "hard": 200}]);
    let config = host.config(&["sleep", "60"]).set("/process/rlimits", limits).seccomp().unwrap();
    let container = host.running(config);
    let report = container.exec_report(&[]);
    assert_eq!(report["seccomp"], 2);
    assert_eq!(report["rlimits"]["RLIMIT_NOFILE"], json!({"soft": 100, "hard": 200}));
}

#[test]
fn as_many_descriptors_are_passed_as_asked_for() {
    let host = Host::new();
    let container = sleeping(&host);
    let program = host.runtime().program().to_string_lossy().into_owned();
    let root = host.runtime().root().to_string_lossy().into_owned();
    let count = |options: &[&str]| {
        let words = [&["exec"], options, &[container.id(), "/bin/payload", "report"]].concat();
        let line = format!("exec {} --root {} {} 3</dev/null 4</dev/null", program, root, words.join(" "));
        host.tool(&["sh", "-c", &line]).json()["fds"].as_array().unwrap().len()
    };
    assert_eq!(count(&[]), 3);
    assert_eq!(count(&["--preserve-fds", "1"]), 4);
    assert_eq!(count(&["--preserve-fds=2"]), 5);
}

#[test]
fn it_has_a_session_of_its_own() {
    let host = Host::new();
    let container = sleeping(&host);
    let report = container.exec_report(&[]);
    assert_eq!(report["sid"], report["pid"]);
    assert_eq!(report["pgid"], report["pid"]);
}

#[test]
fn its_terminal_belongs_to_the_user_and_comes_over_the_console_socket() {
    let host = Host::new();
    let container = sleeping(&host);
    let console = Console::listen(host.files());
    let options = ["--tty", "--detach", "--user", "1000", "--console-socket", &console.path()];
    let _ = container.exec(&options, &["/bin/payload", "report"]).ok();
    let text = console.accept().expect("\n").to_string();
    let report: Value = serde_json::from_str(text.trim()).unwrap();
    assert_eq!(report["terminal"]["controlling"], true);
    assert!(report["terminal"]["name"].as_str().unwrap().starts_with("/dev/pts/"));
    // /dev/console is the first process's alone, and that one has no terminal here.
    let devices = container.exec(&[], &["/bin/payload", "list", "/dev"]).ok().out;
    assert!(devices.contains("null") && !devices.contains("console"), "{devices}");
}

#[test]
fn a_terminal_needs_a_console_socket() {
    let host = Host::new();
    let container = sleeping(&host);
    let _ = container.exec(&["-t", "-d"], &["/bin/payload", "true"]).fails().says(&["console socket"]);
    let console = Console::listen(host.files());
    let options = ["--console-socket", &console.path()];
    let _ = container.exec(&options, &["/bin/payload", "true"]).fails().says(&["console socket"]);
}

#[test]
fn the_hosts_null_device_keeps_its_owner() {
    let host = Host::new();
    let container = sleeping(&host);
    let owner = |path: &str| std::fs::metadata(path).map(|file| (file.uid(), file.gid())).unwrap();
    let before = owner("/dev/null");
    let _ = container.exec(&["-d", "--user", "1000"], &["/bin/payload", "sleep", "60"]).ok();
    assert_eq!(owner("/dev/null"), before);
}

#[test]
fn in_a_user_namespace_it_is_who_the_container_says() {
    let host = Host::new();
    let container = host.container(host.config(&["sleep", "60"]).map_users(100_000, 65_536));
    let _ = host.tool(&["chown", "-R", "100000:100000", &container.rootfs().to_string_lossy()]);
    let mut container = container;
    container.create();
    assert_eq!(container.exec_report(&[])["uid"], 0);
    container.start();
    assert_eq!(container.exec_report(&["--user", "1000:1000"])["uid"], 1000);
    let pid_file = host.files().join("pid");
    let options = ["-d", "--pid-file", &pid_file.to_string_lossy()];
    let _ = container.exec(&options, &["/bin/payload", "sleep", "60"]).ok();
    let pid = pid_in(&pid_file);
    assert_eq!(link(pid, "ns/user"), link(container.pid(), "ns/user"));
    assert_eq!(std::fs::metadata(format!("/proc/{pid}")).unwrap().uid(), 100_000);
}

#[test]
fn clocks_are_the_containers() {
    let host = Host::new();
    let offsets = json!({"boottime": {"secs": 100_000, "nanosecs": 0}});
    let config = host.config(&["sleep", "60"]).namespace("time").set("/linux/timeOffsets", offsets);
    let container = host.running(config);
    let text = container.exec(&[], &["/bin/payload", "cat", "/proc/uptime"]).ok().out;
    let uptime: f64 = text.split(' ').next().unwrap().parse().unwrap();
    let hosts = std::fs::read_to_string("/proc/uptime").unwrap();
    let hosts: f64 = hosts.split(' ').next().unwrap().parse().unwrap();
    assert!(uptime - hosts > 99_000.0, "{uptime} {hosts}");
}

#[test]
fn cpus_are_those_that_the_document_names() {
    let host = Host::new();
    let container = sleeping(&host);
    let affinity = |affinity: Value| {
        let document = host.files().join("process.json");
        let process = json!({"cwd": "/", "args": ["/bin/payload", "report"], "execCPUAffinity": affinity});
        std::fs::write(&document, process.to_string()).unwrap();
        let report = container.exec(&["-p", &document.to_string_lossy()], &[]).ok().json();
        report["affinity"].as_str().unwrap().to_string()
    };
    assert_eq!(affinity(json!({"initial": "0", "final": "1"})), "1");
    assert_eq!(affinity(json!({"initial": "0"})), "0");
    let all = std::fs::read_to_string("/sys/devices/system/cpu/online").unwrap();
    assert_eq!(affinity(json!({})), all.trim());
}

#[test]
fn the_callers_own_cpus_do_not_count() {
    let host = Host::new();
    let container = sleeping(&host);
    let program = host.runtime().program().to_string_lossy().into_owned();
    let root = host.runtime().root().to_string_lossy().into_owned();
    let words =
        ["taskset", "-c", "0", &program, "--root", &root, "exec", container.id(), "/bin/payload", "report"];
    let report = host.tool(&words).json();
    let all = std::fs::read_to_string("/sys/devices/system/cpu/online").unwrap();
    assert_eq!(report["affinity"], all.trim());
}

#[test]
fn a_cgroup_below_the_containers_can_be_named() {
    tests::only_v1!();
    let host = Host::new();
    let container = sleeping(&host);
    let below = container.cgroup("pids").join("below");
    std::fs::create_dir(&below).unwrap();
    let run =
        |cgroup: &str| container.exec(&["--cgroup", cgroup], &["/bin/payload", "cat", "/proc/self/cgroup"]);
    assert!(run("pids:below").ok().out.contains("pids:/below"));
    assert!(!run("/").ok().out.contains("below"));
    let _ = run("pids:..").fails().says(&["bad sub cgroup path"]);
    let _ = run("bogus:below").fails().says(&["unknown controller bogus"]);
    let _ = run(":below").fails().says(&["--cgroup"]);
    assert_eq!(run("pids:nowhere").fails().code, 255);
    let twice = ["--cgroup", "pids:below", "--cgroup", "pids:below"];
    let _ = container.exec(&twice, &["/bin/payload", "true"]).fails().says(&["multiple times"]);
    std::fs::remove_dir(below).unwrap();
}

#[test]
fn the_plan_is_logged_for_debugging() {
    let host = Host::new();
    let container = sleeping(&host);
    let log = host.files().join("log");
    let words = ["--debug", "--log", &log.to_string_lossy(), "exec", container.id(), "/bin/payload", "true"];
    let output = host.runtime().run(&words).ok();
    assert!(output.err.is_empty(), "{output:?}");
    let text = std::fs::read_to_string(&log).unwrap();
    assert!(text.contains("level=debug") && text.contains("open the container's init"), "{text}");
}

#[test]
fn signals_are_passed_on_and_its_death_is_reported() {
    let host = Host::new();
    let container = sleeping(&host);
    let mut running = container.exec_call(&[], &["/bin/payload", "trap", "USR1"]).spawn();
    eventually("it is ready", || running.printed().contains("ready"));
    kill(running.pid(), Signal::SIGUSR1).unwrap();
    eventually("the signal arrives", || running.printed().contains("SIGUSR1"));
    kill(running.pid(), Signal::SIGTERM).unwrap();
    // It is not process 1, so that the signal has its usual effect.
    assert_eq!(running.wait().code, 128 + 15);
}

#[test]
fn what_it_leaves_behind_ends_with_the_container() {
    let host = Host::new();
    let mut container = sleeping(&host);
    let pid_file = host.files().join("pid");
    let options = ["-d", "--pid-file", &pid_file.to_string_lossy()];
    let _ = container.exec(&options, &["/bin/payload", "sleep", "60"]).ok();
    let pid = pid_in(&pid_file);
    let _ = container.force_delete().ok();
    assert!(kill(Pid::from_raw(pid), None).is_err() || link_is_dead(pid));
}

/// Whether only the entry of an ended process is left, which its parent has not looked at yet.
fn link_is_dead(pid: i32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat")).map_or(true, |stat| stat.contains(") Z "))
}

#[test]
fn a_descriptor_of_the_process_is_sent() {
    let host = Host::new();
    let mut container = host.container(host.config(&["sleep", "60"]));
    let socket = Console::listen(host.files());
    let _ = container.create_with(&["--pidfd-socket", &socket.path()]).ok();
    let of_init = socket.accept().pid();
    assert_eq!(of_init, container.pid());
    container.start();
    let socket = Console::listen(host.files());
    let pid_file = host.files().join("pid");
    let options = ["-d", "--pidfd-socket", &socket.path(), "--pid-file", &pid_file.to_string_lossy()];
    let _ = container.exec(&options, &["/bin/payload", "sleep", "60"]).ok();
    assert_eq!(socket.accept().pid(), pid_in(&pid_file));
}

#[test]
fn help_says_what_it_takes() {
    let host = Host::new();
    let output = host.runtime().run(&["exec", "--help"]).ok();
    assert!(output.out.contains("NAME:") && output.out.contains("--process"), "{output:?}");
}

#[test]
fn descriptors_that_the_caller_has_not_got_are_not_the_runtimes() {
    let host = Host::new();
    let container = sleeping(&host);
    // A program whose path leads through a descriptor of the runtime's own, if it had one there.
    std::os::unix::fs::symlink("/proc/self/fd/6/../etc/hostname", container.rootfs().join("out")).unwrap();
    for count in ["1", "20", "4294967295"] {
        let output = container.exec(&["--preserve-fds", count], &["/out"]).fails();
        let _ = output.says(&["preserved-fd 3"]);
    }
    let mut other = host.container(host.config(&["true"]));
    let _ = other.run_with(&["--preserve-fds", "5"]).fails().says(&["preserved-fd 3"]);
    other.deleted_already();
}
