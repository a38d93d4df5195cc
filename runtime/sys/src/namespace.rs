//! Namespaces: what a file of one stands for (ioctl_ns(2)), and new ones (unshare(2)).

use crate::answer;
use rustix::fd::{AsRawFd, BorrowedFd};
use rustix::io::Result;

/// The kind of the namespace that `file` refers to, as a `CLONE_NEW*` flag.
///
/// # Errors
/// `ENOTTY` when the file is no namespace.
pub fn kind(file: BorrowedFd<'_>) -> Result<i32> {
    // SAFETY: NS_GET_NSTYPE takes no argument and changes nothing.
    let kind = unsafe { libc::ioctl(file.as_raw_fd(), libc::NS_GET_NSTYPE) };
    answer(kind.into()).map(|kind| kind as i32)
}

/// Moves this process into namespaces of another one, all of them or none; `kinds` are `CLONE_NEW*`. Its children alone
/// come into the pid namespace.
///
/// # Errors
/// The errno of setns(2); `ESRCH` when the process has ended.
pub fn enter(process: BorrowedFd<'_>, kinds: i32) -> Result<()> {
    // SAFETY: the call takes two integers, of which the kernel checks the first to be a process and the second to be namespaces.
    answer(unsafe { libc::setns(process.as_raw_fd(), kinds) }.into()).map(drop)
}

/// Moves this process, or for a time namespace its children, into new namespaces; `flags` are `CLONE_NEW*`.
///
/// # Errors
/// The errno of unshare(2); `EINVAL` besides for a flag that is no namespace.
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
    // SAFETY: the call takes an integer. Flags that would part the descriptor table or other memory of threads are refused above.
    answer(unsafe { libc::unshare(flags) }.into()).map(drop)
}
