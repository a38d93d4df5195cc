//! Namespaces: made, joined and set up (config-linux.md, "Namespaces").

use crate::cgroup;
use crate::context::{Context, Keyring, is_root, path_of};
use crate::draft::Draft;
use crate::labels;
use crate::mappings::lines;
use crate::place::Place;
use crate::spec::{IdMapping, NamespaceKind, PersonalityDomain, SysctlName};
use crate::step::{
    ChildStep, InitSync, MapIds, MapWriter, MoveNetDevice, NamespaceStep, OpenStep, ParentSync, ProcessStep,
    Signal, Slot, Spawn,
};
use std::fmt::Write;

/// The order in which init joins namespaces. The user namespace comes before all others, since it decides what init may do in them,
/// and the mount namespace last, since paths change with it.
const JOIN_ORDER: &[NamespaceKind] = &[
    NamespaceKind::Ipc,
    NamespaceKind::Uts,
    NamespaceKind::Network,
    NamespaceKind::Cgroup,
    NamespaceKind::Time,
    NamespaceKind::Mount,
];

/// Plans how init comes into its namespaces. Returns how it is made.
pub(crate) fn enter(draft: &mut Draft, context: &mut Context<'_>) -> Spawn {
    let mut joined = Vec::new();
    let mut flags = 0;
    for (index, namespace) in context.spec.linux.namespaces.iter().enumerate() {
        match path_of(namespace) {
            Some(path) => {
                let place = Place::at("linux.namespaces[#].path", index);
                let slot = draft.slot();
                let path = draft.text(path, place);
                draft.before(OpenStep::Namespace { slot, kind: namespace.kind, path }, place);
                if namespace.kind == NamespaceKind::User {
                    context.user_namespace = Some(slot);
                }
                joined.push((namespace.kind, slot, place));
            }
            // The cgroup namespace is made by init itself, when it is in its cgroup; the time namespace may need offsets.
            None if matches!(namespace.kind, NamespaceKind::Cgroup | NamespaceKind::Time) => {}
            None => flags |= u64::from(namespace.kind.clone_flag().cast_unsigned()),
        }
    }
    let network = joined.iter().find(|(kind, ..)| *kind == NamespaceKind::Network).map(|(_, slot, _)| *slot);
    let join = before_init(&joined);
    let time = offsets(draft, context);
    if context.is_new(NamespaceKind::Time) && time.is_none() {
        flags |= u64::from(NamespaceKind::Time.clone_flag().cast_unsigned());
    }
    if context.shares_host_mount_ns() {
        flags |= u64::from(NamespaceKind::Mount.clone_flag().cast_unsigned());
    }
    user_namespace(draft, context, !join.is_empty());
    move_devices(draft, context, network);
    for kind in JOIN_ORDER {
        for (_, slot, place) in joined.iter().filter(|(joined, ..)| joined == kind) {
            draft.init(NamespaceStep::Join { slot: *slot, kind: *kind }, *place);
        }
    }
    let cgroup = cgroup::unified(context).filter(|_| context.host.systemd.is_none());
    Spawn { namespaces: flags, join, enter: None, time, cgroup }
}

/// The namespaces that must be entered before init is made: those that a process can enter only for its children (pid), and the
/// user namespace, which has to own the new ones.
fn before_init(joined: &[(NamespaceKind, Slot, Place)]) -> Vec<(NamespaceKind, Slot)> {
    let wanted = [NamespaceKind::User, NamespaceKind::Pid];
    let of = |kind| {
        joined.iter().filter(move |(joined, ..)| *joined == kind).map(move |(_, slot, _)| (kind, *slot))
    };
    wanted.into_iter().flat_map(of).collect()
}

/// A new user namespace waits for its mappings; in any that is not the runtime's own, init becomes its root.
fn user_namespace(draft: &mut Draft, context: &Context<'_>, joined: bool) {
    if context.is_new(NamespaceKind::User) {
        let place = Place::of("linux.uidMappings");
        let linux = &context.spec.linux;
        let writer = if is_root(context.host) {
            MapWriter::Privileged
        } else {
            writer_of(&linux.uid_mappings, &linux.gid_mappings)
        };
        let uids = lines(draft, &linux.uid_mappings, place);
        let gids = lines(draft, &linux.gid_mappings, Place::of("linux.gidMappings"));
        let step = MapIds { uids, gids, writer };
        draft.after(ChildStep::MapIds(step), place);
        draft.after(ParentSync::Send(Signal::Mapped), place);
        draft.init(InitSync::Await(Signal::Mapped), place);
        draft.init(NamespaceStep::BecomeRoot, place);
    } else if joined && context.has_user_namespace() {
        draft.init(NamespaceStep::BecomeRoot, Place::of("linux.namespaces"));
    }
}

