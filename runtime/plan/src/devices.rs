//! The devices and links in `/dev`: those that every container has, and those of `linux.devices`
//! (config-linux.md, "Devices").
//!
//! A topic: the verbs use it.

use crate::context::{Context, is_root};
use crate::draft::{Draft, clean};
use crate::host::Kernel;
use crate::mappings::host_id;
use crate::mounts::options;
use crate::mounts::source::{BindMount, bind};
use crate::place::Place;
use crate::spec::{self, DeviceKind, NamespaceKind};
use crate::step::{
    Attributes, Content, Device, Expect, FileStep, Guard, Locks, MountStep, NodeFs, OpenStep, Owner,
    Recursive, Source, SourceUse, Target,
};

/// The devices that every container has (config-linux.md, "Default Devices"). `/dev/console` is mounted with
/// a terminal, and `/dev/ptmx` is a link to the container's devpts.
const DEFAULT: &[(&str, u32, u32)] = &[
    ("dev/null", 1, 3),
    ("dev/zero", 1, 5),
    ("dev/full", 1, 7),
    ("dev/random", 1, 8),
    ("dev/urandom", 1, 9),
    ("dev/tty", 5, 0),
];

/// The links that programs expect next to them (runtime-linux.md, "Dev symbolic links").
const LINKS: &[(&str, &str)] = &[
    ("dev/fd", "/proc/self/fd"),
    ("dev/stdin", "/proc/self/fd/0"),
    ("dev/stdout", "/proc/self/fd/1"),
    ("dev/stderr", "/proc/self/fd/2"),
    ("dev/ptmx", "pts/ptmx"),
];

/// The mode of a device without `fileMode`: read and write for all.
const DEFAULT_MODE: u32 = 0o666;

/// Plans the device nodes and links. If `/dev` is a bind mount, the caller has filled it, and it stays
/// unchanged.
pub(crate) fn plan(draft: &mut Draft, context: &Context<'_>) {
    if is_dev_bind_mount(context) {
        return;
    }
    let configured: Vec<(usize, String, &spec::Device)> = context
        .spec
        .linux
        .devices
        .iter()
        .enumerate()
        .map(|(index, device)| (index, clean(&device.path), device))
        .collect();
    for (path, major, minor) in DEFAULT {
        if !configured.iter().any(|(_, other, _)| other == path) {
            let path = draft.inside(path, Place::DEFAULT);
            let mode = libc::S_IFCHR | DEFAULT_MODE;
            let device = Device { path, mode, major: *major, minor: *minor, owner: None };
            make_node(draft, context, device, Place::DEFAULT);
        }
    }
    for (index, path, device) in configured {
        // Even if the list has it: the ptmx of the host would open terminals of the host's devpts.
        if path != "dev/ptmx" {
            configured_node(draft, context, device, index);
        }
    }
    for (path, target) in LINKS.iter().chain(context.host.kcore.then_some(&("dev/core", "/proc/kcore"))) {
        let (path, target) = (draft.inside(path, Place::DEFAULT), draft.text(target, Place::DEFAULT));
        draft.init(FileStep::Symlink { path, target }, Place::DEFAULT);
    }
}

fn is_dev_bind_mount(context: &Context<'_>) -> bool {
    context.spec.mounts.iter().any(|mount| options::is_bind(mount) && clean(&mount.destination) == "dev")
}

