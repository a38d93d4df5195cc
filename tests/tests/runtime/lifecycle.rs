//! The lifecycle: create, start, state, kill, delete, as runtime.md of the specification has it.

use std::path::Path;

use tests::Host;

#[test]
fn a_container_goes_from_created_to_running_to_stopped_to_nothing() {
    let host = Host::new();
    let mut container = host.container(host.config(&["sleep", "60"]));
    container.create();
    assert_eq!(container.status(), "created");
    container.start();
    assert_eq!(container.status(), "running");
    let _ = container.kill("KILL").ok();
    container.becomes("stopped");
    let _ = container.delete().ok();
    let _ = container.verb(&["state"]).fails().says(&["does not exist"]);
}

#[test]
fn the_program_does_not_run_before_start() {
    let host = Host::new();
    let mut container = host.container(host.config(&["write", "/tmp/ran", "yes"]));
    container.create();
    std::thread::sleep(std::time::Duration::from_millis(50));
    assert!(!container.rootfs().join("tmp/ran").exists());
    container.start();
    container.becomes("stopped");
    assert!(container.rootfs().join("tmp/ran").exists());
}

#[test]
fn a_second_create_with_the_id_fails_and_leaves_the_first() {
    let host = Host::new();
    let mut first = host.container(host.config(&["sleep", "60"]));
    first.create();
    let before = first.state();
    let other = host.container(host.config(&["sleep", "60"]));
    let bundle = other.bundle().to_string_lossy().into_owned();
    let _ = host.runtime().run(&["create", "--bundle", &bundle, first.id()]).fails().says(&["exist"]);
    assert_eq!(first.state(), before);
    first.start();
    assert_eq!(first.status(), "running");
}

#[test]
fn of_two_creates_at_once_exactly_one_wins() {
    tests::skip_for!(Runc, "the loser takes the winner's state away");
    let host = Host::new();
    for _ in 0..5 {
        let mut container = host.container(host.config(&["sleep", "60"]));
        let bundle = container.bundle().to_string_lossy().into_owned();
        let mut both: Vec<_> = (0..2)
            .map(|_| host.runtime().call(&["create", "--bundle", &bundle, container.id()]).spawn())
            .collect();
        let codes: Vec<i32> = both.iter_mut().map(|one| one.wait().code).collect();
        assert_eq!(codes.iter().filter(|code| **code == 0).count(), 1, "{codes:?}");
        container.start();
        assert_eq!(container.status(), "running");
        let _ = container.force_delete().ok();
        host.is_clean();
    }
}

#[test]
fn an_id_can_be_used_again_after_delete() {
    let host = Host::new();
    let mut container = host.container(host.config(&["true"]));
    for _ in 0..2 {
        container.create();
        container.start();
        container.becomes("stopped");
        let _ = container.delete().ok();
    }
}

#[test]
fn start_of_what_does_not_wait_for_it_fails() {
    let host = Host::new();
    let mut container = host.container(host.config(&["sleep", "60"]));
    let _ = container.verb(&["start"]).fails().says(&["does not exist"]);
    container.create();
    container.start();
    let _ = container.verb(&["start"]).fails();
    assert_eq!(container.status(), "running");
    let _ = container.kill("KILL").ok();
    container.becomes("stopped");
    let _ = container.verb(&["start"]).fails();
    assert_eq!(container.status(), "stopped");
}

/// config.md, "Process": "This property is REQUIRED when start is called."
#[test]
fn a_container_without_a_process_can_be_created_and_not_started() {
    tests::skip_for!(Runc, "it refuses it at create");
    tests::skip_for!(Crun, "it refuses it at create");
    let host = Host::new();
    let mut container = host.container(host.config(&[]).remove("/process"));
    container.create();
    assert_eq!(container.status(), "created");
    let _ = container.verb(&["start"]).fails().says(&["process property must not be empty"]);
    container.becomes("stopped");
    let _ = container.delete().ok();
    let _ = container.run().fails().says(&["process property must not be empty"]);
    let _ = container.verb(&["state"]).fails();
}

#[test]
fn changing_the_configuration_after_create_changes_nothing() {
    let host = Host::new();
    let mut container = host.container(host.config(&["echo", "as created"]));
    container.create();
    std::fs::write(container.bundle().join("config.json"), "{}").unwrap();
    container.start();
    container.prints("as created");
}

#[test]
fn the_pid_file_holds_the_pid_of_the_state() {
    let host = Host::new();
    let mut container = host.container(host.config(&["sleep", "60"]));
    let file = host.files().join("pid");
    let _ = container.create_with(&["--pid-file", &file.to_string_lossy()]).ok();
    assert_eq!(std::fs::read_to_string(file).unwrap(), container.pid().to_string());
}

#[test]
fn a_relative_pid_file_is_relative_to_the_callers_directory() {
    let host = Host::new();
    let mut container = host.container(host.config(&["sleep", "60"]));
    let bundle = container.bundle().to_string_lossy().into_owned();
    let directory = host.files().join("elsewhere");
    std::fs::create_dir(&directory).unwrap();
    let call = host.runtime().call(&["create", "--pid-file", "pid", "--bundle", &bundle, container.id()]);
    let _ = call.within(&directory).run().ok();
    assert_eq!(std::fs::read_to_string(directory.join("pid")).unwrap(), container.pid().to_string());
    let _ = container.force_delete().ok();
}

