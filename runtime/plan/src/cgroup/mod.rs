//! The container's cgroups: a directory in each hierarchy, and the limits in it (config-linux.md, "Control
//! groups").
//!
//! A topic: the verbs, `namespaces`, `criu` and `footprint` use it.

mod block_io;
mod cpu;
mod device_program;
mod device_properties;
mod devices;
pub(crate) mod limit;
pub(crate) mod limits;
mod memory;
pub(crate) mod properties;
mod unit;

use crate::context::{Context, is_root};
use crate::draft::{CgroupOrder, Draft, clean};
use crate::host::{CgroupVersion, Hierarchy, Host, Privilege};
use crate::mappings::host_id;
use crate::place::Place;
use crate::spec::{NamespaceKind, Spec};
use crate::step::{
    CgroupStep, ExistingCgroup, InitSync, JoinCgroup, LimitStep, LimitWrite, MakeCgroup, NamespaceStep,
    PrepareCgroup, Slot, Unit, WriteCgroup,
};
use limit::{Cgroup, Line};
use unit::{UnitKind, UnitLocation};

/// Returns the container's directory, relative to the mount of each hierarchy; `None` for a container without
/// cgroup.
///
/// The default is the container ID, below the root cgroup. A rootless runtime may not create a cgroup there,
/// nor may root of a user namespace that Podman made for a rootless user: there a container gets a cgroup
/// only with `cgroupsPath`. With systemd the directory is the unit's.
pub(crate) fn path(spec: &Spec, host: &Host, id: &str) -> Option<String> {
    if let Some(systemd) = &host.systemd {
        return unit::locate(spec, host, systemd, id).ok().map(|location| location.path);
    }
    let configured = spec.linux.cgroups_path.as_deref().filter(|path| !path.is_empty());
    let allowed = host.privilege == Privilege::Root && !host.denies_cgroups;
    match configured {
        Some(path) => Some(clean(path)),
        None if allowed => Some(id.to_owned()),
        None => None,
    }
}

/// Returns the unit that systemd starts for a container, with the systemd cgroup manager.
pub(crate) fn unit_of(spec: &Spec, host: &Host, id: &str) -> Option<Unit> {
    let systemd = host.systemd.as_ref()?;
    let location = unit::locate(spec, host, systemd, id).ok()?;
    Some(Unit { name: location.name, manager: systemd.manager })
}

/// Plans the cgroups and their limits.
pub(crate) fn plan<'host>(draft: &mut Draft, context: &mut Context<'host>) {
    if let Some(systemd) = &context.host.systemd {
        match unit::locate(context.spec, context.host, systemd, context.request.id) {
            Ok(location) => plan_unit(draft, context, &location),
            Err(what) => draft.refuse(Place::of("linux.cgroupsPath"), what),
        }
        return;
    }
    let Some(path) = path(context.spec, context.host, context.request.id) else {
        return limits::refuse_all(draft, &context.spec.linux.resources);
    };
    let place = Place::of("linux.cgroupsPath");
    if path.is_empty() {
        return draft.refuse(place, "a container cannot have the root cgroup: expected a path below it");
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
        draft.cgroup(CgroupStep::Make(step), place);
        context.cgroups.push((slot, hierarchy));
    }
    fill(draft, context);
}

/// Plans a unit for init, then what systemd leaves to the runtime: the hierarchies that systemd does not use,
/// and the limits that have no property. Init was spawned before, so the parent passes it the file
/// descriptors.
fn plan_unit<'host>(draft: &mut Draft, context: &mut Context<'host>, location: &UnitLocation) {
    let Some(systemd) = &context.host.systemd else { return };
    let place = Place::of("linux.cgroupsPath");
    draft.cgroup_order = CgroupOrder::AfterSpawn;
    draft.init(InitSync::ReceiveFds(Vec::new()), place);
    unit::start(draft, context, systemd, location);
    for hierarchy in &context.host.hierarchies {
        let slot = draft.slot();
        let (mount, path) = (draft.text(&hierarchy.mount, place), draft.text(&location.path, place));
        // A single unified hierarchy is systemd's, so the unit is a directory in it. systemd enables no
        // controller that it does not know, such as hugetlb: the runtime enables those.
        let existing = if context.host.is_unified() {
            ExistingCgroup::MadeBySystemd
        } else {
            ExistingCgroup::MayHoldInit
        };
        // Next to v1, the v2 hierarchy usually has no controller, and systemd may own it.
        let prepare = match preparation_of(hierarchy) {
            PrepareCgroup::EnableControllers if existing == ExistingCgroup::MayHoldInit => {
                PrepareCgroup::Plain
            }
            prepare => prepare,
        };
        draft.cgroup(CgroupStep::Make(MakeCgroup { slot, mount, path, prepare, existing }), place);
        context.cgroups.push((slot, hierarchy));
    }
    // systemd puts no process into a slice, and next to v1 it may not use the v2 hierarchy.
    let joins = location.kind == UnitKind::Slice || !context.host.is_unified();
    if let Some(unified) = unified_hierarchy(context).filter(|_| joins) {
        join_one(draft, unified);
    }
    fill(draft, context);
}

