//! The draft of a plan: the topics append steps to its two columns, and [`finish`] makes the plan.
//!
//! May use `plan`, `step`, `place` and `spec`. The topics and the verbs use it.

use crate::place::Place;
use crate::plan::{Plan, Program};
use crate::spec::Mistake;
use crate::step::{
    CgroupStep, ChildStep, InitStep, InitSync, LimitStep, ParentStep, ParentSync, Planned, Slot, Spawn,
};
use std::ffi::CString;

/// The draft of a plan. A topic that cannot plan something adds a mistake and goes on, so that one run
/// reports every mistake.
#[derive(Debug, Default)]
pub(crate) struct Draft {
    /// The parent's steps before it spawns init.
    pub(crate) before: Vec<Planned<ParentStep>>,
    /// The parent's cgroup steps, if systemd creates the cgroups for the spawned init.
    pub(crate) cgroups_after_spawn: Vec<Planned<ParentStep>>,
    /// Whether the cgroup steps come before or after the spawn.
    pub(crate) cgroup_order: CgroupOrder,
    /// The parent's steps after all these.
    pub(crate) after: Vec<Planned<ParentStep>>,
    /// Init's steps.
    pub(crate) init: Vec<Planned<InitStep>>,
    /// The cgroup limits that [`Draft::set_limits`] has not moved to the parent's steps yet.
    pub(crate) limits: Vec<Planned<LimitStep>>,
    /// The reasons why there can be no plan.
    pub(crate) mistakes: Vec<Mistake>,
    /// The warnings.
    pub(crate) warnings: Vec<Mistake>,
    slots: u16,
}

/// When the container's cgroups are created.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum CgroupOrder {
    /// Before init is spawned. On v2 init is spawned in its cgroup (CLONE_INTO_CGROUP).
    #[default]
    BeforeSpawn,
    /// After it: systemd starts a unit with init as its first process.
    AfterSpawn,
}

impl Draft {
    /// Returns a slot that no step uses yet.
    pub(crate) fn slot(&mut self) -> Slot {
        self.slots += 1;
        Slot(self.slots - 1)
    }

    /// The number of slots in use.
    pub(crate) fn slots(&self) -> usize {
        usize::from(self.slots)
    }

    /// Appends a step of the parent before the spawn.
    pub(crate) fn before(&mut self, step: impl Into<ParentStep>, because: Place) {
        let step = step.into();
        self.before.push(Planned { step, because });
    }

    /// Appends a step of the parent on the container's cgroups.
    pub(crate) fn cgroup(&mut self, step: impl Into<ParentStep>, because: Place) {
        let step = step.into();
        match self.cgroup_order {
            CgroupOrder::BeforeSpawn => self.before(step, because),
            CgroupOrder::AfterSpawn => self.cgroups_after_spawn.push(Planned { step, because }),
        }
    }

    /// Appends a cgroup limit.
    pub(crate) fn limit(&mut self, step: LimitStep, because: Place) {
        self.limits.push(Planned { step, because });
    }

    /// Moves the limits to the parent's steps.
    pub(crate) fn set_limits(&mut self) {
        for Planned { step, because } in std::mem::take(&mut self.limits) {
            self.cgroup(CgroupStep::Limit(step), because);
        }
    }

    /// Appends a step of the parent after the spawn.
    pub(crate) fn after(&mut self, step: impl Into<ParentStep>, because: Place) {
        let step = step.into();
        self.after.push(Planned { step, because });
    }

    /// Appends a step of init.
    pub(crate) fn init(&mut self, step: impl Into<InitStep>, because: Place) {
        let step = step.into();
        self.init.push(Planned { step, because });
    }

    /// Adds a mistake: there will be no plan.
    pub(crate) fn refuse(&mut self, because: Place, what: impl Into<String>) {
        self.mistakes.push(Mistake::new(because.to_string(), what));
    }

    /// Adds a warning.
    pub(crate) fn warn(&mut self, because: Place, what: impl Into<String>) {
        self.warnings.push(Mistake::new(because.to_string(), what));
    }

    /// Returns the text as a C string. A NUL byte in it is a mistake.
    pub(crate) fn text(&mut self, text: &str, because: Place) -> CString {
        CString::new(text).unwrap_or_else(|_| {
            self.refuse(because, format!("{text:?} contains a NUL byte"));
            CString::default()
        })
    }

    /// Returns a path of the container, relative to its root file system, in its shortest form ([`clean`]).
    pub(crate) fn inside(&mut self, path: &str, because: Place) -> CString {
        self.text(&clean(path), because)
    }
}

/// Returns a path relative to the root, in its shortest form: without `//` and `/./`, and with each `..`
/// resolved.
///
/// `..` removes the component before it even if that is a symbolic link, as Go's filepath.Clean and so runc
/// do. At the root it has no effect.
pub(crate) fn clean(path: &str) -> String {
    let mut parts = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            _ => parts.push(part),
        }
    }
    parts.join("/")
}

/// Makes the plan: the columns of the draft around the spawn.
///
/// # Errors
/// The mistakes, if the topics found any.
pub(crate) fn finish(mut draft: Draft, spawn: Spawn, program: Program) -> Result<Plan, Vec<Mistake>> {
    if !draft.mistakes.is_empty() {
        return Err(draft.mistakes);
    }
    debug_assert!(draft.limits.is_empty(), "limits were planned after the last call of set_limits");
    let slots = draft.slots();
    draft.before(ChildStep::Spawn(spawn), Place::of("linux.namespaces"));
    pass_late_fds(&mut draft);
    let mut parent = draft.before;
    parent.append(&mut draft.cgroups_after_spawn);
    parent.append(&mut draft.after);
    Ok(Plan { parent, init: draft.init, slots, program, warnings: draft.warnings })
}

/// Passes init the file descriptors that the parent opens after the spawn, where init waits for them. It
/// inherits only those that were open before.
fn pass_late_fds(draft: &mut Draft) {
    let opened = |planned: &Planned<ParentStep>| match &planned.step {
        ParentStep::Cgroup(CgroupStep::Make(make)) => Some(make.slot),
        ParentStep::Cgroup(CgroupStep::Open(open)) => Some(open.slot),
        ParentStep::Open(step) => step.slot(),
        _ => None,
    };
    let late: Vec<Slot> = draft.cgroups_after_spawn.iter().filter_map(opened).collect();
    for planned in &mut draft.init {
        if let InitStep::Sync(InitSync::ReceiveFds(slots)) = &mut planned.step {
            slots.clone_from(&late);
            let because = planned.because;
            draft
                .cgroups_after_spawn
                .push(Planned { step: ParentSync::PassFds(slots.clone()).into(), because });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::clean;

    #[test]
    fn a_path_is_shortened_and_stays_below_the_root() {
        assert_eq!(clean("/dev//pts/./0"), "dev/pts/0");
        assert_eq!(clean("../../etc/../proc/"), "proc");
        assert_eq!(clean("/"), "");
    }
}
