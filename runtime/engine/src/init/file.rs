//! Steps that create files inside the root file system: directories, device nodes, symbolic links, the terminal.

use super::state::Init;
use super::{device, terminal};
use crate::fault::{Call, During, Fault};
use crate::mounts::root_dir::RootDir;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{self, FileType, OFlags};
use rustix::io::Errno;
use rustix::stdio;
use std::ffi::CStr;
use tare_plan::step::{Console, FileStep};

/// Carries out a step that creates a file inside the root file system.
pub(super) fn act(init: &mut Init<'_>, step: &FileStep) -> Result<(), Fault> {
    match step {
        FileStep::MakeDirectory { path } => init.root_dir()?.make_directory(path).map(drop),
        FileStep::MakeDevice(device) => device::make(init.root_dir()?, device),
        FileStep::Symlink { path, target } => symlink(init.root_dir()?, path, target),
        FileStep::ReopenDevNull => reopen_dev_null(init.root_dir()?),
        FileStep::OpenTerminal { size, owner, console } => {
            let terminal = terminal::open(init, *size, *owner)?;
            if *console == Console::Named {
                terminal::name(init.root_dir()?, terminal.as_fd())?;
            }
            terminal::control(&terminal)
        }
    }
}

/// Creates a symbolic link. An existing file of that name is kept: the image may have its own `/dev/fd`.
fn symlink(root: RootDir<'_>, path: &CStr, target: &CStr) -> Result<(), Fault> {
    let entry = root.entry(path)?;
    match fs::symlinkat(target, &entry.directory, entry.name) {
        Ok(()) | Err(Errno::EXIST) => Ok(()),
        Err(errno) => Err(Fault::new(Call::Symlink, errno)),
    }
}

/// Replaces the host's `/dev/null` on the standard streams by the container's, so that the container holds no file of the host's
/// devtmpfs. Without a `/dev/null` in the container the host's stays.
fn reopen_dev_null(root: RootDir<'_>) -> Result<(), Fault> {
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
    let Ok(place) = root.open(c"dev/null", OFlags::PATH) else { return Ok(()) };
    if !is_null(place.as_fd()) {
        return Ok(());
    }
    let null = root.open(c"dev/null", OFlags::RDWR | OFlags::NOCTTY)?;
    // The file can be exchanged between the two calls.
    if !is_null(null.as_fd()) {
        return Err(Fault::new(Call::Unexpected, Errno::NODEV));
    }
    let [input, output, error] = streams;
    let replace = |was_null: bool, dup: fn(&OwnedFd) -> rustix::io::Result<()>| {
        if was_null { dup(&null).during(Call::Duplicate) } else { Ok(()) }
    };
    replace(input, |null| stdio::dup2_stdin(null))?;
    replace(output, |null| stdio::dup2_stdout(null))?;
    replace(error, |null| stdio::dup2_stderr(null))
}
