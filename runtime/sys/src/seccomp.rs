//! Seccomp filters: seccomp(2).

use crate::answer;
use rustix::io::Result;

/// An instruction of classic BPF, with the layout of the kernel's `struct sock_filter`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Instruction {
    /// The operation.
    pub code: u16,
    /// The number of instructions to skip if a comparison holds.
    pub jt: u8,
    /// The number of instructions to skip if it does not.
    pub jf: u8,
    /// The operand.
    pub k: u32,
}

/// Installs a filter, which a process can't remove. `flags` are `SECCOMP_FILTER_FLAG_*`.
///
/// # Errors
/// `EACCES` without no_new_privs or `CAP_SYS_ADMIN`, `EINVAL` for a filter that the kernel refuses.
pub fn install(filter: &[Instruction], flags: u64) -> Result<()> {
    let program = libc::sock_fprog {
        len: u16::try_from(filter.len()).map_err(|_| rustix::io::Errno::INVAL)?,
        filter: filter.as_ptr().cast_mut().cast(),
    };
    // SAFETY: Instruction has the layout of sock_filter, and the length is that of the live slice. The kernel
    // copies the program and never writes to it.
    answer(unsafe {
        libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, flags, &raw const program)
    })
    .map(drop)
}
