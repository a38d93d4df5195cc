//! New processes: clone3(2).

use crate::answer;
use rustix::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use rustix::io::{Errno, Result};
use rustix::process::Pid;

/// How a new process differs from its maker.
#[derive(Clone, Copy, Default)]
pub struct Clone<'fd> {
    /// The namespaces to make, as `CLONE_NEW*` flags; `CLONE_PARENT` is allowed besides, no other flag is.
    pub flags: u64,
    /// The cgroup v2 directory in which the process is born (`CLONE_INTO_CGROUP`).
    pub cgroup: Option<BorrowedFd<'fd>>,
}

/// A process that `spawn` has made.
#[derive(Debug)]
pub struct Spawned {
    /// Its process id in the caller's pid namespace.
    pub pid: Pid,
    /// A descriptor that refers to this process and no later one with the same id, close-on-exec.
    pub pidfd: OwnedFd,
}

const ALLOWED: u64 = (libc::CLONE_NEWNS
    | libc::CLONE_NEWPID
    | libc::CLONE_NEWNET
    | libc::CLONE_NEWIPC
    | libc::CLONE_NEWUTS
    | libc::CLONE_NEWUSER
    | libc::CLONE_NEWCGROUP
    | libc::CLONE_PARENT) as u64
    | CLONE_NEWTIME;

/// `CLONE_NEWTIME` shares its bit with the exit signal of the older calls, so that libc does not offer it as a flag of clone3.
pub const CLONE_NEWTIME: u64 = 0x80;

/// libc has it too, as an `int` in which it overflows to nothing.
const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;

/// Makes a process that runs `child` on a copy of this process's memory and never comes back here.
///
/// What `child` returns is the process's exit code. It must allocate nothing and take no lock, since another thread of the
/// copied process may have held one (no program of ours has a second thread, but its tests do).
///
/// # Errors
/// The errno of clone3(2); `EINVAL` besides for a flag that is neither a namespace nor `CLONE_PARENT`.
pub fn spawn(how: Clone<'_>, child: impl FnOnce() -> i32) -> Result<Spawned> {
    if how.flags & !ALLOWED != 0 {
        return Err(Errno::INVAL);
    }
    let mut pidfd: libc::c_int = -1;
    // SAFETY: clone_args is a struct of integers, for which all zeros is a valid value.
    let mut args: libc::clone_args = unsafe { std::mem::zeroed() };
    args.flags = how.flags | libc::CLONE_PIDFD as u64;
    args.pidfd = (&raw mut pidfd) as u64;
    // With CLONE_PARENT the kernel takes the exit signal of the caller and refuses one given here.
    if how.flags & libc::CLONE_PARENT as u64 == 0 {
        args.exit_signal = libc::SIGCHLD as u64;
    }
    if let Some(cgroup) = how.cgroup {
        args.flags |= CLONE_INTO_CGROUP;
        args.cgroup = cgroup.as_raw_fd() as u64;
    }
    // SAFETY: args outlives the call and its size is given with it; the pidfd pointer is to a live c_int. The flags are
    // checked above: CLONE_VM and CLONE_THREAD are not among them, so the child has memory and a stack of its own, as
    // after fork(2), and writes nothing that this process sees.
    let returned = unsafe { libc::syscall(libc::SYS_clone3, &raw const args, size_of::<libc::clone_args>()) };
    let pid = match answer(returned) {
        Err(Errno::NOSYS) if args.flags == libc::CLONE_PIDFD as u64 => fork(&mut pidfd)?,
        answer => answer?,
    };
    let Some(pid) = Pid::from_raw(pid as i32) else { exit(child()) };
    // SAFETY: the kernel has just made this descriptor for us, and nobody else knows its number.
    let pidfd = unsafe { OwnedFd::from_raw_fd(pidfd) };
    Ok(Spawned { pid, pidfd })
}

/// clone(2), where a system call filter says that there is no clone3(2), whose flags it can't see (Docker's does).
fn fork(pidfd: &mut libc::c_int) -> Result<libc::c_long> {
    let flags = libc::c_long::from(libc::CLONE_PIDFD | libc::SIGCHLD);
    let pidfd: *mut libc::c_int = pidfd;
    // SAFETY: without CLONE_VM, and without a stack of its own, the child goes on with a copy of this one's memory, as after
    // fork(2). CLONE_PIDFD writes one descriptor to the third argument, which points to a live c_int; the others are unused.
    answer(unsafe { libc::syscall(libc::SYS_clone, flags, 0_usize, pidfd, 0_usize, 0_usize) })
}

/// Ends this process at once: no destructor runs and no buffer is flushed, as a copied process needs it.
pub fn exit(code: i32) -> ! {
    // SAFETY: _exit has no precondition.
    unsafe { libc::_exit(code) }
}
