//! Hooks: when each kind runs, and the state that it reads (config.md, "POSIX-platform Hooks").

use crate::draft::Draft;
use crate::place::Place;
use crate::spec::{self, Checked, Mistake, Spec};
use crate::step::{
    Hook, HookEnvironment, HookKind, HookStep, Hooks, InitSync, OpenStep, ParentSync, Signal, Slot, Status,
};

/// The state files of the hooks, and whether any wait for each other.
pub(crate) struct HookStages {
    creating: Option<Slot>,
    prestart: Vec<Hook>,
    create_runtime: Vec<Hook>,
    create_container: Vec<Hook>,
}

impl HookStages {
    pub(crate) fn of(draft: &mut Draft, spec: &Spec) -> Self {
        let mut read = |hooks: &[spec::Hook], kind| of_kind(draft, hooks, kind);
        let prestart = read(&spec.hooks.prestart, HookKind::Prestart);
        let create_runtime = read(&spec.hooks.create_runtime, HookKind::CreateRuntime);
        let create_container = read(&spec.hooks.create_container, HookKind::CreateContainer);
        let any = !(prestart.is_empty() && create_runtime.is_empty() && create_container.is_empty());
        let creating = any.then(|| make_state(draft));
        Self { creating, prestart, create_runtime, create_container }
    }
}

/// Prestart and createRuntime run beside init, createContainer in it, in this order (config.md, "POSIX-platform Hooks").
pub(crate) fn run_create_hooks(draft: &mut Draft, stages: HookStages) {
    let Some(state) = stages.creating else { return };
    draft.init(InitSync::Send(Signal::Mounted), Place::of("hooks"));
    draft.init(InitSync::Await(Signal::HooksDone), Place::of("hooks"));
    draft.after(HookStep::WriteState { slot: state, status: Status::Creating }, Place::of("hooks"));
    draft.after(ParentSync::Await(Signal::Mounted), Place::of("hooks"));
    let beside = [(HookKind::Prestart, stages.prestart), (HookKind::CreateRuntime, stages.create_runtime)];
    for (kind, hooks) in beside.into_iter().filter(|(_, hooks)| !hooks.is_empty()) {
        draft.after(HookStep::Run(Hooks { kind, hooks, state }), kind.place());
    }
    draft.after(ParentSync::Send(Signal::HooksDone), Place::of("hooks"));
    if !stages.create_container.is_empty() {
        let kind = HookKind::CreateContainer;
        draft.init(Hooks { kind, hooks: stages.create_container, state }, kind.place());
    }
}

/// Makes a file in memory for the state that hooks read.
pub(crate) fn make_state(draft: &mut Draft) -> Slot {
    let slot = draft.slot();
    draft.before(OpenStep::StateFile { slot }, Place::of("hooks"));
    slot
}

/// Hooks of one kind. Those that run in the container take its environment when they have none of their own.
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
    let hooks = of_kind(&mut draft, hooks, kind);
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
    let all = all.map(|(kind, hooks)| (kind, of_kind(&mut draft, hooks, kind))).into_iter().collect();
    if draft.mistakes.is_empty() { Ok(all) } else { Err(draft.mistakes) }
}
