//! The floors of this crate: a file imports files of its own floor and of lower ones, and no files import each other in a cycle.

use imports::Imports;
use std::path::Path;

/// The top-level modules of each floor, the highest floor first.
const FLOORS: &[&[&str]] = &[
    &["verb", "features", "print"],
    &[
        "cgroup",
        "criu",
        "devices",
        "footprint",
        "gvariant",
        "hooks",
        "labels",
        "mappings",
        "mounts",
        "namespaces",
        "process",
        "resctrl",
        "root",
        "scheduling",
    ],
    &["context", "draft"],
    &["plan"],
    &["step"],
    &["host", "seccomp"],
    &["spec"],
    &["tables", "place"],
];

/// The cycle that stays: the rows of the table of system calls, and the type of a row.
const TABLE: &[&str] = &["tables::syscall_rows", "tables::syscalls"];

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
    let mut cycles = Imports::read(source()).unwrap().without_facades().cycles();
    cycles.retain(|cycle| cycle != TABLE);
    assert!(cycles.is_empty(), "{cycles:#?}");
}
