//! The system calls that rustix has no safe function for. No other crate of the workspace has unsafe code.
//!
//! A function is one system call. It decides nothing: it passes its arguments to the kernel and returns the
//! result, as a value that owns the file descriptors in it. Errors are the kernel's errno. The exception is
//! [`clone::spawn_program`]: its steps run in a child of a process that may have threads, so the proof that
//! they are safe there has to see all of them.

pub mod alarm;
pub mod bpf;
pub mod clone;
pub mod descriptors;
pub mod directory;
pub mod exec;
pub mod keyring;
pub mod lock;
pub mod memory_policy;
pub mod mount_attr;
pub mod namespace;
pub mod netlink;
pub mod personality;
pub mod rlimit;
pub mod scheduler;
pub mod seccomp;
pub mod signals;
pub mod socket;

use rustix::io::{Errno, Result};

/// Converts the return value of libc's syscall(2) and like functions.
fn answer(returned: libc::c_long) -> Result<libc::c_long> {
    if returned >= 0 { Ok(returned) } else { Err(last_errno()) }
}

/// Returns the errno of the system call that has just failed in this thread.
fn last_errno() -> Errno {
    Errno::from_io_error(&std::io::Error::last_os_error()).unwrap_or(Errno::IO)
}
