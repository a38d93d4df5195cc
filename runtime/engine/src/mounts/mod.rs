//! Mounts: created and copied detached (open_tree(2), fsmount(2)), and path lookups confined to a root file system.
//!
//! The parent and init use this folder, and so do `criu`, `probe` and `socket`. Functions that init calls do not allocate.
//! It may use `namespace`, `channel`, `child`, `slots` and `fault`.

pub(crate) mod attributes;
pub(crate) mod copy_up;
pub(crate) mod locked;
pub(crate) mod overlay;
pub(crate) mod procfs;
pub(crate) mod root_dir;
pub(crate) mod tree;
