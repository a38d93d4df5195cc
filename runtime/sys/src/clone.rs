//! New processes: clone3(2).
//!
//! A process that clone3(2) makes without `CLONE_VM` has a copy of its parent's memory, but of all threads
//! only the one that called. A lock that another thread held stays locked in the copy, so the child may block
//! for ever where it allocates or prints. The types of a closure can't rule that out: [`spawn`] is unsafe for
//! that reason. Two safe functions stand above it. [`fork`] checks that there is no other thread.
//! [`spawn_program`] runs no code of its caller between clone3(2) and execve(2).

use crate::exec::{Strings, exec};
use crate::{answer, descriptors, signals};
use rustix::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use rustix::io::{Errno, Result};
use rustix::process::{Pid, Signal};
use std::ffi::CStr;

/// How a new process differs from its parent.
#[derive(Clone, Copy, Default)]
pub struct Clone<'fd> {
    /// New namespaces, as `CLONE_NEW*` flags. `CLONE_PARENT` is the only other flag allowed.
    pub flags: u64,
    /// The cgroup v2 directory in which the process starts (`CLONE_INTO_CGROUP`).
    pub cgroup: Option<BorrowedFd<'fd>>,
}

/// A new process.
#[derive(Debug)]
pub struct Spawned {
    /// Its process id in the caller's pid namespace.
    pub pid: Pid,
    /// Its pidfd, close-on-exec. A pidfd never refers to a later process with the same pid.
    pub pidfd: OwnedFd,
}

/// A program for [`spawn_program`].
#[derive(Clone, Copy)]
pub struct Program<'a> {
    /// The path of its file.
    pub path: &'a CStr,
    /// Its argument vector.
    pub arguments: &'a Strings,
    /// Its environment.
    pub environment: &'a Strings,
    /// Its standard input.
    pub stdin: BorrowedFd<'a>,
}

/// The flags that the child may differ by: they give it neither its parent's memory nor its parent's
/// descriptor table.
const ALLOWED: u64 = (libc::CLONE_NEWNS
    | libc::CLONE_NEWPID
    | libc::CLONE_NEWNET
    | libc::CLONE_NEWIPC
    | libc::CLONE_NEWUTS
    | libc::CLONE_NEWUSER
    | libc::CLONE_NEWCGROUP
    | libc::CLONE_PARENT) as u64
    | CLONE_NEWTIME;

/// `CLONE_NEWTIME` shares its bit with the exit signal of clone(2), so libc does not offer it as a flag of
/// clone3(2).
pub const CLONE_NEWTIME: u64 = 0x80;

/// libc has this one as an `int`, in which it overflows to 0.
const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;

/// The exit codes of a shell for a program that it can't start, and for one that it can't find.
const CANNOT_EXECUTE: i32 = 126;
const NOT_FOUND: i32 = 127;

unsafe extern "C" {
    /// glibc 2.32 and later: not zero while the process has a single thread (`sys/single_threaded.h`).
    static mut __libc_single_threaded: libc::c_char;
}

/// Whether this process has one thread. Costs no system call, which a seccomp filter might refuse.
pub fn is_single_threaded() -> bool {
    let flag: *const libc::c_char = &raw const __libc_single_threaded;
    // SAFETY: the pointer is to a live char of the C library. The library writes it when it creates a thread:
    // while there is no other thread, only this one can do that, and with other threads the value has been 0
    // since the first of them started.
    unsafe { flag.read_volatile() != 0 }
}

/// Makes a process that runs `child` on a copy of this process's memory. What `child` returns is its exit
/// code.
///
/// `child` may allocate and take locks, as after fork(2) in a program without threads. In the child, a panic
/// ends the process: it never unwinds into the copy of the caller.
///
/// # Errors
/// `EDEADLK` when this process has more than one thread; else as for [`spawn`].
pub fn fork(how: Clone<'_>, child: impl FnOnce() -> i32) -> Result<Spawned> {
    if !is_single_threaded() {
        return Err(Errno::DEADLK);
    }
    // SAFETY: this is the only thread, and no other can start before clone3(2): nothing but this thread could
    // start one. So no lock is held by a thread that the child lacks. Shared memory is the caller's matter in
    // the sense that it takes unsafe code to have a reference to any, and that code has to allow for
    // processes that fork (std::process::Command does it too).
    unsafe { spawn(how, child) }
}

