//! One limit: the file and the value that each version of cgroups has for it.

use super::{has, write};
use crate::draft::Draft;
use crate::host::{CgroupVersion, Hierarchy};
use crate::place::Place;
use crate::step::Slot;

/// The container's directories, with their hierarchies.
pub(crate) type Cgroups<'host> = [(Slot, &'host Hierarchy)];

/// A limit: the controller it belongs to, and what to write where on each version; no file means that this version has none.
pub(super) struct Limit<'text> {
    pub(super) controller: &'text str,
    pub(super) v1: Option<(&'text str, String)>,
    pub(super) v2: Option<(&'text str, String)>,
    pub(super) place: Place,
}

/// Plans one limit.
pub(super) fn set(draft: &mut Draft, cgroups: &Cgroups<'_>, limit: Limit<'_>) {
    let found = cgroups.iter().find(|(_, hierarchy)| has(hierarchy, limit.controller));
    let Some((slot, hierarchy)) = found else {
        if limit.v2.is_none() && !cgroups.is_empty() && is_unified(cgroups) {
            return draft.warn(limit.place, "this cgroup version has no such limit");
        }
        let what =
            format!("the {} controller is not there, so that this limit can't be set", limit.controller);
        return draft.refuse(limit.place, what);
    };
    let file = match hierarchy.version {
        CgroupVersion::V1 => limit.v1,
        CgroupVersion::V2 => limit.v2,
    };
    match file {
        Some((file, value)) => write(draft, *slot, (file, &value), limit.place),
        None => draft.warn(limit.place, "this cgroup version has no such limit"),
    }
}

/// Whether there is no hierarchy but the v2 one.
pub(super) fn is_unified(cgroups: &Cgroups<'_>) -> bool {
    cgroups.iter().all(|(_, hierarchy)| hierarchy.version == CgroupVersion::V2)
}

/// Whether a controller is on the v2 hierarchy.
pub(super) fn is_v2(cgroups: &Cgroups<'_>, controller: &str) -> bool {
    let found = cgroups.iter().find(|(_, hierarchy)| has(hierarchy, controller));
    found.is_some_and(|(_, hierarchy)| hierarchy.version == CgroupVersion::V2)
}
