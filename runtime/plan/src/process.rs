//! The container's process: its identity, its privileges, its program (config.md, "Process").
//!
//! A topic: the verbs use it.

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

/// The umask of a process without `user.umask`: runc's default.
const DEFAULT_UMASK: u32 = 0o022;

/// What init does after `start`.
pub(crate) struct AfterStart {
    /// The socket on which init waits for `start`.
    pub(crate) start_socket: Slot,
    /// The state file of the startContainer hooks.
    pub(crate) state: Option<Slot>,
    hooks: Vec<Hook>,
    before_exec: BeforeExec,
}

/// What a process does right before it executes its program. The seccomp filter comes last, since it would
/// also judge the system calls of the runtime.
pub(crate) struct BeforeExec {
    filter: Option<Filter>,
    /// The capability sets, if the process needs more capabilities to install the filter.
    capabilities: Option<Capabilities>,
}

/// Whether the capability sets are taken before or after the seccomp filter is installed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum CapabilityOrder {
    /// As soon as the process has its user.
    BeforeFilter,
    /// Right after the filter: seccomp(2) needs CAP_SYS_ADMIN without no_new_privs.
    AfterFilter,
}

/// Plans a container's first process up to its wait for `start`. Returns what it does after that.
pub(crate) fn plan(draft: &mut Draft, context: &Context<'_>, process: &Process) -> AfterStart {
    let start_socket = draft.slot();
    let hooks = hooks::of_kind(draft, &context.spec.hooks.start_container, HookKind::StartContainer);
    let state = (!hooks.is_empty()).then(|| make_state(draft));
    let keep = [Some(start_socket), state].into_iter().flatten().collect();
    AfterStart { start_socket, state, hooks, before_exec: prepare(draft, context, process, keep) }
}

/// Plans the identity, the privileges and the working directory of a process. The file descriptors in `keep`
/// stay open, since later steps use them.
pub(crate) fn prepare(
    draft: &mut Draft,
    context: &Context<'_>,
    process: &Process,
    keep: Vec<Slot>,
) -> BeforeExec {
    let filter = filter(draft, context);
    draft.init(ProcessStep::CloseFds { preserve: context.request.preserve_fds, keep }, Place::DEFAULT);
    if !has_home(process) {
        draft.init(ProgramStep::FindHome(process.user.uid.get()), Place::of("process.env"));
    }
    let mask = process.user.umask.unwrap_or(DEFAULT_UMASK);
    draft.init(ProcessStep::Umask { mask }, Place::of("process.user.umask"));
    let order = if filter.is_some() && !process.no_new_privileges {
        CapabilityOrder::AfterFilter
    } else {
        CapabilityOrder::BeforeFilter
    };
    let sets = identity(draft, context, process, order);
    let (set_now, set_later) = match order {
        CapabilityOrder::BeforeFilter => (Some(sets), None),
        CapabilityOrder::AfterFilter => (None, Some(sets)),
    };
    check_before_exec(draft, process, set_now);
    BeforeExec { filter, capabilities: set_later }
}

/// Plans the user, the groups and the capabilities. Returns the capability sets.
///
/// The bounding set comes first, since dropping from it needs CAP_SETPCAP (capabilities(7)), which a new user
/// may lack. The other sets come after the user, since a change of the user changes them.
fn identity(
    draft: &mut Draft,
    context: &Context<'_>,
    process: &Process,
    order: CapabilityOrder,
) -> Capabilities {
    let place = Place::of("process.capabilities");
    let (bounding, sets) = capabilities(draft, context, process);
    if sets.inheritable & !bounding != 0 {
        // A capability that has left the bounding set cannot be added to the inheritable set
        // (capabilities(7)), so the inheritable set is taken first, with all other capabilities kept.
        // capset(2) drops the bits that the kernel does not know.
        let everything = Capabilities {
            effective: u64::MAX,
            permitted: u64::MAX,
            inheritable: sets.inheritable,
            ambient: 0,
        };
        draft.init(IdentityStep::Capabilities(everything), place);
    }
    draft.init(IdentityStep::BoundCapabilities(bounding), Place::of("process.capabilities.bounding"));
    rlimits_by_init(draft, context, process);
    let groups = supplementary_groups(context, process);
    let identity = Identity { uid: process.user.uid.get(), gid: process.user.gid.get(), groups };
    draft.init(IdentityStep::User(identity), Place::of("process.user"));
    if order == CapabilityOrder::BeforeFilter {
        draft.init(IdentityStep::Capabilities(sets), place);
    }
    if process.no_new_privileges {
        draft.init(IdentityStep::NoNewPrivileges, Place::of("process.noNewPrivileges"));
    }
    sets
}

