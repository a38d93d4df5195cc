//! The container's process: who it is, what it may do, what it runs (config.md, "Process").

use crate::context::{Context, is_root};
use crate::draft::Draft;
use crate::hooks::{self, make_state};
use crate::place::Place;
use crate::plan::Program;
use crate::seccomp::{self, Filter};
use crate::spec::{NamespaceKind, Process};
use crate::step::{
    Capabilities, ChildStep, Console, FileStep, Hook, HookKind, Hooks, Identity, IdentityStep,
    NoNewPrivileges, ProcessStep, ProgramStep, Rlimit, Slot, Verify, WindowSize,
};
use crate::tables::capabilities::{Capability, CapabilitySet};
use std::ffi::CString;

/// The mask of a process for which none is given, as runc has it.
const DEFAULT_UMASK: u32 = 0o022;

/// What is left for init to do once it is started.
pub(crate) struct Started {
    /// The socket on which it waits.
    pub(crate) listener: Slot,
    /// The state that its hooks read.
    pub(crate) state: Option<Slot>,
    hooks: Vec<Hook>,
    sealed: Sealed,
}

/// What is left to do right before the program: the filter, since what comes before may not be under it.
pub(crate) struct Sealed {
    filter: Option<Filter>,
    /// Capabilities that are set only then, since the filter needs more.
    capabilities: Option<Capabilities>,
}

/// Plans a container's first process up to the point at which it waits to be started.
pub(crate) fn plan(draft: &mut Draft, context: &Context<'_>, process: &Process) -> Started {
    let listener = draft.slot();
    let hooks = hooks::of_kind(draft, &context.spec.hooks.start_container, HookKind::StartContainer);
    let state = (!hooks.is_empty()).then(|| make_state(draft));
    let keep = [Some(listener), state].into_iter().flatten().collect();
    Started { listener, state, hooks, sealed: prepare(draft, context, process, keep) }
}

/// Plans who a process is and where it works, up to the filter; descriptors in `keep` are used later.
pub(crate) fn prepare(
    draft: &mut Draft,
    context: &Context<'_>,
    process: &Process,
    keep: Vec<Slot>,
) -> Sealed {
    let filter = filter(draft, context);
    draft.init(ProcessStep::CloseFds { preserve: context.request.preserve_fds, keep }, Place::DEFAULT);
    if !has_home(process) {
        draft.init(ProgramStep::FindHome(process.user.uid.get()), Place::of("process.env"));
    }
    let mask = process.user.umask.unwrap_or(DEFAULT_UMASK);
    draft.init(ProcessStep::Umask { mask }, Place::of("process.user.umask"));
    // Without no-new-privileges a filter takes CAP_SYS_ADMIN, which goes as soon as the filter is there.
    let deferred = filter.is_some() && !process.no_new_privileges;
    let capabilities = identify(draft, context, process, deferred);
    look_around(draft, process, capabilities.filter(|_| !deferred));
    Sealed { filter, capabilities: capabilities.filter(|_| deferred) }
}

/// Plans the ids and the capabilities, but for the sets that have to wait. Returns the sets.
fn identify(
    draft: &mut Draft,
    context: &Context<'_>,
    process: &Process,
    deferred: bool,
) -> Option<Capabilities> {
    let place = Place::of("process.capabilities");
    let (bounding, sets) = capabilities(draft, context, process);
    if sets.inheritable & !bounding != 0 {
        // Once a capability is out of the bounding set it can't become inheritable any more.
        let everything = Capabilities {
            effective: u64::MAX,
            permitted: u64::MAX,
            inheritable: sets.inheritable,
            ambient: 0,
        };
        draft.init(IdentityStep::Capabilities(everything), place);
    }
    draft.init(IdentityStep::BoundCapabilities(bounding), Place::of("process.capabilities.bounding"));
    limits_by_init(draft, context, process);
    let groups = groups(context, process);
    let identity = Identity { uid: process.user.uid.get(), gid: process.user.gid.get(), groups };
    draft.init(IdentityStep::User(identity), Place::of("process.user"));
    if !deferred {
        draft.init(IdentityStep::Capabilities(sets), place);
    }
    if process.no_new_privileges {
        draft.init(IdentityStep::NoNewPrivileges, Place::of("process.noNewPrivileges"));
    }
    Some(sets)
}

