//! The directory of a cgroup in one hierarchy: creating, opening, delegating and removing it, and writing its limits.

use super::files::{Cgroup, EXIT_LIMIT, below, ignore_removed, open_directory, open_mount, read, write};
use super::members;
use crate::fault::{Call, Fault};
use crate::slots::Slots;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{self, AtFlags, CWD, Mode};
use rustix::io::Errno;
use std::ffi::{CStr, CString};
use std::time::{Duration, Instant};
use tare_plan::step::{
    CheckUse, ExistingCgroup, LimitWrite, MakeCgroup, OpenCgroup, PrepareCgroup, WriteCgroup,
};

/// Creates the cgroup and those above it, and opens it. Whether an existing cgroup may be used is in the plan.
pub(crate) fn make(step: &MakeCgroup) -> Result<OwnedFd, Fault> {
    let mut directory = open_mount(&step.mount)?;
    let mut made = false;
    for name in step.path.as_bytes().split(|byte| *byte == b'/').filter(|name| !name.is_empty()) {
        if step.prepare == PrepareCgroup::EnableControllers {
            enable_controllers(directory.as_fd());
        }
        made = match fs::mkdirat(&directory, name, Mode::from_raw_mode(0o755)) {
            Ok(()) => true,
            Err(Errno::EXIST) => false,
            Err(errno) => return Err(Fault::new(Call::MakeDirectory, errno)),
        };
        let below = open_directory(directory.as_fd(), name)?;
        if step.prepare == PrepareCgroup::InheritCpuset {
            inherit_cpuset(directory.as_fd(), below.as_fd())?;
        }
        directory = below;
    }
    match step.existing {
        // `delete` kills every process in the container's cgroup, so the processes of another program must not be there.
        ExistingCgroup::Empty if !made && !members::pids(directory.as_fd())?.is_empty() => {
            Err(Fault::new(Call::Occupied, Errno::BUSY))
        }
        ExistingCgroup::MadeBySystemd if made => Err(Fault::new(Call::Open, Errno::NOENT)),
        _ => Ok(directory),
    }
}

/// Opens the cgroup of an existing container.
///
/// The container may have moved its processes to child cgroups and enabled domain controllers for them. Its own cgroup can't have
/// processes then (cgroups(7), "no internal processes" rule). A new process of `exec` goes to the cgroup of init in that case, and
/// also if the container's cgroup is gone.
pub(crate) fn open(step: &OpenCgroup) -> Result<OwnedFd, Fault> {
    let mount = open_mount(&step.mount)?;
    let found = open_directory(mount.as_fd(), step.path.as_c_str());
    let usable = found.as_ref().is_ok_and(|directory| !forbids_processes(directory.as_fd()));
    let init = step.fallback_init.filter(|_| !usable).and_then(unified_path);
    match init {
        Some(path) => open_directory(mount.as_fd(), path.trim_start_matches('/')),
        None => found,
    }
}

/// Whether a v2 cgroup has enabled a domain controller for its children, and so can have no process. Threaded controllers do not
/// count (cgroups(7), "Thread mode").
fn forbids_processes(directory: BorrowedFd<'_>) -> bool {
    const THREADED: [&[u8]; 4] = [b"cpu", b"cpuset", b"perf_event", b"pids"];
    let text = read(directory, c"cgroup.subtree_control").unwrap_or_default();
    text.split(u8::is_ascii_whitespace).any(|name| !name.is_empty() && !THREADED.contains(&name))
}

/// Returns the v2 cgroup of a process, from `/proc/PID/cgroup`.
fn unified_path(pid: i32) -> Option<String> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/cgroup")).ok()?;
    text.lines().find_map(|line| line.strip_prefix("0::").map(str::to_owned))
}

/// Whether a cgroup exists.
pub(crate) fn exists(mount: &CStr, path: &str) -> bool {
    open_mount(mount).is_ok_and(|mount| fs::statat(&mount, path, AtFlags::SYMLINK_NOFOLLOW).is_ok())
}

/// Copies the CPUs and memory nodes of the parent cgroup. A new v1 cpuset has none, and no process can enter it (cpuset(7)).
fn inherit_cpuset(above: BorrowedFd<'_>, below: BorrowedFd<'_>) -> Result<(), Fault> {
    for file in [c"cpuset.cpus", c"cpuset.mems"] {
        if read(below, file)?.trim_ascii().is_empty() {
            write(below, file, read(above, file)?.trim_ascii())?;
        }
    }
    Ok(())
}

/// Enables every available controller for the children of a v2 cgroup (cgroups(7), `cgroup.subtree_control`).
///
/// A controller may be unavailable, such as `cpu` while a realtime process is in the root cgroup. That is an error only if the
/// configuration has a limit of the controller, and then the write of the limit fails.
fn enable_controllers(directory: BorrowedFd<'_>) {
    for controller in
        read(directory, c"cgroup.controllers").unwrap_or_default().split(|byte| byte.is_ascii_whitespace())
    {
        if !controller.is_empty() {
            let line = [b"+", controller].concat();
            let _unavailable = write(directory, c"cgroup.subtree_control", &line);
        }
    }
}

/// Writes one limit to its file.
pub(crate) fn write_limit(slots: &Slots, step: &LimitWrite) -> Result<(), Fault> {
    let chosen = choose_file(slots, step)?;
    write(slots.get(chosen.cgroup)?, &chosen.file, chosen.value.as_bytes())
}

