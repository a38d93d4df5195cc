//! systemd as the cgroup manager (`--systemd-cgroup`): its D-Bus API, and the scopes and slices of containers.
//!
//! Every floor from `probe` up may use this folder. It may use `error` and `fault`.

pub(crate) mod bus;
pub(crate) mod unit;
