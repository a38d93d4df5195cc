//! The plan of `exec`: another process in an existing container.

mod overrides;

pub use overrides::{Overrides, inherit};

use crate::context::{CgroupManager, Context, Keyring};
use crate::draft::{Draft, clean};
use crate::host::{CgroupVersion, Hierarchy, Host};
use crate::labels;
use crate::place::Place;
use crate::plan::Plan;
use crate::process;
use crate::resctrl;
use crate::scheduling::{self, cpu_set};
use crate::spec::{Checked, CheckedProcess, Mistake, NamespaceKind, Process};
use crate::step::{
    CgroupStep, Console, EnterRoot, InitSync, NamespaceStep, OpenCgroup, OpenStep, ParentSync, ProcessStep,
    ProgramStep, RootStep, Signal, Slot, Spawn,
};
use crate::verb::create;

/// What the caller requests in addition to the process, and the state of the container.
#[derive(Clone, Debug)]
pub struct Request<'text> {
    /// The container ID.
    pub id: &'text str,
    /// The pid of its init.
    pub init: i32,
    /// Its cgroups: the mount of each hierarchy, and the path relative to it.
    pub cgroups: Vec<(&'text str, &'text str)>,
    /// Cgroups below those, each `[CONTROLLER[,CONTROLLER…]:]PATH` (`--cgroup`).
    pub subgroups: &'text [String],
    /// The socket that receives the terminal's master.
    pub console_socket: Option<&'text str>,
    /// The socket that receives a pidfd of the process.
    pub pidfd_socket: Option<&'text str>,
    /// The session keyring of the process.
    pub keyring: Keyring,
    /// How many file descriptors, from 3 on, the process inherits.
    pub preserve_fds: u32,
}

/// Plans another process of the container that `config` describes.
///
/// # Errors
/// Every part of the process that this host does not support, each with its place.
pub fn exec(
    config: &Checked,
    process: &CheckedProcess,
    host: &Host,
    request: &Request<'_>,
) -> Result<Plan, Vec<Mistake>> {
    // The topics read the request of `create`. Only the fields that concern a process have an effect here.
    let create_request = crate::context::Request {
        id: request.id,
        bundle: "",
        console_socket: request.console_socket,
        pidfd_socket: request.pidfd_socket,
        pivot: EnterRoot::Pivot,
        keyring: request.keyring,
        preserve_fds: request.preserve_fds,
        cgroup_manager: CgroupManager::Cgroupfs,
    };
    let mut context =
        Context { spec: config, host, request: &create_request, cgroups: Vec::new(), user_namespace: None };
    let mut draft = Draft::default();
    let init = draft.slot();
    draft.before(OpenStep::Init { slot: init }, Place::DEFAULT);
    open_cgroups(&mut draft, &mut context, request);
    resctrl::join(&mut draft, &context);
    draft.init(InitSync::DieWithParent, Place::DEFAULT);
    draft.init(ProcessStep::Umask { mask: 0 }, Place::DEFAULT);
    let spawn = enter(&mut draft, &context, process, ContainerInit { pidfd: init, pid: request.init });
    set_up(&mut draft, &context, process);
    let before_exec = process::prepare(&mut draft, &context, process, Vec::new());
    become_ready(&mut draft, &context, process);
    process::before_exec(&mut draft, before_exec);
    draft.init(ProgramStep::Execute, Place::of("process.args"));
    let program = process::program(&mut draft, process);
    crate::draft::finish(draft, spawn, program)
}

/// The container's init, in the container that `exec` enters.
#[derive(Clone, Copy)]
struct ContainerInit {
    pidfd: Slot,
    pid: i32,
}

