//! A machine with cgroup v2 only: a user-mode Linux on this machine's files, in which the tests about
//! groups are run again where this machine has version 1.

use std::path::Path;
use std::process::Command;

/// The modules whose tests are run there.
const MODULES: &[&str] = &[
    "version_2::",
    "cgroups::",
    "pause::",
    "events::",
    "update::",
    "systemd::",
    "devices::",
    "kill_delete::delete",
    "kill_delete::kill_all",
    "exec::it_is_in_every_namespace_and_cgroup_of_init",
    "lifecycle::a_container_goes_from_created",
];

#[test]
fn cgroup_v2_alone_passes_all_tests_of_cgroups() {
    let _timed = tests::Timed::start();
    if tests::hierarchies::only_v2() {
        tests::skip!("this machine has version 2 alone: the tests have run already");
    }
    if !Path::new("/usr/bin/linux.uml").exists() {
        tests::skip!("user-mode-linux is not installed");
    }
    let disk = tests::built().join("version-2.disk");
    std::fs::File::create(&disk).unwrap().set_len(1 << 20).unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("version-2.sh").canonicalize().unwrap();
    let uml = script.with_file_name("uml.sh");
    let program = std::env::current_exe().unwrap();
    let output = Command::new("timeout")
        .args([
            "600",
            uml.to_str().unwrap(),
            "mem=768M",
            "rootfstype=hostfs",
            "rootflags=/",
            "ro",
            "con=null",
            "con0=null,fd:1",
        ])
        .args(["quiet", &format!("init={}", script.display()), &format!("TESTS={}", program.display())])
        .arg(format!("MODULES={}", MODULES.join(",")))
        .arg(format!("ubd0r={}", disk.display()))
        .env_remove("RUNTIME")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    eprintln!("{text}");
    assert!(text.contains("\nGROUPS WORK"), "{text}{}", String::from_utf8_lossy(&output.stderr));
    // A name that fits no test would be passed over there.
    for module in MODULES {
        let ran =
            text.lines().any(|line| line.starts_with(&format!("test {module}")) && line.ends_with("ok"));
        assert!(ran, "no test of {module} was run: {text}");
    }
    assert!(!text.contains("the machine has cgroup v1"), "they were skipped there too: {text}");
}

#[test]
fn user_mode_linux_starts_on_a_cpu_with_more_register_state_than_it_knows() {
    let uml = Path::new(env!("CARGO_MANIFEST_DIR")).join("uml.sh");
    let output = Command::new(uml).arg("--check").output().unwrap();
    assert!(output.status.success(), "{output:?}");
}