/// Starts a program in a process group of its own. SIGKILL ends it when the calling thread ends (prctl(2),
/// `PR_SET_PDEATHSIG`).
///
/// The program gets `program.stdin`, standard output and standard error, no other descriptor, the default
/// action for every signal, and an empty signal mask. Where it can't be started, the process exits as a shell
/// does: 127 when there is no such file, else 126. This function works in a process with threads.
///
/// # Errors
/// As for [`spawn`].
pub fn spawn_program(how: Clone<'_>, program: Program<'_>) -> Result<Spawned> {
    // SAFETY: `become_program` only calls functions that signal-safety(7) lists, and close_range(2) and prctl(2),
    // which are raw system calls. All memory that they read was prepared before.
    unsafe { spawn(how, move || become_program(program)) }
}

/// In the child: replaces it by the program, or returns the exit code.
fn become_program(program: Program<'_>) -> i32 {
    let prepared = rustix::process::setpgid(None, None)
        .and_then(|()| rustix::process::set_parent_process_death_signal(Some(Signal::KILL)))
        .and_then(|()| rustix::stdio::dup2_stdin(program.stdin));
    if prepared.is_err() {
        return CANNOT_EXECUTE;
    }
    signals::reset();
    // Descriptors that this process inherited may lack close-on-exec.
    if descriptors::close_range_on_exec(3, u32::MAX).is_err() {
        return CANNOT_EXECUTE;
    }
    match exec(program.path, program.arguments, program.environment) {
        Errno::NOENT => NOT_FOUND,
        _ => CANNOT_EXECUTE,
    }
}

/// Makes a process that runs `child` on a copy of this process's memory. What `child` returns is its exit
/// code.
///
/// # Safety
/// * This process has one thread, or `child` does only what a signal handler may do (signal-safety(7)). In
///   particular it then allocates nothing and takes no lock.
/// * No reference excludes other processes from memory that both processes share (mmap(2), `MAP_SHARED`):
///   the child has a copy of that reference.
///
/// # Errors
/// The errno of clone3(2); also `EINVAL` for a flag that is neither a namespace nor `CLONE_PARENT`.
pub unsafe fn spawn(how: Clone<'_>, child: impl FnOnce() -> i32) -> Result<Spawned> {
    if how.flags & !ALLOWED != 0 {
        return Err(Errno::INVAL);
    }
    let mut pidfd: libc::c_int = -1;
    let args = clone_args(how, &raw mut pidfd);
    // SAFETY: args outlives the call and its size is given with it; the pidfd pointer in it is to a live
    // c_int. The flags are checked above: CLONE_VM and CLONE_THREAD are not among them, so the child has
    // memory and a stack of its own, as after fork(2), and writes nothing that this process sees.
    let returned = unsafe { libc::syscall(libc::SYS_clone3, &raw const args, size_of::<libc::clone_args>()) };
    let pid = match answer(returned) {
        Err(Errno::NOSYS) if args.flags == libc::CLONE_PIDFD as u64 => clone(&mut pidfd)?,
        answer => answer?,
    };
    let Some(pid) = Pid::from_raw(pid as i32) else {
        let _guard = ExitOnUnwind;
        exit(child())
    };
    // SAFETY: the kernel has just made this descriptor for us, and no other code knows its number.
    let pidfd = unsafe { OwnedFd::from_raw_fd(pidfd) };
    Ok(Spawned { pid, pidfd })
}

fn clone_args(how: Clone<'_>, pidfd: *mut libc::c_int) -> libc::clone_args {
    // SAFETY: clone_args is a struct of integers, for which all zeros is a valid value.
    let mut args: libc::clone_args = unsafe { std::mem::zeroed() };
    args.flags = how.flags | libc::CLONE_PIDFD as u64;
    args.pidfd = pidfd as u64;
    // With CLONE_PARENT the kernel takes the exit signal of the caller and refuses one given here.
    if how.flags & libc::CLONE_PARENT as u64 == 0 {
        args.exit_signal = libc::SIGCHLD as u64;
    }
    if let Some(cgroup) = how.cgroup {
        args.flags |= CLONE_INTO_CGROUP;
        args.cgroup = cgroup.as_raw_fd() as u64;
    }
    args
}

