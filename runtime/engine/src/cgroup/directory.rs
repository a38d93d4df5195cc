//! The directory of a container's cgroup in one hierarchy: created, opened, given away, removed.

use super::files::{Cgroup, PATIENCE, below, open_directory, open_mount, read, unless_gone, write};
use super::population;
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

/// Makes the directory, with those above it, and opens it. One that is there already must hold no process.
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
        ExistingCgroup::Empty if !made && !population::processes(directory.as_fd())?.is_empty() => {
            Err(Fault::new(Call::Occupied, Errno::BUSY))
        }
        ExistingCgroup::MadeBySystemd if made => Err(Fault::new(Call::Open, Errno::NOENT)),
        _ => Ok(directory),
    }
}

/// Opens a directory of a container that exists. Where it is gone, or hands domain controllers on so that it can hold no
/// process itself (cgroups(7), "No internal processes"), that of init is taken, if the step says so.
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

/// Whether a v2 directory hands on controllers that then allow no process in it.
fn forbids_processes(directory: BorrowedFd<'_>) -> bool {
    const THREADED: [&[u8]; 4] = [b"cpu", b"cpuset", b"perf_event", b"pids"];
    let text = read(directory, c"cgroup.subtree_control").unwrap_or_default();
    text.split(u8::is_ascii_whitespace).any(|name| !name.is_empty() && !THREADED.contains(&name))
}

/// The v2 directory that a process is in.
fn unified_path(pid: i32) -> Option<String> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/cgroup")).ok()?;
    text.lines().find_map(|line| line.strip_prefix("0::").map(str::to_owned))
}

/// Whether a hierarchy already has the container's directory.
pub(crate) fn is_there(mount: &CStr, path: &str) -> bool {
    open_mount(mount).is_ok_and(|mount| fs::statat(&mount, path, AtFlags::SYMLINK_NOFOLLOW).is_ok())
}

/// A new cpuset is empty, and nothing can enter it; it takes what the one above has.
fn inherit_cpuset(above: BorrowedFd<'_>, below: BorrowedFd<'_>) -> Result<(), Fault> {
    for file in [c"cpuset.cpus", c"cpuset.mems"] {
        if read(below, file)?.trim_ascii().is_empty() {
            write(below, file, read(above, file)?.trim_ascii())?;
        }
    }
    Ok(())
}

/// Hands every controller that a v2 directory has on to those below. One that can't be handed on is left out here, and
/// told when a limit of it is written.
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

/// Writes one limit.
fn write_one(cgroup: BorrowedFd<'_>, step: &WriteCgroup) -> Result<(), Fault> {
    write(cgroup, &step.file, step.value.as_bytes())
}

/// Writes one limit, to the file of it that the cgroup has.
pub(crate) fn write_limit(slots: &Slots, step: &LimitWrite) -> Result<(), Fault> {
    let write = present(slots, step)?;
    write_one(slots.get(write.cgroup)?, write)
}

/// The write of a limit whose file the cgroup has.
pub(crate) fn present<'step>(slots: &Slots, step: &'step LimitWrite) -> Result<&'step WriteCgroup, Fault> {
    match step {
        LimitWrite::File(write) => Ok(write),
        LimitWrite::Either { first, second } => {
            let cgroup = slots.get(first.cgroup)?;
            let exists = fs::accessat(cgroup, first.file.as_c_str(), fs::Access::EXISTS, AtFlags::empty());
            Ok(if exists.is_ok() { first } else { second })
        }
    }
}

/// Refuses a limit below the current use.
pub(crate) fn check_use(slots: &Slots, step: &CheckUse) -> Result<(), Fault> {
    match step.refusal(used(slots, step)?) {
        Some(_) => Err(Fault::new(Call::InUse, Errno::BUSY)),
        None => Ok(()),
    }
}

/// The current use that a check is about, in bytes. A file that does not exist, as on a kernel without swap, counts as 0.
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

/// Changes the owner of a v2 cgroup: of the directory, and of the files that the kernel lists as delegatable.
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

fn remove_below(directory: BorrowedFd<'_>) -> Result<(), Fault> {
    for name in below(directory)? {
        remove_below(open_directory(directory, name.as_slice())?.as_fd())?;
        remove_directory(directory, &name)?;
    }
    Ok(())
}

/// Removes one empty cgroup. The kernel may still be taking leave of its last process, of which it gives no notice: it is
/// asked again for a while.
fn remove_directory(above: BorrowedFd<'_>, name: &[u8]) -> Result<(), Fault> {
    let deadline = Instant::now() + PATIENCE;
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

/// Kills every process in a container's cgroups, waits until they are gone, and removes the cgroups.
///
/// Nothing is done by pid alone: who is killed is who the cgroup says is in it.
pub(crate) fn destroy(cgroups: &[Cgroup]) -> Result<(), Fault> {
    population::kill_all(cgroups)?;
    cgroups.iter().try_for_each(remove)
}

/// Whether the kernel has killed a process of the cgroups because their memory was used up.
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

/// Removes the directory. Most have none below them, so that is tried first.
fn remove(cgroup: &Cgroup) -> Result<(), Fault> {
    let path = format!("{}/{}", cgroup.mount, cgroup.path);
    if matches!(fs::rmdir(path.as_str()), Ok(()) | Err(Errno::NOENT)) {
        return Ok(());
    }
    let Some(directory) = cgroup.open()? else { return Ok(()) };
    // Whoever is left here and not in the first hierarchy was moved by somebody else since.
    unless_gone(population::kill_one_by_one(directory.as_fd(), Instant::now() + PATIENCE))?;
    unless_gone(remove_below(directory.as_fd()))?;
    remove_directory(CWD, path.as_bytes())
}
