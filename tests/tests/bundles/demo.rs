//! The demo: plays to its end, more than once, and leaves nothing.

use tests::{Call, Host, Kind, built, under_test};

/// The demo's command on this host.
fn demo(host: &Host) -> Call {
    let runtime = host.runtime().program().to_string_lossy().into_owned();
    let plugins = tests::plugins().remove(0).to_string_lossy().into_owned();
    let peer: &[&str] = if under_test() == Kind::Tare { &[] } else { &["--plain-root"] };
    let words = [&["demo", "--runtime", &runtime, "--plugins", &plugins], peer].concat();
    Call::new(built().join("tare-bundle"), host.files()).args(words)
}

#[test]
fn the_demo_plays_to_its_end_twice() {
    if tests::plugins()[0] == std::path::Path::new("/usr/lib/cni") {
        return tests::skip::note_peer("the Go plugins", "they leave rules when the namespace is gone");
    }
    let host = Host::new();
    for _ in 0..2 {
        let output = demo(&host).run().ok();
        for said in [
            "from the host, by its address",
            "from the host, by 127.0.0.1",
            "it got: hello from the first container",
            "67108864 bytes of memory, 32 processes",
            "a seccomp filter: yes",
            "no container, lease, result or rule is left",
        ] {
            assert!(output.out.contains(said), "{said}: {output:#?}");
        }
        host.is_clean();
    }
}

#[test]
fn a_demo_that_fails_says_why_and_leaves_nothing() {
    let host = Host::new();
    let runtime = host.runtime().program().to_string_lossy().into_owned();
    let words = ["demo", "--runtime", &runtime, "--plugins", "/nonexistent"];
    let words =
        if under_test() == Kind::Tare { words.to_vec() } else { [&words[..], &["--plain-root"]].concat() };
    let output = Call::new(built().join("tare-bundle"), host.files()).args(words).run();
    let _ = output.fails().says(&["no plugin loopback in /nonexistent"]);
    for hierarchy in std::fs::read_dir("/sys/fs/cgroup").unwrap().flatten() {
        // The parent that the demo's containers share is its own to remove at its proper end.
        let _ = std::fs::remove_dir(hierarchy.path().join("tare-demo"));
    }
    host.is_clean();
}
