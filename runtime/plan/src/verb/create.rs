//! The plan of `create`: every step from nothing to a container that waits to be started.

use crate::cgroup::{self, Entry};
use crate::context::{Context, Request, is_root};
use crate::devices;
use crate::draft::Draft;
use crate::hooks::{HookStages, run_create_hooks};
use crate::host::Host;
use crate::labels;
use crate::mounts;
use crate::namespaces;
use crate::place::Place;
use crate::plan::Plan;
use crate::process;
use crate::resctrl;
use crate::root;
use crate::scheduling;
use crate::spec::{self, Checked, Examined, Mistake, Spec};
use crate::step::{
    CallerStep, Commit, Console, HookKind, HookStep, InitStep, InitSync, MountStep, OpenStep, ParentStep,
    ParentSync, ProcessStep, RootStep, Signal, Source, SourceUse, Status,
};
use std::ffi::CStr;

/// Plans a container's creation.
///
/// # Errors
/// Everything that this host or this runtime can't do of it, each with its place.
pub fn create(checked: &Checked, host: &Host, request: &Request<'_>) -> Result<Plan, Vec<Mistake>> {
    plan(checked, host, request)
}

/// Finds every mistake in a configuration and every warning about it: its form, its meaning, and what this host or this runtime
/// cannot do. One mistake hides only those that follow from it.
///
/// `look` looks a path of the host up and returns what is wrong with it: whether a source exists is a fact about the host.
pub fn examine(
    bytes: &[u8],
    host: &Host,
    request: &Request<'_>,
    look: &dyn Fn(&CStr) -> Option<String>,
) -> Examined {
    let mut examined = spec::examine(bytes);
    let planned = examined.spec.as_ref().map(|spec| plan(spec, host, request));
    match planned {
        Some(Ok(plan)) => {
            examined.add(missing_sources(&plan, look));
            examined.warnings.extend(plan.warnings);
        }
        Some(Err(mistakes)) => examined.add(mistakes),
        None => {}
    }
    examined
}

/// The sources of a plan that cannot be found on the host.
fn missing_sources(plan: &Plan, look: &dyn Fn(&CStr) -> Option<String>) -> Vec<Mistake> {
    let parents = plan.parent.iter().filter_map(|planned| match &planned.step {
        ParentStep::Open(OpenStep::Tree { source, .. }) => Some((source, planned.because)),
        _ => None,
    });
    let inits = plan.init.iter().filter_map(|planned| match &planned.step {
        InitStep::Root(RootStep::CloneTree { source, .. })
        | InitStep::Mount(MountStep::Bind { source, .. }) => Some((source, planned.because)),
        _ => None,
    });
    let missing = |(source, because): (&Source, Place)| {
        let what = look(&source.path)?;
        let path = source.path.to_string_lossy();
        let text = match &source.usage {
            SourceUse::RootFs => format!("root file system {path}: {what}"),
            SourceUse::Bind(_) | SourceUse::Mask => format!("cannot {source}: {what}"),
        };
        Some(Mistake::new(because.to_string(), text))
    };
    parents.chain(inits).filter_map(missing).collect()
}

/// What init becomes in a container without a process: it waits like any other, and start finds nothing to execute.
const NO_PROCESS: &[u8] = br#"{ "cwd": "/", "args": [] }"#;

