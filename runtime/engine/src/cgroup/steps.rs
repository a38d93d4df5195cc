//! The steps of a plan that make, open and fill cgroups: the same for a container that is created and one that is restored.

use super::{device_program, directory};
use crate::fault::Fault;
use crate::slots::Slots;
use tare_plan::step::ParentStep;

/// Carries out a step about cgroups; nothing for one about anything else.
pub(crate) fn act(step: &ParentStep, slots: &mut Slots) -> Option<Result<(), Fault>> {
    Some(match step {
        ParentStep::MakeCgroup(make) => {
            directory::make(make).and_then(|directory| slots.put(make.slot, directory))
        }
        ParentStep::OpenCgroup(open) => {
            directory::open(open).and_then(|directory| slots.put(open.slot, directory))
        }
        ParentStep::WriteCgroup(write) => {
            slots.get(write.cgroup).and_then(|directory| directory::write_limit(directory, write))
        }
        ParentStep::WriteCgroupOr { first, or } => slots.get(first.cgroup).and_then(|directory| {
            directory::write_limit(directory, directory::present_of(directory, first, or))
        }),
        ParentStep::CheckUse(check) => {
            slots.get(check.cgroup).and_then(|directory| directory::check_use(directory, check))
        }
        ParentStep::DeviceProgram(program) => {
            slots.get(program.cgroup).and_then(|directory| device_program::attach(directory, program))
        }
        ParentStep::GiveCgroup { cgroup, uid } => {
            slots.get(*cgroup).and_then(|directory| directory::give(directory, *uid))
        }
        _ => return None,
    })
}
