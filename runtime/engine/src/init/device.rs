//! Device nodes inside the root file system: creating and opening them.

use crate::fault::{Call, During, Fault};
use crate::mounts::root_dir::{self, Entry, RootDir};
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{self, AtFlags, FileType, Gid, Mode, OFlags, Uid};
use rustix::io::Errno;
use std::ffi::CStr;
use tare_plan::step::{Device, Owner};

/// A character device that must be the kernel's own.
pub(super) struct CharacterDevice<'path> {
    /// Its path inside the root.
    pub(super) path: &'path CStr,
    pub(super) major: u32,
    pub(super) minor: u32,
    /// The type of the file system that it is in (statfs(2)).
    pub(super) fs_type: u64,
}

/// Creates a device node (mknod(2)). The image may contain the node already; one with the same type and numbers is kept.
pub(super) fn make(root: RootDir<'_>, device: &Device) -> Result<(), Fault> {
    let entry = root.entry(&device.path)?;
    let number = fs::makedev(device.major, device.minor);
    let kind = FileType::from_raw_mode(device.mode);
    match fs::mknodat(&entry.directory, entry.name, kind, Mode::from_raw_mode(device.mode & 0o7777), number) {
        Ok(()) => set_owner(&entry, device.owner),
        Err(Errno::EXIST) => check_existing(&entry, kind, number),
        Err(errno) => Err(Fault::new(Call::MakeNode, errno)),
    }
}

/// Changes the owner of a new node. Without an owner in the plan, init itself is the owner.
fn set_owner(entry: &Entry<'_>, owner: Option<Owner>) -> Result<(), Fault> {
    let Some(Owner { uid, gid }) = owner else { return Ok(()) };
    let (uid, gid) = (Uid::from_raw(uid), Gid::from_raw(gid));
    fs::chownat(&entry.directory, entry.name, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW)
        .during(Call::Owner)
}

/// Accepts an existing file if it is the same device, and refuses any other.
fn check_existing(entry: &Entry<'_>, kind: FileType, number: u64) -> Result<(), Fault> {
    let stat = fs::statat(&entry.directory, entry.name, AtFlags::SYMLINK_NOFOLLOW).during(Call::Stat)?;
    let same =
        FileType::from_raw_mode(stat.st_mode) == kind && (kind == FileType::Fifo || stat.st_rdev == number);
    if same { Ok(()) } else { Err(Fault::new(Call::MakeNode, Errno::EXIST)) }
}

/// Opens a character device for reading and writing.
///
/// open(2) of a device can have effects, so an `O_PATH` descriptor is checked first. The device itself is checked again, because
/// the file can be exchanged between the two calls.
pub(super) fn open_character(root: RootDir<'_>, device: &CharacterDevice<'_>) -> Result<OwnedFd, Fault> {
    check(&root.open(device.path, OFlags::PATH)?, device)?;
    let file = root.open(device.path, OFlags::RDWR | OFlags::NOCTTY)?;
    check(&file, device).map(|()| file)
}

fn check(file: &OwnedFd, device: &CharacterDevice<'_>) -> Result<(), Fault> {
    let stat = root_dir::stat(file.as_fd())?;
    let same = FileType::from_raw_mode(stat.st_mode) == FileType::CharacterDevice
        && stat.st_rdev == fs::makedev(device.major, device.minor)
        && root_dir::is_on(file.as_fd(), device.fs_type)?;
    if same { Ok(()) } else { Err(Fault::new(Call::Unexpected, Errno::NODEV)) }
}
