//! Ranges of file descriptors: close_range(2).

use crate::answer;
use rustix::io::Result;

/// Whether a number is an open file descriptor of this process.
pub fn is_open(number: u32) -> bool {
    let Ok(number) = i32::try_from(number) else { return false };
    // SAFETY: F_GETFD takes any number and changes nothing.
    unsafe { libc::fcntl(number, libc::F_GETFD) >= 0 }
}

/// Closes all descriptors from `first` to `last`, both included. Skips numbers that are not open.
///
/// The caller owns these descriptors. In this workspace a child process calls this, for descriptors that it
/// inherited and that it does not use any more. It ends with exec or exit, so no owner in its copy of the
/// memory closes them again.
///
/// # Errors
/// `ENOSYS` before Linux 5.9, `EINVAL` if `first` is above `last`.
pub fn close_range(first: u32, last: u32) -> Result<()> {
    range(first, last, 0)
}

/// Marks all descriptors from `first` to `last` close-on-exec. Skips numbers that are not open.
///
/// # Errors
/// `ENOSYS` before Linux 5.9, `EINVAL` if `first` is above `last` or before Linux 5.11.
pub fn close_range_on_exec(first: u32, last: u32) -> Result<()> {
    range(first, last, libc::CLOSE_RANGE_CLOEXEC)
}

fn range(first: u32, last: u32, flags: libc::c_uint) -> Result<()> {
    // SAFETY: the call takes integers only. The owner of the descriptors is the contract of the callers
    // above.
    answer(unsafe { libc::syscall(libc::SYS_close_range, first, last, flags) }).map(drop)
}