/// Plans the limits, the device rules and the owner of the cgroups.
fn fill(draft: &mut Draft, context: &Context<'_>) {
    let resources = &context.spec.linux.resources;
    limits::plan(draft, &context.cgroups, resources);
    draft.set_limits();
    // After the limits: on v1 the device rules are limits too, written in order.
    devices::plan(draft, context);
    draft.set_limits();
    delegate(draft, context);
}

/// Plans the delegation of the v2 cgroup to the container's user. The container must see the cgroup as the
/// root of its own cgroup namespace, and have it mounted read-write (config-linux.md, "Cgroup ownership").
fn delegate(draft: &mut Draft, context: &Context<'_>) {
    let linux = &context.spec.linux;
    let writable = context.spec.mounts.iter().any(|mount| {
        // The last of two opposite options counts.
        let readonly = mount.options.iter().rfind(|option| matches!(option.as_str(), "ro" | "rw"));
        matches!(mount.kind.as_deref(), Some("cgroup" | "cgroup2"))
            && readonly.is_none_or(|option| option == "rw")
    });
    let own = context.is_new(NamespaceKind::User) && context.is_new(NamespaceKind::Cgroup);
    if !(own && writable && context.host.is_unified() && is_root(context.host)) {
        return;
    }
    let user = context.spec.process.as_ref().map_or(0, |process| process.user.uid.get());
    if let Some((uid, cgroup)) = host_id(&linux.uid_mappings, user).zip(unified(context)) {
        draft.cgroup(CgroupStep::Delegate { cgroup, uid }, Place::of("linux.uidMappings"));
    }
}

/// Returns what the directories on the way to a container's cgroup need.
fn preparation_of(hierarchy: &Hierarchy) -> PrepareCgroup {
    match hierarchy.version {
        CgroupVersion::V2 => PrepareCgroup::EnableControllers,
        CgroupVersion::V1 if has(hierarchy, "cpuset") => PrepareCgroup::InheritCpuset,
        CgroupVersion::V1 => PrepareCgroup::Plain,
    }
}

/// Whether a hierarchy has a controller.
pub(crate) fn has(hierarchy: &Hierarchy, controller: &str) -> bool {
    hierarchy.controllers.iter().any(|name| name == controller)
}

/// When init joins a hierarchy.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum JoinPhase {
    /// Before its other steps.
    First,
    /// After it has set up the container, so that the memory for the setup is not charged to the container.
    Last,
}

/// Plans how init joins the v1 hierarchies of this phase. It is spawned in its v2 cgroup.
pub(crate) fn join(draft: &mut Draft, context: &Context<'_>, phase: JoinPhase) {
    for cgroup in context.cgroups.iter().filter(|(_, hierarchy)| hierarchy.version == CgroupVersion::V1) {
        // In a new user namespace init loses the permission to open `cgroup.procs`, so it joins first.
        let is_last = has(cgroup.1, "memory") && !context.has_user_namespace();
        if is_last == (phase == JoinPhase::Last) {
            join_one(draft, *cgroup);
        }
    }
}

fn join_one(draft: &mut Draft, cgroup: Cgroup<'_>) {
    let (cgroup, hierarchy) = cgroup;
    let place = Place::of("linux.cgroupsPath");
    let mount = draft.text(&hierarchy.mount, place);
    let step = JoinCgroup { cgroup, hierarchy: mount, version: hierarchy.version };
    draft.init(NamespaceStep::JoinCgroup(step), place);
}

/// The container's v2 cgroup.
pub(crate) fn unified(context: &Context<'_>) -> Option<Slot> {
    unified_hierarchy(context).map(|(slot, _)| slot)
}

fn unified_hierarchy<'host>(context: &Context<'host>) -> Option<Cgroup<'host>> {
    context.cgroups.iter().find(|(_, hierarchy)| hierarchy.version == CgroupVersion::V2).copied()
}

/// Plans one write to a file of a cgroup.
fn write(draft: &mut Draft, cgroup: Slot, line: Line<'_>, place: Place) {
    let step =
        WriteCgroup { cgroup, file: draft.text(line.file, place), value: draft.text(&line.value, place) };
    draft.limit(LimitStep::Write(LimitWrite::File(step)), place);
}
