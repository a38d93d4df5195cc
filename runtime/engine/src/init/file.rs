//! Files inside the root file system: directories, device nodes, links, the terminal.

use super::{Init, terminal};
use crate::fault::{Call, During, Fault};
use crate::mounts::inside::{self, Entry, Inside};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{self, AtFlags, FileType, Gid, Mode, OFlags, Uid};
use rustix::io::Errno;
use rustix::stdio;
use std::ffi::CStr;
use tare_plan::step::{Console, Device, FileStep, Owner};

/// Carries out a step that makes a file inside the root file system.
pub(super) fn act(init: &mut Init<'_>, step: &FileStep) -> Result<(), Fault> {
    match step {
        FileStep::MakeDirectory { path } => init.inside()?.make_directory(path).map(drop),
        FileStep::MakeDevice(device) => make(init.inside()?, device),
        FileStep::Symlink { path, target } => symlink(init.inside()?, path, target),
        FileStep::ReopenDevNull => reopen_dev_null(init.inside()?),
        FileStep::OpenTerminal { size, owner, console } => {
            let terminal = terminal::open(init, *size, *owner)?;
            if *console == Console::Named {
                terminal::name(init.inside()?, terminal.as_fd())?;
            }
            terminal::control(&terminal)
        }
    }
}

/// Makes a device node; one of the same kind and numbers that is already there is kept (the image may bring it).
fn make(inside: Inside<'_>, device: &Device) -> Result<(), Fault> {
    let entry = inside.entry(&device.path)?;
    let number = fs::makedev(device.major, device.minor);
    let kind = FileType::from_raw_mode(device.mode);
    match fs::mknodat(&entry.directory, entry.name, kind, Mode::from_raw_mode(device.mode & 0o7777), number) {
        Ok(()) => own(&entry, device.owner),
        Err(Errno::EXIST) => keep(&entry, kind, number),
        Err(errno) => Err(Fault::new(Call::MakeNode, errno)),
    }
}

/// Gives a node that has just been made to its owner, where that is not init itself.
fn own(entry: &Entry<'_>, owner: Option<Owner>) -> Result<(), Fault> {
    let Some(Owner { uid, gid }) = owner else { return Ok(()) };
    let (uid, gid) = (Uid::from_raw(uid), Gid::from_raw(gid));
    fs::chownat(&entry.directory, entry.name, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW)
        .during(Call::Owner)
}

/// Accepts what is already there if it is the very device, and refuses it if it is not.
fn keep(entry: &Entry<'_>, kind: FileType, number: u64) -> Result<(), Fault> {
    let stat = fs::statat(&entry.directory, entry.name, AtFlags::SYMLINK_NOFOLLOW).during(Call::Stat)?;
    let same =
        FileType::from_raw_mode(stat.st_mode) == kind && (kind == FileType::Fifo || stat.st_rdev == number);
    if same { Ok(()) } else { Err(Fault::new(Call::MakeNode, Errno::EXIST)) }
}

/// Makes a symbolic link; whatever already has that name is kept.
fn symlink(inside: Inside<'_>, path: &CStr, target: &CStr) -> Result<(), Fault> {
    let entry = inside.entry(path)?;
    match fs::symlinkat(target, &entry.directory, entry.name) {
        Ok(()) | Err(Errno::EXIST) => Ok(()),
        Err(errno) => Err(Fault::new(Call::Symlink, errno)),
    }
}

/// Puts the container's null device in the place of the host's on the standard streams. A container without one keeps the
/// host's.
fn reopen_dev_null(inside: Inside<'_>) -> Result<(), Fault> {
    let is_null = |fd: BorrowedFd<'_>| {
        fs::fstat(fd).is_ok_and(|stat| {
            FileType::from_raw_mode(stat.st_mode) == FileType::CharacterDevice
                && stat.st_rdev == fs::makedev(1, 3)
        })
    };
    let streams = [stdio::stdin(), stdio::stdout(), stdio::stderr()].map(is_null);
    if streams == [false; 3] {
        return Ok(());
    }
    let Ok(place) = inside.open(c"dev/null", OFlags::PATH) else { return Ok(()) };
    if !is_null(place.as_fd()) {
        return Ok(());
    }
    let null = inside.open(c"dev/null", OFlags::RDWR | OFlags::NOCTTY)?;
    // It may have been exchanged meanwhile.
    if !is_null(null.as_fd()) {
        return Err(Fault::new(Call::Unexpected, Errno::NODEV));
    }
    let [input, output, error] = streams;
    let over = |wanted: bool, dup: fn(&OwnedFd) -> rustix::io::Result<()>| {
        if wanted { dup(&null).during(Call::Duplicate) } else { Ok(()) }
    };
    over(input, |null| stdio::dup2_stdin(null))?;
    over(output, |null| stdio::dup2_stdout(null))?;
    over(error, |null| stdio::dup2_stderr(null))
}

/// Opens a character device of the file system `magic` inside the root.
///
/// It is looked at before it is opened, since opening a device can do something, and again after, in case it was exchanged.
pub(super) fn open_character(
    inside: Inside<'_>,
    path: &CStr,
    (major, minor): (u32, u32),
    magic: u64,
) -> Result<OwnedFd, Fault> {
    let genuine = |file: &OwnedFd| {
        let stat = inside::stat(file.as_fd())?;
        let same = FileType::from_raw_mode(stat.st_mode) == FileType::CharacterDevice
            && stat.st_rdev == fs::makedev(major, minor)
            && inside::is_on(file.as_fd(), magic)?;
        if same { Ok(()) } else { Err(Fault::new(Call::Unexpected, Errno::NODEV)) }
    };
    genuine(&inside.open(path, OFlags::PATH)?)?;
    let file = inside.open(path, OFlags::RDWR | OFlags::NOCTTY)?;
    genuine(&file).map(|()| file)
}
