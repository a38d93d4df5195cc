//! Attributes of mounts: mount_setattr(2).

use crate::answer;
use rustix::fd::{AsRawFd, BorrowedFd};
use rustix::io::Result;
use std::ffi::CStr;

/// What to change of a mount; the bits are `MOUNT_ATTR_*` and `MS_SHARED`, `MS_SLAVE`, `MS_PRIVATE`, `MS_UNBINDABLE`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// Attributes to set.
    pub set: u64,
    /// Attributes to clear.
    pub clear: u64,
    /// The propagation to give, 0 to leave it.
    pub propagation: u64,
}

/// Whether a call reaches the mounts below the one it names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// The named mount alone.
    One,
    /// It and every mount below it.
    Recursive,
}

/// Maps the ids of the detached mount `tree` as `namespace`, a user namespace, maps them.
///
/// # Errors
/// `EINVAL` when its file system can't do so, `EPERM` when it is mapped already or without the right to, `EBUSY` when it is
/// no longer detached.
pub fn map_ids(tree: BorrowedFd<'_>, depth: Depth, namespace: BorrowedFd<'_>) -> Result<()> {
    let attr = libc::mount_attr {
        attr_set: libc::MOUNT_ATTR_IDMAP,
        attr_clr: 0,
        propagation: 0,
        userns_fd: namespace.as_raw_fd() as u64,
    };
    set(tree, c"", depth, attr)
}

/// Changes the mount at `path` below `directory`; an empty path means `directory` itself.
///
/// # Errors
/// `EINVAL` when `path` is not the root of a mount, `EPERM` when an attribute is locked, `ENOSYS` before Linux 5.12.
pub fn mount_setattr(directory: BorrowedFd<'_>, path: &CStr, depth: Depth, change: Change) -> Result<()> {
    let attr = libc::mount_attr {
        attr_set: change.set,
        attr_clr: change.clear,
        propagation: change.propagation,
        userns_fd: 0,
    };
    set(directory, path, depth, attr)
}

fn set(directory: BorrowedFd<'_>, path: &CStr, depth: Depth, attr: libc::mount_attr) -> Result<()> {
    let recursive = if depth == Depth::Recursive { libc::AT_RECURSIVE } else { 0 };
    // SAFETY: path is a C string and attr a live struct whose size is given; the kernel reads both and keeps neither.
    answer(unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            directory.as_raw_fd(),
            path.as_ptr(),
            libc::AT_EMPTY_PATH | libc::AT_SYMLINK_NOFOLLOW | recursive,
            &raw const attr,
            size_of::<libc::mount_attr>(),
        )
    })
    .map(drop)
}
