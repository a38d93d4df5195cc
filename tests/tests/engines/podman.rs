//! Podman and buildah on the runtime under test.

use tests::engines::{Image, NAME, Podman};
use tests::{Host, eventually};

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
    let ok = |words: &[&str]| podman.run(words).ok().out.trim_end().to_string();
    let _ = podman.container(&["-d", "--name", "one", "--network", "none"], &["sleep", "100"]).ok();
    assert_eq!(ok(&["exec", "one", "echo", "in"]), "in");
    assert_eq!(podman.run(&["exec", "one", "sh", "-c", "exit 9"]).code, 9);
    assert_eq!(podman.run(&["exec", "one", "no-such-program"]).code, 127);
    assert!(ok(&["top", "one"]).contains("sleep"));
    assert!(ok(&["stats", "--no-stream", "one"]).contains('%'));
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
    let _ = quick(&["--cgroups", "disabled"], &["true"]).ok();
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
