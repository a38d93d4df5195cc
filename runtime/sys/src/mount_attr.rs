//! Mount attributes: mount_setattr(2).

use crate::answer;
use rustix::fd::{AsRawFd, BorrowedFd};
use rustix::io::Result;
use std::ffi::CStr;

/// A change of a mount.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// The attributes to set, `MOUNT_ATTR_*`.
    pub set: u64,
    /// The attributes to clear, `MOUNT_ATTR_*`.
    pub clear: u64,
    /// The propagation to set, `MS_SHARED`, `MS_SLAVE`, `MS_PRIVATE` or `MS_UNBINDABLE`; 0 keeps it.
    pub propagation: u64,
}

/// The mounts that a change applies to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// The mount itself.
    One,
    /// The mount and all mounts below it.
    Recursive,
}

/// Makes the detached mount `tree` an idmapped mount with the mappings of a user namespace.
///
/// # Errors
/// `EINVAL` if its filesystem does not support idmapped mounts, or if the mount is attached, `EPERM` if it is
/// one already or without `CAP_SYS_ADMIN` in the filesystem's user namespace, `EBUSY` if files are open for
/// writing.
pub fn map_ids(tree: BorrowedFd<'_>, depth: Depth, namespace: BorrowedFd<'_>) -> Result<()> {
    let attr = libc::mount_attr {
        attr_set: libc::MOUNT_ATTR_IDMAP,
        attr_clr: 0,
        propagation: 0,
        userns_fd: namespace.as_raw_fd() as u64,
    };
    set(tree, c"", depth, attr)
}

/// Changes the mount at `path` relative to `directory`. An empty path means `directory` itself.
///
/// # Errors
/// `EINVAL` if `path` is no mount point, `EPERM` if an attribute is locked (mount_namespaces(7)), `ENOSYS`
/// before Linux 5.12.
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
    // SAFETY: path is a C string, and attr is a live struct whose size is given. The kernel reads both and
    // keeps neither.
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
