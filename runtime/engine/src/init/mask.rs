//! Masked and read-only paths (config-linux.md, "Masked Paths" and "Readonly Paths").

use super::state::{Init, MaskMounts};
use crate::fault::{Call, During, Fault};
use crate::mounts::attributes::attach_at;
use crate::mounts::root_dir::{self, RootDir};
use crate::mounts::tree::clone_open;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{FileType, OFlags};
use rustix::io::Errno;
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, OpenTreeFlags, fsconfig_create, fsconfig_set_string, fsmount,
    fsopen,
};
use std::ffi::CStr;
use tare_plan::step::Slot;
use tare_sys::mount_attr::{Change, Depth, mount_setattr};

/// Masks `path`: covers a directory with an empty read-only tmpfs and any other file with the null device. A missing path is
/// ignored, as in runc.
///
/// The null device comes from the host and not from the container's `/dev`, where an image could have put a symbolic link
/// (CVE-2025-31133).
pub(super) fn mask(init: &mut Init<'_>, path: &CStr, null: Slot) -> Result<(), Fault> {
    let Some(place) = open_present(init.root_dir()?, path)? else { return Ok(()) };
    if FileType::from_raw_mode(root_dir::stat(place.as_fd())?.st_mode) == FileType::Directory {
        return hide_directory(&mut init.masks, place.as_fd());
    }
    let null = init.slots.get(null)?;
    // The first mask attaches the detached mount itself. From then on it is in this mount namespace and can be copied.
    if std::mem::replace(&mut init.masks.null_used, true) {
        return attach_at(clone_open(null, OpenTreeFlags::empty())?.as_fd(), place.as_fd());
    }
    attach_at(null, place.as_fd())
}

/// Covers a directory with an empty one.
fn hide_directory(masks: &mut MaskMounts, place: BorrowedFd<'_>) -> Result<(), Fault> {
    if let Some(directory) = &masks.directory {
        return attach_at(clone_open(directory.as_fd(), OpenTreeFlags::empty())?.as_fd(), place);
    }
    let directory = empty_directory()?;
    attach_at(directory.as_fd(), place)?;
    masks.directory = Some(directory);
    Ok(())
}

/// Creates a detached read-only tmpfs with no room for files (tmpfs(5)).
fn empty_directory() -> Result<OwnedFd, Fault> {
    let context = fsopen(c"tmpfs", FsOpenFlags::FSOPEN_CLOEXEC).during(Call::FsOpen)?;
    for (key, value) in [(c"source", c"tmpfs"), (c"size", c"0"), (c"nr_inodes", c"1"), (c"mode", c"0755")] {
        fsconfig_set_string(context.as_fd(), key, value).during(Call::FsOption)?;
    }
    fsconfig_create(context.as_fd()).during(Call::FsCreate)?;
    fsmount(context.as_fd(), FsMountFlags::FSMOUNT_CLOEXEC, MountAttrFlags::MOUNT_ATTR_RDONLY)
        .during(Call::FsMount)
}

/// Makes `path` and the mounts below it read-only. A missing path is ignored.
pub(super) fn readonly(root: RootDir<'_>, path: &CStr) -> Result<(), Fault> {
    let Some(place) = open_present(root, path)? else { return Ok(()) };
    let copy = clone_open(place.as_fd(), OpenTreeFlags::AT_RECURSIVE)?;
    let change = Change { set: libc::MOUNT_ATTR_RDONLY, ..Change::default() };
    mount_setattr(copy.as_fd(), c"", Depth::Recursive, change).during(Call::MountAttributes)?;
    attach_at(copy.as_fd(), place.as_fd())
}

/// Opens a path; `None` if it does not exist.
fn open_present(root: RootDir<'_>, path: &CStr) -> Result<Option<OwnedFd>, Fault> {
    match root.open(path, OFlags::PATH) {
        Ok(place) => Ok(Some(place)),
        Err(Fault { errno: Errno::NOENT | Errno::NOTDIR, .. }) => Ok(None),
        Err(fault) => Err(fault),
    }
}
