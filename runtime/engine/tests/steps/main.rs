//! Every step of a plan fails or is interrupted in turn, and nothing may be left on the host.
//!
//! Each test runs in a process of its own with a single thread, and calls the library without the command line.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    clippy::print_stdout,
    reason = "all of it is test code"
)]

mod damaged;
mod failing;
mod killed;
mod shares;
mod stage;

use rustix::fd::AsFd;
use rustix::process::{WaitId, WaitIdOptions, waitid};
use std::process::ExitCode;
use std::time::Instant;
use tare_sys::clone::{Clone, fork};

const TESTS: &[(&str, fn())] = &[
    ("failing::any_step_of_a_plain_root_leaves_nothing", failing::plain_root),
    ("failing::any_step_without_a_mount_namespace_leaves_nothing", failing::host_mounts),
    ("failing::any_step_of_an_overlay_leaves_nothing", failing::overlay),
    ("failing::any_step_in_all_namespaces_leaves_nothing", failing::all_namespaces),
    ("failing::any_step_with_joined_namespaces_leaves_nothing", failing::joined_namespaces),
    ("killed::a_creator_killed_at_any_of_its_steps_leaves_nothing", killed::at_any_step_of_the_parent),
    ("killed::a_creator_killed_at_any_step_of_init_leaves_nothing", killed::at_any_step_of_init),
    ("killed::a_creator_killed_at_any_step_in_all_namespaces", killed::in_all_namespaces),
    ("killed::an_init_that_the_death_signal_missed_dies_by_the_channel", killed::without_death_signal),
    ("shares::a_group_gets_its_schemata_and_the_container", shares::of_its_own),
    ("shares::delete_removes_the_containers_own_group", shares::gone_with_the_container),
    ("shares::an_existing_class_is_compared_and_stays", shares::of_a_class),
    ("shares::a_class_without_schemata_must_exist", shares::of_a_class_that_is_missing),
    ("damaged::a_record_cut_at_any_length_is_reported_and_removed", damaged::cut_at_any_length),
    ("damaged::a_missing_record_is_reported_and_removed", damaged::missing),
    ("damaged::a_record_of_garbage_is_reported_and_removed", damaged::garbage),
    ("damaged::an_empty_directory_is_reported_and_removed", damaged::empty_directory),
];

fn main() -> ExitCode {
    let asked: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    let is_asked = |name: &str| asked.is_empty() || asked.iter().any(|part| name.contains(part.as_str()));
    let mut failed = 0;
    for (name, test) in TESTS.iter().filter(|(name, _)| is_asked(name)) {
        let begun = Instant::now();
        let passed = passes(*test);
        let word = if passed { "ok" } else { "FAILED" };
        println!("test {name} ... {word} ({:.1} s)", begun.elapsed().as_secs_f64());
        test_report::record(name, begun.elapsed());
        failed += u32::from(!passed);
    }
    println!("\ntest result: {failed} failed\n");
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Runs a test in a process of its own. A panic unwinds to the end of that process and makes its exit code.
fn passes(test: fn()) -> bool {
    let run = || {
        test();
        0
    };
    let child = fork(Clone::default(), run).unwrap();
    let status = waitid(WaitId::PidFd(child.pidfd.as_fd()), WaitIdOptions::EXITED).unwrap().unwrap();
    status.exit_status() == Some(0)
}
