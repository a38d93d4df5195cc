//! What init needs in addition to its steps. The parent prepares it before it spawns init, because init does not allocate.

use crate::error::{Error, Result};
use crate::hook::PreparedHook;
use crate::mounts::procfs::open_host_proc;
use rustix::fd::{OwnedFd, RawFd};
use tare_plan::plan::Plan;
use tare_plan::seccomp;
use tare_plan::step::InitStep;
use tare_sys::exec::Strings;
use tare_sys::seccomp::Instruction;

/// The size of the longest value of HOME.
pub(super) const HOME: usize = 4096;

/// Prepared arguments, hooks and filters, and the file descriptors of init that no slot has.
pub(crate) struct InitResources {
    /// The program's arguments.
    pub(crate) arguments: Strings,
    /// The program's environment, with space for HOME.
    pub(crate) environment: Strings,
    /// The candidate paths of the program, in the order of PATH.
    pub(crate) candidates: Vec<std::ffi::CString>,
    /// The hooks of each hooks step, in the order of the steps.
    pub(crate) hooks: Vec<Vec<PreparedHook>>,
    /// The seccomp filter of each seccomp step, in the order of the steps.
    pub(crate) filters: Vec<Vec<Instruction>>,
    /// The host's `/proc`, opened before the container's mounts exist.
    pub(crate) host_proc: OwnedFd,
    /// Init's end of the channel.
    pub(crate) channel: OwnedFd,
    /// The number of the parent's end of the channel. Init inherits a copy and closes it.
    pub(crate) parents_end: RawFd,
}

impl InitResources {
    /// Prepares the resources for a plan.
    pub(crate) fn new(plan: &Plan, channel: OwnedFd, parents_end: RawFd) -> Result<Self> {
        let hooks = plan.init.iter().filter_map(|planned| match &planned.step {
            InitStep::Hooks(hooks) => Some(hooks.hooks.iter().map(PreparedHook::new).collect()),
            _ => None,
        });
        let filters = plan.init.iter().filter_map(|planned| match &planned.step {
            InitStep::Seccomp(filter) => Some(filter.instructions.iter().map(instruction).collect()),
            _ => None,
        });
        let host_proc = open_host_proc().map_err(|fault| Error::act("open /proc", fault))?;
        Ok(Self {
            arguments: Strings::new(plan.program.arguments.clone()),
            environment: Strings::with_spare(plan.program.environment.clone(), "HOME=".len() + HOME),
            candidates: plan.program.candidates.clone(),
            hooks: hooks.collect(),
            filters: filters.collect(),
            host_proc,
            channel,
            parents_end,
        })
    }
}

fn instruction(planned: &seccomp::Instruction) -> Instruction {
    Instruction { code: planned.code, jt: planned.jt, jf: planned.jf, k: planned.k }
}
