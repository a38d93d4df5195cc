//! Devices and links that every container has, and those it asks for (config-linux.md, "Devices").

use crate::context::{Context, is_root};
use crate::draft::{Draft, clean};
use crate::host::Kernel;
use crate::mappings::outside;
use crate::mounts;
use crate::mounts::options;
use crate::place::Place;
use crate::spec::{self, DeviceKind, NamespaceKind};
use crate::step::{
    Attributes, Content, Device, Expect, FileStep, Guard, Locks, MountStep, NodeFs, OpenStep, Owner,
    Recursive, Source, SourceUse, Target,
};

/// The devices that every container has (config-linux.md, "Default Devices"); the console comes with a terminal.
const DEFAULT: &[(&str, u32, u32)] = &[
    ("dev/null", 1, 3),
    ("dev/zero", 1, 5),
    ("dev/full", 1, 7),
    ("dev/random", 1, 8),
    ("dev/urandom", 1, 9),
    ("dev/tty", 5, 0),
];

/// Links that programs expect beside them (runtime-linux.md, "Dev symbolic links").
const LINKS: &[(&str, &str)] = &[
    ("dev/fd", "/proc/self/fd"),
    ("dev/stdin", "/proc/self/fd/0"),
    ("dev/stdout", "/proc/self/fd/1"),
    ("dev/stderr", "/proc/self/fd/2"),
    ("dev/ptmx", "pts/ptmx"),
];

/// Read and write for all.
const DEFAULT_MODE: u32 = 0o666;

/// Plans the nodes and links. A `/dev` that is bound from elsewhere is left as it is.
pub(crate) fn plan(draft: &mut Draft, context: &Context<'_>) {
    if is_dev_bound(context) {
        return;
    }
    let asked: Vec<(usize, String, &spec::Device)> = context
        .spec
        .linux
        .devices
        .iter()
        .enumerate()
        .map(|(index, device)| (index, clean(&device.path), device))
        .collect();
    for (path, major, minor) in DEFAULT {
        if !asked.iter().any(|(_, other, _)| other == path) {
            let path = draft.inside(path, Place::DEFAULT);
            let mode = libc::S_IFCHR | DEFAULT_MODE;
            node(
                draft,
                context,
                Device { path, mode, major: *major, minor: *minor, owner: None },
                Place::DEFAULT,
            );
        }
    }
    for (index, path, device) in asked {
        // The terminals' multiplexer is the one of the container's own devpts, whatever the list says.
        if path != "dev/ptmx" {
            asked_node(draft, context, device, index);
        }
    }
    for (path, target) in LINKS.iter().chain(context.host.kcore.then_some(&("dev/core", "/proc/kcore"))) {
        let (path, target) = (draft.inside(path, Place::DEFAULT), draft.text(target, Place::DEFAULT));
        draft.init(FileStep::Symlink { path, target }, Place::DEFAULT);
    }
}

fn is_dev_bound(context: &Context<'_>) -> bool {
    context.spec.mounts.iter().any(|mount| {
        let bound = mount.kind.as_deref() == Some("bind")
            || mount
                .options
                .iter()
                .any(|option| matches!(options::effect_of(option), Some(options::Effect::Bind(_))));
        bound && clean(&mount.destination) == "dev"
    })
}

fn asked_node(draft: &mut Draft, context: &Context<'_>, device: &spec::Device, index: usize) {
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
    if makes_for_it(context) && device.kind != DeviceKind::Fifo {
        made_by_parent(draft, context, step, place);
    } else {
        node(draft, context, step, place);
    }
}

/// A node is made where that is allowed. In a user namespace, its own or the runtime's, init may make none: the host's own is bound instead, after a look
/// at its numbers.
fn node(draft: &mut Draft, context: &Context<'_>, device: Device, place: Place) {
    let fifo = device.mode & libc::S_IFMT == libc::S_IFIFO;
    let refused = context.has_user_namespace() || context.host.in_user_namespace;
    if !refused || fifo {
        return draft.init(FileStep::MakeDevice(device), place);
    }
    let path = draft.text(&format!("/{}", device.path.to_string_lossy()), place);
    let source = Source {
        path,
        recursive: Recursive::No,
        locks: Locks::None,
        attributes: HARMLESS,
        propagation: vec![libc::MS_PRIVATE],
        expect: Expect::Device { major: device.major, minor: device.minor },
        id_map: None,
        usage: SourceUse::Bind(device.path.clone()),
    };
    let target = Target { path: device.path, guard: Guard::OutsideProcfs };
    mounts::source::bind(draft, context, (source, place), (target, Content::Own, place));
}

/// What the mount of a device gets: a node is neither executed nor anybody's program.
const HARMLESS: Attributes =
    Attributes { set: libc::MOUNT_ATTR_NOSUID | libc::MOUNT_ATTR_NOEXEC, clear: 0, set_all: 0, clear_all: 0 };

/// Whether the parent may make nodes for a container that may not, whose users' numbers on the host are known.
fn makes_for_it(context: &Context<'_>) -> bool {
    context.is_new(NamespaceKind::User) && is_root(context.host) && !context.host.in_user_namespace
}

/// From here on the kernel copies what lies in a mount that is attached nowhere (open_tree(2)).
const COPIES_DETACHED: Kernel = Kernel { major: 6, minor: 15 };

/// A node that the parent makes, with the mode and the owner that are asked for, whether the host has such a one or not.
fn made_by_parent(draft: &mut Draft, context: &Context<'_>, device: Device, place: Place) {
    let linux = &context.spec.linux;
    let owner = device.owner.unwrap_or(Owner { uid: 0, gid: 0 });
    let ids = outside(&linux.uid_mappings, owner.uid).zip(outside(&linux.gid_mappings, owner.gid));
    let Some((uid, gid)) = ids else {
        return draft.refuse(place, "the owner of the device has no number in the user namespace");
    };
    let (slot, path) = (draft.slot(), device.path.clone());
    let device = Device { owner: Some(Owner { uid, gid }), ..device };
    let fs = if context.host.kernel >= COPIES_DETACHED { NodeFs::Detached } else { NodeFs::InNamespace };
    draft.before(OpenStep::DeviceNode { slot, device, attributes: HARMLESS, fs }, place);
    let target = Target { path, guard: Guard::OutsideProcfs };
    draft.init(MountStep::Attach { tree: slot, target, content: Content::Own }, place);
}
