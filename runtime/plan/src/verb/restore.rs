//! The plan of `restore`: what the runtime makes before criu restores the processes.

use super::create;
use crate::context::Request;
use crate::criu::{Externals, externals};
use crate::hooks::early_hooks;
use crate::host::Host;
use crate::place::Place;
use crate::spec::{Checked, Mistake};
use crate::step::{
    CgroupStep, Hook, HookKind, InitStep, MakeResctrlGroup, OpenStep, Overlay, ParentStep, Planned,
    ResctrlStep, RootStep, Slot, SourceUse, StartUnit,
};
use std::ffi::CString;

/// Everything that a restore needs in addition to criu.
#[derive(Debug)]
pub struct Restore {
    /// The steps that make the cgroups and the resctrl groups, with their limits.
    pub steps: Vec<Planned<RestoreStep>>,
    /// Whether systemd creates the cgroups. It needs a process for the unit.
    pub starts_unit: bool,
    /// The cgroups that criu joins, so that it forks the restored processes in them.
    pub cgroups: Vec<Slot>,
    /// The resctrl groups that criu joins.
    pub resctrl_groups: Vec<Slot>,
    /// The root file system.
    pub root: Planned<RestoredRoot>,
    /// The external resources: criu uses them as they are.
    pub externals: Externals,
    /// The prestart and createRuntime hooks. They run when the namespaces exist.
    pub hooks: Vec<(HookKind, Vec<Hook>)>,
    /// How many file descriptors the steps share.
    pub slots: usize,
}

/// A step that a restore carries out.
#[derive(Debug)]
pub enum RestoreStep {
    /// Creates or opens a cgroup, or sets a limit in it.
    Cgroup(CgroupStep),
    /// Asks systemd to start a unit.
    Unit(StartUnit),
    /// Makes a resctrl group.
    Resctrl(MakeResctrlGroup),
}

impl std::fmt::Display for RestoreStep {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Cgroup(step) => step.fmt(out),
            Self::Unit(step) => step.fmt(out),
            Self::Resctrl(step) => step.fmt(out),
        }
    }
}

/// The source of a restored container's root file system.
#[derive(Debug)]
pub enum RestoredRoot {
    /// A directory of the host.
    Tree(CString),
    /// An overlay.
    Overlay(Overlay),
}

impl std::fmt::Display for RestoredRoot {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Tree(path) => write!(out, "mount the root file system {}", path.to_string_lossy()),
            Self::Overlay(overlay) => overlay.fmt(out),
        }
    }
}

/// Plans a restore from the plan that created the container.
///
/// # Errors
/// Every mistake in the configuration. A rootless caller: only root may mount the root file system.
pub fn restore(checked: &Checked, host: &Host, request: &Request<'_>) -> Result<Restore, Vec<Mistake>> {
    let plan = create::create(checked, host, request)?;
    let mut root = plan.init.into_iter().find_map(overlay_of);
    let mut steps = Vec::new();
    let (mut cgroups, mut resctrl_groups, mut starts_unit) = (Vec::new(), Vec::new(), false);
    for Planned { step, because } in plan.parent {
        match step {
            ParentStep::Cgroup(step) => {
                cgroups.extend(made_slot(&step));
                steps.push(Planned { step: RestoreStep::Cgroup(step), because });
            }
            ParentStep::Unit(step) => {
                starts_unit = true;
                steps.push(Planned { step: RestoreStep::Unit(step), because });
            }
            ParentStep::Resctrl(ResctrlStep::Make(step)) => {
                steps.push(Planned { step: RestoreStep::Resctrl(step), because });
            }
            ParentStep::Resctrl(ResctrlStep::Enter(slot)) => resctrl_groups.push(slot),
            ParentStep::Open(step) => root = root.or_else(|| tree_of(step, because)),
            // criu restores namespaces, mounts, identity and rlimits from the images. The verb runs the
            // hooks, passes the terminal and commits when criu notifies it.
            ParentStep::Child(_)
            | ParentStep::Hook(_)
            | ParentStep::Sync(_)
            | ParentStep::Caller(_)
            | ParentStep::Commit(_) => {}
        }
    }
    let root = root.ok_or_else(|| vec![Mistake::new("root", "only root can restore a container")])?;
    let externals = externals(checked, host, request.id, request.bundle);
    let hooks = early_hooks(checked)?;
    Ok(Restore { steps, starts_unit, cgroups, resctrl_groups, root, externals, hooks, slots: plan.slots })
}

/// The slot of a cgroup that a step makes.
fn made_slot(step: &CgroupStep) -> Option<Slot> {
    match step {
        CgroupStep::Make(make) => Some(make.slot),
        CgroupStep::Open(_)
        | CgroupStep::Limit(_)
        | CgroupStep::DeviceProgram(_)
        | CgroupStep::Delegate { .. } => None,
    }
}

/// The overlay that init would mount as the root file system.
fn overlay_of(planned: Planned<InitStep>) -> Option<Planned<RestoredRoot>> {
    let Planned { step: InitStep::Root(RootStep::MountOverlay { overlay, .. }), because } = planned else {
        return None;
    };
    Some(Planned { step: RestoredRoot::Overlay(overlay), because })
}

/// The directory that the parent would copy for the root file system.
fn tree_of(step: OpenStep, because: Place) -> Option<Planned<RestoredRoot>> {
    match step {
        OpenStep::Tree { source, .. } if source.usage == SourceUse::RootFs => {
            Some(Planned { step: RestoredRoot::Tree(source.path), because })
        }
        _ => None,
    }
}
