//! The plan of `create`: every step from nothing to a container that waits to be started.

use crate::cgroup::{self, Entry};
use crate::draft::Draft;
use crate::host::{Hierarchy, Host, Privilege};
use crate::place::Place;
use crate::plan::{Plan, Program};
use crate::spec::{self, Checked, Examined, Mistake, NamespaceKind, Propagation, Spec};
use crate::step::{
    Console, EnterRoot, Hook, HookKind, Hooks, InitStep, ParentStep, Planned, Signal, Slot, Spawn, Status,
};
use crate::{devices, labels, mounts, namespaces, process, resctrl, root, scheduling};

/// What the caller asks for beside the configuration.
#[derive(Clone, Debug)]
pub struct Request<'text> {
    /// The container's id.
    pub id: &'text str,
    /// The absolute path of the bundle, from which relative paths count.
    pub bundle: &'text str,
    /// The socket that gets the terminal's master.
    pub console_socket: Option<&'text str>,
    /// The socket that gets a descriptor of init.
    pub pidfd_socket: Option<&'text str>,
    /// How the root is entered.
    pub pivot: EnterRoot,
    /// Whether the container gets a session keyring of its own.
    pub keyring: Keyring,
    /// How many descriptors from 3 on the container keeps.
    pub preserve_fds: u32,
    /// Who makes its cgroups.
    pub cgroup_manager: CgroupManager,
}

/// Who makes a container's cgroups.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CgroupManager {
    /// This runtime, in the kernel's file systems.
    Cgroupfs,
    /// systemd, which makes a unit for each container.
    Systemd,
    /// Nobody: the container stays in those of its creator (crun's word, which Podman passes on).
    Disabled,
}

/// The container's session keyring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keyring {
    /// A new one.
    New,
    /// The caller's (`--no-new-keyring`).
    Inherited,
}

/// What every part of planning looks at.
pub(crate) struct Context<'a> {
    pub(crate) spec: &'a Spec,
    pub(crate) host: &'a Host,
    pub(crate) request: &'a Request<'a>,
    /// The container's directories, filled by the planning of cgroups.
    pub(crate) cgroups: Vec<(Slot, &'a Hierarchy)>,
    /// The user namespace that is joined, filled by the planning of namespaces.
    pub(crate) user_namespace: Option<Slot>,
}

impl Context<'_> {
    /// Whether the container's user namespace is another than the runtime's.
    pub(crate) fn has_user_namespace(&self) -> bool {
        self.namespace(NamespaceKind::User).is_some()
    }

    /// The namespace of this kind, if the configuration names one.
    pub(crate) fn namespace(&self, kind: NamespaceKind) -> Option<&spec::Namespace> {
        self.spec.linux.namespaces.iter().find(|namespace| namespace.kind == kind)
    }

    /// Whether a namespace of this kind is made.
    pub(crate) fn is_new(&self, kind: NamespaceKind) -> bool {
        self.namespace(kind).is_some_and(|namespace| path_of(namespace).is_none())
    }

    /// Whether the container is to stay in the runtime's mount namespace. Its mounts are then made in one that is thrown away.
    pub(crate) fn is_guest(&self) -> bool {
        self.namespace(NamespaceKind::Mount).is_none()
    }

    /// A path of the host; a relative one counts from the bundle.
    pub(crate) fn of_bundle(&self, path: &str) -> String {
        if path.starts_with('/') { path.to_owned() } else { format!("{}/{path}", self.request.bundle) }
    }

    /// Whether what is mounted in the container's copies of the host's mounts reaches the host.
    fn is_shared(&self) -> bool {
        matches!(self.spec.linux.rootfs_propagation, Some(Propagation::Shared | Propagation::RecursiveShared))
    }

    /// Whether the parent makes the copies of the host's mounts, since init can't.
    pub(crate) fn copies_in_parent(&self) -> bool {
        self.is_shared() || (self.has_user_namespace() && is_root(self.host))
    }

    /// Whether copies of the host's mounts keep what the host has locked, for a user namespace of the container's own.
    pub(crate) fn locks_copies(&self) -> bool {
        self.has_user_namespace() && is_root(self.host)
    }

    /// The propagation that copies of the host's mounts start with: as far from the host as the root file system is.
    /// Init's own namespace is a slave of the host's already.
    pub(crate) fn copies_propagation(&self) -> Option<u64> {
        match self.spec.linux.rootfs_propagation {
            Some(Propagation::Private | Propagation::RecursivePrivate) => {
                Some(libc::MS_PRIVATE | libc::MS_REC)
            }
            _ if self.copies_in_parent() && !self.is_shared() => Some(libc::MS_SLAVE | libc::MS_REC),
            _ => None,
        }
    }

    /// Whether hooks run while the container is made, which find its root file system by its path on the host.
    pub(crate) fn has_create_hooks(&self) -> bool {
        let hooks = &self.spec.hooks;
        !(hooks.prestart.is_empty() && hooks.create_runtime.is_empty() && hooks.create_container.is_empty())
    }
}

