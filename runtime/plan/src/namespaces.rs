//! Namespaces: how init gets into new and existing ones, and what it sets in them (config-linux.md,
//! "Namespaces").
//!
//! A topic: the verbs use it.

use crate::cgroup;
use crate::context::{Context, Keyring, is_root, path_of};
use crate::draft::Draft;
use crate::labels;
use crate::mappings::map_file;
use crate::place::Place;
use crate::spec::{IdMapping, NamespaceKind, PersonalityDomain, SysctlName};
use crate::step::{
    ChildStep, InitSync, MapIds, MapWriter, MoveNetDevice, NamespaceStep, OpenStep, ParentSync, ProcessStep,
    Signal, Slot, Spawn,
};
use std::ffi::CString;
use std::fmt::Write;

/// The order in which init joins namespaces. The mount namespace is last, since path lookup changes with it.
/// The user and the pid namespace are joined before init is spawned ([`joined_before_spawn`]).
const JOIN_ORDER: &[NamespaceKind] = &[
    NamespaceKind::Ipc,
    NamespaceKind::Uts,
    NamespaceKind::Network,
    NamespaceKind::Cgroup,
    NamespaceKind::Time,
    NamespaceKind::Mount,
];

/// Plans how init gets into its namespaces. Returns how it is spawned.
pub(crate) fn enter(draft: &mut Draft, context: &mut Context<'_>) -> Spawn {
    let joined = open_joined(draft, context);
    let time = time_offsets(draft, context);
    let mut namespaces = NamespaceKind::ALL
        .iter()
        .filter(|kind| context.is_new(**kind) && is_made_by_clone(**kind, time.as_ref()))
        .fold(0, |flags, kind| flags | flag_of(*kind));
    if context.shares_host_mount_ns() {
        // The temporary one in which init builds the root file system.
        namespaces |= flag_of(NamespaceKind::Mount);
    }
    user_namespace(draft, context);
    move_net_devices(draft, context, &joined);
    for kind in JOIN_ORDER {
        if let Some(namespace) = joined.iter().find(|namespace| namespace.kind == *kind) {
            draft.init(NamespaceStep::Join { slot: namespace.slot, kind: *kind }, namespace.place);
        }
    }
    // systemd starts the unit around init, so there is no cgroup yet in which init could be born.
    let cgroup = cgroup::unified(context).filter(|_| context.host.systemd.is_none());
    Spawn { namespaces, join: joined_before_spawn(&joined), enter: None, time, cgroup }
}

/// An existing namespace that init joins.
struct Joined {
    kind: NamespaceKind,
    slot: Slot,
    place: Place,
}

/// Plans the opening of the existing namespaces.
fn open_joined(draft: &mut Draft, context: &mut Context<'_>) -> Vec<Joined> {
    let mut all = Vec::new();
    for (index, namespace) in context.spec.linux.namespaces.iter().enumerate() {
        let Some(path) = path_of(namespace) else { continue };
        let place = Place::at("linux.namespaces[#].path", index);
        let (slot, kind) = (draft.slot(), namespace.kind);
        let path = draft.text(path, place);
        draft.before(OpenStep::Namespace { slot, kind, path }, place);
        if kind == NamespaceKind::User {
            context.user_namespace = Some(slot);
        }
        all.push(Joined { kind, slot, place });
    }
    all
}

/// Whether clone(2) makes a new namespace of this kind. Init makes its cgroup namespace itself, when it is in
/// its cgroup. A time namespace with offsets is made by unshare(2): the offsets must be written before a
/// process enters it (time_namespaces(7)).
fn is_made_by_clone(kind: NamespaceKind, time_offsets: Option<&CString>) -> bool {
    match kind {
        NamespaceKind::Cgroup => false,
        NamespaceKind::Time => time_offsets.is_none(),
        _ => true,
    }
}

fn flag_of(kind: NamespaceKind) -> u64 {
    u64::from(kind.clone_flag().cast_unsigned())
}

/// The namespaces that are joined before init is spawned: setns(2) into a pid namespace moves only later
/// children, and the user namespace must own the new namespaces, which clone(2) makes in it.
fn joined_before_spawn(joined: &[Joined]) -> Vec<(NamespaceKind, Slot)> {
    let find = |kind| joined.iter().find(|namespace| namespace.kind == kind);
    let kinds = [NamespaceKind::User, NamespaceKind::Pid];
    kinds.into_iter().filter_map(find).map(|namespace| (namespace.kind, namespace.slot)).collect()
}

