//! The harness: a host of its own for each test, the runtime under test, and the check that nothing is left behind.
//!
//! A test takes a [`Host`], describes containers with [`tare_bundle::config::Config`], and drives the runtime through
//! [`Container`] or [`Runtime`]. Every wait has a limit. When the host is dropped, whatever the runtime left on the
//! machine fails the test.
//!
//! `RUNTIME` names the program under test (default: the `tare` of the same build), `PLUGINS` the directories of CNI
//! plugins separated by colons (default: ours).
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "all of it is test code: an assertion that fails must say so at once"
)]

mod console;
mod container;
pub mod criu;
pub mod engines;
pub mod hierarchies;
mod host;
pub mod killer;
mod leaks;
mod process;
mod runtime;
#[doc(hidden)]
pub mod skip;

pub use console::Console;
pub use container::Container;
pub use host::Host;
pub use leaks::Snapshot;
pub use process::{Call, Output, Running, eventually, eventually_within};
pub use runtime::{Kind, Runtime, built, plugins, under_test};
pub use test_report::{Timed, skip};