/// The path of a namespace that is joined; Go writes the empty string for none.
pub(crate) fn path_of(namespace: &spec::Namespace) -> Option<&str> {
    namespace.path.as_deref().filter(|path| !path.is_empty())
}

/// Plans a container's creation.
///
/// # Errors
/// Everything that this host or this runtime can't do of it, each with its place.
pub fn create(checked: &Checked, host: &Host, request: &Request<'_>) -> Result<Plan, Vec<Mistake>> {
    plan(checked, host, request)
}

/// Finds everything that is wrong with a configuration, or odd about it: its form, what it means, and what this host or
/// this runtime can't do of it. Nothing of it hides anything else but what follows from it.
pub fn examine(bytes: &[u8], host: &Host, request: &Request<'_>) -> Examined {
    let mut examined = spec::examine(bytes);
    let planned = examined.spec.as_ref().map(|spec| plan(spec, host, request));
    match planned {
        Some(Ok(plan)) => examined.warnings.extend(plan.warnings),
        Some(Err(mistakes)) => examined.add(mistakes),
        None => {}
    }
    examined
}

/// What init becomes in a container without a process: it waits like any other, and start finds nothing to execute.
const NO_PROCESS: &[u8] = br#"{ "cwd": "/", "args": [] }"#;

fn plan(spec: &Spec, host: &Host, request: &Request<'_>) -> Result<Plan, Vec<Mistake>> {
    let mut draft = Draft::default();
    let mut context = Context { spec, host, request, cgroups: Vec::new(), user_namespace: None };
    let nothing = spec::load_process(NO_PROCESS)?.process;
    let process = context.spec.process.as_ref().unwrap_or(&nothing);
    let hooks = Moments::of(&mut draft, context.spec);

    draft.init(InitStep::DieWithParent, Place::DEFAULT);
    // What is made on the way has the modes that the plan gives it.
    draft.init(InitStep::Umask { mask: 0 }, Place::DEFAULT);
    // A user may write the mappings of a process only while it can be looked into.
    let hidden_early = is_root(host);
    if hidden_early {
        draft.init(InitStep::HideFromOthers, Place::DEFAULT);
    }
    // A copy whose mounts are to reach the host must be one of the host's own.
    if context.locks_copies() && !context.is_shared() {
        draft.before(ParentStep::MakeView, Place::of("linux.namespaces"));
    }
    let tree = root::prepare(&mut draft, &context);
    cgroup::plan(&mut draft, &mut context);
    cgroup::join(&mut draft, &context, Entry::Early);
    resctrl::plan(&mut draft, &context);
    scheduling::check_hooks(&mut draft, context.spec);
    let spawn = namespaces::enter(&mut draft, &mut context);
    if !hidden_early {
        draft.init(InitStep::HideFromOthers, Place::DEFAULT);
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
    finish(draft, spawn, program)
}

/// The hooks that run when create is long over: poststart and poststop.
///
/// # Errors
/// A text that can't be a C string, with its place.
pub fn late_hooks(checked: &Checked, kind: HookKind) -> Result<Vec<Hook>, Vec<Mistake>> {
    let mut draft = Draft::default();
    let hooks = match kind {
        HookKind::Poststart => &checked.hooks.poststart,
        HookKind::Poststop => &checked.hooks.poststop,
        _ => return Ok(Vec::new()),
    };
    let hooks = process::hooks(&mut draft, hooks, kind);
    if draft.mistakes.is_empty() { Ok(hooks) } else { Err(draft.mistakes) }
}

/// The hooks that run in the runtime's namespaces while a container is made: those of each kind, in order.
///
/// # Errors
/// A text that can't be a C string, with its place.
pub fn early_hooks(checked: &Checked) -> Result<Vec<(HookKind, Vec<Hook>)>, Vec<Mistake>> {
    let mut draft = Draft::default();
    let all = [
        (HookKind::Prestart, &checked.hooks.prestart),
        (HookKind::CreateRuntime, &checked.hooks.create_runtime),
    ];
    let all = all.map(|(kind, hooks)| (kind, process::hooks(&mut draft, hooks, kind))).into_iter().collect();
    if draft.mistakes.is_empty() { Ok(all) } else { Err(draft.mistakes) }
}

/// The state files of the hooks, and whether any wait for each other.
struct Moments {
    creating: Option<Slot>,
    prestart: Vec<Hook>,
    create_runtime: Vec<Hook>,
    create_container: Vec<Hook>,
}

impl Moments {
    fn of(draft: &mut Draft, spec: &Spec) -> Self {
        let mut read = |hooks: &[spec::Hook], kind| process::hooks(draft, hooks, kind);
        let prestart = read(&spec.hooks.prestart, HookKind::Prestart);
        let create_runtime = read(&spec.hooks.create_runtime, HookKind::CreateRuntime);
        let create_container = read(&spec.hooks.create_container, HookKind::CreateContainer);
        let any = !(prestart.is_empty() && create_runtime.is_empty() && create_container.is_empty());
        let creating = any.then(|| make_state(draft));
        Self { creating, prestart, create_runtime, create_container }
    }
}

/// Makes a file in memory for the state that hooks read.
pub(crate) fn make_state(draft: &mut Draft) -> Slot {
    let slot = draft.slot();
    draft.before(ParentStep::MakeState { slot }, Place::of("hooks"));
    slot
}

/// Prestart and createRuntime run beside init, createContainer in it, in this order (config.md, "POSIX-platform Hooks").
fn run_create_hooks(draft: &mut Draft, moments: Moments) {
    let Some(state) = moments.creating else { return };
    draft.init(InitStep::Send(Signal::Mounted), Place::of("hooks"));
    draft.init(InitStep::Await(Signal::HooksDone), Place::of("hooks"));
    draft.after(ParentStep::FillState { slot: state, status: Status::Creating }, Place::of("hooks"));
    draft.after(ParentStep::Await(Signal::Mounted), Place::of("hooks"));
    let beside = [(HookKind::Prestart, moments.prestart), (HookKind::CreateRuntime, moments.create_runtime)];
    for (kind, hooks) in beside.into_iter().filter(|(_, hooks)| !hooks.is_empty()) {
        draft.after(ParentStep::Hooks(Hooks { kind, hooks, state }), kind.place());
    }
    draft.after(ParentStep::Send(Signal::HooksDone), Place::of("hooks"));
    if !moments.create_container.is_empty() {
        let kind = HookKind::CreateContainer;
        draft.init(InitStep::Hooks(Hooks { kind, hooks: moments.create_container, state }), kind.place());
    }
}

/// The caller gets what it asked for of the process, now that there is one.
pub(crate) fn hand_over(draft: &mut Draft, request: &Request<'_>) {
    if let Some(socket) = request.console_socket {
        let socket = draft.text(socket, Place::of("process.terminal"));
        draft.after(ParentStep::SendConsole { socket }, Place::of("process.terminal"));
    }
    if let Some(socket) = request.pidfd_socket {
        let socket = draft.text(socket, Place::of("--pidfd-socket"));
        draft.after(ParentStep::SendPidfd { socket }, Place::of("--pidfd-socket"));
    }
}

/// Init is ready, the parent records it, init lives on alone and waits.
fn become_ready(draft: &mut Draft, context: &Context<'_>, started: &process::Started) {
    let listener = started.listener;
    draft.before(ParentStep::Listen { slot: listener }, Place::DEFAULT);
    if !is_root(context.host) {
        draft.init(InitStep::ShowToUser, Place::DEFAULT);
    }
    draft.init(InitStep::Send(Signal::Ready), Place::DEFAULT);
    draft.init(InitStep::Await(Signal::Committed), Place::DEFAULT);
    draft.init(InitStep::OutliveParent, Place::DEFAULT);
    draft.init(InitStep::Send(Signal::Released), Place::DEFAULT);
    draft.init(InitStep::WaitForStart { slot: listener }, Place::DEFAULT);
    draft.after(ParentStep::Await(Signal::Ready), Place::DEFAULT);
    hand_over(draft, context.request);
    if let Some(process) = &context.spec.process {
        process::limits_by_parent(draft, context, process);
        scheduling::plan(draft, process);
    }
    if let Some(slot) = started.state {
        draft
            .after(ParentStep::FillState { slot, status: Status::Created }, HookKind::StartContainer.place());
    }
    draft.after(ParentStep::Commit, Place::DEFAULT);
    draft.after(ParentStep::Send(Signal::Committed), Place::DEFAULT);
    draft.after(ParentStep::Await(Signal::Released), Place::DEFAULT);
}

pub(crate) fn finish(mut draft: Draft, spawn: Spawn, program: Program) -> Result<Plan, Vec<Mistake>> {
    if !draft.mistakes.is_empty() {
        return Err(draft.mistakes);
    }
    let slots = draft.slots();
    draft.before(ParentStep::Spawn(spawn), Place::of("linux.namespaces"));
    hand_over_late(&mut draft);
    let mut parent = draft.before;
    parent.append(&mut draft.grouped);
    parent.append(&mut draft.after);
    Ok(Plan { parent, init: draft.init, slots, program, warnings: draft.warnings })
}

/// What is opened after init's birth is handed to it where it waits for that.
fn hand_over_late(draft: &mut Draft) {
    let opened = |planned: &Planned<ParentStep>| match &planned.step {
        ParentStep::MakeCgroup(make) => Some(make.slot),
        ParentStep::OpenCgroup(open) => Some(open.slot),
        ParentStep::CloneCgroup { slot, .. } => Some(*slot),
        _ => None,
    };
    let late: Vec<Slot> = draft.grouped.iter().filter_map(opened).collect();
    for planned in &mut draft.init {
        if let InitStep::TakeOver { slots } = &mut planned.step {
            slots.clone_from(&late);
            let because = planned.because;
            draft.grouped.push(Planned { step: ParentStep::HandOver { slots: slots.clone() }, because });
        }
    }
}

/// Whether the runtime acts as root.
pub(crate) fn is_root(host: &Host) -> bool {
    host.privilege == Privilege::Root
}