/// The supplementary groups: exactly those of the configuration. `None` keeps the current ones. A user
/// namespace whose gid_map was written without privilege denies setgroups(2) (user_namespaces(7)).
fn supplementary_groups(context: &Context<'_>, process: &Process) -> Option<Vec<u32>> {
    let linux = &context.spec.linux;
    let own_gid_only =
        !is_root(context.host) && matches!(linux.gid_mappings.as_slice(), [one] if one.size == 1);
    let denied = own_gid_only || context.host.denies_groups;
    (!denied).then(|| process.user.additional_gids.iter().map(|gid| gid.get()).collect())
}

/// Returns the bounding set and the other sets, as far as the runtime can grant them. The rest causes a
/// warning and no error (config.md, "Linux Process"). The ambient set loses what the kernel would refuse: a
/// capability must be permitted and inheritable to become ambient (capabilities(7)). runc leaves it out too.
fn capabilities(draft: &mut Draft, context: &Context<'_>, process: &Process) -> (u64, Capabilities) {
    let place = Place::of("process.capabilities");
    let Some(configured) = &process.capabilities else { return (0, Capabilities::default()) };
    let grantable = if context.has_user_namespace() { u64::MAX } else { context.host.capabilities };
    let sets = [
        configured.bounding,
        configured.effective,
        configured.permitted,
        configured.inheritable,
        configured.ambient,
    ];
    let sets = sets.map(|set| set.bits());
    let all = sets.iter().fold(0, |all, set| all | set);
    if all & !grantable != 0 {
        let names = CapabilitySet::from_bits(all & !grantable);
        draft.warn(place, format!("ignoring capabilities that this runtime cannot grant: {names:?}"));
    }
    let [bounding, effective, permitted, inheritable, ambient] = sets.map(|set| set & grantable);
    let raisable = ambient & permitted & inheritable;
    for capability in Capability::ALL {
        if (ambient & !raisable) & 1 << capability.number() != 0 {
            let place = Place::of("process.capabilities.ambient");
            let name = capability.name();
            // runc's wording up to the colon.
            draft.warn(
                place,
                format!("can't raise ambient capability {name}: it is not both permitted and inheritable"),
            );
        }
    }
    (bounding, Capabilities { effective: effective & permitted, permitted, inheritable, ambient: raisable })
}

