//! Detached copies of what the host has mounted, made before init is, with the runtime's own eyes and rights.

use super::attributes::{change, map_ids, propagate};
use super::inside;
use super::locked::LockedMountNs;
use super::procfs::PROCFS;
use crate::channel::{self, MESSAGE};
use crate::child::{self, Child};
use crate::fault::{Call, During, Fault};
use crate::slots::Slots;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{self, AtFlags, CWD, FileType, Mode, StatVfsMountFlags};
use rustix::io::Errno;
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MountPropagationFlags, MoveMountFlags, OpenTreeFlags,
    fsconfig_create, fsmount, fsopen, mount_change, move_mount, open_tree,
};
use tare_plan::spec::NamespaceKind;
use tare_plan::step::{Attributes, Device, Expect, Locks, NodeFs, Owner, Recursive, Source};
use tare_sys::clone::{Clone, fork};

/// Copies a tree. The path is looked up once; what is checked is what is copied.
pub(crate) fn clone(step: &Source, slots: &Slots) -> Result<OwnedFd, Fault> {
    let recursive =
        if step.recursive == Recursive::Yes { OpenTreeFlags::AT_RECURSIVE } else { OpenTreeFlags::empty() };
    let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC | recursive;
    finish(open_tree(CWD, step.path.as_c_str(), flags).during(Call::OpenTree)?, step, slots)
}

/// Copies a tree with the locks of a view. A mount alone, without what is mounted below it, can be copied there only where nothing
/// is: what is below a mount is locked too. It is then copied as it is.
pub(crate) fn clone_locked(step: &Source, slots: &Slots, mounts: &LockedMountNs) -> Result<OwnedFd, Fault> {
    match mounts.copy(&step.path, step.recursive) {
        Err(Fault { errno: Errno::INVAL, .. }) if step.recursive == Recursive::No => clone(step, slots),
        tree => finish(tree?, step, slots),
    }
}

/// Looks at what was copied, and changes it as it is to be.
fn finish(tree: OwnedFd, step: &Source, slots: &Slots) -> Result<OwnedFd, Fault> {
    expect(tree.as_fd(), step.expect)?;
    for flags in &step.propagation {
        propagate(tree.as_fd(), *flags)?;
    }
    change(tree.as_fd(), unlocked(tree.as_fd(), step.attributes, step.locks)?, 0)?;
    if let Some(map) = step.id_map {
        map_ids(tree.as_fd(), map, slots.get(map.namespace)?)?;
    }
    Ok(tree)
}

/// The changes without those that would undo what the mount is locked to; one that is asked for by name is refused.
fn unlocked(tree: BorrowedFd<'_>, wanted: Attributes, locks: Locks) -> Result<Attributes, Fault> {
    let Locks::Kept { named } = locks else { return Ok(wanted) };
    let now = attributes_of(fs::fstatvfs(tree).during(Call::Stat)?.f_flag);
    let times = libc::MOUNT_ATTR__ATIME | libc::MOUNT_ATTR_NODIRATIME;
    let chosen = wanted.clear & libc::MOUNT_ATTR__ATIME != 0 && (wanted.set ^ now) & times != 0;
    let directories = (wanted.set & !now | named & now) & libc::MOUNT_ATTR_NODIRATIME != 0;
    if named & now & LOCKED != 0 || chosen || directories {
        return Err(Fault::new(Call::MountAttributes, Errno::PERM));
    }
    Ok(Attributes { clear: wanted.clear & !(now & LOCKED), ..wanted })
}

/// What a user namespace locks of a mount, but for access times.
const LOCKED: u64 =
    libc::MOUNT_ATTR_RDONLY | libc::MOUNT_ATTR_NOSUID | libc::MOUNT_ATTR_NODEV | libc::MOUNT_ATTR_NOEXEC;

/// The attributes of a mount from what statvfs(3) says of it.
fn attributes_of(flags: StatVfsMountFlags) -> u64 {
    let pairs = [
        (StatVfsMountFlags::RDONLY, libc::MOUNT_ATTR_RDONLY),
        (StatVfsMountFlags::NOSUID, libc::MOUNT_ATTR_NOSUID),
        (StatVfsMountFlags::NODEV, libc::MOUNT_ATTR_NODEV),
        (StatVfsMountFlags::NOEXEC, libc::MOUNT_ATTR_NOEXEC),
        (StatVfsMountFlags::NOATIME, libc::MOUNT_ATTR_NOATIME),
        (StatVfsMountFlags::NODIRATIME, libc::MOUNT_ATTR_NODIRATIME),
    ];
    let named = pairs.iter().filter(|(flag, _)| flags.contains(*flag)).fold(0, |all, (_, bit)| all | bit);
    let strict = !flags.intersects(StatVfsMountFlags::NOATIME | StatVfsMountFlags::RELATIME);
    if strict { named | libc::MOUNT_ATTR_STRICTATIME } else { named }
}

