//! The error that a failed step becomes.

use crate::cgroup::resctrl;
use crate::channel::Failure;
use crate::error::Error;
use crate::fault::{Call, Fault};
use crate::hook;
use rustix::io::Errno;
use tare_plan::place::Place;
use tare_plan::plan::Program;
use tare_plan::spec::Mistake;
use tare_plan::step::{
    ChildStep, HookStep, InitStep, OpenStep, ParentStep, Planned, ProgramStep, ResctrlStep, RootStep, Source,
    SourceUse,
};

/// The error of a step of the parent.
pub(crate) fn of_parent(planned: &Planned<ParentStep>, fault: Fault) -> Error {
    if let ParentStep::Open(OpenStep::Tree { source, .. }) = &planned.step
        && source.usage == SourceUse::RootFs
    {
        return of_root(source, fault, planned.because);
    }
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
        InitStep::Root(RootStep::CloneTree { source, .. }) if source.usage == SourceUse::RootFs => {
            return of_root(source, failure.fault, planned.because);
        }
        InitStep::Hooks(hooks) => hook::path_of(&hooks.hooks, &failure.fault),
        _ => failure.text.to_text(),
    };
    Error::acted(planned.step.to_string(), failure.fault, text, planned.because)
}

/// The error of a root file system that cannot be copied.
fn of_root(source: &Source, fault: Fault, because: Place) -> Error {
    Error::thing(format!("root file system {}", source.path.to_string_lossy()), fault, because)
}

/// The error of a program that init cannot find or execute. A file that was found, and that execve(2) does not find, is a
/// script or a dynamic executable whose interpreter is missing.
fn of_program(step: &ProgramStep, program: &Program, errno: Errno) -> Error {
    // A container without a process can be created, but not started. The words are runc's.
    let Some(name) = program.arguments.first() else {
        return Error::Config(vec![Mistake::new("process", "process property must not be empty")]);
    };
    let name = name.to_string_lossy().into_owned();
    match (step, errno) {
        (ProgramStep::Execute, Errno::NOENT) => Error::Interpreter { name },
        _ => Error::Program { name, errno },
    }
}
