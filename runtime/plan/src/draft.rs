//! A plan in the making: the two columns, filled from top to bottom.

use crate::place::Place;
use crate::plan::{Plan, Program};
use crate::spec::Mistake;
use crate::step::{
    CgroupStep, ChildStep, InitStep, InitSync, LimitStep, ParentStep, ParentSync, Planned, Slot, Spawn,
};
use std::ffi::CString;

/// A plan in the making. What cannot be planned is noted as a mistake, and planning goes on to find the others.
#[derive(Debug, Default)]
pub(crate) struct Draft {
    /// The parent's steps before init is made.
    pub(crate) before: Vec<Planned<ParentStep>>,
    /// The parent's steps about cgroups that can only be made for an init that is there.
    pub(crate) grouped: Vec<Planned<ParentStep>>,
    /// Whether steps about cgroups are among those.
    pub(crate) cgroup_order: CgroupOrder,
    /// The parent's steps from there on.
    pub(crate) after: Vec<Planned<ParentStep>>,
    /// Init's steps.
    pub(crate) init: Vec<Planned<InitStep>>,
    /// Limits of the cgroup that are not among the parent's steps yet.
    pub(crate) limits: Vec<Planned<LimitStep>>,
    /// What is wrong.
    pub(crate) mistakes: Vec<Mistake>,
    /// What is odd.
    pub(crate) warnings: Vec<Mistake>,
    slots: u16,
}

/// When the container's cgroups come to be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum CgroupOrder {
    /// Before init, which is born in them where it can.
    #[default]
    BeforeInit,
    /// After it: systemd makes them around it.
    AfterInit,
}

impl Draft {
    /// A descriptor that no step has used yet.
    pub(crate) fn slot(&mut self) -> Slot {
        self.slots += 1;
        Slot(self.slots - 1)
    }

    /// How many descriptors the plan uses.
    pub(crate) fn slots(&self) -> usize {
        usize::from(self.slots)
    }

    pub(crate) fn before(&mut self, step: impl Into<ParentStep>, because: Place) {
        let step = step.into();
        self.before.push(Planned { step, because });
    }

    /// A step about the container's cgroups.
    pub(crate) fn group(&mut self, step: impl Into<ParentStep>, because: Place) {
        let step = step.into();
        match self.cgroup_order {
            CgroupOrder::BeforeInit => self.before(step, because),
            CgroupOrder::AfterInit => self.grouped.push(Planned { step, because }),
        }
    }

    /// A limit of the cgroup.
    pub(crate) fn limit(&mut self, step: LimitStep, because: Place) {
        self.limits.push(Planned { step, because });
    }

    /// Moves the limits to the parent's steps.
    pub(crate) fn set_limits(&mut self) {
        for Planned { step, because } in std::mem::take(&mut self.limits) {
            self.group(CgroupStep::Limit(step), because);
        }
    }

    pub(crate) fn after(&mut self, step: impl Into<ParentStep>, because: Place) {
        let step = step.into();
        self.after.push(Planned { step, because });
    }

    pub(crate) fn init(&mut self, step: impl Into<InitStep>, because: Place) {
        let step = step.into();
        self.init.push(Planned { step, because });
    }

    pub(crate) fn refuse(&mut self, because: Place, what: impl Into<String>) {
        self.mistakes.push(Mistake::new(because.to_string(), what));
    }

    pub(crate) fn warn(&mut self, because: Place, what: impl Into<String>) {
        self.warnings.push(Mistake::new(because.to_string(), what));
    }

    /// The text as the kernel takes it; one with a zero byte in it is a mistake.
    pub(crate) fn text(&mut self, text: &str, because: Place) -> CString {
        CString::new(text).unwrap_or_else(|_| {
            self.refuse(because, format!("{text:?} has a zero byte, with which a string ends"));
            CString::default()
        })
    }

    /// A path of the container, relative to its root and without what changes nothing (`//`, `/./`).
    ///
    /// `..` takes the component before it away, as it does when engines write paths; no link is there to differ.
    pub(crate) fn inside(&mut self, path: &str, because: Place) -> CString {
        self.text(&clean(path), because)
    }
}

/// A path relative to the root, in its shortest form.
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

pub(crate) fn finish(mut draft: Draft, spawn: Spawn, program: Program) -> Result<Plan, Vec<Mistake>> {
    if !draft.mistakes.is_empty() {
        return Err(draft.mistakes);
    }
    debug_assert!(draft.limits.is_empty(), "limits were planned after the last call of set_limits");
    let slots = draft.slots();
    draft.before(ChildStep::Spawn(spawn), Place::of("linux.namespaces"));
    hand_over_late(&mut draft);
    let mut parent = draft.before;
    parent.append(&mut draft.grouped);
    parent.append(&mut draft.after);
    Ok(Plan { parent, init: draft.init, slots, program, warnings: draft.warnings })
}

/// What is opened after init's birth is handed to it where it waits for that.
fn hand_over_late(draft: &mut Draft) {
    let opened = |planned: &Planned<ParentStep>| match &planned.step {
        ParentStep::Cgroup(CgroupStep::Make(make)) => Some(make.slot),
        ParentStep::Cgroup(CgroupStep::Open(open)) => Some(open.slot),
        ParentStep::Open(step) => step.slot(),
        _ => None,
    };
    let late: Vec<Slot> = draft.grouped.iter().filter_map(opened).collect();
    for planned in &mut draft.init {
        if let InitStep::Sync(InitSync::ReceiveFds(slots)) = &mut planned.step {
            slots.clone_from(&late);
            let because = planned.because;
            draft.grouped.push(Planned { step: ParentSync::PassFds(slots.clone()).into(), because });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::clean;

    #[test]
    fn a_path_is_cut_to_its_shortest_form_below_the_root() {
        assert_eq!(clean("/dev//pts/./0"), "dev/pts/0");
        assert_eq!(clean("../../etc/../proc/"), "proc");
        assert_eq!(clean("/"), "");
    }
}
