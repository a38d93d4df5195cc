//! The floors of this crate: a file imports files of its own floor and of lower ones, and no files import each other in a cycle.

use imports::Imports;
use std::path::Path;

/// The top-level modules of each floor, the highest floor first. `lib.rs` draws the same floors.
const FLOORS: &[&[&str]] = &[
    &["verb"],
    &["parent"],
    &["init"],
    &["container"],
    &["criu", "probe"],
    &["cgroup", "systemd", "mounts", "namespace", "hook", "socket"],
    &["channel", "child", "slots"],
    &["error", "errno", "fault", "time"],
];

fn source() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src"))
}

#[test]
fn no_file_imports_one_of_a_higher_floor() {
    let upward = Imports::read(source()).unwrap().upward(FLOORS);
    assert!(upward.is_empty(), "{upward:#?}");
}

#[test]
fn no_files_import_each_other_in_a_cycle() {
    let cycles = Imports::read(source()).unwrap().cycles();
    assert!(cycles.is_empty(), "{cycles:#?}");
}

#[test]
fn every_folder_says_what_it_may_use() {
    for floor in FLOORS.iter().flat_map(|floor| floor.iter()) {
        // A module of a single file has no folder.
        let Ok(text) = std::fs::read_to_string(source().join(floor).join("mod.rs")) else { continue };
        let opening: String = text.lines().take_while(|line| line.starts_with("//!")).collect();
        assert!(opening.to_lowercase().contains("may use"), "{floor}/mod.rs does not say what it may use");
    }
}
