//! The system calls that rustix does not give safely; the only crate of ours with unsafe code.
//!
//! One function per system call. Nothing here decides anything: arguments go in, the kernel's answer comes out, as a
//! value that owns what the kernel handed over. Errors are the kernel's errno, unchanged.

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

/// Turns the return value of a raw system call made through libc into a result.
fn answer(returned: libc::c_long) -> Result<libc::c_long> {
    if returned >= 0 { Ok(returned) } else { Err(last_errno()) }
}

/// The errno of the system call that has just failed in this thread.
fn last_errno() -> Errno {
    Errno::from_io_error(&std::io::Error::last_os_error()).unwrap_or(Errno::IO)
}