/// The supplementary groups, exactly; a user who maps but itself may not set any (user_namespaces(7)).
fn groups(context: &Context<'_>, process: &Process) -> Option<Vec<u32>> {
    let linux = &context.spec.linux;
    let alone = !is_root(context.host) && matches!(linux.gid_mappings.as_slice(), [one] if one.size == 1);
    let denied = alone || context.host.denies_groups;
    (!denied).then(|| process.user.additional_gids.iter().map(|gid| gid.get()).collect())
}

/// What the host can grant of the configured sets. What it can't is warned of (config.md, "Linux Process"); what the
/// kernel would refuse of the ambient set is left out of it as runc does.
fn capabilities(draft: &mut Draft, context: &Context<'_>, process: &Process) -> (u64, Capabilities) {
    let place = Place::of("process.capabilities");
    let Some(asked) = &process.capabilities else { return (0, Capabilities::default()) };
    let grantable = if context.has_user_namespace() { u64::MAX } else { context.host.capabilities };
    let wanted = [asked.bounding, asked.effective, asked.permitted, asked.inheritable, asked.ambient]
        .map(|set| set.bits());
    let all = wanted.iter().fold(0, |all, set| all | set);
    if all & !grantable != 0 {
        let names = CapabilitySet::from_bits(all & !grantable);
        draft.warn(place, format!("ignoring capabilities that this runtime cannot grant: {names:?}"));
    }
    let [bounding, effective, permitted, inheritable, ambient] = wanted.map(|set| set & grantable);
    let raisable = ambient & permitted & inheritable;
    for capability in Capability::ALL {
        if (ambient & !raisable) & 1 << capability.number() != 0 {
            let place = Place::of("process.capabilities.ambient");
            let name = capability.name();
            // The first words are runc's.
            let what =
                format!("can't raise ambient capability {name}: it is not both permitted and inheritable");
            draft.warn(place, what);
        }
    }
    (bounding, Capabilities { effective: effective & permitted, permitted, inheritable, ambient: raisable })
}

/// Plans the last looks: at the directory, the program, and at what was set.
fn look_around(draft: &mut Draft, process: &Process, capabilities: Option<Capabilities>) {
    let path = draft.text(&process.cwd, Place::of("process.cwd"));
    draft.init(ProcessStep::WorkingDirectory { path }, Place::of("process.cwd"));
    if !process.args.is_empty() {
        draft.init(ProgramStep::Find, Place::of("process.args[0]"));
    }
    let verify = Verify {
        uid: process.user.uid.get(),
        gid: process.user.gid.get(),
        capabilities,
        no_new_privileges: if process.no_new_privileges {
            NoNewPrivileges::Set
        } else {
            NoNewPrivileges::Unset
        },
    };
    draft.init(IdentityStep::Verify(verify), Place::of("process"));
}

fn filter(draft: &mut Draft, context: &Context<'_>) -> Option<Filter> {
    let profile = context.spec.linux.seccomp.as_ref()?;
    match seccomp::compile(profile) {
        Ok(filter) => Some(filter),
        Err(mut mistakes) => {
            draft.mistakes.append(&mut mistakes);
            None
        }
    }
}

/// Plans what init does when it is started.
pub(crate) fn start(draft: &mut Draft, started: Started) {
    seal(draft, started.sealed);
    if let Some(state) = started.state {
        let kind = HookKind::StartContainer;
        draft.init(Hooks { kind, hooks: started.hooks, state }, kind.place());
    }
    draft.init(ProgramStep::Execute, Place::of("process.args"));
}

/// Plans the filter and what had to wait for it.
pub(crate) fn seal(draft: &mut Draft, sealed: Sealed) {
    if let Some(filter) = sealed.filter {
        draft.init(filter, Place::of("linux.seccomp"));
    }
    if let Some(sets) = sealed.capabilities {
        draft.init(IdentityStep::Capabilities(sets), Place::of("process.capabilities"));
    }
}

