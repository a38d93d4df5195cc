//! When a process runs and when its disk requests are served: sched_setattr(2), ioprio_set(2).

use crate::answer;
use rustix::io::Result;
use rustix::process::Pid;

/// How a process is scheduled; the numbers are the kernel's (sched(7)).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Scheduler {
    /// `SCHED_*`.
    pub policy: u32,
    /// `SCHED_FLAG_*`.
    pub flags: u64,
    /// -20 to 19, for the policies that share time.
    pub nice: i32,
    /// 1 to 99, for SCHED_FIFO and SCHED_RR.
    pub priority: u32,
    /// Nanoseconds, for SCHED_DEADLINE.
    pub runtime: u64,
    /// Nanoseconds, likewise.
    pub deadline: u64,
    /// Nanoseconds, likewise.
    pub period: u64,
}

/// What sched_setattr(2) takes, as the kernel lays it out.
#[repr(C)]
struct Attributes {
    size: u32,
    policy: u32,
    flags: u64,
    nice: i32,
    priority: u32,
    times: [u64; 3],
    utilisation: [u32; 2],
}

/// Sets how a process is scheduled.
///
/// # Errors
/// `EPERM` without the right to, `EINVAL` for what the kernel does not know, `EBUSY` when there is no time left for a
/// deadline, `ESRCH`.
pub fn set(pid: Pid, scheduler: Scheduler) -> Result<()> {
    let Scheduler { policy, flags, nice, priority, runtime, deadline, period } = scheduler;
    let mut attributes = Attributes {
        size: size_of::<Attributes>() as u32,
        policy,
        flags,
        nice,
        priority,
        times: [runtime, deadline, period],
        utilisation: [0; 2],
    };
    let pid = pid.as_raw_nonzero().get();
    // SAFETY: the struct is live, laid out as the kernel's, and has its size in its first field; the kernel reads it, and
    // writes that field alone, when it answers E2BIG.
    answer(unsafe { libc::syscall(libc::SYS_sched_setattr, pid, &raw mut attributes, 0) }).map(drop)
}

/// Sets the I/O priority of one process: a class (1 real time, 2 best effort, 3 idle) and a level from 0 to 7.
///
/// # Errors
/// `EPERM` without the right to, `EINVAL`, `ESRCH`.
pub fn set_io_priority(pid: Pid, class: u16, level: u16) -> Result<()> {
    /// `IOPRIO_WHO_PROCESS`.
    const PROCESS: libc::c_int = 1;
    let priority = libc::c_int::from(class) << 13 | libc::c_int::from(level);
    let pid = pid.as_raw_nonzero().get();
    // SAFETY: the call takes three integers.
    answer(unsafe { libc::syscall(libc::SYS_ioprio_set, PROCESS, pid, priority) }).map(drop)
}
