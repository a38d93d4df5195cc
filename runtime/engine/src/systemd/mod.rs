//! systemd as the manager of cgroups: its bus, and the units that are containers' cgroups.
//!
//! May use `error` and `fault`.

pub(crate) mod bus;
pub(crate) mod unit;
