//! Resource limits: prlimit(2).

use crate::answer;
use rustix::io::Result;
use rustix::process::Pid;

/// Sets a resource limit of the process `pid`, or of this one. `u64::MAX` is no limit (`RLIM_INFINITY`).
///
/// # Errors
/// `EPERM` to raise the hard limit without `CAP_SYS_RESOURCE`, `EINVAL` if the soft limit is above the hard
/// one, `ESRCH`.
pub fn set(pid: Option<Pid>, resource: u32, soft: u64, hard: u64) -> Result<()> {
    let limit = libc::rlimit64 { rlim_cur: soft, rlim_max: hard };
    let pid = pid.map_or(0, |pid| pid.as_raw_nonzero().get());
    let none = std::ptr::null_mut::<libc::rlimit64>();
    // SAFETY: the new limit is a live struct, which the kernel only reads. The pointer for the old limit may
    // be null.
    answer(unsafe { libc::syscall(libc::SYS_prlimit64, pid, resource, &raw const limit, none) }).map(drop)
}
