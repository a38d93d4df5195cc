//! Skips: tests that a machine cannot run say so loudly, and only those on the list may.

/// The tests that may be skipped, each with the reason that is accepted.
const ALLOWED: &str = include_str!("../skips.txt");

/// Says that the test that runs in this thread is skipped.
///
/// # Panics
/// The test is not listed in `tests/skips.txt`.
pub fn note(reason: &str) {
    let thread = std::thread::current();
    let name = thread.name().unwrap_or("unnamed");
    eprintln!("SKIPPED {name}: {reason}");
    let listed = ALLOWED.lines().any(|line| line.split_whitespace().next() == Some(name));
    assert!(listed, "{name} is skipped ({reason}), and tests/skips.txt does not allow it");
}

/// Says that another runtime than ours is known to do otherwise.
pub fn note_peer(runtime: &str, reason: &str) {
    let thread = std::thread::current();
    eprintln!("SKIPPED {} for {runtime}: {reason}", thread.name().unwrap_or("unnamed"));
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
        if $crate::only_version_2() {
            $crate::skip!("the machine has version 2 of the control groups alone");
        }
    };
}
