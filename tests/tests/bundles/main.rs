//! Live tests of the bundles: the examples, the networks and the demo.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "all of it is test code"
)]

mod demo;
mod examples;
mod network;
