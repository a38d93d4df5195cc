//! One limit: its file and its value on each cgroup version.

use super::{has, write};
use crate::draft::Draft;
use crate::host::{CgroupVersion, Hierarchy};
use crate::place::Place;
use crate::step::Slot;

/// The container's cgroup in one hierarchy.
pub(crate) type Cgroup<'host> = (Slot, &'host Hierarchy);

/// The container's cgroups.
pub(crate) type Cgroups<'host> = [Cgroup<'host>];

/// A value and the file that takes it.
#[derive(Clone)]
pub(super) struct Line<'text> {
    pub(super) file: &'text str,
    pub(super) value: String,
}

impl<'text> Line<'text> {
    pub(super) fn new(file: &'text str, value: impl ToString) -> Self {
        Self { file, value: value.to_string() }
    }
}

/// A limit. A version without a line does not have the limit.
pub(super) struct Limit<'text> {
    pub(super) controller: &'text str,
    pub(super) v1: Option<Line<'text>>,
    pub(super) v2: Option<Line<'text>>,
    pub(super) place: Place,
}

/// Plans one limit. A controller that is missing is an error, since the limit would be missing silently
/// (config-linux.md, "Control groups"). A limit that the cgroup version does not have causes a warning.
pub(super) fn set(draft: &mut Draft, cgroups: &Cgroups<'_>, limit: Limit<'_>) {
    let found = cgroups.iter().find(|(_, hierarchy)| has(hierarchy, limit.controller));
    let Some((slot, hierarchy)) = found else {
        if limit.v2.is_none() && !cgroups.is_empty() && is_unified(cgroups) {
            return draft.warn(limit.place, "this cgroup version has no such limit");
        }
        let what =
            format!("the {} controller is not available, so this limit cannot be set", limit.controller);
        return draft.refuse(limit.place, what);
    };
    let line = match hierarchy.version {
        CgroupVersion::V1 => limit.v1,
        CgroupVersion::V2 => limit.v2,
    };
    match line {
        Some(line) => write(draft, *slot, line, limit.place),
        None => draft.warn(limit.place, "this cgroup version has no such limit"),
    }
}

/// Whether all hierarchies are v2: the unified hierarchy is the only one.
pub(super) fn is_unified(cgroups: &Cgroups<'_>) -> bool {
    cgroups.iter().all(|(_, hierarchy)| hierarchy.version == CgroupVersion::V2)
}

/// Whether a controller is on the v2 hierarchy.
pub(super) fn is_v2(cgroups: &Cgroups<'_>, controller: &str) -> bool {
    let found = cgroups.iter().find(|(_, hierarchy)| has(hierarchy, controller));
    found.is_some_and(|(_, hierarchy)| hierarchy.version == CgroupVersion::V2)
}