/// clone(2), for seccomp filters that answer clone3(2) with ENOSYS because they can't read its flags.
/// Docker's default does.
fn clone(pidfd: &mut libc::c_int) -> Result<libc::c_long> {
    let flags = libc::c_long::from(libc::CLONE_PIDFD | libc::SIGCHLD);
    let pidfd: *mut libc::c_int = pidfd;
    // SAFETY: without CLONE_VM, and without a stack of its own, the child goes on with a copy of this one's
    // memory, as after fork(2). CLONE_PIDFD writes one descriptor to the third argument, which points to a
    // live c_int; the others are unused.
    answer(unsafe { libc::syscall(libc::SYS_clone, flags, 0_usize, pidfd, 0_usize, 0_usize) })
}

/// Ends the child when a panic unwinds out of its closure: above it stand frames that belong to the parent.
struct ExitOnUnwind;

impl Drop for ExitOnUnwind {
    fn drop(&mut self) {
        /// What a Rust program exits with after a panic.
        const PANICKED: i32 = 101;
        exit(PANICKED)
    }
}

/// Ends this process at once (_exit(2)): no destructor runs and no buffer is flushed. They belong to the
/// parent.
pub fn exit(code: i32) -> ! {
    // SAFETY: _exit has no precondition.
    unsafe { libc::_exit(code) }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that can't go on should stop")]
mod tests {
    use super::*;
    use rustix::fd::AsFd;
    use rustix::process::{WaitId, WaitIdOptions, waitid};

    fn exit_status(child: &Spawned) -> Option<i32> {
        waitid(WaitId::PidFd(child.pidfd.as_fd()), WaitIdOptions::EXITED).unwrap().unwrap().exit_status()
    }

    /// Runs `sh -c SCRIPT` with /dev/null as its standard input.
    fn shell(path: &CStr, script: &CStr) -> Option<i32> {
        let arguments = Strings::new([c"sh", c"-c", script].map(CStr::to_owned).to_vec());
        let environment = Strings::new(Vec::new());
        let null = std::fs::File::open("/dev/null").unwrap();
        let program = Program { path, arguments: &arguments, environment: &environment, stdin: null.as_fd() };
        exit_status(&spawn_program(Clone::default(), program).unwrap())
    }

    #[test]
    fn fork_refuses_a_process_with_threads() {
        // The test harness runs each test in a thread of its own.
        assert!(!is_single_threaded());
        assert_eq!(fork(Clone::default(), || 0).unwrap_err(), Errno::DEADLK);
    }

    #[test]
    fn a_program_leads_its_process_group_and_inherits_no_other_descriptor() {
        let inherited = std::fs::File::open("/dev/null").unwrap();
        rustix::io::fcntl_setfd(&inherited, rustix::io::FdFlags::empty()).unwrap();
        let descriptor = inherited.as_raw_fd();
        let script = format!("[ ! -e /proc/$$/fd/{descriptor} ] && [ $(cut -d' ' -f5 /proc/$$/stat) = $$ ]");
        assert_eq!(shell(c"/bin/sh", &std::ffi::CString::new(script).unwrap()), Some(0));
    }

    #[test]
    fn a_program_that_does_not_start_exits_as_in_a_shell() {
        assert_eq!(shell(c"/bin/sh", c"exit 3"), Some(3));
        assert_eq!(shell(c"/no/such/file", c""), Some(127));
        assert_eq!(shell(c"/dev/null", c""), Some(126));
    }

    #[test]
    fn other_flags_are_refused() {
        let how = Clone { flags: libc::CLONE_VM as u64, cgroup: None };
        // SAFETY: the closure calls nothing.
        assert_eq!(unsafe { spawn(how, || 0) }.unwrap_err(), Errno::INVAL);
    }
}
