//! The plan of `create`: every step up to a container that waits for `start`.

use crate::cgroup::{self, JoinPhase};
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

/// Plans the creation of a container.
///
/// # Errors
/// Every part of the configuration that this host or this runtime does not support, each with its place.
pub fn create(checked: &Checked, host: &Host, request: &Request<'_>) -> Result<Plan, Vec<Mistake>> {
    plan(checked, host, request)
}

/// Finds every mistake in a configuration and every warning about it: its form, its meaning, and what this
/// host or this runtime cannot do. One mistake hides only those that follow from it.
///
/// `look` returns why a path of the host cannot be opened, if it cannot: whether a source exists is a fact
/// about the host.
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

/// The process of a container without `process`: init waits as usual, and `start` fails because there is no
/// program to execute.
const NO_PROCESS: &[u8] = br#"{ "cwd": "/", "args": [] }"#;

fn plan(spec: &Spec, host: &Host, request: &Request<'_>) -> Result<Plan, Vec<Mistake>> {
    let mut draft = Draft::default();
    let mut context = Context { spec, host, request, cgroups: Vec::new(), user_namespace: None };
    let nothing = spec::load_process(NO_PROCESS)?.process;
    let process = context.spec.process.as_ref().unwrap_or(&nothing);
    let hooks = HookStages::of(&mut draft, context.spec);

    draft.init(InitSync::DieWithParent, Place::DEFAULT);
    // The files and directories that init makes get exactly the modes in the plan.
    draft.init(ProcessStep::Umask { mask: 0 }, Place::DEFAULT);
    // A non-dumpable process's files in /proc belong to root (proc(5)), so a rootless parent could not write
    // init's uid_map. Its init becomes non-dumpable when the mappings are written.
    let hide_first = is_root(host);
    if hide_first {
        draft.init(ProcessStep::Hide, Place::DEFAULT);
    }
    // Mounts of a shared root file system must propagate to the host. Only clones of the host's own mounts do
    // that.
    if context.locks_cloned_mounts() && !context.is_shared() {
        draft.before(OpenStep::LockedMounts, Place::of("linux.namespaces"));
    }
    // The root file system first, so that a missing one is reported before anything changes on the host.
    let tree = root::prepare(&mut draft, &context);
    cgroup::plan(&mut draft, &mut context);
    cgroup::join(&mut draft, &context, JoinPhase::First);
    resctrl::plan(&mut draft, &context);
    scheduling::check_hooks(&mut draft, context.spec);
    let spawn = namespaces::enter(&mut draft, &mut context);
    if !hide_first {
        draft.init(ProcessStep::Hide, Place::DEFAULT);
    }
    namespaces::set_up(&mut draft, &context);
    root::mount(&mut draft, &context, tree);
    mounts::plan(&mut draft, &context);
    devices::plan(&mut draft, &context);
    process::oom_score(&mut draft, process);
    // The mounts and devices exist. Nothing is masked or read-only yet, and pivot_root comes later
    // (config.md, "POSIX-platform Hooks").
    run_create_hooks(&mut draft, hooks);
    process::standard_streams(&mut draft, &context);
    process::terminal(&mut draft, process, Console::Named);
    root::restrict_paths(&mut draft, &context);
    namespaces::sysctls(&mut draft, &context);
    root::enter(&mut draft, &context);
    cgroup::join(&mut draft, &context, JoinPhase::Last);
    namespaces::new_cgroup_namespace(&mut draft, &context);
    scheduling::memory_policy(&mut draft, &context);
    labels::program(&mut draft, &context, process);
    let after_start = process::plan(&mut draft, &context, process);
    become_ready(&mut draft, &context, &after_start);
    process::start(&mut draft, after_start);
    let program = process::program(&mut draft, process);
    crate::draft::finish(draft, spawn, program)
}

/// Plans what the parent passes to the caller's sockets: the terminal's master and the pidfd.
pub(crate) fn pass_to_caller(draft: &mut Draft, request: &Request<'_>) {
    if let Some(socket) = request.console_socket {
        let socket = draft.text(socket, Place::of("process.terminal"));
        draft.after(CallerStep::Console(socket), Place::of("process.terminal"));
    }
    if let Some(socket) = request.pidfd_socket {
        let socket = draft.text(socket, Place::of("--pidfd-socket"));
        draft.after(CallerStep::Pidfd(socket), Place::of("--pidfd-socket"));
    }
}

/// Plans the end of `create`: init reports that it is ready, the parent records the container, and init waits
/// for `start`.
///
/// The order matters. The container exists only when its record does, and until then init dies with the
/// parent. So init gives up its parent-death signal after the commit, and the parent exits only when init has
/// done that.
fn become_ready(draft: &mut Draft, context: &Context<'_>, after_start: &process::AfterStart) {
    let start_socket = after_start.start_socket;
    draft.before(OpenStep::StartSocket { slot: start_socket }, Place::DEFAULT);
    if !is_root(context.host) {
        draft.init(ProcessStep::Show, Place::DEFAULT);
    }
    draft.init(InitSync::Send(Signal::Ready), Place::DEFAULT);
    draft.init(InitSync::Await(Signal::Committed), Place::DEFAULT);
    draft.init(InitSync::OutliveParent, Place::DEFAULT);
    draft.init(InitSync::Send(Signal::Released), Place::DEFAULT);
    draft.init(InitSync::WaitForStart(start_socket), Place::DEFAULT);
    draft.after(ParentSync::Await(Signal::Ready), Place::DEFAULT);
    pass_to_caller(draft, context.request);
    if let Some(process) = &context.spec.process {
        process::rlimits_by_parent(draft, context, process);
        scheduling::plan(draft, process);
    }
    if let Some(slot) = after_start.state {
        draft.after(HookStep::WriteState { slot, status: Status::Created }, HookKind::StartContainer.place());
    }
    draft.after(Commit, Place::DEFAULT);
    draft.after(ParentSync::Send(Signal::Committed), Place::DEFAULT);
    draft.after(ParentSync::Await(Signal::Released), Place::DEFAULT);
}
