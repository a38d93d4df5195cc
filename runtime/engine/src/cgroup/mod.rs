//! The container's cgroup: directories and limits, its processes, its freezer, its resctrl groups.
//!
//! May use `channel`, `slots` and `fault`.

pub(crate) mod device_program;
mod directory;
mod files;
pub(crate) mod freezer;
pub(crate) mod population;
pub(crate) mod resctrl;
pub(crate) mod steps;
pub(crate) mod values;

pub(crate) use directory::{destroy, is_there, open, present, used, was_oom_killed};
pub(crate) use files::Cgroup;
pub(crate) use files::{read, write};
