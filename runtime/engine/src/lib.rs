//! Carries out plans: the only crate that changes the machine.
//!
//! One file for each verb, for each process ([`parent`], `init`), for each family of steps. Nothing is decided here that a plan
//! could have decided.

pub mod activation;
mod bundle;
mod bus;
mod cgroup;
mod cgroup_steps;
mod channel;
pub mod checkpoint;
mod copy_up;
pub mod create;
mod criu;
pub mod debug;
pub mod delete;
mod device_program;
pub mod error;
pub mod events;
pub mod exec;
pub mod fault;
mod freezer;
mod hook;
mod id_map;
pub mod inherited;
mod init;
mod inside;
pub mod kill;
pub mod list;
mod made;
mod maps;
mod netdev;
mod netlink;
mod overlay;
pub mod parent;
pub mod pause;
mod population;
mod private_root;
pub mod probe;
mod process;
pub mod processes;
pub mod record;
mod relay;
mod resctrl;
pub mod restore;
pub mod run;
mod scheduling;
pub mod self_exe;
mod slots;
mod socket;
mod spawn;
pub mod start;
pub mod state;
pub mod stats;
pub mod store;
pub mod terminal;
pub mod time;
mod tree;
mod unit;
pub mod update;
mod view;

pub use error::{Error, Result};

/// Where programs are looked for when the caller has no PATH, as Podman has none.
pub const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Says that a test is skipped, past the harness, which keeps what a test that passes has printed to itself.
#[cfg(test)]
fn tell_skipped(what: &str) {
    use std::io::Write as _;
    let _ = writeln!(std::io::stderr(), "SKIPPED {what}");
}
