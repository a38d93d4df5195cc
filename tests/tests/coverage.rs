//! The lists of behaviours and of skips: every test and check that they name is there, and every row has a proof, a reason or
//! an issue.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "all of it is test code"
)]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Of the runtime, and of the plugins.
const LISTS: [&str; 2] = [include_str!("../COVERAGE.md"), include_str!("../../plugins/COVERAGE.md")];

/// The tests that may be skipped.
const SKIPS: &str = include_str!("../skips.txt");

/// The rows of the tables: the behaviour and what is said of it.
fn rows() -> Vec<(&'static str, &'static str)> {
    let lines = LISTS.iter().flat_map(|list| list.lines());
    let cells = lines.filter_map(|line| line.strip_prefix("| ")?.strip_suffix(" |")?.split_once(" | "));
    cells.filter(|(behaviour, _)| *behaviour != "behaviour").collect()
}

/// What a row names between backticks: `module::name`.
fn named(proof: &str) -> impl Iterator<Item = &str> {
    proof.split('`').skip(1).step_by(2).filter(|name| name.contains("::"))
}

fn sources(directory: &Path, all: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(directory).unwrap().flatten() {
        let path = entry.path();
        let name = entry.file_name().to_string_lossy().into_owned();
        if path.is_dir() && name != "target" && !name.starts_with('.') {
            sources(&path, all);
        } else if name.ends_with(".rs") {
            all.push(path);
        }
    }
}

/// The names of a file's tests.
fn tests_of(text: &str) -> impl Iterator<Item = &str> {
    let after = text.match_indices("#[test]").map(|(at, _)| text.split_at(at).1);
    after.map(|rest| rest.split("fn ").nth(1).and_then(|name| name.split('(').next()).unwrap())
}

/// The directories of all crates.
const CRATES: [&str; 11] = [
    "runtime/plan",
    "runtime/engine",
    "runtime/sys",
    "runtime/netlink",
    "runtime/cli",
    "plugins",
    "bundles",
    "bundles/payload",
    "tests",
    "tests/report",
    "conformance",
];

/// Every test of the workspace as the harness names it, and every check of the conformance runner.
fn harness_names() -> BTreeSet<String> {
    let mut names: BTreeSet<String> =
        there().into_iter().filter(|name| name.starts_with("conformance::")).collect();
    for directory in CRATES {
        let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(directory);
        add_names(&top.join("src"), &|modules| [&modules[..], &["tests".to_owned()]].concat(), &mut names);
        // The first part is the program.
        add_names(&top.join("tests"), &|modules| modules.into_iter().skip(1).collect(), &mut names);
    }
    names
}

/// Adds the tests of all files in a directory. `place` makes the modules of a test from the parts of its file's path.
fn add_names(top: &Path, place: &dyn Fn(Vec<String>) -> Vec<String>, names: &mut BTreeSet<String>) {
    let mut files = Vec::new();
    if top.is_dir() {
        sources(top, &mut files);
    }
    for file in files {
        let below = file.strip_prefix(top).unwrap().with_extension("");
        let parts = below.components().map(|part| part.as_os_str().to_string_lossy().into_owned());
        let modules = place(parts.filter(|part| !matches!(part.as_str(), "main" | "mod" | "lib")).collect());
        for name in tests_of(&std::fs::read_to_string(&file).unwrap()) {
            names.insert([&modules[..], &[name.to_owned()]].concat().join("::"));
        }
    }
}

/// Every test of the workspace by its module or its directory, and every check of the conformance runner.
fn there() -> BTreeSet<String> {
    let mut files = Vec::new();
    sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join(".."), &mut files);
    let mut names = BTreeSet::new();
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        let part = |path: &Path| path.file_stem().unwrap().to_string_lossy().into_owned();
        for name in tests_of(&text) {
            names.insert(format!("{}::{name}", part(&file)));
            names.insert(format!("{}::{name}", part(file.parent().unwrap())));
        }
        if file.components().any(|part| part.as_os_str() == "conformance") {
            let mut add = |mark: &str, start: &str| {
                for name in text.split(mark).skip(1).filter_map(|rest| rest.split('"').next()) {
                    names.insert(format!("conformance::{start}{name}"));
                }
            };
            add("name: \"", "");
            add("option!(\"", "option-");
        }
    }
    names
}

#[test]
fn every_test_that_is_named_is_there() {
    let there = there();
    let missing: Vec<&str> = rows()
        .into_iter()
        .flat_map(|(_, proof)| named(proof))
        .filter(|name| !there.contains(*name))
        .collect();
    assert!(missing.is_empty(), "COVERAGE.md names no test: {missing:#?}");
}

#[test]
fn every_skip_is_of_a_test_that_is_there_listed_once_and_has_a_reason() {
    let all = harness_names();
    // The first line says what the list is.
    let lines: Vec<&str> = SKIPS.lines().skip(1).filter(|line| !line.is_empty()).collect();
    assert!(lines.len() > 10, "{lines:?}");
    let mut seen = BTreeSet::new();
    for line in lines {
        let (name, reason) = line.split_once("  ").unwrap_or((line, ""));
        assert!(all.contains(name), "tests/skips.txt names no test: {name}");
        assert!(!reason.trim().is_empty(), "tests/skips.txt has no reason for {name}");
        assert!(seen.insert(name), "tests/skips.txt names {name} twice");
    }
}

/// `tests/mutants.sh` runs them.
#[test]
fn every_line_of_the_table_of_mutants_fits_a_test() {
    let table = include_str!("../mutants.txt");
    let lines = table.lines().filter_map(|line| line.strip_prefix("    ")).collect::<Vec<_>>();
    assert!(lines.len() > 50, "{}", lines.len());
    let all = harness_names();
    for line in lines {
        let words: Vec<&str> = line.split_whitespace().collect();
        let (name, is_exception) = if words[0] == "green" { (words[1], true) } else { (words[0], false) };
        let fits = |test: &String| if is_exception { test == name } else { test.starts_with(name) };
        assert!(all.iter().any(fits), "tests/mutants.txt names no test: {name}");
        assert!(!is_exception || words.len() > 3, "tests/mutants.txt has no reason for {name}");
    }
}

#[test]
fn every_behaviour_has_a_proof_a_reason_or_an_issue() {
    let bare: Vec<&str> = rows()
        .into_iter()
        .filter(|(_, proof)| {
            let said = ["does not apply: ", "otherwise: ", "open: issue "]
                .iter()
                .any(|word| proof.starts_with(word));
            !said && named(proof).next().is_none()
        })
        .map(|(behaviour, _)| behaviour)
        .collect();
    assert!(bare.is_empty(), "nothing is said of {bare:#?}");
}

#[test]
fn open_behaviours_are_counted() {
    let open: Vec<_> = rows().into_iter().filter(|(_, proof)| proof.starts_with("open: ")).collect();
    for (behaviour, proof) in &open {
        eprintln!("OPEN {behaviour} ({})", proof.trim_start_matches("open: "));
    }
    eprintln!("{} of {} behaviours are open", open.len(), rows().len());
    assert!(open.len() < rows().len() / 5, "too much is open");
}
