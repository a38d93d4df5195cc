//! Live tests of the runtime: one module per part of its behaviour.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "all of it is test code"
)]

mod bad_input;
mod exit_codes;
mod lifecycle;
mod list_state;
mod log;