/// Plans a device of `linux.devices`.
fn configured_node(draft: &mut Draft, context: &Context<'_>, device: &spec::Device, index: usize) {
    let place = Place::at("linux.devices[#]", index);
    let kind = match device.kind {
        DeviceKind::Block => libc::S_IFBLK,
        DeviceKind::Char | DeviceKind::Unbuffered => libc::S_IFCHR,
        DeviceKind::Fifo => libc::S_IFIFO,
    };
    let number = |number: Option<i64>| u32::try_from(number.unwrap_or(0)).unwrap_or(0);
    let owner =
        Owner { uid: device.uid.map_or(0, |uid| uid.get()), gid: device.gid.map_or(0, |gid| gid.get()) };
    let step = Device {
        path: draft.inside(&device.path, place),
        mode: kind | device.file_mode.unwrap_or(DEFAULT_MODE) & 0o7777,
        major: number(device.major),
        minor: number(device.minor),
        owner: (owner != Owner { uid: 0, gid: 0 }).then_some(owner),
    };
    // mknod(2) makes fifos without privilege, so init makes them even in a user namespace.
    if parent_makes_nodes(context) && device.kind != DeviceKind::Fifo {
        make_node_in_parent(draft, context, step, place);
    } else {
        make_node(draft, context, step, place);
    }
}

/// Plans a device node that init makes. In a user namespace, the container's or the runtime's, mknod(2) fails
/// for devices: there init bind-mounts the host's node of that path, and checks its numbers.
fn make_node(draft: &mut Draft, context: &Context<'_>, device: Device, place: Place) {
    let fifo = device.mode & libc::S_IFMT == libc::S_IFIFO;
    let denied = context.has_user_namespace() || context.host.in_user_namespace;
    if !denied || fifo {
        return draft.init(FileStep::MakeDevice(device), place);
    }
    let path = draft.text(&format!("/{}", device.path.to_string_lossy()), place);
    let source = Source {
        path,
        recursive: Recursive::No,
        locks: Locks::None,
        attributes: NODE_ATTRIBUTES,
        propagation: vec![libc::MS_PRIVATE],
        // The host's node of that name might be another device.
        expect: Expect::Device { major: device.major, minor: device.minor },
        id_map: None,
        usage: SourceUse::Bind(device.path.clone()),
    };
    let target = Target { path: device.path, guard: Guard::OutsideProcfs };
    bind(draft, context, BindMount { source, source_place: place, target, content: Content::Own, place });
}

/// The attributes of a mounted device node. A device needs neither execution nor set-user-ID.
const NODE_ATTRIBUTES: Attributes =
    Attributes { set: libc::MOUNT_ATTR_NOSUID | libc::MOUNT_ATTR_NOEXEC, clear: 0, set_all: 0, clear_all: 0 };

/// Whether the parent makes the device nodes, since init may not. It has to know the host IDs of the
/// container's users, so not for a user namespace that the container joins.
fn parent_makes_nodes(context: &Context<'_>) -> bool {
    context.is_new(NamespaceKind::User) && is_root(context.host) && !context.host.in_user_namespace
}

/// Since this release open_tree(2) can clone a part of a detached mount.
const CLONES_DETACHED: Kernel = Kernel { major: 6, minor: 15 };

/// Plans a device node that the parent makes on a file system of its own, and that init mounts. It has the
/// mode and the owner of the configuration, and the host need not have a node of that path.
fn make_node_in_parent(draft: &mut Draft, context: &Context<'_>, device: Device, place: Place) {
    let linux = &context.spec.linux;
    let owner = device.owner.unwrap_or(Owner { uid: 0, gid: 0 });
    let ids = host_id(&linux.uid_mappings, owner.uid).zip(host_id(&linux.gid_mappings, owner.gid));
    let Some((uid, gid)) = ids else {
        return draft.refuse(place, "the owner of the device has no mapping in the user namespace");
    };
    let (slot, path) = (draft.slot(), device.path.clone());
    let device = Device { owner: Some(Owner { uid, gid }), ..device };
    let fs = if context.host.kernel >= CLONES_DETACHED { NodeFs::Detached } else { NodeFs::InNamespace };
    draft.before(OpenStep::DeviceNode { slot, device, attributes: NODE_ATTRIBUTES, fs }, place);
    let target = Target { path, guard: Guard::OutsideProcfs };
    draft.init(MountStep::Attach { tree: slot, target, content: Content::Own }, place);
}