/// Makes a device node where nobody else ever sees it, and a detached copy of it.
pub(crate) fn make_node(device: &Device, attributes: Attributes, fs_kind: NodeFs) -> Result<OwnedFd, Fault> {
    let context = fsopen(c"tmpfs", FsOpenFlags::FSOPEN_CLOEXEC).during(Call::FsOpen)?;
    fsconfig_create(context.as_fd()).during(Call::FsCreate)?;
    let place = fsmount(context.as_fd(), FsMountFlags::FSMOUNT_CLOEXEC, MountAttrFlags::empty())
        .during(Call::FsMount)?;
    let (kind, mode) = (FileType::from_raw_mode(device.mode), Mode::from_raw_mode(device.mode & 0o7777));
    let number = fs::makedev(device.major, device.minor);
    fs::mknodat(&place, NODE, kind, mode, number).during(Call::MakeNode)?;
    fs::chmodat(&place, NODE, mode, AtFlags::empty()).during(Call::Mode)?;
    if let Some(Owner { uid, gid }) = device.owner {
        let (uid, gid) = (fs::Uid::from_raw(uid), fs::Gid::from_raw(gid));
        fs::chownat(&place, NODE, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW).during(Call::Owner)?;
    }
    let tree = match fs_kind {
        NodeFs::Detached => copy_node(place.as_fd())?,
        NodeFs::InNamespace => copy_in_namespace(place)?,
    };
    change(tree.as_fd(), attributes, 0)?;
    Ok(tree)
}

/// The name of a node in the file system that is made for it.
const NODE: &std::ffi::CStr = c"node";

fn copy_node(place: BorrowedFd<'_>) -> Result<OwnedFd, Fault> {
    let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
    open_tree(place, NODE, flags).during(Call::OpenTree)
}

/// Copies a node by way of a process whose mount namespace has the file system.
fn copy_in_namespace(place: OwnedFd) -> Result<OwnedFd, Fault> {
    let (here, there) = channel::pair()?;
    let flags = u64::from(NamespaceKind::Mount.clone_flag().cast_unsigned());
    let copier = fork(Clone { flags, cgroup: None }, move || {
        let told = match attach_and_copy(place.as_fd()) {
            Ok(tree) => channel::send_descriptor(there.as_fd(), b"tree", tree.as_fd()),
            Err(fault) => {
                let text = channel::KernelText::EMPTY;
                channel::send_failed(there.as_fd(), &channel::Failure { step: 0, fault, text });
                Ok(())
            }
        };
        i32::from(told.is_err())
    });
    let _copier = Child::of(copier.during(Call::Clone)?);
    let mut bytes = [0; MESSAGE];
    let (got, tree) = channel::receive_bytes(here.as_fd(), &mut bytes)?;
    let failure = channel::failure_in(&bytes).filter(|_| got == MESSAGE);
    tree.ok_or(failure.map_or(Fault::new(Call::Peer, Errno::PIPE), |failure| failure.fault))
}

fn attach_and_copy(place: BorrowedFd<'_>) -> Result<OwnedFd, Fault> {
    child::die_with_parent()?;
    mount_change(c"/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC).during(Call::Mount)?;
    move_mount(place, c"", CWD, c"/", MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH).during(Call::MoveMount)?;
    copy_node(place)
}

/// Copies the mount of a directory that is open.
pub(crate) fn clone_directory(directory: BorrowedFd<'_>, attributes: Attributes) -> Result<OwnedFd, Fault> {
    let flags =
        OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC | OpenTreeFlags::AT_EMPTY_PATH;
    let tree = open_tree(directory, c"", flags).during(Call::OpenTree)?;
    propagate(tree.as_fd(), libc::MS_PRIVATE)?;
    change(tree.as_fd(), attributes, 0)?;
    Ok(tree)
}

fn expect(tree: BorrowedFd<'_>, expect: Expect) -> Result<(), Fault> {
    let stat = inside::stat(tree)?;
    let kind = FileType::from_raw_mode(stat.st_mode);
    let (met, errno) = match expect {
        Expect::Anything => (true, Errno::INVAL),
        Expect::Directory => (kind == FileType::Directory, Errno::NOTDIR),
        Expect::Procfs => (inside::is_on(tree, PROCFS)?, Errno::INVAL),
        Expect::Device { major, minor } => {
            let device = matches!(kind, FileType::CharacterDevice | FileType::BlockDevice);
            (device && stat.st_rdev == fs::makedev(major, minor), Errno::NODEV)
        }
    };
    if met { Ok(()) } else { Err(Fault::new(Call::Stat, errno)) }
}
