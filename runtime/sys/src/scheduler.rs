//! CPU scheduling and I/O priority: sched_setattr(2), ioprio_set(2).

use crate::answer;
use rustix::io::Result;
use rustix::process::Pid;

/// A scheduling policy and its parameters, in the kernel's numbers (sched(7)).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Scheduler {
    /// `SCHED_*`.
    pub policy: u32,
    /// `SCHED_FLAG_*`.
    pub flags: u64,
    /// The nice value, -20 to 19, for SCHED_OTHER and SCHED_BATCH.
    pub nice: i32,
    /// The static priority, 1 to 99, for SCHED_FIFO and SCHED_RR.
    pub priority: u32,
    /// The runtime of SCHED_DEADLINE in nanoseconds.
    pub runtime: u64,
    /// The deadline of SCHED_DEADLINE in nanoseconds.
    pub deadline: u64,
    /// The period of SCHED_DEADLINE in nanoseconds.
    pub period: u64,
}

/// The kernel's `struct sched_attr`, which libc lacks.
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

/// Sets the scheduling policy of a process.
///
/// # Errors
/// `EPERM` without `CAP_SYS_NICE`, `EINVAL` for a policy or a value that the kernel refuses, `EBUSY` if there
/// is too little CPU time left for a deadline, `ESRCH`.
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
    // SAFETY: the struct is live and exclusive, has the kernel's layout, and has its size in its first field.
    // The kernel reads it. It only writes the first field, with E2BIG.
    answer(unsafe { libc::syscall(libc::SYS_sched_setattr, pid, &raw mut attributes, 0) }).map(drop)
}

/// Sets the I/O priority of a process: a class (1 real time, 2 best effort, 3 idle) and a level from 0 to 7.
///
/// # Errors
/// `EPERM` for real time without `CAP_SYS_ADMIN` or `CAP_SYS_NICE`, `EINVAL`, `ESRCH`.
pub fn set_io_priority(pid: Pid, class: u16, level: u16) -> Result<()> {
    /// `IOPRIO_WHO_PROCESS`.
    const PROCESS: libc::c_int = 1;
    let priority = libc::c_int::from(class) << 13 | libc::c_int::from(level);
    let pid = pid.as_raw_nonzero().get();
    // SAFETY: the call takes three integers.
    answer(unsafe { libc::syscall(libc::SYS_ioprio_set, PROCESS, pid, priority) }).map(drop)
}