/// Network devices move when init's namespaces have their owner, and before anybody looks at them.
fn move_devices(draft: &mut Draft, context: &Context<'_>, namespace: Option<Slot>) {
    for (device, asked) in &context.spec.linux.net_devices {
        let place = Place::keyed("linux.netDevices#", device);
        let name = asked.name.as_deref().filter(|name| !name.is_empty() && name != device);
        let name = name.map(|name| draft.text(name, place));
        let step = MoveNetDevice { device: draft.text(device, place), name, namespace };
        draft.after(ChildStep::MoveNetDevice(step), place);
    }
}

/// An ordinary user may map itself alone; for more the set-user-id programs of the system are asked.
fn writer_of(uids: &[IdMapping], gids: &[IdMapping]) -> MapWriter {
    let single = |mappings: &[IdMapping]| matches!(mappings, [one] if one.size == 1);
    if single(uids) && single(gids) { MapWriter::OwnIds } else { MapWriter::Delegated }
}

/// The offsets of a new time namespace, as its file takes them (time_namespaces(7)).
fn offsets(draft: &mut Draft, context: &Context<'_>) -> Option<std::ffi::CString> {
    let offsets = &context.spec.linux.time_offsets;
    if !context.is_new(NamespaceKind::Time) || offsets.is_empty() {
        return None;
    }
    let mut text = String::new();
    for (clock, offset) in offsets {
        let _ = writeln!(text, "{clock} {} {}", offset.secs.unwrap_or(0), offset.nanosecs.unwrap_or(0));
    }
    Some(draft.text(&text, Place::of("linux.timeOffsets")))
}

/// Plans what is set in new namespaces.
pub(crate) fn set_up(draft: &mut Draft, context: &Context<'_>) {
    draft.init(ProcessStep::NewSession, Place::DEFAULT);
    draft.init(ProcessStep::AllCpus, Place::DEFAULT);
    if let Some(personality) = &context.spec.linux.personality {
        let persona = match personality.domain {
            PersonalityDomain::Linux => 0,
            PersonalityDomain::Linux32 => 8,
        };
        draft.init(ProcessStep::Personality { persona }, Place::of("linux.personality"));
    }
    if context.request.keyring == Keyring::New {
        if let Some(process) = &context.spec.process {
            labels::keys(draft, context, process);
        }
        let name = draft.text(&format!("_ses.{}", context.request.id), Place::DEFAULT);
        draft.init(ProcessStep::NewKeyring { name }, Place::DEFAULT);
    }
    if let Some(name) = context.spec.hostname.as_deref().filter(|name| !name.is_empty()) {
        let name = draft.text(name, Place::of("hostname"));
        draft.init(NamespaceStep::Hostname { name }, Place::of("hostname"));
    }
    if let Some(name) = context.spec.domainname.as_deref().filter(|name| !name.is_empty()) {
        let name = draft.text(name, Place::of("domainname"));
        draft.init(NamespaceStep::Domainname { name }, Place::of("domainname"));
    }
    if context.is_new(NamespaceKind::Network) {
        draft.init(NamespaceStep::LoopbackUp, Place::of("linux.namespaces"));
    }
}

/// Plans a new cgroup namespace, whose root is where init then is: so init has to have entered its cgroups first.
pub(crate) fn seal_cgroups(draft: &mut Draft, context: &Context<'_>) {
    if context.is_new(NamespaceKind::Cgroup) {
        draft.init(NamespaceStep::NewCgroup, Place::of("linux.namespaces"));
    }
}

/// Plans kernel parameters.
pub(crate) fn sysctls(draft: &mut Draft, context: &Context<'_>) {
    for (name, value) in &context.spec.linux.sysctl {
        let place = Place::keyed("linux.sysctl#", name);
        // The check refused names that do not parse.
        let Some(name) = SysctlName::parse(name) else { continue };
        let path = draft.inside(&name.path(), place);
        let value = draft.text(value, place);
        draft.init(NamespaceStep::Sysctl { path, value }, place);
    }
}