/// Plans the user namespace. In a new one init waits until its mappings are written. In any other than the
/// runtime's own it becomes root of that namespace, since an ID without mapping could own nothing there.
fn user_namespace(draft: &mut Draft, context: &Context<'_>) {
    if context.is_new(NamespaceKind::User) {
        let place = Place::of("linux.uidMappings");
        let linux = &context.spec.linux;
        let writer = if is_root(context.host) {
            MapWriter::Privileged
        } else {
            rootless_map_writer(&linux.uid_mappings, &linux.gid_mappings)
        };
        let uids = map_file(draft, &linux.uid_mappings, place);
        let gids = map_file(draft, &linux.gid_mappings, Place::of("linux.gidMappings"));
        let step = MapIds { uids, gids, writer };
        draft.after(ChildStep::MapIds(step), place);
        draft.after(ParentSync::Send(Signal::Mapped), place);
        draft.init(InitSync::Await(Signal::Mapped), place);
        draft.init(NamespaceStep::BecomeRoot, place);
    } else if context.has_user_namespace() {
        draft.init(NamespaceStep::BecomeRoot, Place::of("linux.namespaces"));
    }
}

/// Plans the network devices. They move after the user namespace has its mappings, and before init sets up
/// the network namespace (config-linux.md, "Network Devices").
fn move_net_devices(draft: &mut Draft, context: &Context<'_>, joined: &[Joined]) {
    let network = joined.iter().find(|namespace| namespace.kind == NamespaceKind::Network);
    let namespace = network.map(|namespace| namespace.slot);
    for (device, configured) in &context.spec.linux.net_devices {
        let place = Place::keyed("linux.netDevices#", device);
        let name = configured.name.as_deref().filter(|name| !name.is_empty() && name != device);
        let name = name.map(|name| draft.text(name, place));
        let step = MoveNetDevice { device: draft.text(device, place), name, namespace };
        draft.after(ChildStep::MoveNetDevice(step), place);
    }
}

/// Returns how a rootless runtime writes the mappings: a process may map its own IDs itself, and only those
/// (user_namespaces(7)). For more it needs the set-user-ID programs newuidmap(1) and newgidmap(1).
fn rootless_map_writer(uids: &[IdMapping], gids: &[IdMapping]) -> MapWriter {
    let single = |mappings: &[IdMapping]| matches!(mappings, [one] if one.size == 1);
    if single(uids) && single(gids) { MapWriter::OwnIds } else { MapWriter::Delegated }
}

/// Returns the text for `timens_offsets` of a new time namespace (time_namespaces(7)).
fn time_offsets(draft: &mut Draft, context: &Context<'_>) -> Option<CString> {
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

/// Plans what init sets in its new namespaces, and a session and a keyring of its own.
pub(crate) fn set_up(draft: &mut Draft, context: &Context<'_>) {
    // setsid(2) detaches init from the caller's terminal, which it could otherwise open as /dev/tty.
    draft.init(ProcessStep::NewSession, Place::DEFAULT);
    draft.init(ProcessStep::AllCpus, Place::DEFAULT);
    if let Some(personality) = &context.spec.linux.personality {
        let persona = match personality.domain {
            PersonalityDomain::Linux => 0,
            PersonalityDomain::Linux32 => 8,
        };
        draft.init(ProcessStep::Personality { persona }, Place::of("linux.personality"));
    }
    // The label is for new keyrings, so it comes before the keyring.
    if context.request.keyring == Keyring::New {
        if let Some(process) = &context.spec.process {
            labels::keyring(draft, context, process);
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
    // The loopback interface of a new network namespace is down (network_namespaces(7)).
    if context.is_new(NamespaceKind::Network) {
        draft.init(NamespaceStep::LoopbackUp, Place::of("linux.namespaces"));
    }
}

/// Plans a new cgroup namespace. Its root is the cgroup that init is in at that moment
/// (cgroup_namespaces(7)), so init has joined its cgroups before.
pub(crate) fn new_cgroup_namespace(draft: &mut Draft, context: &Context<'_>) {
    if context.is_new(NamespaceKind::Cgroup) {
        draft.init(NamespaceStep::NewCgroup, Place::of("linux.namespaces"));
    }
}

/// Plans the sysctls (config-linux.md, "Sysctl").
pub(crate) fn sysctls(draft: &mut Draft, context: &Context<'_>) {
    for (name, value) in &context.spec.linux.sysctl {
        let place = Place::keyed("linux.sysctl#", name);
        // `spec::check` has refused names that do not parse.
        let Some(name) = SysctlName::parse(name) else { continue };
        let path = draft.inside(&name.path(), place);
        let value = draft.text(value, place);
        draft.init(NamespaceStep::Sysctl { path, value }, place);
    }
}
