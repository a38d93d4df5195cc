//! The processes in a cgroup: listing them, and killing them all.

use super::files::{
    Cgroup, EXIT_LIMIT, await_event, below, ignore_removed, open_directory, read, until, write,
};
use super::freezer;
use crate::channel::retry;
use crate::fault::{Call, During, Fault};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use std::collections::HashSet;
use std::time::Instant;

/// Returns every process of a container. A process is in every hierarchy, so the first one has them all.
pub(crate) fn of_container(cgroups: &[Cgroup]) -> Result<Vec<Pid>, Fault> {
    match cgroups.first().map(Cgroup::open).transpose()?.flatten() {
        Some(directory) => pids(directory.as_fd()),
        None => Ok(Vec::new()),
    }
}

/// Kills every process in the cgroups and waits until none is left, at most [`EXIT_LIMIT`].
///
/// A process is in every hierarchy, so the first existing cgroup is enough. The v2 cgroup comes first, because it can kill all
/// processes at once, so that none forks away (cgroups(7), `cgroup.kill`, since Linux 5.14).
pub(crate) fn kill_all(cgroups: &[Cgroup]) -> Result<(), Fault> {
    let deadline = Instant::now() + EXIT_LIMIT;
    freezer::thaw_killed(cgroups)?;
    for cgroup in cgroups {
        let Some(directory) = cgroup.open()? else { continue };
        let killed = match write(directory.as_fd(), c"cgroup.kill", b"1") {
            Ok(()) => await_empty(directory.as_fd(), deadline),
            Err(_) => kill_one_by_one(directory.as_fd(), deadline),
        };
        return ignore_removed(killed);
    }
    Ok(())
}

/// Kills the processes of a cgroup without `cgroup.kill`. A process that forks meanwhile is found in the next round.
pub(crate) fn kill_one_by_one(cgroup: BorrowedFd<'_>, deadline: Instant) -> Result<(), Fault> {
    while !pids(cgroup)?.is_empty() {
        let left = open_processes(cgroup)?;
        for process in &left {
            // The process may have exited by itself.
            let _ = pidfd_send_signal(process, Signal::KILL);
        }
        // The next round begins after the first exit: the sooner it looks, the fewer forks it has to find.
        left.first().map_or(Ok(()), |process| await_exit(process.as_fd(), deadline))?;
        if Instant::now() > deadline {
            return Err(Fault::new(Call::Wait, Errno::BUSY));
        }
    }
    Ok(())
}

/// Opens pidfds of the processes in a cgroup, as many as the limit of open files allows.
///
/// A pid may pass to another process between the read of `cgroup.procs` and pidfd_open(2). So the list is read again
/// afterwards: a pid that is still in it belonged to a process of the cgroup all the time, or belongs to a new one of it.
fn open_processes(cgroup: BorrowedFd<'_>) -> Result<Vec<OwnedFd>, Fault> {
    let mut opened = Vec::new();
    for pid in pids(cgroup)? {
        match pidfd_open(pid, PidfdFlags::empty()) {
            Ok(process) => opened.push((pid, process)),
            Err(Errno::MFILE | Errno::NFILE) if opened.len() > 1 => {
                // The second read of the list needs file descriptors too, one for each level of cgroups.
                opened.truncate(opened.len() / 2);
                break;
            }
            // Kernels before 6.13 return EINVAL for a process that has just been reaped.
            Err(Errno::SRCH | Errno::INVAL) => {}
            Err(errno) => return Err(Fault::new(Call::Open, errno)),
        }
    }
    let still: HashSet<Pid> = pids(cgroup)?.into_iter().collect();
    Ok(opened.into_iter().filter(|(pid, _)| still.contains(pid)).map(|(_, process)| process).collect())
}

/// Waits until a process has exited. Its pidfd becomes readable then (pidfd_open(2)).
fn await_exit(process: BorrowedFd<'_>, deadline: Instant) -> Result<(), Fault> {
    let mut waiting = [PollFd::from_borrowed_fd(process, PollFlags::IN)];
    match retry(|| poll(&mut waiting, Some(&until(deadline)))).during(Call::Wait)? {
        0 => Err(Fault::new(Call::Wait, Errno::BUSY)),
        _ => Ok(()),
    }
}

/// Waits until a v2 cgroup and those below it have no process (cgroups(7), `cgroup.events`).
fn await_empty(cgroup: BorrowedFd<'_>, deadline: Instant) -> Result<(), Fault> {
    await_event(cgroup, "populated 0", deadline)
}

/// Returns the pids in a cgroup and in all cgroups below it.
pub(crate) fn pids(cgroup: BorrowedFd<'_>) -> Result<Vec<Pid>, Fault> {
    let text = match read(cgroup, c"cgroup.procs") {
        // A threaded v2 cgroup lists its processes in its domain cgroup above (cgroups(7), "Thread mode").
        Err(Fault { errno: Errno::NOTSUP, .. }) => Vec::new(),
        answer => answer?,
    };
    let ids = std::str::from_utf8(&text).unwrap_or_default().lines().filter_map(|line| line.parse().ok());
    let mut found: Vec<Pid> = ids.filter_map(Pid::from_raw).collect();
    for name in below(cgroup)? {
        if let Ok(directory) = open_directory(cgroup, name.as_slice()) {
            found.append(&mut pids(directory.as_fd())?);
        }
    }
    Ok(found)
}
