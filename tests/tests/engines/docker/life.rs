//! A container's life by Docker's commands: each option that people use, and each state that a container is in.

use std::time::Duration;

use tests::engines::{Docker, Engine, Image, NAME};
use tests::{Host, eventually, eventually_within};

use super::{ALONE, node};

fn status(docker: &Docker<'_>, name: &str) -> String {
    docker.run(&["inspect", "-f", "{{.State.Status}}", name]).out.trim().to_string()
}

/// How many lines a list has.
fn count(docker: &Docker<'_>, words: &[&str]) -> usize {
    docker.ok(words).lines().count()
}

#[test]
fn containers_are_listed_by_what_they_are() {
    let host = Host::for_engines();
    let image = Image::make(&host);
    let docker = Docker::start(&host, node(ALONE), &image);
    docker.ok(&["create", "--name", "made", "--label", "kind=new", NAME, "true"]);
    docker.ok(&["run", "-d", "--name", "runs", "--label", "kind=old", NAME, "sleep", "100"]);
    docker.ok(&["run", "-d", "--name", "held", NAME, "sleep", "100"]);
    docker.ok(&["pause", "held"]);
    assert_eq!(docker.container(&["--name", "failed"], &["sh", "-c", "exit 3"]).code, 3);
    let _ = docker.container(&["--name", "done"], &["true"]).ok();
    assert_eq!(count(&docker, &["ps", "-q"]), 2);
    assert_eq!(count(&docker, &["ps", "-aq"]), 5);
    assert_eq!(count(&docker, &["ps", "-q", "-n", "3"]), 3);
    assert_eq!(docker.ok(&["ps", "-l", "--format", "{{.Names}}"]), "done");
    for (filter, names) in [
        ("status=created", "made"),
        ("status=running", "runs"),
        ("status=paused", "held"),
        ("status=exited", "done failed"),
        ("exited=3", "failed"),
        ("exited=0", "done"),
        ("label=kind", "made runs"),
        ("label=kind=old", "runs"),
        ("name=^fail", "failed"),
        ("ancestor=tare-test:1", "done failed held made runs"),
    ] {
        let told = docker.ok(&["ps", "-a", "-f", filter, "--format", "{{.Names}}"]);
        let mut told: Vec<&str> = told.lines().collect();
        told.sort_unstable();
        assert_eq!(told.join(" "), names, "{filter}");
    }
    docker.ok(&["exec", "runs", "sh", "-c", "head -c 5000 /dev/zero > /big"]);
    let sizes = docker.ok(&["ps", "-s", "--format", "{{.Names}} {{.Size}}"]);
    assert!(sizes.contains("runs 5kB (virtual"), "{sizes}");
    docker.ok(&["rename", "runs", "renamed"]);
    assert_eq!(
        docker.ok(&["inspect", "-f", "{{.Name}} {{.Config.Image}}", "renamed"]),
        format!("/renamed {NAME}")
    );
    docker.ok(&["unpause", "held"]);
    let refused = docker.run(&["rm", "renamed"]).fails();
    assert!(refused.err.contains("running container"), "{refused:?}");
    docker.ok(&["rm", "-f", "renamed", "held"]);
    docker.ok(&["container", "prune", "-f"]);
    assert_eq!(docker.ok(&["ps", "-aq"]), "");
}

#[test]
fn a_person_sits_at_a_containers_terminal() {
    let host = Host::for_engines();
    let image = Image::make(&host);
    let docker = Docker::start(&host, node(ALONE), &image);
    let words =
        ["run", "-it", "--rm", "--name", "desk", "-e", "WHO=me", "-w", "/tmp", "-h", "desk", NAME, "sh"];
    let shown =
        docker.call(&words).typed("test -t 0 && echo at $(pwd) of $(hostname) as $WHO\nexit 4\n").run();
    assert_eq!(shown.code, 4, "{shown:?}");
    assert!(shown.out.contains("at /tmp of desk as me"), "{shown:?}");
    docker.ok(&["run", "-d", "--name", "one", NAME, "sleep", "100"]);
    let words = ["exec", "-ti", "-e", "X=in", "one", "sh"];
    let shown = docker.call(&words).typed("test -t 1 && echo it is $X\nexit 6\n").run();
    assert!(shown.code == 6 && shown.out.contains("it is in"), "{shown:?}");
    docker.ok(&["exec", "-d", "one", "touch", "/left"]);
    eventually("it ran in the background", || docker.run(&["exec", "one", "test", "-e", "/left"]).code == 0);
    assert_eq!(docker.container(&["--rm", "--entrypoint", "echo"], &["said"]).ok().out, "said\n");
    docker.ok(&["rm", "-f", "one"]);
}

