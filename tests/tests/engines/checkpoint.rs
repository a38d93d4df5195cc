//! Containers of engines, frozen and brought back by criu itself, where there is one that works on this kernel.

use tests::criu::{KNOWLEDGE, on_path};
use tests::engines::{Docker, Engine, Image, NAME, Node, Podman};
use tests::{Host, eventually, needs_criu};

/// A program that writes down that it begins, and then counts in a file, one by one.
const COUNT: [&str; 3] = [
    "sh",
    "-c",
    "echo begins >>/begun; i=0; while true; do i=$((i+1)); echo $i >/new; mv /new /count; sleep 0.1; done",
];

#[test]
fn podman_freezes_brings_back_exports_and_imports() {
    let _ = needs_criu!();
    let host = Host::for_engines();
    let image = Image::make(&host);
    let podman = Podman::start(&host, &tests::plugins(), &image);
    let run = |words: &[&str]| {
        let call = podman.call(words).with(|command| {
            command.env("PATH", on_path(host.files()));
        });
        call.run()
    };
    let count = |name: &str| run(&["exec", name, "cat", "/count"]).ok().out.trim().parse::<u32>().unwrap();
    let begun = |name: &str| run(&["exec", name, "cat", "/begun"]).ok().out;
    let _ = podman.container(&["-d", "--name", "one", "--network", "none"], &COUNT).ok();
    eventually("it begins", || run(&["exec", "one", "test", "-e", "/count"]).code == 0);
    eventually("it counts", || count("one") > 3);
    let before = count("one");
    let _ = run(&["container", "checkpoint", "one"]).ok();
    assert_ne!(run(&["inspect", "-f", "{{.State.Status}}", "one"]).ok().out.trim(), "running");
    let _ = run(&["container", "restore", "one"]).ok();
    eventually("it goes on", || count("one") > before + 3);
    assert_eq!(begun("one"), "begins\n", "it is not begun anew");
    let archive = host.files().join("one.tar.gz");
    let archive = archive.to_string_lossy();
    let _ = run(&["container", "checkpoint", "--export", &archive, "one"]).ok();
    let _ = run(&["rm", "one"]).ok();
    let _ = run(&["container", "restore", "--import", &archive, "--name", "two"]).ok();
    assert!(count("two") > before);
    eventually("it goes on", || count("two") > before + 9);
    assert_eq!(begun("two"), "begins\n", "it is not begun anew");
    let _ = run(&["container", "checkpoint", "--leave-running", "two"]).ok();
    assert_eq!(run(&["inspect", "-f", "{{.State.Status}}", "two"]).ok().out.trim(), "running");
    let _ = run(&["rm", "-f", "-t", "0", "two"]).ok();
    let _ = std::fs::remove_file(KNOWLEDGE);
}

#[test]
fn docker_freezes_and_starts_again_from_there() {
    let _ = needs_criu!();
    let host = Host::for_engines();
    let image = Image::make(&host);
    let node = Node { name: "one", network: None, options: &["--experimental"] };
    let docker = Docker::start(&host, node, &image);
    let ok = |words: &[&str]| docker.run(words).ok().out.trim().to_owned();
    let count = || ok(&["exec", "one", "cat", "/count"]).parse::<u32>().unwrap();
    let words = ["run", "-d", "--name", "one", "--network", "none", NAME];
    ok(&[&words[..], &COUNT].concat());
    eventually("it begins", || docker.run(&["exec", "one", "test", "-e", "/count"]).code == 0);
    eventually("it counts", || count() > 3);
    let before = count();
    ok(&["checkpoint", "create", "one", "first"]);
    eventually("it has ended", || ok(&["inspect", "-f", "{{.State.Status}}", "one"]) == "exited");
    ok(&["start", "--checkpoint", "first", "one"]);
    eventually("it goes on", || count() > before + 3);
    assert_eq!(ok(&["exec", "one", "cat", "/begun"]), "begins", "it is not begun anew");
    ok(&["rm", "-f", "one"]);
    let _ = std::fs::remove_file(KNOWLEDGE);
    // containerd forgets its own copy of the images.
    for entry in std::fs::read_dir("/tmp").unwrap().flatten() {
        if entry.file_name().to_string_lossy().starts_with("ctrd-checkpoint") {
            std::fs::remove_dir_all(entry.path()).unwrap();
        }
    }
}
