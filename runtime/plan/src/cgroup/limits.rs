//! Limits as the files of a cgroup: one line of the table below for each property, with its file on v1 and on v2.

use super::limit::{Cgroups, Limit, is_unified, set};
use super::{block_io, cpu, memory, write};
use crate::draft::Draft;
use crate::place::Place;
use crate::spec::Resources;

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
