//! The scheduling policy, the I/O priority and the OOM score of init. The parent sets them: init may lack the privilege in a user
//! namespace.

use crate::fault::{Call, During, Fault};
use rustix::io::Errno;
use rustix::process::Pid;
use tare_plan::step::{IoPriority, Scheduler};

/// Sets the scheduling policy of init.
pub(crate) fn set(pid: Pid, step: &Scheduler) -> Result<(), Fault> {
    let scheduler = tare_sys::scheduler::Scheduler {
        policy: step.number,
        flags: step.flags,
        nice: step.nice,
        priority: step.priority,
        runtime: step.runtime_ns,
        deadline: step.deadline_ns,
        period: step.period_ns,
    };
    tare_sys::scheduler::set(pid, scheduler).during(Call::Scheduler)
}

/// Sets the I/O priority of init. Its children inherit it.
pub(crate) fn set_io_priority(pid: Pid, step: &IoPriority) -> Result<(), Fault> {
    tare_sys::scheduler::set_io_priority(pid, step.number, step.level).during(Call::IoPriority)
}

/// Sets `oom_score_adj` of a process: what the OOM killer adds to its score (proc_pid_oom_score_adj(5)).
pub(crate) fn set_oom_score(pid: Pid, adjustment: i32) -> Result<(), Fault> {
    let path = format!("/proc/{}/oom_score_adj", pid.as_raw_nonzero());
    let written = std::fs::write(path, adjustment.to_string());
    written.map_err(|error| Fault::new(Call::Write, Errno::from_io_error(&error).unwrap_or(Errno::IO)))
}
