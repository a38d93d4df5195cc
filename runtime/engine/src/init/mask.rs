//! Paths that the container must not see, or not change.

use super::Init;
use crate::fault::{Call, During, Fault};
use crate::mounts::attributes::attach_at;
use crate::mounts::inside::{self, Inside};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{FileType, OFlags};
use rustix::io::Errno;
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, OpenTreeFlags, fsconfig_create, fsconfig_set_string, fsmount,
    fsopen, open_tree,
};
use std::ffi::CStr;
use tare_plan::step::Slot;
use tare_sys::mount_attr::{Change, Depth, mount_setattr};

/// What covers masked paths: made once, and copied for every path after the first.
#[derive(Default)]
pub(super) struct MaskMounts {
    directory: Option<OwnedFd>,
    null_used: bool,
}

/// Hides `path`: a directory behind an empty read-only one, anything else behind the null device. A path that is not
/// there needs no hiding (config-linux.md, "Masked Paths").
pub(super) fn mask(init: &mut Init<'_>, path: &CStr, null: Slot) -> Result<(), Fault> {
    let Some(place) = open_present(init.inside()?, path)? else { return Ok(()) };
    if FileType::from_raw_mode(inside::stat(place.as_fd())?.st_mode) == FileType::Directory {
        return hide_directory(&mut init.masks, place.as_fd());
    }
    let null = init.slots.get(null)?;
    // A detached mount can be moved once; from then on it is a mount of this namespace, which can be copied.
    if std::mem::replace(&mut init.masks.null_used, true) {
        return attach_at(copy_of(null, OpenTreeFlags::empty())?.as_fd(), place.as_fd());
    }
    attach_at(null, place.as_fd())
}

fn hide_directory(cover: &mut MaskMounts, place: BorrowedFd<'_>) -> Result<(), Fault> {
    if let Some(directory) = &cover.directory {
        return attach_at(copy_of(directory.as_fd(), OpenTreeFlags::empty())?.as_fd(), place);
    }
    let directory = empty_directory()?;
    attach_at(directory.as_fd(), place)?;
    cover.directory = Some(directory);
    Ok(())
}

/// A tmpfs that can hold nothing.
fn empty_directory() -> Result<OwnedFd, Fault> {
    let context = fsopen(c"tmpfs", FsOpenFlags::FSOPEN_CLOEXEC).during(Call::FsOpen)?;
    for (key, value) in [(c"source", c"tmpfs"), (c"size", c"0"), (c"nr_inodes", c"1"), (c"mode", c"0755")] {
        fsconfig_set_string(context.as_fd(), key, value).during(Call::FsOption)?;
    }
    fsconfig_create(context.as_fd()).during(Call::FsCreate)?;
    fsmount(context.as_fd(), FsMountFlags::FSMOUNT_CLOEXEC, MountAttrFlags::MOUNT_ATTR_RDONLY)
        .during(Call::FsMount)
}

/// Makes `path` read-only, with all that is mounted below it; a path that is not there is passed over.
pub(super) fn readonly(inside: Inside<'_>, path: &CStr) -> Result<(), Fault> {
    let Some(place) = open_present(inside, path)? else { return Ok(()) };
    let copy = copy_of(place.as_fd(), OpenTreeFlags::AT_RECURSIVE)?;
    let change = Change { set: libc::MOUNT_ATTR_RDONLY, ..Change::default() };
    mount_setattr(copy.as_fd(), c"", Depth::Recursive, change).during(Call::MountAttributes)?;
    attach_at(copy.as_fd(), place.as_fd())
}

/// A detached copy of a mount of this namespace.
pub(super) fn copy_of(mount: BorrowedFd<'_>, more: OpenTreeFlags) -> Result<OwnedFd, Fault> {
    let flags =
        OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC | OpenTreeFlags::AT_EMPTY_PATH;
    open_tree(mount, c"", flags | more).during(Call::OpenTree)
}

/// Opens a path; one that is not there is nothing.
fn open_present(inside: Inside<'_>, path: &CStr) -> Result<Option<OwnedFd>, Fault> {
    match inside.open(path, OFlags::PATH) {
        Ok(place) => Ok(Some(place)),
        Err(Fault { errno: Errno::NOENT | Errno::NOTDIR, .. }) => Ok(None),
        Err(fault) => Err(fault),
    }
}
