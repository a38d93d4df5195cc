//! The glossary of CONTRIBUTING.md, kept: no comment, string, document or test name has a word that it forbids.
//!
//! Each row of its table has the term to write and, behind it, the words not to write. Lines that must have such a word, like a
//! quotation, are listed in `tests/glossary.txt`. `make lint` runs this.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

/// One forbidden phrase.
struct Rule {
    words: Vec<String>,
    write: String,
}

/// A line that may have a forbidden word.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Allowed {
    /// A file, or a directory that ends with a slash.
    path: String,
    /// A text in the line; empty for every line.
    text: String,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap()
}

/// The cells of a table row.
fn cells(line: &str) -> Option<(&str, &str)> {
    let (write, not) = line.strip_prefix("| ")?.strip_suffix(" |")?.split_once(" | ")?;
    Some((write.trim(), not.trim()))
}

/// The rows of the table below the heading "Glossary".
fn rules(text: &str) -> Vec<Rule> {
    let table = text.lines().skip_while(|line| *line != "## Glossary").skip(1);
    let table = table.take_while(|line| !line.starts_with("## "));
    let rows = table.filter_map(cells).filter(|(write, _)| *write != "write");
    rows.flat_map(|(write, not)| {
        let rule = |phrase: &str| Rule {
            words: phrase.split_whitespace().map(str::to_lowercase).collect(),
            write: write.to_owned(),
        };
        not.split(", ").map(rule).collect::<Vec<_>>()
    })
    .collect()
}

fn allowed(text: &str) -> BTreeSet<Allowed> {
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines
        .map(|line| {
            let (path, text) = line.split_once(": ").unwrap_or((line, ""));
            Allowed { path: path.to_owned(), text: text.to_owned() }
        })
        .collect()
}

impl Allowed {
    fn covers(&self, path: &str, line: &str) -> bool {
        let file = if self.path.ends_with('/') { path.starts_with(&self.path) } else { path == self.path };
        file && line.contains(&self.text)
    }
}

impl Rule {
    /// A message about a line that breaks it.
    fn say(&self, path: &str, line: usize) -> String {
        format!("{path}:{line}: {} -> {}", self.words.join(" "), self.write)
    }

    /// Whether the words of a line have the phrase in them.
    fn is_in(&self, words: &[String]) -> bool {
        words.windows(self.words.len()).any(|part| part == self.words)
    }
}

/// The words of a text, in lower case. An underscore separates words, so that names of tests are read too.
fn words(text: &str) -> Vec<String> {
    let parts = text.split(|letter: char| !letter.is_alphanumeric() && letter != '\'');
    parts.filter(|word| !word.is_empty()).map(str::to_lowercase).collect()
}

/// What a reader of Rust reads as prose: comments, strings, and the names of functions, with the rest blanked out.
fn prose(source: &str) -> String {
    let mut text = String::with_capacity(source.len());
    let mut state = State::Code;
    for line in source.lines() {
        if state == State::Comment {
            state = State::Code;
        }
        state = prose_of_line(line, state, &mut text);
        text.push('\n');
    }
    text
}

/// Where the reader of a source stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Code,
    Comment,
    Text,
}

fn prose_of_line(line: &str, mut state: State, text: &mut String) -> State {
    let name = line
        .trim_start()
        .split("fn ")
        .nth(1)
        .filter(|_| state == State::Code && !line.trim_start().starts_with("//"));
    text.push_str(name.and_then(|rest| rest.split(['(', '<']).next()).unwrap_or_default());
    text.push(' ');
    let letters: Vec<char> = line.chars().collect();
    for (index, letter) in letters.iter().enumerate() {
        let before = index.checked_sub(1).and_then(|before| letters.get(before));
        state = match (state, letter) {
            (State::Code, '/') if before == Some(&'/') => State::Comment,
            (State::Code, '"') if before != Some(&'\'') => State::Text,
            (State::Text, '"') if before != Some(&'\\') => State::Code,
            (same, _) => same,
        };
        text.push(if state == State::Code { ' ' } else { *letter });
    }
    state
}

/// The tracked files that people read.
fn files() -> Vec<String> {
    let output = Command::new("git").args(["ls-files"]).current_dir(root()).output().unwrap();
    let all = String::from_utf8(output.stdout).unwrap();
    let read = |path: &&str| {
        *path == "Makefile" || [".rs", ".md", ".sh", ".txt", ".toml"].iter().any(|end| path.ends_with(end))
    };
    all.lines().filter(read).map(str::to_owned).collect()
}

/// The rules that a line breaks. The table itself breaks none.
fn broken<'a>(rules: &'a [Rule], path: &str, (line, shown): (&str, &str)) -> Vec<&'a Rule> {
    let words = words(shown);
    let is_row = path == "CONTRIBUTING.md" && cells(line).is_some();
    rules.iter().filter(|rule| rule.is_in(&words) && !is_row).collect()
}

#[test]
fn the_glossary_is_kept() {
    let rules = rules(&read("CONTRIBUTING.md"));
    assert!(rules.len() > 20, "the table of CONTRIBUTING.md has {} rules", rules.len());
    let allowed = allowed(&read("tests/glossary.txt"));
    let mut used = BTreeSet::new();
    let mut found = Vec::new();
    for path in files().iter().filter(|path| *path != "tests/glossary.txt") {
        let source = read(path);
        let text = if path.ends_with(".rs") { prose(&source) } else { source.clone() };
        for (number, (line, shown)) in source.lines().zip(text.lines()).enumerate() {
            let broken = broken(&rules, path, (line, shown));
            let by: Vec<&Allowed> = allowed.iter().filter(|one| one.covers(path, line)).collect();
            match by.is_empty() {
                true => found.extend(broken.iter().map(|rule| rule.say(path, number + 1))),
                false if !broken.is_empty() => used.extend(by),
                false => {}
            }
        }
    }
    let unused: Vec<&Allowed> = allowed.iter().filter(|one| !used.contains(one)).collect();
    assert!(found.is_empty(), "{}\n{} lines", found.join("\n"), found.len());
    assert!(unused.is_empty(), "tests/glossary.txt allows lines that do not exist: {unused:#?}");
}

#[test]
fn phrases_are_found_in_comments_strings_and_names_only() {
    let rules = rules(
        "## Glossary\n\n| write | not |\n|---|---|\n| cgroup | control group, control groups |\n## Next\n| a | b |\n",
    );
    assert_eq!(rules.len(), 2);
    let has = |source: &str| rules.iter().any(|rule| rule.is_in(&words(&prose(source))));
    assert!(
        has("// a control group")
            && has("let a = \"the Control groups\";")
            && has("fn a_control_group_is_made() {")
    );
    assert!(has("let a = \"one\n control groups\";"));
    assert!(
        !has("let control = group;")
            && !has("control.group(\"\", '\"', control)")
            && !has("// control the groups")
    );
}
