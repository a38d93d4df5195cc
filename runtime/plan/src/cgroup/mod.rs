//! The container's cgroup: its directory in every hierarchy, and the limits in it (config-linux.md, "Control groups").

mod block_io;
mod cpu;
mod device_program;
mod devices;
pub(crate) mod limit;
pub(crate) mod limits;
mod memory;
pub(crate) mod properties;
mod unit;

use crate::context::{Context, is_root};
use crate::draft::{CgroupOrder, Draft, clean};
use crate::host::{CgroupVersion, Hierarchy, Host, Privilege};
use crate::mappings::outside;
use crate::place::Place;
use crate::spec::{NamespaceKind, Spec};
use crate::step::{
    CgroupStep, ExistingCgroup, InitSync, JoinCgroup, LimitStep, LimitWrite, MakeCgroup, NamespaceStep,
    PrepareCgroup, Slot, Unit, WriteCgroup,
};
use unit::Kind;

/// The container's directory, relative to the mount of each hierarchy; nothing when it gets none.
///
/// Without `cgroupsPath` it is called after the container, in the topmost directory. An ordinary user has no directory to make one in,
/// nor has root of a user namespace as Podman makes one for a user: such a container has a cgroup only where it asks for one.
/// Where systemd makes it, it is that of a unit.
pub(crate) fn path(spec: &Spec, host: &Host, id: &str) -> Option<String> {
    if let Some(systemd) = &host.systemd {
        return unit::locate(spec, host, systemd, id).ok().map(|located| located.path);
    }
    let asked = spec.linux.cgroups_path.as_deref().filter(|path| !path.is_empty());
    let allowed = host.privilege == Privilege::Root && !host.denies_cgroups;
    match asked {
        Some(path) => Some(clean(path)),
        None if allowed => Some(id.to_owned()),
        None => None,
    }
}

/// The unit that systemd makes for a container, where it is asked to.
pub(crate) fn unit_of(spec: &Spec, host: &Host, id: &str) -> Option<Unit> {
    let systemd = host.systemd.as_ref()?;
    let located = unit::locate(spec, host, systemd, id).ok()?;
    Some(Unit { name: located.name, manager: systemd.manager })
}

/// Plans the directories and the limits.
pub(crate) fn plan<'host>(draft: &mut Draft, context: &mut Context<'host>) {
    if let Some(systemd) = &context.host.systemd {
        match unit::locate(context.spec, context.host, systemd, context.request.id) {
            Ok(located) => plan_unit(draft, context, &located),
            Err(what) => draft.refuse(Place::of("linux.cgroupsPath"), what),
        }
        return;
    }
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
            existing: ExistingCgroup::Empty,
        };
        draft.group(CgroupStep::Make(step), place);
        context.cgroups.push((slot, hierarchy));
    }
    fill(draft, context);
}

/// Plans a unit around init, then what systemd leaves to the runtime: hierarchies that are none of its own, and limits that it does
/// not know. What was opened is handed to init, which was born before.
fn plan_unit<'host>(draft: &mut Draft, context: &mut Context<'host>, located: &unit::Located) {
    let Some(systemd) = &context.host.systemd else { return };
    let place = Place::of("linux.cgroupsPath");
    draft.cgroup_order = CgroupOrder::AfterInit;
    draft.init(InitSync::ReceiveFds(Vec::new()), place);
    unit::start(draft, context, systemd, located);
    for hierarchy in &context.host.hierarchies {
        let slot = draft.slot();
        let (mount, path) = (draft.text(&hierarchy.mount, place), draft.text(&located.path, place));
        // The one unified hierarchy is systemd's, but it hands on no controller that it does not know.
        let existing = if context.host.is_unified() {
            ExistingCgroup::MadeBySystemd
        } else {
            ExistingCgroup::MayHoldInit
        };
        let prepare = match preparation_of(hierarchy) {
            PrepareCgroup::EnableControllers if existing == ExistingCgroup::MayHoldInit => {
                PrepareCgroup::Plain
            }
            prepare => prepare,
        };
        draft.group(CgroupStep::Make(MakeCgroup { slot, mount, path, prepare, existing }), place);
        context.cgroups.push((slot, hierarchy));
    }
    // systemd puts nobody into a slice, and beside v1 the v2 hierarchy may be none of its own.
    let joins = located.kind == Kind::Slice || !context.host.is_unified();
    if let Some(unified) = unified_hierarchy(context).filter(|_| joins) {
        join_one(draft, &unified);
    }
    fill(draft, context);
}

/// Plans what is in the directories.
fn fill(draft: &mut Draft, context: &Context<'_>) {
    let resources = &context.spec.linux.resources;
    limits::plan(draft, &context.cgroups, resources);
    draft.set_limits();
    devices::plan(draft, context);
    draft.set_limits();
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
        draft.group(CgroupStep::Delegate { cgroup, uid }, Place::of("linux.uidMappings"));
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
            join_one(draft, &(*slot, *hierarchy));
        }
    }
}

/// Lets init join one cgroup.
fn join_one(draft: &mut Draft, (cgroup, hierarchy): &(Slot, &Hierarchy)) {
    let place = Place::of("linux.cgroupsPath");
    let mount = draft.text(&hierarchy.mount, place);
    let step = JoinCgroup { cgroup: *cgroup, hierarchy: mount, version: hierarchy.version };
    draft.init(NamespaceStep::JoinCgroup(step), place);
}

/// The container's directory in the v2 hierarchy.
pub(crate) fn unified(context: &Context<'_>) -> Option<Slot> {
    unified_hierarchy(context).map(|(slot, _)| slot)
}

fn unified_hierarchy<'host>(context: &Context<'host>) -> Option<(Slot, &'host Hierarchy)> {
    context.cgroups.iter().find(|(_, hierarchy)| hierarchy.version == CgroupVersion::V2).copied()
}

/// Plans one write to a file of the cgroup.
fn write(draft: &mut Draft, cgroup: Slot, (file, value): (&str, &str), place: Place) {
    let step = WriteCgroup { cgroup, file: draft.text(file, place), value: draft.text(value, place) };
    draft.limit(LimitStep::Write(LimitWrite::File(step)), place);
}
