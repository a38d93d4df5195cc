//! The execution domain: personality(2).

use crate::answer;
use rustix::io::Result;

/// Sets the execution domain of this process. exec keeps it.
///
/// # Errors
/// `EINVAL` if the kernel refuses the domain.
pub fn set(persona: u64) -> Result<()> {
    // SAFETY: the call takes an integer. It changes results of later system calls, not memory.
    answer(unsafe { libc::syscall(libc::SYS_personality, persona) }).map(drop)
}
