//! Checks of plugins, by the CNI specification.

mod configuration;
mod operations;
mod stage;

use crate::check::Suite;

/// The suite.
pub(crate) static SUITE: Suite = Suite {
    title: "CNI specification 1.1.0",
    sentences: include_str!("../../sentences/cni.txt"),
    groups: &[configuration::CHECKS, operations::CHECKS],
    peers: &[],
};
