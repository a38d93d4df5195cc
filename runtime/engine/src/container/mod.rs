//! What is kept of a container between two calls of the runtime: its bundle, its record, its state directory.
//!
//! May use `cgroup`, `systemd` and what lies below them; never a verb, nor the two processes.

pub mod bundle;
pub(crate) mod hooks;
pub mod process;
pub mod record;
pub mod status;
pub(crate) mod stop;
pub mod store;
