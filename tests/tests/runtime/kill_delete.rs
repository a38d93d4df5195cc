//! `kill` and `delete`: signals by name and number, force, and what stays.

use tare_bundle::bundle::PAYLOAD;
use tests::{Call, Container, Host, skip_for};

fn trapping(host: &Host) -> Container {
    let mut container = host.container(host.config(&["trap", "TERM", "USR1", "USR2", "HUP"]));
    container.create();
    container.start();
    container.prints("ready");
    container
}

#[test]
fn a_signal_is_named_with_or_without_sig_or_numbered() {
    let host = Host::new();
    let container = trapping(&host);
    for (word, seen) in [("USR1", "SIGUSR1"), ("SIGUSR2", "SIGUSR2"), ("1", "SIGHUP")] {
        let _ = container.kill(word).ok();
        container.prints(seen);
    }
}

#[test]
fn a_signal_in_small_letters_is_known() {
    let host = Host::new();
    let container = trapping(&host);
    let _ = container.kill("usr1").ok();
    container.prints("SIGUSR1");
}

#[test]
fn without_a_signal_it_is_sigterm() {
    let host = Host::new();
    let container = trapping(&host);
    let _ = container.verb(&["kill"]).ok();
    container.prints("SIGTERM");
}

#[test]
fn an_unknown_signal_is_an_error() {
    let host = Host::new();
    let container = trapping(&host);
    for word in ["NOSUCH", "-1", "0x9", "1000"] {
        let _ = container.kill(word).fails();
    }
    assert_eq!(container.status(), "running");
}

#[test]
fn a_created_container_can_be_killed() {
    let host = Host::new();
    let mut container = host.container(host.config(&["sleep", "60"]));
    container.create();
    let _ = container.kill("KILL").ok();
    container.becomes("stopped");
    let _ = container.delete().ok();
}

#[test]
fn killing_what_has_stopped_is_an_error_in_the_words_engines_look_for() {
    let host = Host::new();
    skip_for!(Crun, "its words are others");
    let mut container = host.container(host.config(&["true"]));
    container.create();
    container.start();
    container.becomes("stopped");
    let _ = container.kill("KILL").fails().says(&["container not running"]);
    assert_eq!(container.status(), "stopped");
}

#[test]
fn killing_all_of_what_has_stopped_is_no_error() {
    let host = Host::new();
    let mut container = host.container(host.config(&["true"]));
    container.create();
    container.start();
    container.becomes("stopped");
    for flag in ["--all", "-a"] {
        let _ = host.runtime().run(&["kill", flag, container.id(), "9"]).ok();
    }
}

#[test]
fn kill_all_reaches_every_process() {
    let host = Host::new();
    let config = host.config(&["init", "/bin/payload", "do", "leave 60", "sleep 60"]).share("pid");
    let mut container = host.container(config);
    container.create();
    container.start();
    let group = container.cgroup("pids").join("cgroup.procs");
    tests::eventually("all three run", || {
        std::fs::read_to_string(&group).unwrap_or_default().lines().count() >= 3
    });
    let _ = host.runtime().run(&["kill", "--all", container.id(), "KILL"]).ok();
    container.becomes("stopped");
    tests::eventually("none is left", || std::fs::read_to_string(&group).unwrap_or_default().is_empty());
    let _ = container.delete().ok();
}

#[test]
fn killing_an_unknown_container_is_an_error() {
    let host = Host::new();
    let _ = host.runtime().run(&["kill", &host.id(), "KILL"]).fails();
}

#[test]
fn delete_of_a_running_container_is_refused_and_changes_nothing() {
    let host = Host::new();
    let mut container = host.container(host.config(&["sleep", "60"]));
    container.create();
    container.start();
    let _ = container.delete().fails();
    assert_eq!(container.status(), "running");
}

#[test]
fn delete_of_a_created_container_ends_it_as_engines_rely_on() {
    // The specification has it refused; runc and crun both do it, and engines count on that.
    let host = Host::new();
    let mut container = host.container(host.config(&["sleep", "60"]));
    container.create();
    let _ = container.delete().ok();
    let _ = container.verb(&["state"]).fails();
    host.is_clean();
}