#[test]
fn run_writes_the_pid_file_too() {
    let host = Host::new();
    let file = host.files().join("pid");
    let mut container = host.container(host.config(&["report"]));
    let output = container.run_with(&["--pid-file", &file.to_string_lossy()]).ok();
    assert_eq!(output.json()["pid"], 1);
    assert!(std::fs::read_to_string(&file).unwrap().parse::<u32>().unwrap() > 1);
    let mut container = host.container(host.config(&["sleep", "60"]));
    let _ = container.run_with(&["--detach", "--pid-file", &file.to_string_lossy()]).ok();
    assert_eq!(std::fs::read_to_string(&file).unwrap(), container.pid().to_string());
}

#[test]
fn run_prints_what_the_program_prints() {
    let host = Host::new();
    assert_eq!(host.run(host.config(&["echo", "hello"])).ok().out, "hello\n");
}

/// What the waiting init holds is its own, of the runtime, or a stream that its caller gave it.
#[test]
fn a_created_init_holds_no_descriptor_of_the_caller() {
    let host = Host::new();
    let mut container = host.container(host.config(&["sleep", "60"]));
    let secret = std::fs::File::create(host.files().join("secret")).unwrap();
    let raw = std::os::fd::AsRawFd::as_raw_fd(&secret);
    nix::fcntl::fcntl(&secret, nix::fcntl::FcntlArg::F_SETFD(nix::fcntl::FdFlag::empty())).unwrap();
    container.create();
    let directory = format!("/proc/{}/fd", container.pid());
    let held: Vec<String> = std::fs::read_dir(&directory)
        .unwrap()
        .flatten()
        .filter_map(|entry| std::fs::read_link(entry.path()).ok())
        .map(|target| target.to_string_lossy().into_owned())
        .collect();
    assert!(!held.iter().any(|target| target.ends_with("/secret")), "{raw}: {held:?}");
    let known = [
        "/dev/null",
        "socket:",
        "pipe:",
        "anon_inode:",
        "/memfd:",
        "/tmp/test/call-",
        "/run/runtime",
        "/proc",
        "/",
    ];
    for target in &held {
        assert!(known.iter().any(|start| target.starts_with(start)), "{target} of {held:?}");
    }
}

#[test]
fn the_pidfd_of_init_is_sent() {
    tests::skip_for!(Runc, "Debian's is older than that");
    tests::skip_for!(Crun, "it has no such option");
    let host = Host::new();
    let mut container = host.container(host.config(&["sleep", "60"]));
    let socket = tests::Console::listen(host.files());
    let _ = container.create_with(&["--pidfd-socket", &socket.path()]).ok();
    assert_eq!(socket.accept().pid(), container.pid());
}

#[test]
fn the_bundle_is_the_current_directory_unless_named() {
    let host = Host::new();
    let mut container = host.container(host.config(&["sleep", "60"]));
    let call = host.runtime().call(&["create", container.id()]);
    let _ = call.within(container.bundle()).run().ok();
    assert_eq!(Path::new(container.state()["bundle"].as_str().unwrap()), container.bundle());
    let _ = container.force_delete().ok();
}

#[test]
fn run_detached_returns_while_the_container_runs() {
    let host = Host::new();
    let mut container = host.container(host.config(&["sleep", "60"]));
    let _ = container.run_with(&["--detach"]).ok();
    assert_eq!(container.status(), "running");
}

#[test]
fn a_detached_container_stays_as_stopped_until_deleted() {
    let host = Host::new();
    let mut container = host.container(host.config(&["true"]));
    let _ = container.run_with(&["-d"]).ok();
    container.becomes("stopped");
    assert_eq!(container.state()["pid"], 0);
    let _ = container.delete().ok();
}

#[test]
fn run_keep_leaves_the_stopped_container() {
    let host = Host::new();
    let mut container = host.container(host.config(&["fail", "3"]));
    if container.runtime_help("run").contains("--keep") {
        assert_eq!(container.run_with(&["--keep"]).code, 3);
        assert_eq!(container.status(), "stopped");
        let _ = container.delete().ok();
    } else {
        tests::skip_for!(Runc, "Debian's is older than --keep");
        panic!("run --help knows no --keep");
    }
}

#[test]
fn roots_know_nothing_of_each_others_containers() {
    let host = Host::new();
    let mut container = host.container(host.config(&["sleep", "60"]));
    container.create();
    let other = host.runtime().rooted(&host.files().join("other-root"));
    let _ = other.run(&["state", container.id()]).fails().says(&["does not exist"]);
    assert_eq!(container.status(), "created");
}

#[test]
fn verbs_without_an_id_fail() {
    let host = Host::new();
    for verb in ["create", "start", "state", "kill", "delete"] {
        let _ = host.runtime().run(&[verb]).fails();
    }
}

#[test]
fn the_containers_init_is_an_orphan_with_the_callers_streams() {
    let host = Host::new();
    let mut container = host.container(host.config(&["do", "echo one two", "cat"]));
    container.create();
    container.start();
    container.prints("one two\n");
    container.becomes("stopped");
}

#[test]
fn a_hundred_short_containers_run_and_leave_nothing() {
    let host = Host::new();
    let mut container = host.container(host.config(&["true"]));
    for _ in 0..100 {
        let _ = container.run().ok();
    }
    host.is_clean();
}
