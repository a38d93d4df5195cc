//! What a test of any crate reports besides its result: that it is skipped ([`skip!`]), and how long it took ([`Timed`]).
#![allow(clippy::panic, reason = "a skip that is not allowed must fail the test at once")]

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::time::{Duration, Instant};

/// The tests that may be skipped, each with the accepted reason.
const ALLOWED: &str = include_str!("../../skips.txt");

/// The variable that names the file for durations. `make test` sets it, and prints the slowest tests from there.
const TIMES: &str = "TEST_TIMES";

/// Ends the test because the machine lacks something. The reason is formatted as by `format!`.
///
/// Fails the test instead when `tests/skips.txt` does not list it.
#[macro_export]
macro_rules! skip {
    ($($reason:tt)+) => {{
        $crate::note_skip(&format!($($reason)+));
        return;
    }};
}

/// Reports that the test of this thread is skipped, or a part of it.
///
/// # Panics
/// When `tests/skips.txt` does not list the test.
pub fn note_skip(reason: &str) {
    note_skip_of(&test(), reason);
}

/// Reports that something with a name of its own, such as a check of the conformance runner, is skipped.
///
/// # Panics
/// When `tests/skips.txt` does not list the name.
pub fn note_skip_of(name: &str, reason: &str) {
    say(&format!("SKIPPED {name}: {reason}"));
    assert!(is_allowed(ALLOWED, name), "{name} is skipped ({reason}), and tests/skips.txt does not allow it");
}

/// Writes a line to standard error, which the harness does not capture this way.
pub fn say(line: &str) {
    // Without a reader of the line, the list still decides.
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// The name of the test that runs in this thread: the harness names threads after tests.
#[must_use]
pub fn test() -> String {
    std::thread::current().name().unwrap_or("unnamed").to_owned()
}

/// Whether the list names the test: each line begins with a name.
fn is_allowed(list: &str, name: &str) -> bool {
    list.lines().any(|line| line.split_whitespace().next() == Some(name))
}

/// Measures the test of this thread from here until it is dropped. A test that has several is their sum.
#[derive(Debug)]
pub struct Timed {
    name: String,
    begun: Instant,
    /// Opened first: the test may move to another mount namespace. None unless durations are asked for.
    times: Option<File>,
}

impl Timed {
    /// Starts measuring.
    #[must_use]
    pub fn start() -> Self {
        Self { name: test(), begun: Instant::now(), times: times() }
    }
}

impl Drop for Timed {
    fn drop(&mut self) {
        if let Some(file) = &mut self.times {
            write_time(file, &self.name, self.begun.elapsed());
        }
    }
}

/// Records the duration of a test that has no thread of its own.
pub fn record(name: &str, took: Duration) {
    if let Some(file) = times() {
        write_time(file, name, took);
    }
}

fn times() -> Option<File> {
    let path = std::env::var_os(TIMES)?;
    OpenOptions::new().append(true).create(true).open(path).ok()
}

/// Appends one line: seconds, and the test's name. A harness of its own has one thread, whose name is no test's.
fn write_time(mut file: impl std::io::Write, name: &str, took: Duration) {
    if name == "main" {
        return;
    }
    // A duration that is lost fails no test.
    let _ = file.write_all(format!("{:.1} {name}\n", took.as_secs_f64()).as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_first_word_of_a_line_allows_a_skip() {
        let list = "The tests that may be skipped.\n\nmounts::one  on a machine without mounts::two\n";
        assert!(is_allowed(list, "mounts::one"));
        assert!(!is_allowed(list, "mounts::two") && !is_allowed(list, "mounts") && !is_allowed(list, ""));
    }

    #[test]
    #[should_panic(expected = "tests/skips.txt does not allow it")]
    fn a_skip_that_is_not_listed_fails() {
        note_skip("no reason");
    }

    #[test]
    fn a_line_of_durations_has_seconds_and_the_name() {
        let mut line = Vec::new();
        write_time(&mut line, "mounts::one", Duration::from_millis(1_250));
        assert_eq!(line, b"1.2 mounts::one\n");
    }
}
