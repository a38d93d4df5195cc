//! The working directory: getcwd(2) as a raw system call. glibc's walks up the directories itself where the
//! kernel's answer is "(unreachable)".

use crate::answer;
use rustix::io::Result;

/// Writes the path of the working directory and a NUL into `room`. Allocates nothing.
///
/// The path starts with "(unreachable)" instead of a slash if the directory is not below the root of the
/// process.
///
/// # Errors
/// `ERANGE` if the room is too small, `ENOENT` if the directory was removed.
pub fn current(room: &mut [u8]) -> Result<()> {
    // SAFETY: the kernel writes at most as many bytes as the call says, and that is the length of the live
    // slice.
    answer(unsafe { libc::syscall(libc::SYS_getcwd, room.as_mut_ptr(), room.len()) }).map(drop)
}
