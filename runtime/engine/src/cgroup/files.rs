//! The files and directories of a cgroup hierarchy, always relative to an open directory (cgroups(7)).

use crate::channel::retry;
use crate::fault::{Call, During, Fault};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{self, CWD, Dir, FileType, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;
use std::ffi::CStr;
use std::time::{Duration, Instant};

/// The limit for the exit of killed processes, and for the removal of their cgroup. A process in a system call on a slow disk dies
/// only after that call.
pub(crate) const EXIT_LIMIT: Duration = Duration::from_secs(10);

/// The container's directory in one hierarchy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cgroup {
    /// The mount point of the hierarchy.
    pub mount: String,
    /// The directory, relative to the mount point.
    pub path: String,
}

impl Cgroup {
    /// Opens the directory; `None` if it does not exist any more.
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

    /// Whether this v1 hierarchy has a controller. Its mount point has the names of its controllers, such as `cpu,cpuacct`.
    pub(crate) fn has(&self, controller: &str) -> bool {
        self.mount.rsplit('/').next().is_some_and(|name| name.split(',').any(|one| one == controller))
    }
}

/// Opens the mount point of a hierarchy.
pub(crate) fn open_mount(mount: &CStr) -> Result<OwnedFd, Fault> {
    fs::openat(CWD, mount, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
        .during(Call::Open)
}

/// Opens a directory below another one. `linux.cgroupsPath` decides the path, so it can't leave the hierarchy.
pub(crate) fn open_directory(above: BorrowedFd<'_>, name: impl rustix::path::Arg) -> Result<OwnedFd, Fault> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let how = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
    fs::openat2(above, name, flags, Mode::empty(), how).during(Call::Open)
}

/// Returns the names of the child cgroups.
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

/// Reads a whole file of a cgroup.
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

/// Writes a value with one write(2): the kernel takes each write as a whole command.
pub(crate) fn write(cgroup: BorrowedFd<'_>, file: &CStr, value: &[u8]) -> Result<(), Fault> {
    let flags = OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = fs::openat(cgroup, file, flags, Mode::empty()).during(Call::Open)?;
    rustix::io::write(&file, value).during(Call::Write).map(drop)
}

/// Ignores the error of a cgroup that was removed meanwhile. systemd removes the cgroup of a scope after its last process.
pub(crate) fn ignore_removed(done: Result<(), Fault>) -> Result<(), Fault> {
    match done {
        Err(Fault { errno: Errno::NOENT | Errno::NODEV, .. }) => Ok(()),
        done => done,
    }
}

/// Waits until `cgroup.events` of a v2 cgroup has a line. The kernel reports every change of the file as `POLLPRI` (cgroups(7)).
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

/// Returns the time left until `deadline`, 0 if it has passed.
pub(crate) fn until(deadline: Instant) -> Timespec {
    let left = deadline.saturating_duration_since(Instant::now());
    Timespec { tv_sec: left.as_secs() as i64, tv_nsec: left.subsec_nanos().into() }
}
