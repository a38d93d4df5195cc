//! Resource limits: prlimit(2).

use crate::answer;
use rustix::io::Result;
use rustix::process::Pid;

/// Sets one limit of the process `pid`, or of this one; `u64::MAX` means none.
///
/// # Errors
/// `EPERM` when the hard limit would be raised without the right to, `EINVAL` when the soft one is above it, `ESRCH`.
pub fn set(pid: Option<Pid>, resource: u32, soft: u64, hard: u64) -> Result<()> {
    let limit = libc::rlimit64 { rlim_cur: soft, rlim_max: hard };
    let pid = pid.map_or(0, |pid| pid.as_raw_nonzero().get());
    let none = std::ptr::null_mut::<libc::rlimit64>();
    // SAFETY: the new limit is a live struct, which the kernel only reads; the old one is not asked for.
    answer(unsafe { libc::syscall(libc::SYS_prlimit64, pid, resource, &raw const limit, none) }).map(drop)
}
