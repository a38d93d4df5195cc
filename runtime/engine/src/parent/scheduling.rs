//! The scheduling policy and the I/O priority of init. The parent sets them: init may lack the privilege in a user
//! namespace.

use crate::fault::{Call, During, Fault};
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