/// Plans the standard streams: a null device of the host's would be a file that the container's root does not recursive.
pub(crate) fn streams(draft: &mut Draft, context: &Context<'_>) {
    if context.namespace(NamespaceKind::Mount).is_some() {
        draft.init(FileStep::ReopenDevNull, Place::DEFAULT);
    }
}

/// Plans the terminal.
pub(crate) fn terminal(draft: &mut Draft, process: &Process, console: Console) {
    if !process.terminal {
        return;
    }
    let narrow = |number: u64| u16::try_from(number).unwrap_or(u16::MAX);
    let size = process.console_size.as_ref().filter(|size| size.height != 0 && size.width != 0);
    let size = size.map(|size| WindowSize { rows: narrow(size.height), columns: narrow(size.width) });
    let owner = process.user.uid.get();
    draft.init(FileStep::OpenTerminal { size, owner, console }, Place::of("process.terminal"));
}

/// Plans limits that the parent sets: in a user namespace init has no right to raise any, where the parent has.
pub(crate) fn limits_by_parent(draft: &mut Draft, context: &Context<'_>, process: &Process) {
    if are_by_parent(context) {
        for (limit, place) in limits(process) {
            draft.after(ChildStep::Rlimit(limit), place);
        }
    }
}

/// Plans limits that init sets itself, before it becomes a user whose limits not even root may change without CAP_SYS_RESOURCE.
fn limits_by_init(draft: &mut Draft, context: &Context<'_>, process: &Process) {
    if !are_by_parent(context) {
        for (limit, place) in limits(process) {
            draft.init(IdentityStep::Rlimit(limit), place);
        }
    }
}

fn are_by_parent(context: &Context<'_>) -> bool {
    let able = context.host.capabilities & 1 << Capability::SysResource.number() != 0;
    context.has_user_namespace() && able && is_root(context.host)
}

fn limits(process: &Process) -> impl Iterator<Item = (Rlimit, Place)> {
    process.rlimits.iter().enumerate().map(|(index, limit)| {
        let step = Rlimit { resource: limit.kind, soft: limit.soft, hard: limit.hard };
        (step, Place::at("process.rlimits[#]", index))
    })
}

/// Plans the score for the kernel's out-of-memory killer.
pub(crate) fn oom_score(draft: &mut Draft, process: &Process) {
    if let Some(adjustment) = process.oom_score_adj {
        draft.after(ChildStep::OomScore(adjustment), Place::of("process.oomScoreAdj"));
    }
}

/// The program, its arguments and its environment.
pub(crate) fn program(draft: &mut Draft, process: &Process) -> Program {
    let mut texts = |list: &[String], pattern| -> Vec<CString> {
        list.iter().enumerate().map(|(index, text)| draft.text(text, Place::at(pattern, index))).collect()
    };
    let arguments = texts(&process.args, "process.args[#]");
    let environment = texts(&environment(process), "process.env[#]");
    let candidates = texts(&candidates(process), "process.args[#]");
    Program { arguments, environment, candidates }
}

/// Where the program may be: its path, if it is one, or its name in every directory of PATH.
fn candidates(process: &Process) -> Vec<String> {
    let Some(name) = process.args.first() else { return Vec::new() };
    if name.contains('/') {
        return vec![name.clone()];
    }
    let path = process.env.iter().rev().find_map(|variable| variable.strip_prefix("PATH="));
    let directories = path.unwrap_or_default().split(':').filter(|directory| !directory.is_empty());
    directories.map(|directory| format!("{directory}/{name}")).collect()
}

/// The environment with every variable once, as its last mention has it. An empty HOME is none.
fn environment(process: &Process) -> Vec<String> {
    let name = |variable: &str| variable.split('=').next().unwrap_or_default().to_owned();
    let mut kept: Vec<&String> = Vec::new();
    for variable in &process.env {
        kept.retain(|other| name(other) != name(variable));
        kept.push(variable);
    }
    kept.into_iter().filter(|variable| *variable != "HOME=").cloned().collect()
}

fn has_home(process: &Process) -> bool {
    let last = process.env.iter().rev().find_map(|variable| variable.strip_prefix("HOME="));
    last.is_some_and(|home| !home.is_empty())
}