/// Plans how the process enters the container: its initial CPU affinity, its cgroups, and the namespaces of
/// init.
///
/// setns(2) with a pidfd joins all namespaces in one call, except the cgroup namespace. From inside that one
/// a process cannot join the container's cgroup any more (cgroup_namespaces(7)), so it comes after the
/// cgroups.
fn enter(draft: &mut Draft, context: &Context<'_>, process: &Process, init: ContainerInit) -> Spawn {
    let affinity = process.exec_cpu_affinity.as_ref();
    set_affinity(draft, affinity.and_then(|affinity| affinity.initial.as_deref()));
    crate::cgroup::join(draft, context, crate::cgroup::JoinPhase::First);
    crate::cgroup::join(draft, context, crate::cgroup::JoinPhase::Last);
    let has = |kind: &NamespaceKind| context.namespace(*kind).is_some();
    if has(&NamespaceKind::Cgroup) {
        let slot = draft.slot();
        let place = Place::of("linux.namespaces");
        let path = draft.text(&format!("/proc/{}/ns/cgroup", init.pid), place);
        draft.before(OpenStep::Namespace { slot, kind: NamespaceKind::Cgroup, path }, place);
        draft.init(NamespaceStep::Join { slot, kind: NamespaceKind::Cgroup }, place);
    }
    let kinds = NamespaceKind::ALL.iter().filter(|kind| **kind != NamespaceKind::Cgroup);
    let flags = kinds
        .filter(|kind| has(kind))
        .fold(0, |flags, kind| flags | u64::from(kind.clone_flag().cast_unsigned()));
    if context.has_user_namespace() {
        draft.init(NamespaceStep::BecomeRoot, Place::of("linux.namespaces"));
    }
    find_root(draft, context);
    let cgroup = crate::cgroup::unified(context);
    Spawn { namespaces: 0, join: Vec::new(), enter: Some((init.pidfd, flags)), time: None, cgroup }
}

/// Plans the root directory. setns(2) into the mount namespace sets it. A container in the host's mount
/// namespace has its root only in its init.
fn find_root(draft: &mut Draft, context: &Context<'_>) {
    if context.namespace(NamespaceKind::Mount).is_none() {
        let slot = draft.slot();
        draft.before(OpenStep::Root { slot }, Place::of("root.path"));
        draft.init(RootStep::Change { slot }, Place::of("root.path"));
    }
    draft.init(RootStep::Current, Place::of("root.path"));
}

/// Plans what each process has of its own: a session, a CPU affinity, a keyring, a terminal.
///
/// The final affinity counts after the process has joined its cgroup. Without one, the initial stays. Without
/// both, the process may use every CPU of the cgroup (config.md, "Linux Process", execCPUAffinity).
fn set_up(draft: &mut Draft, context: &Context<'_>, process: &Process) {
    draft.init(ProcessStep::NewSession, Place::DEFAULT);
    let affinity = process.exec_cpu_affinity.as_ref();
    let given = |list: Option<&String>| list.is_some_and(|list| !list.is_empty());
    match affinity {
        Some(affinity) if given(affinity.last.as_ref()) => set_affinity(draft, affinity.last.as_deref()),
        Some(affinity) if given(affinity.initial.as_ref()) => {}
        _ => draft.init(ProcessStep::AllCpus, Place::DEFAULT),
    }
    if context.request.keyring == Keyring::New {
        labels::keyring(draft, context, process);
        let name = draft.text(&format!("_ses.{}", context.request.id), Place::DEFAULT);
        draft.init(ProcessStep::NewKeyring { name }, Place::DEFAULT);
    }
    process::standard_streams(draft, context);
    process::terminal(draft, process, Console::Unnamed);
    labels::program(draft, context, process);
}

/// Plans the CPU affinity of a list such as `0-3,7`.
fn set_affinity(draft: &mut Draft, list: Option<&str>) {
    let Some(list) = list.filter(|list| !list.is_empty()) else { return };
    let place = Place::of("process.execCPUAffinity");
    match cpu_set(list) {
        Some(set) => draft.init(ProcessStep::SetCpus(set), place),
        None => draft.refuse(place, format!("CPUs {list:?} are out of range: expected 0 to 1023")),
    }
}

/// Plans the end of `exec`: the process reports that it is ready, the parent sets it up from outside, and the
/// process executes its program without the parent.
fn become_ready(draft: &mut Draft, context: &Context<'_>, process: &Process) {
    for step in [
        InitSync::Send(Signal::Ready),
        InitSync::Await(Signal::Committed),
        InitSync::OutliveParent,
        InitSync::Send(Signal::Released),
    ] {
        draft.init(step, Place::DEFAULT);
    }
    process::oom_score(draft, process);
    draft.after(ParentSync::Await(Signal::Ready), Place::DEFAULT);
    create::pass_to_caller(draft, context.request);
    process::rlimits_by_parent(draft, context, process);
    scheduling::plan(draft, process);
    draft.after(ParentSync::Send(Signal::Committed), Place::DEFAULT);
    draft.after(ParentSync::Await(Signal::Released), Place::DEFAULT);
}