#[test]
fn delete_by_force_works_in_every_state() {
    let host = Host::new();
    for state in ["none", "created", "running", "stopped"] {
        let words: &[&str] = if state == "stopped" { &["true"] } else { &["sleep", "60"] };
        let mut container = host.container(host.config(words));
        if state != "none" {
            container.create();
        }
        if matches!(state, "running" | "stopped") {
            container.start();
            container.becomes(state);
        }
        let output = container.force_delete().ok();
        assert_eq!(output.err, "", "{state}");
        let _ = container.verb(&["state"]).fails();
        host.is_clean();
        let _ = container.force_delete().ok();
    }
}

#[test]
fn delete_by_force_of_nothing_succeeds() {
    let host = Host::new();
    let _ = host.runtime().run(&["delete", "--force", &host.id()]).ok();
}

#[test]
fn several_containers_are_deleted_one_by_one() {
    let host = Host::new();
    let mut all: Vec<_> = (0..3).map(|_| host.container(host.config(&["sleep", "60"]))).collect();
    all.iter_mut().for_each(|container| container.create());
    let count = || host.runtime().run(&["list", "-q"]).ok().out.lines().count();
    for left in (0..3).rev() {
        let _ = all[left].force_delete().ok();
        assert_eq!(count(), left);
    }
}

#[test]
fn the_short_flag_forces_too() {
    let host = Host::new();
    let mut container = host.container(host.config(&["sleep", "60"]));
    container.create();
    let _ = container.verb(&["delete", "-f"]).ok();
    container.deleted_already();
    host.is_clean();
}

#[test]
fn delete_by_force_ends_every_process_of_a_container_without_a_pid_namespace() {
    let host = Host::new();
    let mut container = host.container(host.config(&["do", "leave 60", "leave 60", "sleep 60"]).share("pid"));
    container.create();
    container.start();
    let group = container.cgroup("pids").join("cgroup.procs");
    tests::eventually("all three run", || {
        std::fs::read_to_string(&group).unwrap_or_default().lines().count() >= 3
    });
    let _ = container.force_delete().ok();
    host.is_clean();
}

#[test]
fn delete_ends_processes_that_outlive_process_1() {
    let host = Host::new();
    let mut container = host.container(host.config(&["do", "leave 60", "true"]).share("pid"));
    container.create();
    container.start();
    container.becomes("stopped");
    let _ = container.delete().ok();
    host.is_clean();
}

#[test]
fn delete_removes_cgroups_that_were_made_inside() {
    let host = Host::new();
    let mut container = host.container(host.config(&["sleep", "60"]));
    container.create();
    for controller in ["memory", "pids"] {
        std::fs::create_dir_all(container.cgroup(controller).join("inner/deeper")).unwrap();
    }
    let _ = container.force_delete().ok();
    host.is_clean();
}

#[test]
fn delete_of_a_frozen_container_by_force_works() {
    let host = Host::new();
    let mut container = host.container(host.config(&["sleep", "60"]));
    container.create();
    container.start();
    container.freeze();
    let _ = container.force_delete().ok();
    host.is_clean();
}

#[test]
fn delete_leaves_the_bundle_as_it_was() {
    let host = Host::new();
    let mut container = host.container(host.config(&["true"]));
    let before = host
        .tool(&["find", &container.bundle().to_string_lossy(), "-type", "f", "-newer", "/proc"])
        .out
        .len();
    let _ = container.run().ok();
    assert!(
        container.bundle().join("config.json").exists() && container.rootfs().join("bin/payload").exists()
    );
    let after = host
        .tool(&["find", &container.bundle().to_string_lossy(), "-type", "f", "-newer", "/proc"])
        .out
        .len();
    assert_eq!(before, after);
}

#[test]
fn delete_by_force_ends_more_processes_than_it_may_open_files() {
    // With v2 the runtime writes cgroup.kill; with v1 alone it kills the processes one by one.
    let host = Host::with_v1_alone();
    let mut container = host.container(host.config(&["sleep", "600"]).share("pid"));
    container.create();
    container.start();
    // A program of a test has, besides its own, what other tests have open at that moment: so not too few may be open.
    for _ in 0..100 {
        let _ = container.exec(&[], &[PAYLOAD, "leave", "600"]).ok();
    }
    let (program, root) = (host.runtime().program(), host.runtime().root());
    let call = Call::new("prlimit", host.files()).args(["--nofile=80".as_ref(), program.as_os_str()]);
    let call = call.args(["--root".as_ref(), root.as_os_str()]).args(["delete", "--force", container.id()]);
    let _ = call.run().ok();
    container.deleted_already();
}
