//! The container's cgroups (cgroups(7)): directories, limits, processes, the freezer, and resctrl groups.
//!
//! Every floor from `probe` up may use this folder. It may use `channel`, `slots` and `fault`.

pub(crate) mod device_program;
mod directory;
mod files;
pub(crate) mod freezer;
pub(crate) mod members;
pub(crate) mod resctrl;
pub(crate) mod steps;
pub(crate) mod values;

pub(crate) use directory::{choose_file, destroy, exists, open, used, was_oom_killed};
pub(crate) use files::Cgroup;
pub(crate) use files::{read, write};
