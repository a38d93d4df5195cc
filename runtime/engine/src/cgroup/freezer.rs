//! The freezer: all processes of a container stopped and let go on again, by v1's controller or by the v2 cgroup itself.

use super::files::{Cgroup, await_event, read, write};
use crate::fault::{Call, Fault};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::io::Errno;
use std::time::{Duration, Instant};

/// How long processes may take to come to a stop; one that waits for a disk does so when it has got its answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// The interface by which a container is frozen.
enum Freezer {
    /// The hierarchy of the v1 controller.
    V1(OwnedFd),
    /// The v2 cgroup.
    V2(OwnedFd),
}

/// The freezer of a container; nothing when it has no cgroup.
fn freezer(cgroups: &[Cgroup]) -> Result<Option<Freezer>, Fault> {
    if let Some(cgroup) = cgroups.iter().find(|cgroup| cgroup.has("freezer")) {
        return Ok(cgroup.open()?.map(Freezer::V1));
    }
    let Some(directory) = cgroups.first().map(Cgroup::open).transpose()?.flatten() else { return Ok(None) };
    Ok(read(directory.as_fd(), c"cgroup.freeze").is_ok().then_some(Freezer::V2(directory)))
}

/// Stops every process, and waits until all have stopped. One that can't be stopped in time lets all go on.
pub(crate) fn freeze(cgroups: &[Cgroup]) -> Result<(), Fault> {
    let frozen = match freezer(cgroups)?.ok_or(Fault::new(Call::Freeze, Errno::NODEV))? {
        Freezer::V1(directory) => freeze_v1(directory.as_fd()),
        Freezer::V2(directory) => write(directory.as_fd(), c"cgroup.freeze", b"1")
            .and_then(|()| await_event(directory.as_fd(), "frozen 1", Instant::now() + PATIENCE)),
    };
    frozen.or_else(|fault| {
        thaw(cgroups)?;
        Err(fault)
    })
}

/// v1: whoever forks while it is being frozen is caught by asking again. The kernel has no notice of it to give.
fn freeze_v1(directory: BorrowedFd<'_>) -> Result<(), Fault> {
    let deadline = Instant::now() + PATIENCE;
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

/// Lets every process go on.
pub(crate) fn thaw(cgroups: &[Cgroup]) -> Result<(), Fault> {
    match freezer(cgroups)? {
        Some(Freezer::V1(directory)) => write(directory.as_fd(), c"freezer.state", b"THAWED"),
        Some(Freezer::V2(directory)) => write(directory.as_fd(), c"cgroup.freeze", b"0"),
        None => Ok(()),
    }
}

/// Lets those go on that have been killed: a process that a v1 freezer holds does not die there.
pub(crate) fn release(cgroups: &[Cgroup]) -> Result<(), Fault> {
    match freezer(cgroups)? {
        Some(Freezer::V1(directory)) => write(directory.as_fd(), c"freezer.state", b"THAWED"),
        Some(Freezer::V2(_)) | None => Ok(()),
    }
}

/// Whether the processes are frozen.
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
