//! Many file descriptors at once: close_range(2).

use crate::answer;
use rustix::io::Result;

/// Whether this number is a descriptor of this process.
pub fn is_open(number: u32) -> bool {
    let Ok(number) = i32::try_from(number) else { return false };
    // SAFETY: F_GETFD takes a number, whatever it stands for, and changes nothing.
    unsafe { libc::fcntl(number, libc::F_GETFD) >= 0 }
}

/// Closes every descriptor from `first` to `last`, both included; numbers that are not open are passed over.
///
/// The caller must own what it closes. In this workspace only a process that is about to execute another program
/// does so, after the last use of its own descriptors, and it leaves by exec or exit, so that no owner closes twice.
///
/// # Errors
/// `ENOSYS` before Linux 5.9, `EINVAL` when `first` is above `last`.
pub fn close_range(first: u32, last: u32) -> Result<()> {
    range(first, last, 0)
}

/// Marks every descriptor from `first` to `last` close-on-exec; numbers that are not open are passed over.
///
/// # Errors
/// `ENOSYS` before Linux 5.9, `EINVAL` when `first` is above `last` or before Linux 5.11.
pub fn close_range_on_exec(first: u32, last: u32) -> Result<()> {
    range(first, last, libc::CLOSE_RANGE_CLOEXEC)
}

fn range(first: u32, last: u32, flags: libc::c_uint) -> Result<()> {
    // SAFETY: the call takes integers only; who owns the descriptors is the callers' contract above.
    answer(unsafe { libc::syscall(libc::SYS_close_range, first, last, flags) }).map(drop)
}
