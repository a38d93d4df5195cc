//! Hooks: when each kind runs, and the state that it reads (config.md, "POSIX-platform Hooks").
//!
//! A topic: the verbs and `process` use it.

use crate::draft::Draft;
use crate::place::Place;
use crate::spec::{self, Checked, Mistake, Spec};
use crate::step::{
    Hook, HookEnvironment, HookKind, HookStep, Hooks, InitSync, OpenStep, ParentSync, Signal, Slot, Status,
};

/// The hooks that run during `create`.
pub(crate) struct HookStages {
    /// Their state file, if there is any hook.
    state: Option<Slot>,
    prestart: Vec<Hook>,
    create_runtime: Vec<Hook>,
    create_container: Vec<Hook>,
}

impl HookStages {
    /// Reads the hooks of a configuration, and plans their state file.
    pub(crate) fn of(draft: &mut Draft, spec: &Spec) -> Self {
        let mut read = |hooks: &[spec::Hook], kind| of_kind(draft, hooks, kind);
        let prestart = read(&spec.hooks.prestart, HookKind::Prestart);
        let create_runtime = read(&spec.hooks.create_runtime, HookKind::CreateRuntime);
        let create_container = read(&spec.hooks.create_container, HookKind::CreateContainer);
        let any = !(prestart.is_empty() && create_runtime.is_empty() && create_container.is_empty());
        let state = any.then(|| make_state(draft));
        Self { state, prestart, create_runtime, create_container }
    }
}

/// Plans the hooks of `create`, in the order that the specification fixes. The prestart and createRuntime
/// hooks run in the runtime's namespaces, so the parent runs them while init waits. The createContainer hooks
/// run in init.
pub(crate) fn run_create_hooks(draft: &mut Draft, stages: HookStages) {
    let Some(state) = stages.state else { return };
    draft.init(InitSync::Send(Signal::Mounted), Place::of("hooks"));
    draft.init(InitSync::Await(Signal::HooksDone), Place::of("hooks"));
    draft.after(HookStep::WriteState { slot: state, status: Status::Creating }, Place::of("hooks"));
    draft.after(ParentSync::Await(Signal::Mounted), Place::of("hooks"));
    let by_parent = [(HookKind::Prestart, stages.prestart), (HookKind::CreateRuntime, stages.create_runtime)];
    for (kind, hooks) in by_parent.into_iter().filter(|(_, hooks)| !hooks.is_empty()) {
        draft.after(HookStep::Run(Hooks { kind, hooks, state }), kind.place());
    }
    draft.after(ParentSync::Send(Signal::HooksDone), Place::of("hooks"));
    if !stages.create_container.is_empty() {
        let kind = HookKind::CreateContainer;
        draft.init(Hooks { kind, hooks: stages.create_container, state }, kind.place());
    }
}

/// Plans the memory file (memfd_create(2)) that holds the container's state for hooks.
pub(crate) fn make_state(draft: &mut Draft) -> Slot {
    let slot = draft.slot();
    draft.before(OpenStep::StateFile { slot }, Place::of("hooks"));
    slot
}

/// Returns hooks of one kind. A startContainer hook without `env` gets the environment of the container's
/// process, any other hook the runtime's, as with runc.
pub(crate) fn of_kind(draft: &mut Draft, hooks: &[spec::Hook], kind: HookKind) -> Vec<Hook> {
    let mut prepared = Vec::new();
    for hook in hooks {
        let place = kind.place();
        let mut texts = |list: &[String]| list.iter().map(|text| draft.text(text, place)).collect::<Vec<_>>();
        let arguments = texts(hook.args.as_deref().unwrap_or_default());
        let environment = match &hook.env {
            Some(environment) => HookEnvironment::Given(texts(environment)),
            None if kind == HookKind::StartContainer => HookEnvironment::Container,
            None => HookEnvironment::Runtime,
        };
        let path = draft.text(&hook.path, place);
        let timeout_seconds = hook.timeout.and_then(|seconds| u32::try_from(seconds).ok());
        prepared.push(Hook { path, arguments, environment, timeout_seconds });
    }
    prepared
}

/// Returns the hooks of `start` and `delete`: poststart and poststop.
///
/// # Errors
/// A text with a NUL byte, with its place.
pub fn late_hooks(checked: &Checked, kind: HookKind) -> Result<Vec<Hook>, Vec<Mistake>> {
    let mut draft = Draft::default();
    let hooks = match kind {
        HookKind::Poststart => &checked.hooks.poststart,
        HookKind::Poststop => &checked.hooks.poststop,
        _ => return Ok(Vec::new()),
    };
    let hooks = of_kind(&mut draft, hooks, kind);
    if draft.mistakes.is_empty() { Ok(hooks) } else { Err(draft.mistakes) }
}

/// Returns the hooks that the parent runs during `create`, in their order: prestart and createRuntime.
///
/// # Errors
/// A text with a NUL byte, with its place.
pub fn early_hooks(checked: &Checked) -> Result<Vec<(HookKind, Vec<Hook>)>, Vec<Mistake>> {
    let mut draft = Draft::default();
    let all = [
        (HookKind::Prestart, &checked.hooks.prestart),
        (HookKind::CreateRuntime, &checked.hooks.create_runtime),
    ];
    let all = all.map(|(kind, hooks)| (kind, of_kind(&mut draft, hooks, kind))).into_iter().collect();
    if draft.mistakes.is_empty() { Ok(all) } else { Err(draft.mistakes) }
}
