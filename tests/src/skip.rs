//! Skips that depend on the runtime under test or on the machine's cgroups.

use test_report::{say, test};

/// Reports that another runtime than ours is known to do otherwise.
pub fn note_peer(runtime: &str, reason: &str) {
    say(&format!("SKIPPED {} for {runtime}: {reason}", test()));
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

/// Ends the test where cgroup v2 is the only version: another test covers that.
#[macro_export]
macro_rules! only_v1 {
    () => {
        if $crate::hierarchies::only_v2() {
            $crate::skip!("the machine has cgroup v2 only");
        }
    };
}
