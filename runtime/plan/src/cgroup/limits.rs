//! The limits of `linux.resources` as writes to cgroup files: one line for each property, with its file on v1
//! and on v2.

use super::limit::{Cgroups, Limit, Line, is_unified, set};
use super::{block_io, cpu, memory, write};
use crate::draft::Draft;
use crate::place::Place;
use crate::spec::Resources;

/// Plans every limit.
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

/// Refuses every limit of a container without cgroup, so that none is dropped silently.
pub(crate) fn refuse_all(draft: &mut Draft, resources: &Resources) {
    let mut limits = Draft::default();
    plan(&mut limits, &[], resources);
    draft.mistakes.append(&mut limits.mistakes);
}

/// The number of tasks (config-linux.md, "PIDs"). A negative limit is none. A limit of 0 becomes 1, as with
/// runc: with 0 no container could start.
fn pids(draft: &mut Draft, cgroups: &Cgroups<'_>, resources: &Resources) {
    let Some(limit) = resources.pids.limit else { return };
    let value = if limit < 0 { "max".to_owned() } else { limit.max(1).to_string() };
    let line = Some(Line::new("pids.max", value));
    let place = Place::of("linux.resources.pids.limit");
    set(draft, cgroups, Limit { controller: "pids", v1: line.clone(), v2: line, place });
}

/// Huge pages (config-linux.md, "Huge page limits").
fn huge_pages(draft: &mut Draft, cgroups: &Cgroups<'_>, resources: &Resources) {
    for (index, limit) in resources.hugepage_limits.iter().enumerate() {
        let place = Place::at("linux.resources.hugepageLimits[#]", index);
        if limit.page_size.contains('/') {
            draft.refuse(place, format!("{:?} is not a page size", limit.page_size));
            continue;
        }
        // The kernel counts reserved pages apart. Without the second limit mmap(2) grants a reservation, and
        // the process dies by SIGBUS when it uses the pages
        // (Documentation/admin-guide/cgroup-v1/hugetlb.rst).
        for counter in ["", ".rsvd"] {
            let v1 = format!("hugetlb.{}{counter}.limit_in_bytes", limit.page_size);
            let v2 = format!("hugetlb.{}{counter}.max", limit.page_size);
            let (v1, v2) = (Some(Line::new(&v1, limit.limit)), Some(Line::new(&v2, limit.limit)));
            set(draft, cgroups, Limit { controller: "hugetlb", v1, v2, place });
        }
    }
}

/// The tags of network packets (config-linux.md, "Network"). v2 has no such controllers.
fn network(draft: &mut Draft, cgroups: &Cgroups<'_>, resources: &Resources) {
    if let Some(class) = resources.network.class_id.filter(|class| *class != 0) {
        let place = Place::of("linux.resources.network.classID");
        let v1 = Some(Line::new("net_cls.classid", class));
        set(draft, cgroups, Limit { controller: "net_cls", v1, v2: None, place });
    }
    for (index, priority) in resources.network.priorities.iter().enumerate() {
        let place = Place::at("linux.resources.network.priorities[#]", index);
        let v1 = Some(Line::new("net_prio.ifpriomap", format!("{} {}", priority.name, priority.priority)));
        set(draft, cgroups, Limit { controller: "net_prio", v1, v2: None, place });
    }
}

/// RDMA devices (config-linux.md, "RDMA").
fn rdma(draft: &mut Draft, cgroups: &Cgroups<'_>, resources: &Resources) {
    for (device, limit) in &resources.rdma {
        let handles = limit.hca_handles.map(|count| format!(" hca_handle={count}")).unwrap_or_default();
        let objects = limit.hca_objects.map(|count| format!(" hca_object={count}")).unwrap_or_default();
        let line = Some(Line::new("rdma.max", format!("{device}{handles}{objects}")));
        let place = Place::keyed("linux.resources.rdma#", device);
        set(draft, cgroups, Limit { controller: "rdma", v1: line.clone(), v2: line, place });
    }
}

/// Files of v2 by their names (config-linux.md, "Unified"). A value of several lines takes one write(2) per
/// line, since files such as `io.max` accept one device per write.
fn unified(draft: &mut Draft, cgroups: &Cgroups<'_>, resources: &Resources) {
    let is_v2_only = is_unified(cgroups);
    for (file, value) in &resources.unified {
        let place = Place::keyed("linux.resources.unified#", file);
        let Some((slot, hierarchy)) = cgroups.first().filter(|_| is_v2_only) else {
            draft.refuse(place, format!("invalid configuration: cannot use unified {file:?} on cgroup v1"));
            continue;
        };
        let controller = file.split('.').next().unwrap_or_default();
        if controller != "cgroup" && !super::has(hierarchy, controller) {
            // runc's wording.
            let what =
                format!("unified resource {file:?} can't be set: controller {controller:?} not available");
            draft.refuse(place, what);
            continue;
        }
        value.lines().for_each(|line| write(draft, *slot, Line::new(file, line), place));
    }
}
