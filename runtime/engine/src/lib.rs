//! Carries out plans. This crate is the only one of the runtime that changes the host.
//!
//! `tare-plan` decides and returns a list of steps; this crate performs the system calls. The folders are floors. A file uses
//! files of its own floor or of a lower one, and `tests/floors.rs` checks that:
//!
//! ```text
//! verb                                         one file per command: finds the container, plans, calls the floors below
//! parent                                       the process that creates the container: the parent's column of a plan
//! init                                         the process that becomes the container: the init's column
//! container                                    the state directory: record, bundle, status
//! criu, probe                                  checkpoint and restore; facts about the host
//! cgroup, systemd, mounts, namespace,          what the kernel and systemd offer
//!   hook, socket
//! channel, child, slots                        messages between parent and init; child processes; file descriptors
//! error, errno, fault, time                    errors, and text for timestamps
//! ```

mod cgroup;
mod channel;
mod child;
pub mod container;
mod criu;
mod errno;
pub mod error;
pub mod fault;
mod hook;
mod init;
mod mounts;
mod namespace;
pub mod parent;
pub mod probe;
mod slots;
mod socket;
mod systemd;
pub mod time;
pub mod verb;

pub use child::PATH;
pub use container::{record, store};
pub use error::{Error, Result};
pub use parent::{activation, inherited, self_exe};
pub use verb::{
    checkpoint, create, debug, delete, events, exec, kill, list, pause, processes, restore, run, start,
    state, stats, update,
};