/// Chooses the file of a limit that this kernel has. Block I/O weights are in `blkio.bfq.weight` or in `blkio.weight`, for
/// example.
pub(crate) fn choose_file<'step>(
    slots: &Slots,
    step: &'step LimitWrite,
) -> Result<&'step WriteCgroup, Fault> {
    match step {
        LimitWrite::File(write) => Ok(write),
        LimitWrite::Either { first, second } => {
            let cgroup = slots.get(first.cgroup)?;
            let exists = fs::accessat(cgroup, first.file.as_c_str(), fs::Access::EXISTS, AtFlags::empty());
            Ok(if exists.is_ok() { first } else { second })
        }
    }
}

/// Refuses a memory limit below the current use (config-linux.md, `checkBeforeUpdate`).
pub(crate) fn check_use(slots: &Slots, step: &CheckUse) -> Result<(), Fault> {
    match step.refusal(used(slots, step)?) {
        Some(_) => Err(Fault::new(Call::InUse, Errno::BUSY)),
        None => Ok(()),
    }
}

/// Returns the current use in bytes, the sum of several files. A missing file counts as 0: a kernel without swap has no
/// `memory.swap.current`.
pub(crate) fn used(slots: &Slots, step: &CheckUse) -> Result<u64, Fault> {
    let cgroup = slots.get(step.cgroup)?;
    let one = |file: &CString| match read(cgroup, file) {
        Ok(text) => {
            Ok(std::str::from_utf8(&text).ok().and_then(|text| text.trim().parse().ok()).unwrap_or(0))
        }
        Err(Fault { errno: Errno::NOENT, .. }) => Ok(0),
        Err(fault) => Err(fault),
    };
    step.files.iter().map(one).try_fold(0_u64, |sum, used: Result<u64, Fault>| Ok(sum.saturating_add(used?)))
}

/// Delegates a v2 cgroup to the user `uid`: the directory, and the files that the kernel lists in
/// `/sys/kernel/cgroup/delegate` (config-linux.md, "Cgroup ownership"; cgroups(7), "Cgroups delegation").
pub(crate) fn delegate(cgroup: BorrowedFd<'_>, uid: u32) -> Result<(), Fault> {
    let known = std::fs::read_to_string("/sys/kernel/cgroup/delegate");
    let known = known.unwrap_or_else(|_| "cgroup.procs\ncgroup.subtree_control\ncgroup.threads".to_owned());
    let owner = Some(fs::Uid::from_raw(uid));
    for file in std::iter::once("").chain(known.lines().filter(|name| !name.contains('/'))) {
        let flags = AtFlags::SYMLINK_NOFOLLOW | AtFlags::EMPTY_PATH;
        match fs::chownat(cgroup, file, owner, None, flags) {
            Ok(()) | Err(Errno::NOENT) => {}
            Err(errno) => return Err(Fault::new(Call::Owner, errno)),
        }
    }
    Ok(())
}

/// Removes the child cgroups, the deepest first.
fn remove_below(directory: BorrowedFd<'_>) -> Result<(), Fault> {
    for name in below(directory)? {
        remove_below(open_directory(directory, name.as_slice())?.as_fd())?;
        remove_directory(directory, &name)?;
    }
    Ok(())
}

/// Removes one empty cgroup. rmdir(2) fails with `EBUSY` until the kernel has released the last process, some time after its
/// exit. There is no notification, so this polls until [`EXIT_LIMIT`].
fn remove_directory(above: BorrowedFd<'_>, name: &[u8]) -> Result<(), Fault> {
    let deadline = Instant::now() + EXIT_LIMIT;
    let mut pause = Duration::from_micros(200);
    loop {
        match fs::unlinkat(above, name, AtFlags::REMOVEDIR) {
            Ok(()) | Err(Errno::NOENT) => return Ok(()),
            Err(Errno::BUSY) if Instant::now() < deadline => std::thread::sleep(pause),
            Err(errno) => return Err(Fault::new(Call::MakeDirectory, errno)),
        }
        pause = (pause * 2).min(Duration::from_millis(20));
    }
}

/// Kills every process in a container's cgroups, waits for their exit, and removes the cgroups.
pub(crate) fn destroy(cgroups: &[Cgroup]) -> Result<(), Fault> {
    members::kill_all(cgroups)?;
    cgroups.iter().try_for_each(remove)
}

/// Whether the OOM killer has killed a process of the cgroups. v2 counts that in `memory.events`, v1 in `memory.oom_control`.
pub(crate) fn was_oom_killed(cgroups: &[Cgroup]) -> bool {
    cgroups.iter().any(|cgroup| {
        let Ok(Some(directory)) = cgroup.open() else { return false };
        [c"memory.oom_control", c"memory.events"].into_iter().any(|file| {
            let text = read(directory.as_fd(), file).unwrap_or_default();
            let killed = String::from_utf8_lossy(&text)
                .lines()
                .find_map(|line| line.strip_prefix("oom_kill ").map(str::to_owned));
            killed.is_some_and(|count| count != "0")
        })
    })
}

/// Removes a cgroup. Most have no children, so the plain rmdir(2) comes first.
fn remove(cgroup: &Cgroup) -> Result<(), Fault> {
    let path = format!("{}/{}", cgroup.mount, cgroup.path);
    if matches!(fs::rmdir(path.as_str()), Ok(()) | Err(Errno::NOENT)) {
        return Ok(());
    }
    let Some(directory) = cgroup.open()? else { return Ok(()) };
    // Another program may have moved a process in this hierarchy alone. `members::kill_all` has not seen it.
    ignore_removed(members::kill_one_by_one(directory.as_fd(), Instant::now() + EXIT_LIMIT))?;
    ignore_removed(remove_below(directory.as_fd()))?;
    remove_directory(CWD, path.as_bytes())
}
