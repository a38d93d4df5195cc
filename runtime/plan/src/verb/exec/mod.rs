//! The plan of `exec`: one more process in a container that exists.

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
use crate::scheduling::{self, processors};
use crate::spec::{Checked, CheckedProcess, Mistake, NamespaceKind, Process};
use crate::step::{
    CgroupStep, Console, EnterRoot, InitSync, NamespaceStep, OpenCgroup, OpenStep, ParentSync, ProcessStep,
    ProgramStep, RootStep, Signal, Slot, Spawn,
};
use crate::verb::create;

/// What the caller asks for beside the process, and what is known of the container.
#[derive(Clone, Debug)]
pub struct Request<'text> {
    /// The container's id.
    pub id: &'text str,
    /// The pid of its init.
    pub init: i32,
    /// Its directories: the mount of each hierarchy, and the path relative to it.
    pub cgroups: Vec<(&'text str, &'text str)>,
    /// Directories below those, each `[CONTROLLER[,CONTROLLER…]:]PATH` (`--cgroup`).
    pub subgroups: &'text [String],
    /// The socket that gets the terminal's master.
    pub console_socket: Option<&'text str>,
    /// The socket that gets a descriptor of the process.
    pub pidfd_socket: Option<&'text str>,
    /// Whether the container has a session keyring of its own.
    pub keyring: Keyring,
    /// How many descriptors from 3 on the process keeps.
    pub preserve_fds: u32,
}

/// Plans one more process of the container that `config` describes.
///
/// # Errors
/// Everything that this host can't do of it, each with its place.
pub fn exec(
    config: &Checked,
    process: &CheckedProcess,
    host: &Host,
    request: &Request<'_>,
) -> Result<Plan, Vec<Mistake>> {
    let like_create = crate::context::Request {
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
        Context { spec: config, host, request: &like_create, cgroups: Vec::new(), user_namespace: None };
    let mut draft = Draft::default();
    let init = draft.slot();
    draft.before(OpenStep::Init { slot: init }, Place::DEFAULT);
    open_cgroups(&mut draft, &mut context, request);
    resctrl::join(&mut draft, &context);
    draft.init(InitSync::DieWithParent, Place::DEFAULT);
    draft.init(ProcessStep::Umask { mask: 0 }, Place::DEFAULT);
    let spawn = enter(&mut draft, &context, process, (init, request.init));
    set_up(&mut draft, &context, process);
    let before_exec = process::prepare(&mut draft, &context, process, Vec::new());
    become_ready(&mut draft, &context, process);
    process::before_exec(&mut draft, before_exec);
    draft.init(ProgramStep::Execute, Place::of("process.args"));
    let program = process::program(&mut draft, process);
    crate::draft::finish(draft, spawn, program)
}

/// Plans the way in: processors, cgroups, and the namespaces that init is in.
///
/// All namespaces are entered at once, by init's descriptor, but for the cgroup namespace: from inside it the container's
/// cgroup can't be entered any more.
fn enter(draft: &mut Draft, context: &Context<'_>, process: &Process, init: (Slot, i32)) -> Spawn {
    let (slot, pid) = init;
    let affinity = process.exec_cpu_affinity.as_ref();
    confine(draft, affinity.and_then(|affinity| affinity.initial.as_deref()));
    crate::cgroup::join(draft, context, crate::cgroup::JoinPhase::First);
    crate::cgroup::join(draft, context, crate::cgroup::JoinPhase::Last);
    let named = |kind: &NamespaceKind| context.namespace(*kind).is_some();
    if named(&NamespaceKind::Cgroup) {
        let slot = draft.slot();
        let place = Place::of("linux.namespaces");
        let path = draft.text(&format!("/proc/{pid}/ns/cgroup"), place);
        draft.before(OpenStep::Namespace { slot, kind: NamespaceKind::Cgroup, path }, place);
        draft.init(NamespaceStep::Join { slot, kind: NamespaceKind::Cgroup }, place);
    }
    let kinds = NamespaceKind::ALL.iter().filter(|kind| **kind != NamespaceKind::Cgroup);
    let flags = kinds
        .filter(|kind| named(kind))
        .fold(0, |flags, kind| flags | u64::from(kind.clone_flag().cast_unsigned()));
    if context.has_user_namespace() {
        draft.init(NamespaceStep::BecomeRoot, Place::of("linux.namespaces"));
    }
    find_root(draft, context);
    let cgroup = crate::cgroup::unified(context);
    Spawn { namespaces: 0, join: Vec::new(), enter: Some((slot, flags)), time: None, cgroup }
}

/// The root is that of the mount namespace; a container without one has only its init to ask.
fn find_root(draft: &mut Draft, context: &Context<'_>) {
    if context.namespace(NamespaceKind::Mount).is_none() {
        let slot = draft.slot();
        draft.before(OpenStep::Root { slot }, Place::of("root.path"));
        draft.init(RootStep::Change { slot }, Place::of("root.path"));
    }
    draft.init(RootStep::Current, Place::of("root.path"));
}

/// Plans what every process has of its own: a session, processors, a keyring, a terminal.
fn set_up(draft: &mut Draft, context: &Context<'_>, process: &Process) {
    draft.init(ProcessStep::NewSession, Place::DEFAULT);
    let affinity = process.exec_cpu_affinity.as_ref();
    let given = |list: Option<&String>| list.is_some_and(|list| !list.is_empty());
    match affinity {
        Some(affinity) if given(affinity.last.as_ref()) => confine(draft, affinity.last.as_deref()),
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

/// Plans the processors of a list such as `0-3,7`.
fn confine(draft: &mut Draft, list: Option<&str>) {
    let Some(list) = list.filter(|list| !list.is_empty()) else { return };
    let place = Place::of("process.execCPUAffinity");
    match processors(list) {
        Some(set) => draft.init(ProcessStep::SetCpus(set), place),
        None => draft.refuse(place, format!("processors {list:?} are out of range: expected 0 to 1023")),
    }
}

/// The process is ready, the caller gets what it asked for, and the process lives on alone.
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

/// Plans the opening of the container's directories, or of those below them that `--cgroup` names.
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
        let follows = hierarchy.version == CgroupVersion::V2 && sub.is_none();
        let fallback_init = follows.then_some(request.init);
        let (mount, path) = (draft.text(mount, place), draft.text(&path, place));
        draft.before(CgroupStep::Open(OpenCgroup { slot, mount, path, fallback_init }), place);
        context.cgroups.push((slot, hierarchy));
    }
}

/// A directory below the container's own, in one hierarchy or in all.
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

/// A hierarchy without controllers is called `name=…` by the kernel, and without that by everybody else.
fn is_named(controller: &str, name: &str) -> bool {
    controller == name || controller.strip_prefix("name=") == Some(name)
}

/// Reads `--cgroup`, in the words of runc where it is wrong.
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
            match mistake_of(text, controller, host, &all) {
                Some(what) => draft.refuse(place, what),
                None => all.push(Subgroup { controller: controller.map(str::to_owned), path: clean(path) }),
            }
        }
    }
    all
}

/// What is wrong with one controller of an argument, in the words of runc; `all` are those before it.
fn mistake_of(text: &str, controller: Option<&str>, host: &Host, all: &[Subgroup]) -> Option<String> {
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
