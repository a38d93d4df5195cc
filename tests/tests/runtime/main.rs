//! Live tests of the runtime: one module per part of its behaviour.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "all of it is test code"
)]

mod activation;
mod bad_input;
mod callers;
mod capabilities;
mod cgroups;
mod check;
mod checkpoint;
mod clients;
mod criu;
mod debug;
mod devices;
mod events;
mod exec;
mod exit_codes;
mod hooks;
mod host_mounts;
mod id_maps;
mod kill_delete;
mod labels;
mod lifecycle;
mod list_state;
mod log;
mod machine;
mod mounts;
mod namespaces;
mod net_devices;
mod options;
mod pause;
mod plan;
mod process;
mod ps;
mod rootfs;
mod rootless;
mod samples;
mod scheduling;
mod seccomp;
mod systemd;
mod terminal;
mod update;
mod version_2;
