//! Who is in a cgroup: found, killed, waited for.

use super::files::{Cgroup, PATIENCE, await_event, below, open_directory, read, unless_gone, until, write};
use super::freezer;
use crate::channel::retry;
use crate::fault::{Call, During, Fault};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use std::collections::HashSet;
use std::time::Instant;

/// Every process in the cgroups. A process is in all of the hierarchies, so that the first one tells.
pub(crate) fn members(cgroups: &[Cgroup]) -> Result<Vec<Pid>, Fault> {
    match cgroups.first().map(Cgroup::open).transpose()?.flatten() {
        Some(directory) => processes(directory.as_fd()),
        None => Ok(Vec::new()),
    }
}

/// Kills every process in the cgroups and waits until none is left.
///
/// A process is in all of the hierarchies, so that the first one settles it for all. The v2 one, which comes first, can kill a
/// whole cgroup at once.
pub(crate) fn kill_all(cgroups: &[Cgroup]) -> Result<(), Fault> {
    let deadline = Instant::now() + PATIENCE;
    freezer::release(cgroups)?;
    for cgroup in cgroups {
        let Some(directory) = cgroup.open()? else { continue };
        let killed = match write(directory.as_fd(), c"cgroup.kill", b"1") {
            Ok(()) => await_empty(directory.as_fd(), deadline),
            Err(_) => kill_one_by_one(directory.as_fd(), deadline),
        };
        return unless_gone(killed);
    }
    Ok(())
}

/// v1: what forks away is found the next time.
pub(crate) fn kill_one_by_one(cgroup: BorrowedFd<'_>, deadline: Instant) -> Result<(), Fault> {
    while !processes(cgroup)?.is_empty() {
        let left = open_processes(cgroup)?;
        for process in &left {
            // It may have ended by itself.
            let _ = pidfd_send_signal(process, Signal::KILL);
        }
        // One is enough to wait for: who forks meanwhile is to be found soon.
        left.first().map_or(Ok(()), |process| await_end(process.as_fd(), deadline))?;
        if Instant::now() > deadline {
            return Err(Fault::new(Call::Wait, Errno::BUSY));
        }
    }
    Ok(())
}

/// The processes of a cgroup, as many as this process may open: those who are in it, and never others who got their numbers
/// meanwhile.
fn open_processes(cgroup: BorrowedFd<'_>) -> Result<Vec<OwnedFd>, Fault> {
    let mut opened = Vec::new();
    for pid in processes(cgroup)? {
        match pidfd_open(pid, PidfdFlags::empty()) {
            Ok(process) => opened.push((pid, process)),
            Err(Errno::MFILE | Errno::NFILE) if opened.len() > 1 => {
                // Whoever is still there is read from files as well.
                opened.truncate(opened.len() / 2);
                break;
            }
            // Of a process that has been reaped older kernels say that it leads no threads.
            Err(Errno::SRCH | Errno::INVAL) => {}
            Err(errno) => return Err(Fault::new(Call::Open, errno)),
        }
    }
    let still: HashSet<Pid> = processes(cgroup)?.into_iter().collect();
    Ok(opened.into_iter().filter(|(pid, _)| still.contains(pid)).map(|(_, process)| process).collect())
}

/// Waits until a process has ended, of which its descriptor tells (pidfd_open(2)).
fn await_end(process: BorrowedFd<'_>, deadline: Instant) -> Result<(), Fault> {
    let mut waiting = [PollFd::from_borrowed_fd(process, PollFlags::IN)];
    match retry(|| poll(&mut waiting, Some(&until(deadline)))).during(Call::Wait)? {
        0 => Err(Fault::new(Call::Wait, Errno::BUSY)),
        _ => Ok(()),
    }
}

fn await_empty(cgroup: BorrowedFd<'_>, deadline: Instant) -> Result<(), Fault> {
    await_event(cgroup, "populated 0", deadline)
}

/// The processes in a cgroup and in all below it.
pub(crate) fn processes(cgroup: BorrowedFd<'_>) -> Result<Vec<Pid>, Fault> {
    let text = match read(cgroup, c"cgroup.procs") {
        // What is in a threaded cgroup of v2 is told by the one above it (cgroups(7), "Threaded mode").
        Err(Fault { errno: Errno::NOTSUP, .. }) => Vec::new(),
        answer => answer?,
    };
    let ids = std::str::from_utf8(&text).unwrap_or_default().lines().filter_map(|line| line.parse().ok());
    let mut found: Vec<Pid> = ids.filter_map(Pid::from_raw).collect();
    for name in below(cgroup)? {
        if let Ok(directory) = open_directory(cgroup, name.as_slice()) {
            found.append(&mut processes(directory.as_fd())?);
        }
    }
    Ok(found)
}