/// Plans the last checks of `create`, so that it reports what `start` would fail at: the working directory,
/// the program, and whether the kernel has taken the identity.
fn check_before_exec(draft: &mut Draft, process: &Process, capabilities: Option<Capabilities>) {
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

/// Compiles the seccomp profile.
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

/// Plans what init does after `start`.
pub(crate) fn start(draft: &mut Draft, after_start: AfterStart) {
    before_exec(draft, after_start.before_exec);
    if let Some(state) = after_start.state {
        let kind = HookKind::StartContainer;
        draft.init(Hooks { kind, hooks: after_start.hooks, state }, kind.place());
    }
    draft.init(ProgramStep::Execute, Place::of("process.args"));
}

/// Plans the seccomp filter, and after it the capability sets if they had to wait for it.
pub(crate) fn before_exec(draft: &mut Draft, left: BeforeExec) {
    if let Some(filter) = left.filter {
        draft.init(filter, Place::of("linux.seccomp"));
    }
    if let Some(sets) = left.capabilities {
        draft.init(IdentityStep::Capabilities(sets), Place::of("process.capabilities"));
    }
}

/// Plans the standard streams: a stream that is the host's `/dev/null` would be a file outside the
/// container's root file system.
pub(crate) fn standard_streams(draft: &mut Draft, context: &Context<'_>) {
    // In the host's mount namespace /dev/null stays the same file.
    if context.namespace(NamespaceKind::Mount).is_some() {
        draft.init(FileStep::ReopenDevNull, Place::DEFAULT);
    }
}

/// Plans the terminal (config.md, "Process": terminal and consoleSize).
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

/// Plans the rlimits that the parent sets. Raising a hard limit needs CAP_SYS_RESOURCE in the initial user
/// namespace (setrlimit(2)), which init has lost in a new one.
pub(crate) fn rlimits_by_parent(draft: &mut Draft, context: &Context<'_>, process: &Process) {
    if parent_sets_rlimits(context) {
        for (limit, place) in rlimits(process) {
            draft.after(ChildStep::Rlimit(limit), place);
        }
    }
}

/// Plans the rlimits that init sets, before it gives up CAP_SYS_RESOURCE with its user and its capabilities.
fn rlimits_by_init(draft: &mut Draft, context: &Context<'_>, process: &Process) {
    if !parent_sets_rlimits(context) {
        for (limit, place) in rlimits(process) {
            draft.init(IdentityStep::Rlimit(limit), place);
        }
    }
}

fn parent_sets_rlimits(context: &Context<'_>) -> bool {
    let able = context.host.capabilities & 1 << Capability::SysResource.number() != 0;
    context.has_user_namespace() && able && is_root(context.host)
}

fn rlimits(process: &Process) -> impl Iterator<Item = (Rlimit, Place)> {
    process.rlimits.iter().enumerate().map(|(index, limit)| {
        let step = Rlimit { resource: limit.kind, soft: limit.soft, hard: limit.hard };
        (step, Place::at("process.rlimits[#]", index))
    })
}

/// Plans the score for the OOM killer. The parent sets it, since lowering it needs CAP_SYS_RESOURCE
/// (proc_pid_oom_score_adj(5)).
pub(crate) fn oom_score(draft: &mut Draft, process: &Process) {
    if let Some(adjustment) = process.oom_score_adj {
        draft.after(ChildStep::OomScore(adjustment), Place::of("process.oomScoreAdj"));
    }
}

/// Returns the program, its arguments and its environment.
pub(crate) fn program(draft: &mut Draft, process: &Process) -> Program {
    let mut texts = |list: &[String], pattern| -> Vec<CString> {
        list.iter().enumerate().map(|(index, text)| draft.text(text, Place::at(pattern, index))).collect()
    };
    let arguments = texts(&process.args, "process.args[#]");
    let environment = texts(&environment(process), "process.env[#]");
    let candidates = texts(&candidates(process), "process.args[#]");
    Program { arguments, environment, candidates }
}

/// The paths at which the program may be, in the order of the lookup: a name with a slash is a path, any
/// other name is looked up in each directory of the container's PATH, as execvp(3) does.
fn candidates(process: &Process) -> Vec<String> {
    let Some(name) = process.args.first() else { return Vec::new() };
    if name.contains('/') {
        return vec![name.clone()];
    }
    let path = process.env.iter().rev().find_map(|variable| variable.strip_prefix("PATH="));
    let directories = path.unwrap_or_default().split(':').filter(|directory| !directory.is_empty());
    directories.map(|directory| format!("{directory}/{name}")).collect()
}

/// The environment with each variable once: the last value counts, as with runc. An empty HOME counts as
/// unset.
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
