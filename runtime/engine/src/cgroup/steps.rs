//! The cgroup steps of a plan. `create` and `restore` share them.

use super::{device_program, directory};
use crate::fault::Fault;
use crate::slots::Slots;
use tare_plan::step::{CgroupStep, LimitStep};

/// Carries out a cgroup step.
pub(crate) fn act(step: &CgroupStep, slots: &mut Slots) -> Result<(), Fault> {
    match step {
        CgroupStep::Make(make) => slots.put(make.slot, directory::make(make)?),
        CgroupStep::Open(open) => slots.put(open.slot, directory::open(open)?),
        CgroupStep::Limit(LimitStep::Write(write)) => directory::write_limit(slots, write),
        CgroupStep::Limit(LimitStep::CheckUse(check)) => directory::check_use(slots, check),
        CgroupStep::DeviceProgram(program) => device_program::attach(slots.get(program.cgroup)?, program),
        CgroupStep::Delegate { cgroup, uid } => directory::delegate(slots.get(*cgroup)?, *uid),
    }
}
