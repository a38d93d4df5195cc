//! The state of a container between two calls of the runtime: its state directory, record, bundle and status.
//!
//! The verbs, the parent and init use this folder. It may use `cgroup`, `systemd`, `hook`, `socket` and the floors below.

pub mod bundle;
pub(crate) mod hooks;
pub mod process;
pub mod record;
pub mod status;
pub(crate) mod stop;
pub mod store;