#[test]
fn output_is_followed_and_ends_are_awaited() {
    let host = Host::for_engines();
    let image = Image::make(&host);
    let docker = Docker::start(&host, node(ALONE), &image);
    let talks =
        "for n in 1 2 3; do echo line $n; done; read x; sleep 1; echo heard $x; echo wrong >&2; exit 8";
    docker.ok(&["create", "-i", "--name", "talks", NAME, "sh", "-c", talks]);
    let mut attached = docker.call(&["start", "-a", "-i", "talks"]).input("you\n").spawn();
    eventually("it runs", || status(&docker, "talks") == "running");
    let mut followed = docker.call(&["logs", "-f", "talks"]).spawn();
    assert_eq!(docker.ok(&["wait", "talks"]), "8");
    let attached = attached.wait();
    assert_eq!(attached.code, 8, "{attached:?}");
    assert!(attached.out.ends_with("line 3\nheard you\n") && attached.err.contains("wrong"), "{attached:?}");
    let followed = followed.wait().ok();
    assert!(followed.out.ends_with("heard you\n") && followed.err == "wrong\n", "{followed:?}");
    // Its two streams come in any order.
    let last = docker.run(&["logs", "--tail", "2", "talks"]).ok();
    assert_eq!(last.out.lines().count() + last.err.lines().count(), 2, "{last:?}");
    assert!(docker.ok(&["logs", "-t", "talks"]).contains("Z line 1"));
    docker.ok(&["run", "-d", "--name", "ticks", NAME, "sh", "-c", "while :; do echo tick; sleep 0.1; done"]);
    let mut watched = docker.call(&["attach", "--no-stdin", "ticks"]).spawn();
    eventually("it is attached to", || watched.printed().contains("tick"));
    docker.ok(&["kill", "-s", "KILL", "ticks"]);
    assert_eq!(watched.wait().code, 137);
    docker.ok(&["rm", "talks", "ticks"]);
}

#[test]
fn a_container_that_is_stopped_has_its_time_and_is_killed_after_it() {
    let host = Host::for_engines();
    let image = Image::make(&host);
    let docker = Docker::start(&host, node(ALONE), &image);
    let waits = |signal: &str| {
        format!("trap 'echo heard; exit 5' {signal}; echo ready; while :; do sleep 0.05; done")
    };
    let ended = |name: &str| docker.ok(&["inspect", "-f", "{{.State.Status}} {{.State.ExitCode}}", name]);
    let ready = |name: &str| eventually("it listens", || docker.ok(&["logs", name]).contains("ready"));
    docker.ok(&["run", "-d", "--name", "heeds", NAME, "sh", "-c", &waits("TERM")]);
    docker.ok(&["run", "-d", "--name", "own", "--stop-signal", "USR1", NAME, "sh", "-c", &waits("USR1")]);
    docker.ok(&[
        "run",
        "-d",
        "--name",
        "deaf",
        NAME,
        "sh",
        "-c",
        "trap '' TERM; echo ready; while :; do sleep 0.05; done",
    ]);
    for name in ["heeds", "own", "deaf"] {
        ready(name);
    }
    docker.ok(&["stop", "-t", "20", "heeds", "own"]);
    assert_eq!((ended("heeds").as_str(), ended("own").as_str()), ("exited 5", "exited 5"));
    docker.ok(&["stop", "-t", "1", "deaf"]);
    assert_eq!(ended("deaf"), "exited 137");
    docker.ok(&["start", "heeds"]);
    eventually("it listens again", || docker.ok(&["logs", "heeds"]).matches("ready").count() == 2);
    docker.ok(&["kill", "--signal", "TERM", "heeds"]);
    assert_eq!(docker.ok(&["wait", "heeds"]), "5");
    docker.ok(&["rm", "heeds", "own", "deaf"]);
}

