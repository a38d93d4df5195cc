//! System call filters: seccomp(2).

use crate::answer;
use rustix::io::Result;

/// One instruction of a filter, as the kernel's `struct sock_filter` has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Instruction {
    /// The operation.
    pub code: u16,
    /// Instructions to skip when a comparison holds.
    pub jt: u8,
    /// Instructions to skip when it does not.
    pub jf: u8,
    /// The operand.
    pub k: u32,
}

/// Puts this process under `filter` for good; `flags` are `SECCOMP_FILTER_FLAG_*`.
///
/// # Errors
/// `EACCES` without no-new-privileges or `CAP_SYS_ADMIN`, `EINVAL` for a filter the kernel does not accept.
pub fn install(filter: &[Instruction], flags: u64) -> Result<()> {
    let program = libc::sock_fprog {
        len: u16::try_from(filter.len()).map_err(|_| rustix::io::Errno::INVAL)?,
        filter: filter.as_ptr().cast_mut().cast(),
    };
    // SAFETY: Instruction has the layout of sock_filter, the length is that of the slice, and the kernel copies the
    // program before it returns and never writes to it.
    answer(unsafe {
        libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, flags, &raw const program)
    })
    .map(drop)
}
