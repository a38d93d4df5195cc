//! The container's cgroup: its directory in every hierarchy, and the limits in it (config-linux.md, "Control groups").

mod block_io;
mod cpu;
mod device_program;
mod devices;
pub(crate) mod limits;
mod memory;

use crate::create::{Context, is_root};
use crate::draft::{Draft, clean};
use crate::host::{CgroupVersion, Hierarchy, Host, Privilege};
use crate::namespaces::outside;
use crate::place::Place;
use crate::spec::{NamespaceKind, Spec};
use crate::step::{InitStep, MakeCgroup, ParentStep, PrepareCgroup, Slot, WriteCgroup};

/// The container's directory, relative to the mount of each hierarchy; nothing when it gets none.
///
/// Without `cgroupsPath` it is called after the container, in the topmost directory. An ordinary user has no directory to make one in,
/// nor has root of a user namespace, which is what Podman makes of one: such a container has a cgroup only where it asks for one.
pub fn path(spec: &Spec, host: &Host, id: &str) -> Option<String> {
    let asked = spec.linux.cgroups_path.as_deref().filter(|path| !path.is_empty());
    let allowed = host.privilege == Privilege::Root && !host.in_user_namespace;
    match asked {
        Some(path) => Some(clean(path)),
        None if allowed => Some(id.to_owned()),
        None => None,
    }
}

/// Plans the directories and the limits.
pub(crate) fn plan<'host>(draft: &mut Draft, context: &mut Context<'host>) {
    let Some(path) = path(context.spec, context.host, context.request.id) else {
        return limits::refuse_all(draft, &context.spec.linux.resources);
    };
    let place = Place::of("linux.cgroupsPath");
    if path.is_empty() {
        return draft.refuse(place, "the topmost cgroup is everybody's: expected a path below it");
    }
    for hierarchy in &context.host.hierarchies {
        let slot = draft.slot();
        let step = MakeCgroup {
            slot,
            mount: draft.text(&hierarchy.mount, place),
            path: draft.text(&path, place),
            prepare: preparation_of(hierarchy),
        };
        draft.before(ParentStep::MakeCgroup(step), place);
        context.cgroups.push((slot, hierarchy));
    }
    let resources = &context.spec.linux.resources;
    limits::plan(draft, &context.cgroups, resources);
    devices::plan(draft, context);
    give(draft, context);
}

/// Gives the v2 cgroup to the container's user, where the container sees it as its own and may write to it (config-linux.md,
/// "Cgroup ownership").
fn give(draft: &mut Draft, context: &Context<'_>) {
    let linux = &context.spec.linux;
    let writable = context.spec.mounts.iter().any(|mount| {
        let readonly = mount.options.iter().rfind(|option| matches!(option.as_str(), "ro" | "rw"));
        matches!(mount.kind.as_deref(), Some("cgroup" | "cgroup2"))
            && readonly.is_none_or(|option| option == "rw")
    });
    let own = context.is_new(NamespaceKind::User) && context.is_new(NamespaceKind::Cgroup);
    if !(own && writable && context.host.is_unified() && is_root(context.host)) {
        return;
    }
    let user = context.spec.process.as_ref().map_or(0, |process| process.user.uid.get());
    if let Some((uid, cgroup)) = outside(&linux.uid_mappings, user).zip(unified(context)) {
        draft.before(ParentStep::GiveCgroup { cgroup, uid }, Place::of("linux.uidMappings"));
    }
}

fn preparation_of(hierarchy: &Hierarchy) -> PrepareCgroup {
    match hierarchy.version {
        CgroupVersion::V2 => PrepareCgroup::EnableControllers,
        CgroupVersion::V1 if has(hierarchy, "cpuset") => PrepareCgroup::InheritCpuset,
        CgroupVersion::V1 => PrepareCgroup::Plain,
    }
}

pub(crate) fn has(hierarchy: &Hierarchy, controller: &str) -> bool {
    hierarchy.controllers.iter().any(|name| name == controller)
}

/// When init enters a hierarchy.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Entry {
    /// First of all.
    Early,
    /// When all is set up, so that what the setting up used is not charged to the container.
    Late,
}

/// Lets init enter the v1 hierarchies that it enters at this time. The v2 one it is born in.
pub(crate) fn join(draft: &mut Draft, context: &Context<'_>, entry: Entry) {
    for (slot, hierarchy) in
        context.cgroups.iter().filter(|(_, hierarchy)| hierarchy.version == CgroupVersion::V1)
    {
        // In a user namespace of its own init has lost, by then, the right to open what it has to write to.
        let late = has(hierarchy, "memory") && !context.has_user_namespace();
        if late == (entry == Entry::Late) {
            draft.init(InitStep::JoinCgroup { cgroup: *slot }, Place::of("linux.cgroupsPath"));
        }
    }
}

/// The container's directory in the v2 hierarchy.
pub(crate) fn unified(context: &Context<'_>) -> Option<Slot> {
    context
        .cgroups
        .iter()
        .find(|(_, hierarchy)| hierarchy.version == CgroupVersion::V2)
        .map(|(slot, _)| *slot)
}

/// Plans one write to a file of the cgroup.
fn write(draft: &mut Draft, cgroup: Slot, (file, value): (&str, &str), place: Place) {
    let step = WriteCgroup { cgroup, file: draft.text(file, place), value: draft.text(value, place) };
    draft.before(ParentStep::WriteCgroup(step), place);
}
