//! Mounts, made and copied detached, and paths that are resolved inside a root file system.
//!
//! Both processes use these functions. What init calls allocates nothing. May use `channel`, `child`, `namespace`, `slots` and `fault`.

pub(crate) mod attributes;
pub(crate) mod copy_up;
pub(crate) mod inside;
pub(crate) mod locked;
pub(crate) mod overlay;
pub(crate) mod procfs;
pub(crate) mod tree;