#[test]
fn every_state_is_reached() {
    let host = Host::for_engines();
    let image = Image::make(&host);
    let docker = Docker::start(&host, node(ALONE), &image);
    docker.ok(&["create", "--name", "one", NAME, "sleep", "100"]);
    assert_eq!(status(&docker, "one"), "created");
    docker.ok(&["start", "one"]);
    assert_eq!(status(&docker, "one"), "running");
    docker.ok(&["pause", "one"]);
    assert_eq!(status(&docker, "one"), "paused");
    let refused = docker.run(&["exec", "one", "true"]).fails();
    assert!(refused.err.contains("paused"), "{refused:?}");
    docker.ok(&["unpause", "one"]);
    docker.ok(&["stop", "-t", "0", "one"]);
    assert_eq!(status(&docker, "one"), "exited");
    docker.ok(&["run", "-d", "--name", "again", "--restart", "always", NAME, "false"]);
    eventually("it is restarted again and again", || status(&docker, "again") == "restarting");
    docker.ok(&["rm", "-f", "again"]);
    // What can't be removed is dead, and goes when it can be.
    let layers = docker.data().join("overlay2");
    let layers = layers.to_str().unwrap();
    host.tool(&["mount", "--bind", layers, layers]);
    host.tool(&["mount", "-o", "remount,bind,ro", layers]);
    let _ = docker.run(&["rm", "one"]).fails();
    assert_eq!(status(&docker, "one"), "dead");
    host.tool(&["umount", layers]);
    docker.ok(&["rm", "one"]);
    assert_eq!(docker.ok(&["ps", "-aq"]), "");
}

#[test]
fn policies_of_restart_are_each_as_documented() {
    let host = Host::for_engines();
    let image = Image::make(&host);
    let mut docker = Docker::start(&host, node(ALONE), &image);
    let restarts = |docker: &Docker<'_>, name: &str| {
        docker.ok(&["inspect", "-f", "{{.RestartCount}}", name]).parse::<u32>().unwrap()
    };
    for (name, policy, words) in [
        ("no", "no", "exit 1"),
        ("failed", "on-failure:2", "exit 1"),
        ("fine", "on-failure", "exit 0"),
        ("always", "always", "sleep 0.2"),
        ("stopped", "unless-stopped", "sleep 100"),
        ("lasts", "always", "sleep 100"),
    ] {
        docker.ok(&["run", "-d", "--name", name, "--restart", policy, NAME, "sh", "-c", words]);
    }
    eventually("one is restarted twice", || restarts(&docker, "failed") == 2);
    eventually("the other always", || restarts(&docker, "always") >= 2);
    assert_eq!((restarts(&docker, "no"), restarts(&docker, "fine")), (0, 0));
    docker.ok(&["stop", "-t", "0", "stopped"]);
    docker.ok(&["rm", "-f", "always"]);
    // With the daemon go its containers; what is to be restarted is, when it comes back.
    docker.crash();
    docker.boot();
    eventually_within(Duration::from_secs(20), "it runs again", || status(&docker, "lasts") == "running");
    assert_eq!((status(&docker, "stopped").as_str(), status(&docker, "no").as_str()), ("exited", "exited"));
    docker.ok(&["rm", "-f", "lasts", "stopped", "no", "failed", "fine"]);
}

#[test]
fn changes_are_sent_as_events() {
    let host = Host::for_engines();
    let image = Image::make(&host);
    let docker = Docker::start(&host, node(ALONE), &image);
    // The shell runs on for a while, so that the shim has time to report the OOM kill.
    let greedy = ["sh", "-c", "payload alloc 268435456; sleep 3"];
    let _ = docker.container(&["--rm", "--name", "told", "-m", "16m"], &greedy);
    docker.ok(&["run", "-d", "--name", "held", NAME, "sleep", "100"]);
    for words in [&["pause", "held"][..], &["unpause", "held"], &["exec", "held", "true"], &["kill", "held"]]
    {
        docker.ok(words);
    }
    let now = docker.ok(&["info", "-f", "{{.SystemTime}}"]);
    let of = |name: &str| {
        let filter = format!("container={name}");
        let told = ["events", "--since", "0", "--until", &now, "-f", &filter, "--format", "{{.Action}}"];
        docker.ok(&told).replace('\n', " ")
    };
    eventually("its end is an event", || of("held").contains("die"));
    let told = of("told");
    for action in ["create", "attach", "start", "oom", "die", "destroy"] {
        assert!(told.contains(action), "{action}: {told}");
    }
    let held = of("held");
    for action in ["pause", "unpause", "exec_start: true", "exec_die", "kill", "die"] {
        assert!(held.contains(action), "{action}: {held}");
    }
    docker.ok(&["rm", "held"]);
}
