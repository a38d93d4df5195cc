//! The working directory as the kernel names it: getcwd(2).

use crate::answer;
use rustix::io::Result;

/// Writes the path of the working directory, and a zero byte after it, into `room`. The path starts with "(unreachable)"
/// instead of a slash when the process's root does not reach it. Nothing is allocated.
///
/// # Errors
/// `ERANGE` when the room is too small, `ENOENT` when the directory has been removed.
pub fn current(room: &mut [u8]) -> Result<()> {
    // SAFETY: the kernel writes at most the length given, which is that of the live slice.
    answer(unsafe { libc::syscall(libc::SYS_getcwd, room.as_mut_ptr(), room.len()) }).map(drop)
}
