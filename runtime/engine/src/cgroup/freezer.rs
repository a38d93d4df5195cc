//! The freezer: suspends and resumes all processes of a container, by the v1 controller `freezer` or by `cgroup.freeze` of v2.

use super::files::{Cgroup, await_event, read, write};
use crate::fault::{Call, Fault};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::io::Errno;
use std::time::{Duration, Instant};

/// The limit for freezing. A process that waits for a disk freezes when the disk has answered.
const LIMIT: Duration = Duration::from_secs(10);

/// The freezer of a container.
enum Freezer {
    /// A cgroup in the hierarchy of the v1 controller.
    V1(OwnedFd),
    /// A v2 cgroup. `cgroup.freeze` exists since Linux 5.2.
    V2(OwnedFd),
}

/// Opens the freezer of a container; `None` if the container has no cgroup.
fn freezer(cgroups: &[Cgroup]) -> Result<Option<Freezer>, Fault> {
    if let Some(cgroup) = cgroups.iter().find(|cgroup| cgroup.has("freezer")) {
        return Ok(cgroup.open()?.map(Freezer::V1));
    }
    let Some(directory) = cgroups.first().map(Cgroup::open).transpose()?.flatten() else { return Ok(None) };
    Ok(read(directory.as_fd(), c"cgroup.freeze").is_ok().then_some(Freezer::V2(directory)))
}

/// Freezes every process and waits until all are frozen. If one does not freeze in time, all are thawed again.
pub(crate) fn freeze(cgroups: &[Cgroup]) -> Result<(), Fault> {
    let frozen = match freezer(cgroups)?.ok_or(Fault::new(Call::Freeze, Errno::NODEV))? {
        Freezer::V1(directory) => freeze_v1(directory.as_fd()),
        Freezer::V2(directory) => write(directory.as_fd(), c"cgroup.freeze", b"1")
            .and_then(|()| await_event(directory.as_fd(), "frozen 1", Instant::now() + LIMIT)),
    };
    frozen.or_else(|fault| {
        thaw(cgroups)?;
        Err(fault)
    })
}

/// Freezes a v1 cgroup. The state stays `FREEZING` while a process forks, and another write catches the new process
/// (freezer-subsystem.rst of the kernel). The kernel sends no notification of the end, so this polls.
fn freeze_v1(directory: BorrowedFd<'_>) -> Result<(), Fault> {
    let deadline = Instant::now() + LIMIT;
    let mut pause = Duration::from_micros(50);
    loop {
        write(directory, c"freezer.state", b"FROZEN")?;
        if read(directory, c"freezer.state")?.starts_with(b"FROZEN") {
            return Ok(());
        }
        if Instant::now() > deadline {
            return Err(Fault::new(Call::Freeze, Errno::BUSY));
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(10));
    }
}

/// Thaws every process.
pub(crate) fn thaw(cgroups: &[Cgroup]) -> Result<(), Fault> {
    match freezer(cgroups)? {
        Some(Freezer::V1(directory)) => write(directory.as_fd(), c"freezer.state", b"THAWED"),
        Some(Freezer::V2(directory)) => write(directory.as_fd(), c"cgroup.freeze", b"0"),
        None => Ok(()),
    }
}

/// Thaws killed processes where they need it: a process that a v1 freezer has frozen handles SIGKILL only after it is thawed. In a
/// frozen v2 cgroup a killed process dies.
pub(crate) fn thaw_killed(cgroups: &[Cgroup]) -> Result<(), Fault> {
    match freezer(cgroups)? {
        Some(Freezer::V1(directory)) => write(directory.as_fd(), c"freezer.state", b"THAWED"),
        Some(Freezer::V2(_)) | None => Ok(()),
    }
}

/// Whether the container's processes are frozen, or being frozen (`FREEZING`).
pub(crate) fn is_frozen(cgroups: &[Cgroup]) -> bool {
    match freezer(cgroups) {
        Ok(Some(Freezer::V1(directory))) => {
            read(directory.as_fd(), c"freezer.state").is_ok_and(|state| state.starts_with(b"FR"))
        }
        Ok(Some(Freezer::V2(directory))) => read(directory.as_fd(), c"cgroup.events")
            .is_ok_and(|events| events.split(|byte| *byte == b'\n').any(|line| line == b"frozen 1")),
        _ => false,
    }
}
