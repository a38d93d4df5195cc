//! Checks of runtimes, by the OCI runtime specification: one module for each part of it.

mod cgroups;
mod devices;
mod features;
mod hooked;
mod hooks;
mod lifecycle;
mod mounts;
mod namespaces;
mod operations;
mod process;
mod root;
mod seccomp;
mod stage;
mod state;
mod values;

use crate::check::Suite;

/// The suite.
pub(crate) static SUITE: Suite = Suite {
    title: "OCI runtime specification 1.3.0",
    sentences: include_str!("../../sentences/runtime.txt"),
    groups: &[
        state::CHECKS,
        lifecycle::CHECKS,
        operations::CHECKS,
        root::CHECKS,
        mounts::CHECKS,
        mounts::OPTIONS,
        process::CHECKS,
        hooks::CHECKS,
        values::CHECKS,
        namespaces::CHECKS,
        devices::CHECKS,
        cgroups::CHECKS,
        seccomp::CHECKS,
        features::CHECKS,
    ],
    peers: &["runc", "crun"],
};
