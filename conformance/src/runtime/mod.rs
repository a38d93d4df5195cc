//! Checks of runtimes, by the OCI runtime specification.

mod operations;
mod stage;

use crate::check::Suite;

/// The suite.
pub(crate) static SUITE: Suite = Suite {
    title: "OCI runtime specification 1.3.0",
    sentences: include_str!("../../sentences/runtime.txt"),
    groups: &[operations::CHECKS],
    peers: &["runc", "crun"],
};
