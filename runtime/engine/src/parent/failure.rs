//! The error that a failed step becomes.

use crate::cgroup::resctrl;
use crate::channel::Failure;
use crate::error::Error;
use crate::fault::{Call, Fault};
use crate::hook;
use rustix::io::Errno;
use tare_plan::plan::Program;
use tare_plan::step::{ChildStep, HookStep, InitStep, ParentStep, Planned, ProgramStep, ResctrlStep};

/// The error of a step of the parent.
pub(crate) fn of_parent(planned: &Planned<ParentStep>, fault: Fault) -> Error {
    let text = match &planned.step {
        ParentStep::Hook(HookStep::Run(hooks)) => hook::path_of(&hooks.hooks, &fault),
        ParentStep::Child(ChildStep::Scheduler(scheduler)) if fault.errno == Errno::PERM => {
            scheduler.eperm_hint.unwrap_or_default().to_owned()
        }
        ParentStep::Resctrl(ResctrlStep::Make(group)) if fault.call == Call::Write => {
            resctrl::last_status(&group.mount)
        }
        _ => String::new(),
    };
    Error::acted(planned.step.to_string(), fault, text, planned.because)
}

/// The error of a step of init.
pub(crate) fn of_init(planned: &Planned<InitStep>, program: &Program, failure: &Failure) -> Error {
    let text = match &planned.step {
        InitStep::Program(step @ (ProgramStep::Find | ProgramStep::Execute)) => {
            return of_program(step, program, failure.fault.errno);
        }
        InitStep::Hooks(hooks) => hook::path_of(&hooks.hooks, &failure.fault),
        _ => failure.text.to_text(),
    };
    Error::acted(planned.step.to_string(), failure.fault, text, planned.because)
}

/// The error of a program that init cannot find or execute. A file that was found, and that execve(2) does not find, is a
/// script or a dynamic executable whose interpreter is missing.
fn of_program(step: &ProgramStep, program: &Program, errno: Errno) -> Error {
    let name = program.arguments.first().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    match (step, errno) {
        (ProgramStep::Execute, Errno::NOENT) => Error::Interpreter { name },
        _ => Error::Program { name, errno },
    }
}