fn plan(spec: &Spec, host: &Host, request: &Request<'_>) -> Result<Plan, Vec<Mistake>> {
    let mut draft = Draft::default();
    let mut context = Context { spec, host, request, cgroups: Vec::new(), user_namespace: None };
    let nothing = spec::load_process(NO_PROCESS)?.process;
    let process = context.spec.process.as_ref().unwrap_or(&nothing);
    let hooks = HookStages::of(&mut draft, context.spec);

    draft.init(InitSync::DieWithParent, Place::DEFAULT);
    // What is made on the way has the modes that the plan gives it.
    draft.init(ProcessStep::Umask { mask: 0 }, Place::DEFAULT);
    // A user may write the mappings of a process only while it can be looked into.
    let hidden_early = is_root(host);
    if hidden_early {
        draft.init(ProcessStep::Hide, Place::DEFAULT);
    }
    // A copy whose mounts are to recursive the host must be one of the host's own.
    if context.locks_copies() && !context.is_shared() {
        draft.before(OpenStep::LockedMounts, Place::of("linux.namespaces"));
    }
    let tree = root::prepare(&mut draft, &context);
    cgroup::plan(&mut draft, &mut context);
    cgroup::join(&mut draft, &context, Entry::Early);
    resctrl::plan(&mut draft, &context);
    scheduling::check_hooks(&mut draft, context.spec);
    let spawn = namespaces::enter(&mut draft, &mut context);
    if !hidden_early {
        draft.init(ProcessStep::Hide, Place::DEFAULT);
    }
    namespaces::set_up(&mut draft, &context);
    root::mount(&mut draft, &context, tree);
    mounts::plan(&mut draft, &context);
    devices::plan(&mut draft, &context);
    process::oom_score(&mut draft, process);
    run_create_hooks(&mut draft, hooks);
    process::streams(&mut draft, &context);
    process::terminal(&mut draft, process, Console::Named);
    root::hide(&mut draft, &context);
    namespaces::sysctls(&mut draft, &context);
    root::enter(&mut draft, &context);
    cgroup::join(&mut draft, &context, Entry::Late);
    namespaces::seal_cgroups(&mut draft, &context);
    scheduling::memory_policy(&mut draft, &context);
    labels::program(&mut draft, &context, process);
    let started = process::plan(&mut draft, &context, process);
    become_ready(&mut draft, &context, &started);
    process::start(&mut draft, started);
    let program = process::program(&mut draft, process);
    crate::draft::finish(draft, spawn, program)
}

/// The caller gets what it asked for of the process, now that there is one.
pub(crate) fn hand_over(draft: &mut Draft, request: &Request<'_>) {
    if let Some(socket) = request.console_socket {
        let socket = draft.text(socket, Place::of("process.terminal"));
        draft.after(CallerStep::Console(socket), Place::of("process.terminal"));
    }
    if let Some(socket) = request.pidfd_socket {
        let socket = draft.text(socket, Place::of("--pidfd-socket"));
        draft.after(CallerStep::Pidfd(socket), Place::of("--pidfd-socket"));
    }
}

/// Init is ready, the parent records it, init lives on alone and waits.
fn become_ready(draft: &mut Draft, context: &Context<'_>, started: &process::Started) {
    let listener = started.listener;
    draft.before(OpenStep::StartSocket { slot: listener }, Place::DEFAULT);
    if !is_root(context.host) {
        draft.init(ProcessStep::Show, Place::DEFAULT);
    }
    draft.init(InitSync::Send(Signal::Ready), Place::DEFAULT);
    draft.init(InitSync::Await(Signal::Committed), Place::DEFAULT);
    draft.init(InitSync::OutliveParent, Place::DEFAULT);
    draft.init(InitSync::Send(Signal::Released), Place::DEFAULT);
    draft.init(InitSync::WaitForStart(listener), Place::DEFAULT);
    draft.after(ParentSync::Await(Signal::Ready), Place::DEFAULT);
    hand_over(draft, context.request);
    if let Some(process) = &context.spec.process {
        process::limits_by_parent(draft, context, process);
        scheduling::plan(draft, process);
    }
    if let Some(slot) = started.state {
        draft.after(HookStep::WriteState { slot, status: Status::Created }, HookKind::StartContainer.place());
    }
    draft.after(Commit, Place::DEFAULT);
    draft.after(ParentSync::Send(Signal::Committed), Place::DEFAULT);
    draft.after(ParentSync::Await(Signal::Released), Place::DEFAULT);
}
