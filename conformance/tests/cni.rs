//! Our plugins pass every check, and plugins that do nothing don't.

#![allow(clippy::unwrap_used, clippy::panic, reason = "all of it is test code")]

use std::path::Path;
use std::process::Command;

fn run(directory: &Path) -> (bool, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_conformance"));
    let output = command.arg("--cni").arg(directory).output().unwrap();
    (output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned())
}

#[test]
fn our_plugins_conform() {
    let own = Path::new(env!("CARGO_BIN_EXE_conformance")).parent().unwrap();
    assert!(own.join("bridge").is_file(), "no plugins in {}: cargo build --bins makes them", own.display());
    let (conforms, text) = run(own);
    assert!(conforms && text.contains(" 0 failed, 0 skipped"), "{text}");
}

#[test]
fn plugins_that_do_nothing_fail() {
    let directory = std::env::temp_dir().join(format!("idle-plugins-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    for name in ["bridge", "host-local", "loopback", "portmap"] {
        std::os::unix::fs::symlink("/bin/true", directory.join(name)).unwrap();
    }
    let (conforms, text) = run(&directory);
    std::fs::remove_dir_all(&directory).unwrap();
    assert!(!conforms && !text.contains("  ok"), "{text}");
}
