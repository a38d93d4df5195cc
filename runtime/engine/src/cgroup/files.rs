//! The files and directories of a cgroup hierarchy, always below an open directory (cgroups(7)).

use crate::channel::retry;
use crate::fault::{Call, During, Fault};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{self, CWD, Dir, FileType, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};
use std::ffi::CStr;
use std::time::{Duration, Instant};

/// How long the last processes of a cgroup may take to go, after they have been killed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// One directory of a container, in one hierarchy, by its path.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "(String, String)", into = "(String, String)")]
pub struct Cgroup {
    /// Where the hierarchy is mounted.
    pub mount: String,
    /// The directory, relative to the mount.
    pub path: String,
}

impl Cgroup {
    /// Opens the directory; nothing when it is gone.
    pub(crate) fn open(&self) -> Result<Option<OwnedFd>, Fault> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let mount = match fs::openat(CWD, self.mount.as_str(), flags, Mode::empty()) {
            Err(Errno::NOENT) => return Ok(None),
            answer => answer.during(Call::Open)?,
        };
        match open_directory(mount.as_fd(), self.path.as_str()) {
            Err(Fault { errno: Errno::NOENT, .. }) => Ok(None),
            answer => answer.map(Some),
        }
    }

    /// Whether this hierarchy has a v1 controller, by the name of its mount.
    pub(crate) fn has(&self, controller: &str) -> bool {
        self.mount.rsplit('/').next().is_some_and(|name| name.split(',').any(|one| one == controller))
    }
}

pub(crate) fn open_mount(mount: &CStr) -> Result<OwnedFd, Fault> {
    fs::openat(CWD, mount, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
        .during(Call::Open)
}

pub(crate) fn open_directory(above: BorrowedFd<'_>, name: impl rustix::path::Arg) -> Result<OwnedFd, Fault> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let how = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
    fs::openat2(above, name, flags, Mode::empty(), how).during(Call::Open)
}

/// The names of the cgroups right below one.
pub(crate) fn below(cgroup: BorrowedFd<'_>) -> Result<Vec<Vec<u8>>, Fault> {
    let mut names = Vec::new();
    for entry in Dir::read_from(cgroup).during(Call::Open)? {
        let entry = entry.during(Call::Read)?;
        let name = entry.file_name().to_bytes();
        if entry.file_type() == FileType::Directory && name != b"." && name != b".." {
            names.push(name.to_vec());
        }
    }
    Ok(names)
}

pub(crate) fn read(cgroup: BorrowedFd<'_>, file: &CStr) -> Result<Vec<u8>, Fault> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = fs::openat(cgroup, file, flags, Mode::empty()).during(Call::Open)?;
    let mut text = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let got = retry(|| rustix::io::read(&file, &mut buffer)).during(Call::Read)?;
        if got == 0 {
            return Ok(text);
        }
        text.extend_from_slice(buffer.get(..got).unwrap_or_default());
    }
}

pub(crate) fn write(cgroup: BorrowedFd<'_>, file: &CStr, value: &[u8]) -> Result<(), Fault> {
    let flags = OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = fs::openat(cgroup, file, flags, Mode::empty()).during(Call::Open)?;
    rustix::io::write(&file, value).during(Call::Write).map(drop)
}

/// A cgroup that is removed meanwhile, as systemd does when the last process is gone, has no files, and nobody in it.
pub(crate) fn unless_gone(done: Result<(), Fault>) -> Result<(), Fault> {
    match done {
        Err(Fault { errno: Errno::NOENT | Errno::NODEV, .. }) => Ok(()),
        done => done,
    }
}

/// Waits for a line in a v2 cgroup's events, of which the kernel notifies.
pub(crate) fn await_event(cgroup: BorrowedFd<'_>, event: &str, deadline: Instant) -> Result<(), Fault> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    let events = fs::openat(cgroup, c"cgroup.events", flags, Mode::empty()).during(Call::Open)?;
    loop {
        let mut text = [0; 256];
        let got = rustix::io::pread(&events, &mut text, 0).during(Call::Read)?;
        let text = std::str::from_utf8(text.get(..got).unwrap_or_default()).unwrap_or_default();
        if text.lines().any(|line| line == event) {
            return Ok(());
        }
        let limit = until(deadline);
        let mut waiting = [PollFd::from_borrowed_fd(events.as_fd(), PollFlags::PRI)];
        if retry(|| poll(&mut waiting, Some(&limit))).during(Call::Wait)? == 0 {
            return Err(Fault::new(Call::Wait, Errno::BUSY));
        }
    }
}

pub(crate) fn until(deadline: Instant) -> Timespec {
    let left = deadline.saturating_duration_since(Instant::now());
    Timespec { tv_sec: left.as_secs() as i64, tv_nsec: left.subsec_nanos().into() }
}
