//! The mount option `tmpcopyup`: copies the content of the directory that a new tmpfs covers.

use crate::channel::retry;
use crate::fault::{Call, During, Fault};
use rustix::fd::{AsFd, BorrowedFd};
use rustix::fs::{self, AtFlags, FileType, Gid, Mode, OFlags, RawDir, Uid};
use rustix::io::Errno;
use std::ffi::CStr;
use std::mem::MaybeUninit;

/// The deepest directory that is copied. Init may not allocate, and every level needs a buffer on its stack.
const MAX_DEPTH: usize = 64;

/// Copies directories, files and symbolic links below `from` to `to`, with owner and mode.
pub(crate) fn copy(from: BorrowedFd<'_>, to: BorrowedFd<'_>) -> Result<(), Fault> {
    copy_directory(from, to, MAX_DEPTH)
}

/// Copies one directory. `depth` is the number of levels that are still allowed.
fn copy_directory(from: BorrowedFd<'_>, to: BorrowedFd<'_>, depth: usize) -> Result<(), Fault> {
    let deeper = depth.checked_sub(1).ok_or(Fault::new(Call::Read, Errno::LOOP))?;
    let listed =
        fs::openat(from, c".", OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()).during(Call::Open)?;
    let mut room = [MaybeUninit::uninit(); 2048];
    let mut entries = RawDir::new(&listed, &mut room);
    while let Some(entry) = entries.next() {
        let entry = entry.during(Call::Read)?;
        let name = entry.file_name();
        if name != c"." && name != c".." {
            copy_entry(Directories { from: listed.as_fd(), to }, name, deeper)?;
        }
    }
    Ok(())
}

/// The source and the target of a copy.
#[derive(Clone, Copy)]
struct Directories<'fd> {
    from: BorrowedFd<'fd>,
    to: BorrowedFd<'fd>,
}

/// Copies one directory entry and gives it its owner. `O_NOFOLLOW` everywhere: the image decides what the entries are.
fn copy_entry(pair: Directories<'_>, name: &CStr, depth: usize) -> Result<(), Fault> {
    let stat = fs::statat(pair.from, name, AtFlags::SYMLINK_NOFOLLOW).during(Call::Stat)?;
    let mode = Mode::from_raw_mode(stat.st_mode & 0o7777);
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::Directory => {
            fs::mkdirat(pair.to, name, mode).during(Call::MakeDirectory)?;
            let (from, to) = (open_below(pair.from, name)?, open_below(pair.to, name)?);
            copy_directory(from.as_fd(), to.as_fd(), depth)?;
        }
        FileType::RegularFile => copy_file(pair, name, mode)?,
        FileType::Symlink => copy_link(pair, name)?,
        // Sockets and devices have no content. runc skips them too.
        _ => return Ok(()),
    }
    let (uid, gid) = (Uid::from_raw(stat.st_uid), Gid::from_raw(stat.st_gid));
    fs::chownat(pair.to, name, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW).during(Call::Owner)
}

fn open_below(directory: BorrowedFd<'_>, name: &CStr) -> Result<rustix::fd::OwnedFd, Fault> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    fs::openat(directory, name, flags, Mode::empty()).during(Call::Open)
}

fn copy_file(pair: Directories<'_>, name: &CStr, mode: Mode) -> Result<(), Fault> {
    let read = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let write = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let source = fs::openat(pair.from, name, read, Mode::empty()).during(Call::Open)?;
    let copy = fs::openat(pair.to, name, write, mode).during(Call::MakeFile)?;
    let mut buffer = [0; 16384];
    loop {
        let got = retry(|| rustix::io::read(&source, &mut buffer)).during(Call::Read)?;
        if got == 0 {
            return Ok(());
        }
        write_all(copy.as_fd(), buffer.get(..got).unwrap_or_default())?;
    }
}

fn write_all(file: BorrowedFd<'_>, mut bytes: &[u8]) -> Result<(), Fault> {
    while !bytes.is_empty() {
        let written = retry(|| rustix::io::write(file, bytes)).during(Call::Write)?;
        bytes = bytes.get(written..).unwrap_or_default();
    }
    Ok(())
}

/// Copies a symbolic link. Its target stays text and is not looked up.
fn copy_link(pair: Directories<'_>, name: &CStr) -> Result<(), Fault> {
    let mut room = [MaybeUninit::uninit(); 4096];
    let (target, _) = fs::readlinkat_raw(pair.from, name, &mut room).during(Call::Read)?;
    let mut ended = [0; 4097];
    ended
        .get_mut(..target.len())
        .ok_or(Fault::new(Call::Symlink, Errno::NAMETOOLONG))?
        .copy_from_slice(target);
    let target = CStr::from_bytes_until_nul(&ended).map_err(|_| Fault::new(Call::Symlink, Errno::INVAL))?;
    fs::symlinkat(target, pair.to, name).during(Call::Symlink)
}
