//! Carries out plans: the only crate that changes the machine.
//!
//! One file for each verb, for each process ([`parent`], `init`), for each family of steps. Nothing is decided here that a plan
//! could have decided.

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

pub use container::{record, store};
pub use error::{Error, Result};
pub use parent::{activation, inherited, self_exe};
pub use verb::{
    checkpoint, create, debug, delete, events, exec, kill, list, pause, processes, restore, run, start,
    state, stats, update,
};

/// Where programs are looked for when the caller has no PATH, as Podman has none.
pub const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