/// Plans the opening of the container's cgroups, or of those below them that `--cgroup` names.
///
/// On v2 the process joins the cgroup of init if the container's own has no processes left in it: an init
/// such as systemd moves itself below, and a cgroup with children that have controllers may hold no process
/// (cgroups(7), "no internal processes" rule).
fn open_cgroups<'host>(draft: &mut Draft, context: &mut Context<'host>, request: &Request<'_>) {
    let below = subgroups(draft, context.host, request.subgroups);
    for hierarchy in &context.host.hierarchies {
        let found = request.cgroups.iter().find(|(mount, _)| *mount == hierarchy.mount);
        let Some((mount, path)) = found else { continue };
        let sub = below.iter().find(|below| below.is_for(hierarchy));
        let place = Place::of(if sub.is_some() { "--cgroup" } else { "linux.cgroupsPath" });
        let path = match sub.map(|below| below.path.as_str()) {
            None | Some("") => (*path).to_owned(),
            Some(sub) => format!("{path}/{sub}"),
        };
        let slot = draft.slot();
        let may_follow_init = hierarchy.version == CgroupVersion::V2 && sub.is_none();
        let fallback_init = may_follow_init.then_some(request.init);
        let (mount, path) = (draft.text(mount, place), draft.text(&path, place));
        draft.before(CgroupStep::Open(OpenCgroup { slot, mount, path, fallback_init }), place);
        context.cgroups.push((slot, hierarchy));
    }
}

/// A cgroup below the container's, in the hierarchy of a controller, or in all.
struct Subgroup {
    controller: Option<String>,
    path: String,
}

impl Subgroup {
    fn is_for(&self, hierarchy: &Hierarchy) -> bool {
        match &self.controller {
            None => true,
            Some(name) => hierarchy.controllers.iter().any(|controller| is_named(controller, name)),
        }
    }
}

/// Compares the name of a controller. The kernel lists a hierarchy without controllers as `name=…`; users
/// write the name alone.
fn is_named(controller: &str, name: &str) -> bool {
    controller == name || controller.strip_prefix("name=") == Some(name)
}

/// Parses `--cgroup`. The messages are runc's.
fn subgroups(draft: &mut Draft, host: &Host, given: &[String]) -> Vec<Subgroup> {
    let place = Place::of("--cgroup");
    let mut all: Vec<Subgroup> = Vec::new();
    for text in given {
        let (controllers, path) = match text.split_once(':') {
            Some((controllers, path)) => (controllers.split(',').map(Some).collect(), path),
            None => (vec![None], text.as_str()),
        };
        if controllers == [None] && given.len() > 1 {
            draft.refuse(place, format!("invalid --cgroup argument: {text} (missing <controller>: prefix)"));
        }
        if path.split('/').any(|part| part == "..") {
            draft.refuse(place, format!("bad sub cgroup path: {path}"));
        }
        for controller in controllers {
            match mistake_in(text, controller, host, &all) {
                Some(what) => draft.refuse(place, what),
                None => all.push(Subgroup { controller: controller.map(str::to_owned), path: clean(path) }),
            }
        }
    }
    all
}

/// Returns the mistake in one controller of an argument. `all` has those before it. The messages are runc's.
fn mistake_in(text: &str, controller: Option<&str>, host: &Host, all: &[Subgroup]) -> Option<String> {
    let name = controller?;
    let has = |hierarchy: &Hierarchy| hierarchy.controllers.iter().any(|one| is_named(one, name));
    if name.is_empty() {
        return Some(format!("invalid --cgroup argument: {text} (empty <controller> prefix)"));
    }
    if !host.hierarchies.iter().any(has) {
        return Some(format!("unknown controller {name} in SubCgroupPaths"));
    }
    let twice = all.iter().any(|other| other.controller.as_deref() == Some(name));
    twice.then(|| format!("invalid --cgroup argument(s): controller {name} specified multiple times"))
}
