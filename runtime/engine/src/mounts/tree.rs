//! Detached copies of the host's mounts (open_tree(2)), and device nodes in detached file systems.
//!
//! The parent creates most of them before it spawns init, in the host's mount namespace and with the runtime's permissions.

use super::attributes::{change, map_ids, propagate};
use super::locked::LockedMountNs;
use super::procfs::PROCFS;
use super::root_dir;
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

/// Copies the mount at a path of the host. The path is looked up once, and the checks look at the copy: a symbolic link that
/// is exchanged later changes nothing.
pub(crate) fn clone(step: &Source, slots: &Slots) -> Result<OwnedFd, Fault> {
    let recursive =
        if step.recursive == Recursive::Yes { OpenTreeFlags::AT_RECURSIVE } else { OpenTreeFlags::empty() };
    let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC | recursive;
    finish(open_tree(CWD, step.path.as_c_str(), flags).during(Call::OpenTree)?, step, slots)
}

/// Copies a mount with locked flags.
///
/// A locked mount can't be copied without the mounts below it, which may hide files: open_tree(2) fails with `EINVAL`. A bind
/// mount without `rbind` is then copied on the host, with unlocked flags.
pub(crate) fn clone_locked(step: &Source, slots: &Slots, mounts: &LockedMountNs) -> Result<OwnedFd, Fault> {
    match mounts.copy(&step.path, step.recursive) {
        Err(Fault { errno: Errno::INVAL, .. }) if step.recursive == Recursive::No => clone(step, slots),
        tree => finish(tree?, step, slots),
    }
}

/// Checks a copy and applies propagation, attributes and ID mapping.
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

/// Removes the changes that would clear a locked flag. An option that the configuration names explicitly, such as `rw` for a
/// read-only source, is an error instead: the kernel would refuse it with `EPERM`, as it does for mount(8).
fn unlocked(tree: BorrowedFd<'_>, planned: Attributes, locks: Locks) -> Result<Attributes, Fault> {
    let Locks::Kept { named } = locks else { return Ok(planned) };
    let now = attributes_of(fs::fstatvfs(tree).during(Call::Stat)?.f_flag);
    let times = libc::MOUNT_ATTR__ATIME | libc::MOUNT_ATTR_NODIRATIME;
    let chosen = planned.clear & libc::MOUNT_ATTR__ATIME != 0 && (planned.set ^ now) & times != 0;
    let directories = (planned.set & !now | named & now) & libc::MOUNT_ATTR_NODIRATIME != 0;
    if named & now & LOCKED != 0 || chosen || directories {
        return Err(Fault::new(Call::MountAttributes, Errno::PERM));
    }
    Ok(Attributes { clear: planned.clear & !(now & LOCKED), ..planned })
}

/// The flags that the kernel locks. It locks the access time options too, which [`unlocked`] checks apart.
const LOCKED: u64 =
    libc::MOUNT_ATTR_RDONLY | libc::MOUNT_ATTR_NOSUID | libc::MOUNT_ATTR_NODEV | libc::MOUNT_ATTR_NOEXEC;

/// Converts the flags of statvfs(3) to attributes of mount_setattr(2).
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

/// Creates a device node in a detached tmpfs, which no other process can see, and returns a detached mount of the node alone.
///
/// A user namespace may not call mknod(2) for devices, so such a container gets its devices as bind mounts.
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

/// The name of the node in its tmpfs.
const NODE: &std::ffi::CStr = c"node";

/// Copies the mount of the node alone.
fn copy_node(place: BorrowedFd<'_>) -> Result<OwnedFd, Fault> {
    let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
    open_tree(place, NODE, flags).during(Call::OpenTree)
}

/// Copies a node in a child process with a mount namespace of its own. Kernels before 6.15 copy only mounts that are attached to
/// the caller's mount namespace, or whole detached trees.
fn copy_in_namespace(place: OwnedFd) -> Result<OwnedFd, Fault> {
    let (here, there) = channel::pair()?;
    let flags = u64::from(NamespaceKind::Mount.clone_flag().cast_unsigned());
    let copier = fork(Clone { flags, cgroup: None }, move || {
        let sent = match attach_and_copy(place.as_fd()) {
            Ok(tree) => channel::send_descriptor(there.as_fd(), b"tree", tree.as_fd()),
            Err(fault) => {
                let text = channel::KernelText::EMPTY;
                channel::send_failed(there.as_fd(), &channel::Failure { step: 0, fault, text });
                Ok(())
            }
        };
        i32::from(sent.is_err())
    });
    let _copier = Child::of(copier.during(Call::Clone)?);
    let mut bytes = [0; MESSAGE];
    // No limit: the child makes four system calls on a tmpfs, and its end closes the channel.
    let (got, tree) = channel::receive_bytes(here.as_fd(), &mut bytes)?;
    let failure = channel::failure_in(&bytes).filter(|_| got == MESSAGE);
    tree.ok_or(failure.map_or(Fault::new(Call::Peer, Errno::PIPE), |failure| failure.fault))
}

/// In the child: attaches the tmpfs over `/`, privately, and copies the node.
fn attach_and_copy(place: BorrowedFd<'_>) -> Result<OwnedFd, Fault> {
    child::die_with_parent()?;
    mount_change(c"/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC).during(Call::Mount)?;
    move_mount(place, c"", CWD, c"/", MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH).during(Call::MoveMount)?;
    copy_node(place)
}

/// Copies the mount at an open file. With `AT_RECURSIVE` in `more`, also the mounts below it.
pub(crate) fn clone_open(file: BorrowedFd<'_>, more: OpenTreeFlags) -> Result<OwnedFd, Fault> {
    let flags =
        OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC | OpenTreeFlags::AT_EMPTY_PATH;
    open_tree(file, c"", flags | more).during(Call::OpenTree)
}

/// Copies the mount of an open directory, without the mounts below it and without propagation.
pub(crate) fn clone_directory(directory: BorrowedFd<'_>, attributes: Attributes) -> Result<OwnedFd, Fault> {
    let tree = clone_open(directory, OpenTreeFlags::empty())?;
    propagate(tree.as_fd(), libc::MS_PRIVATE)?;
    change(tree.as_fd(), attributes, 0)?;
    Ok(tree)
}

/// Checks that a copy is of the expected kind.
fn expect(tree: BorrowedFd<'_>, expect: Expect) -> Result<(), Fault> {
    let stat = root_dir::stat(tree)?;
    let kind = FileType::from_raw_mode(stat.st_mode);
    let (met, errno) = match expect {
        Expect::Anything => (true, Errno::INVAL),
        Expect::Directory => (kind == FileType::Directory, Errno::NOTDIR),
        Expect::Procfs => (root_dir::is_on(tree, PROCFS)?, Errno::INVAL),
        Expect::Device { major, minor } => {
            let device = matches!(kind, FileType::CharacterDevice | FileType::BlockDevice);
            (device && stat.st_rdev == fs::makedev(major, minor), Errno::NODEV)
        }
    };
    if met { Ok(()) } else { Err(Fault::new(Call::Stat, errno)) }
}
