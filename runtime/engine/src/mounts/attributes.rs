//! Changes to an open mount: attributes, propagation, ID mapping and mount point (mount_setattr(2), move_mount(2)).

use crate::fault::{Call, During, Fault};
use rustix::fd::BorrowedFd;
use rustix::fs;
use rustix::mount::{MoveMountFlags, move_mount};
use tare_plan::step::{Attributes, IdMap, Recursive};
use tare_sys::mount_attr::{Change, Depth, mount_setattr};

/// Changes attributes and then propagation. Recursive options (`rro`) come first, so that an option of the mount itself wins.
pub(crate) fn change(tree: BorrowedFd<'_>, attributes: Attributes, propagation: u64) -> Result<(), Fault> {
    let all = Change { set: attributes.set_all, clear: attributes.clear_all, propagation: 0 };
    let one = Change { set: attributes.set, clear: attributes.clear, propagation: 0 };
    for (change, depth) in [(all, Depth::Recursive), (one, Depth::One)] {
        if change != Change::default() {
            mount_setattr(tree, c"", depth, change).during(Call::MountAttributes)?;
        }
    }
    if propagation == 0 { Ok(()) } else { propagate(tree, propagation) }
}

/// Changes the propagation type; with `MS_REC` also that of the mounts below (mount_namespaces(7), "Shared subtrees").
pub(crate) fn propagate(tree: BorrowedFd<'_>, flags: u64) -> Result<(), Fault> {
    let recursive = libc::MS_REC;
    let depth = if flags & recursive == 0 { Depth::One } else { Depth::Recursive };
    let change = Change { propagation: flags & !recursive, ..Change::default() };
    mount_setattr(tree, c"", depth, change).during(Call::MountAttributes)
}

/// Applies an ID mapping to a detached mount. Not every file system supports that (mount_setattr(2), `MOUNT_ATTR_IDMAP`), so
/// the detail of a failure is the type of the file system, and the error names it.
pub(crate) fn map_ids(tree: BorrowedFd<'_>, map: IdMap, namespace: BorrowedFd<'_>) -> Result<(), Fault> {
    let depth = if map.recursive == Recursive::Yes { Depth::Recursive } else { Depth::One };
    let kind = fs::fstatfs(tree).map_or(0, |stat| stat.f_type as u32);
    tare_sys::mount_attr::map_ids(tree, depth, namespace)
        .during(Call::MapIds)
        .map_err(|fault| fault.detail(kind))
}

/// Attaches a detached mount at `place`. Both are file descriptors: no path is looked up, so no symbolic link can redirect the
/// mount.
pub(crate) fn attach_at(tree: BorrowedFd<'_>, place: BorrowedFd<'_>) -> Result<(), Fault> {
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
    move_mount(tree, c"", place, c"", flags).during(Call::MoveMount)
}
