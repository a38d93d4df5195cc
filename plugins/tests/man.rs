//! The man pages: each program has one, with all its sections and all keys that the plugin reads.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a failure in a test is a panic")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// The sections of every page, in the order of man-pages(7).
const SECTIONS: [&str; 9] = [
    "NAME",
    "SYNOPSIS",
    "DESCRIPTION",
    "CONFIGURATION",
    "ENVIRONMENT",
    "EXIT STATUS",
    "FILES",
    "EXAMPLES",
    "SEE ALSO",
];

/// The calls that read a key of the configuration.
const READERS: [&str; 12] = [
    "text(",
    "texts(",
    "flag(",
    "optional_flag(",
    "number(",
    "list(",
    "section(",
    "has(",
    "port(",
    "id(",
    "read_address(section, ",
    "read_conditions(&root, ",
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The names of the programs.
fn programs() -> Vec<String> {
    let files = std::fs::read_dir(root().join("src/bin")).unwrap().flatten();
    files.map(|file| file.path().file_stem().unwrap().to_string_lossy().into_owned()).collect()
}

fn page(program: &str) -> String {
    let path = root().join(format!("man/tare-cni-{program}.8"));
    std::fs::read_to_string(&path).unwrap_or_else(|why| panic!("{}: {why}", path.display()))
}

/// The files in which a plugin reads its configuration.
fn sources(program: &str) -> Vec<PathBuf> {
    let files: &[&str] = match program {
        "bridge" => &["plugin/bridge.rs", "plugin/vlan.rs", "plugin/backend.rs", "dns.rs"],
        "host-device" => &["plugin/host_device.rs", "dns.rs"],
        "host-local" => &["ipam/host_local/mod.rs", "ipam/host_local/pool.rs", "ipam/host_local/range.rs"],
        "loopback" => &["plugin/loopback.rs"],
        "portmap" => &["plugin/portmap.rs", "plugin/backend.rs"],
        other => panic!("the test does not know where {other} reads its keys"),
    };
    files.iter().map(|file| root().join("src").join(file)).collect()
}

/// The keys that a source reads: the string literals behind the calls of `READERS`.
fn keys(source: &str) -> BTreeSet<String> {
    let code = source.split("#[cfg(test)]").next().unwrap_or_default();
    let after = READERS.iter().flat_map(|reader| code.split(*reader).skip(1));
    let literal = |rest: &str| rest.strip_prefix('"')?.split('"').next().map(str::to_owned);
    after.filter_map(literal).collect()
}

/// The page without its font macros and escapes, so that only its words are left.
fn words(page: &str) -> BTreeSet<String> {
    let plain = page.replace("\\-", "-");
    let parts = plain.split(|letter: char| !letter.is_alphanumeric());
    parts.map(str::to_owned).collect()
}

#[test]
fn each_program_has_a_page_with_all_sections_in_order() {
    for program in programs() {
        let page = page(&program);
        assert!(page.starts_with(".TH "), "{program}: a page starts with .TH");
        let sections: Vec<&str> = page.lines().filter_map(|line| line.strip_prefix(".SH ")).collect();
        assert_eq!(sections, SECTIONS, "{program}");
        let name = format!("tare\\-cni\\-{} \\- ", program.replace('-', "\\-"));
        assert!(page.lines().any(|line| line.starts_with(&name)), "{program}: NAME");
    }
}

#[test]
fn each_page_lists_every_key_that_its_plugin_reads() {
    for program in programs() {
        let words = words(&page(&program));
        let mut read = BTreeSet::new();
        for file in sources(&program) {
            read.extend(keys(&std::fs::read_to_string(file).unwrap()));
        }
        assert!(!read.is_empty(), "{program}: no keys found");
        let missing: Vec<_> = read.iter().filter(|key| !words.contains(*key)).collect();
        assert!(missing.is_empty(), "{program}: the page does not list {missing:?}");
    }
}

/// A line that starts with an apostrophe or an unknown macro is lost when the page is formatted.
#[test]
fn each_line_of_a_page_is_text_or_a_known_macro() {
    const MACROS: [&str; 16] = [
        ".TH", ".SH", ".TP", ".TQ", ".PP", ".RS", ".RE", ".nf", ".fi", ".B", ".I", ".BI", ".BR", ".RB",
        ".RI", ".IR",
    ];
    for program in programs() {
        let page = page(&program);
        for (number, line) in page.lines().enumerate() {
            let first = line.split(' ').next().unwrap_or_default();
            let known = !line.starts_with(['.', '\'']) || MACROS.contains(&first);
            assert!(known, "{program}, line {}: {line}", number + 1);
            assert_eq!(line.trim_end(), line, "{program}, line {}: spaces at the end", number + 1);
        }
        assert_eq!(page.matches("\n.RS\n").count(), page.matches("\n.RE\n").count(), "{program}");
        assert_eq!(page.matches("\n.nf\n").count(), page.matches("\n.fi\n").count(), "{program}");
    }
}
