//! Skips: tests that a machine cannot run say so loudly, and only those on the list may.

use std::io::Write as _;

/// The tests that may be skipped, each with the reason that is accepted.
const ALLOWED: &str = include_str!("../skips.txt");

/// Says that the test that runs in this thread is skipped.
///
/// # Panics
/// The test is not listed in `tests/skips.txt`.
pub fn note(reason: &str) {
    let thread = std::thread::current();
    let name = thread.name().unwrap_or("unnamed");
    say(name, reason);
    let listed = ALLOWED.lines().any(|line| line.split_whitespace().next() == Some(name));
    assert!(listed, "{name} is skipped ({reason}), and tests/skips.txt does not allow it");
}

/// Says that another runtime than ours is known to do otherwise.
pub fn note_peer(runtime: &str, reason: &str) {
    let thread = std::thread::current();
    say(&format!("{} for {runtime}", thread.name().unwrap_or("unnamed")), reason);
}

/// Written past the harness, which keeps what a test that passes has printed to itself.
fn say(name: &str, reason: &str) {
    // With nobody to hear it, the list still decides.
    let _ = writeln!(std::io::stderr(), "SKIPPED {name}: {reason}");
}

/// Ends the test because the machine lacks something.
#[macro_export]
macro_rules! skip {
    ($($reason:tt)+) => {{
        $crate::skip::note(&format!($($reason)+));
        return;
    }};
}

/// Ends the test when the runtime under test is the named peer, which is known to do otherwise.
#[macro_export]
macro_rules! skip_for {
    ($kind:ident, $reason:expr) => {
        if $crate::under_test() == $crate::Kind::$kind {
            $crate::skip::note_peer(stringify!($kind), $reason);
            return;
        }
    };
}

/// Ends the test where version 2 of the control groups is the only one, which a test of its own is about.
#[macro_export]
macro_rules! only_version_1 {
    () => {
        if $crate::hierarchies::only_v2() {
            $crate::skip!("the machine has version 2 of the control groups alone");
        }
    };
}
