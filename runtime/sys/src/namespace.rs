//! Namespaces: ioctl_ns(2), setns(2), unshare(2).

use crate::answer;
use rustix::fd::{AsRawFd, BorrowedFd};
use rustix::io::Result;

/// Returns the type of the namespace that `file` refers to, as a `CLONE_NEW*` flag.
///
/// # Errors
/// `ENOTTY` if the file is no namespace.
pub fn kind(file: BorrowedFd<'_>) -> Result<i32> {
    // SAFETY: NS_GET_NSTYPE takes no argument and changes nothing.
    let kind = unsafe { libc::ioctl(file.as_raw_fd(), libc::NS_GET_NSTYPE) };
    answer(kind.into()).map(|kind| kind as i32)
}

/// Joins namespaces of another process, given by its pidfd: all of `kinds`, which are `CLONE_NEW*` flags, or
/// none. Of a pid namespace, only future children become members.
///
/// # Errors
/// The errno of setns(2); `ESRCH` if the process has ended.
pub fn enter(process: BorrowedFd<'_>, kinds: i32) -> Result<()> {
    // SAFETY: the call takes two integers, and the kernel checks that they are a pidfd and flags of
    // namespaces.
    answer(unsafe { libc::setns(process.as_raw_fd(), kinds) }.into()).map(drop)
}

/// Moves this process into new namespaces; `flags` are `CLONE_NEW*`. Of a pid or time namespace, only future
/// children become members.
///
/// # Errors
/// The errno of unshare(2); also `EINVAL` for any other flag.
pub fn unshare(flags: i32) -> Result<()> {
    const NAMESPACES: i32 = libc::CLONE_NEWCGROUP
        | libc::CLONE_NEWIPC
        | libc::CLONE_NEWNET
        | libc::CLONE_NEWNS
        | libc::CLONE_NEWPID
        | libc::CLONE_NEWTIME
        | libc::CLONE_NEWUSER
        | libc::CLONE_NEWUTS;
    if flags & !NAMESPACES != 0 {
        return Err(rustix::io::Errno::INVAL);
    }
    // SAFETY: the call takes an integer. Flags that separate the descriptor table or the memory of threads
    // are refused above.
    answer(unsafe { libc::unshare(flags) }.into()).map(drop)
}
