//! The execution domain: personality(2).

use crate::answer;
use rustix::io::Result;

/// Sets the execution domain of this process; it is kept across exec.
///
/// # Errors
/// `EINVAL` when the kernel does not take the domain.
pub fn set(persona: u64) -> Result<()> {
    // SAFETY: the call takes an integer and changes how later system calls of this process answer.
    answer(unsafe { libc::syscall(libc::SYS_personality, persona) }).map(drop)
}
