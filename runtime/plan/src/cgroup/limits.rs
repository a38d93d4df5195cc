//! Limits as the files of a cgroup: one line of the table below for each property, with its file on v1 and on v2.

use super::{block_io, cpu, memory, write};
use crate::draft::Draft;
use crate::host::{CgroupVersion, Hierarchy};
use crate::place::Place;
use crate::spec::Resources;
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

/// Plans every limit that is set.
pub(crate) fn plan(draft: &mut Draft, cgroups: &Cgroups<'_>, resources: &Resources) {
    memory::plan(draft, cgroups, &resources.memory);
    cpu::plan(draft, cgroups, &resources.cpu);
    pids(draft, cgroups, resources);
    block_io::plan(draft, cgroups, &resources.block_io);
    huge_pages(draft, cgroups, resources);
    network(draft, cgroups, resources);
    rdma(draft, cgroups, resources);
    unified(draft, cgroups, resources);
}

/// A container without a cgroup can have no limits: each that is set is told, none is dropped silently.
pub(crate) fn refuse_all(draft: &mut Draft, resources: &Resources) {
    let mut wanted = Draft::default();
    plan(&mut wanted, &[], resources);
    draft.mistakes.append(&mut wanted.mistakes);
}

/// Plans one limit.
pub(super) fn set(draft: &mut Draft, cgroups: &Cgroups<'_>, limit: Limit<'_>) {
    let found = cgroups.iter().find(|(_, hierarchy)| super::has(hierarchy, limit.controller));
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
fn is_unified(cgroups: &Cgroups<'_>) -> bool {
    cgroups.iter().all(|(_, hierarchy)| hierarchy.version == CgroupVersion::V2)
}

/// Whether a controller is on the v2 hierarchy.
pub(super) fn is_v2(cgroups: &Cgroups<'_>, controller: &str) -> bool {
    let found = cgroups.iter().find(|(_, hierarchy)| super::has(hierarchy, controller));
    found.is_some_and(|(_, hierarchy)| hierarchy.version == CgroupVersion::V2)
}

/// Tasks (config-linux.md, "PIDs"): below 0 without limit; 0, of which no container could start, is taken as 1 by all runtimes.
fn pids(draft: &mut Draft, cgroups: &Cgroups<'_>, resources: &Resources) {
    let Some(limit) = resources.pids.limit else { return };
    let value = if limit < 0 { "max".to_owned() } else { limit.max(1).to_string() };
    let file = Some(("pids.max", value));
    let place = Place::of("linux.resources.pids.limit");
    set(draft, cgroups, Limit { controller: "pids", v1: file.clone(), v2: file, place });
}

/// Huge pages (config-linux.md, "Huge page limits").
fn huge_pages(draft: &mut Draft, cgroups: &Cgroups<'_>, resources: &Resources) {
    for (index, limit) in resources.hugepage_limits.iter().enumerate() {
        let place = Place::at("linux.resources.hugepageLimits[#]", index);
        if limit.page_size.contains('/') {
            draft.refuse(place, format!("{:?} is no page size", limit.page_size));
            continue;
        }
        // Pages that are only reserved are counted apart; without the second limit a reservation that can't be used is granted.
        for counted in ["", ".rsvd"] {
            let v1 = format!("hugetlb.{}{counted}.limit_in_bytes", limit.page_size);
            let v2 = format!("hugetlb.{}{counted}.max", limit.page_size);
            let value = limit.limit.to_string();
            let (v1, v2) = (Some((v1.as_str(), value.clone())), Some((v2.as_str(), value)));
            set(draft, cgroups, Limit { controller: "hugetlb", v1, v2, place });
        }
    }
}

/// Tags of packets (config-linux.md, "Network"), on v1 alone.
fn network(draft: &mut Draft, cgroups: &Cgroups<'_>, resources: &Resources) {
    if let Some(class) = resources.network.class_id.filter(|class| *class != 0) {
        let place = Place::of("linux.resources.network.classID");
        let v1 = Some(("net_cls.classid", class.to_string()));
        set(draft, cgroups, Limit { controller: "net_cls", v1, v2: None, place });
    }
    for (index, priority) in resources.network.priorities.iter().enumerate() {
        let place = Place::at("linux.resources.network.priorities[#]", index);
        let v1 = Some(("net_prio.ifpriomap", format!("{} {}", priority.name, priority.priority)));
        set(draft, cgroups, Limit { controller: "net_prio", v1, v2: None, place });
    }
}

/// RDMA devices (config-linux.md, "RDMA").
fn rdma(draft: &mut Draft, cgroups: &Cgroups<'_>, resources: &Resources) {
    for (device, limit) in &resources.rdma {
        let handles = limit.hca_handles.map(|count| format!(" hca_handle={count}")).unwrap_or_default();
        let objects = limit.hca_objects.map(|count| format!(" hca_object={count}")).unwrap_or_default();
        let both = Some(("rdma.max", format!("{device}{handles}{objects}")));
        let place = Place::keyed("linux.resources.rdma#", device);
        set(draft, cgroups, Limit { controller: "rdma", v1: both.clone(), v2: both, place });
    }
}

/// Files of v2 by their own names (config-linux.md, "Unified"); a value of several lines is written line by line.
fn unified(draft: &mut Draft, cgroups: &Cgroups<'_>, resources: &Resources) {
    let only = is_unified(cgroups);
    for (file, value) in &resources.unified {
        let place = Place::keyed("linux.resources.unified#", file);
        let controller = file.split('.').next().unwrap_or_default();
        match cgroups.first() {
            Some((_, hierarchy)) if only && controller != "cgroup" && !super::has(hierarchy, controller) => {
                draft.refuse(
                    place,
                    format!(
                        "unified resource {file:?} can't be set: controller {controller:?} not available"
                    ),
                );
            }
            Some((slot, _)) if only => {
                value.lines().for_each(|line| write(draft, *slot, (file, line), place));
            }
            _ => draft
                .refuse(place, format!("invalid configuration: cannot use unified {file:?} on cgroup v1")),
        }
    }
}
