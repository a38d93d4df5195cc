//! What steps say of mounts, devices and the root file system.

use super::Slot;
use std::ffi::CString;

/// Mount attributes to set and to clear (`MOUNT_ATTR_*`), on one mount and on those below it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Attributes {
    /// Set on the mount itself.
    pub set: u64,
    /// Cleared on the mount itself.
    pub clear: u64,
    /// Set on the mount and all below it.
    pub set_all: u64,
    /// Cleared on the mount and all below it.
    pub clear_all: u64,
}

/// Whether mounts below the source come along.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// The mount alone (`bind`).
    One,
    /// With all below it (`rbind`).
    Recursive,
}

/// Something the host has mounted, of which a detached copy is made.
#[derive(Debug)]
pub struct Source {
    /// The path on the host.
    pub path: CString,
    /// With or without what is mounted below.
    pub reach: Reach,
    /// Changes to the copy.
    pub attributes: Attributes,
    /// What of the source's mount they may not undo.
    pub locks: Locks,
    /// Propagation of the copy, as `MS_*` flags, each applied in turn; those with `MS_REC` reach all below.
    pub propagation: Vec<u64>,
    /// What the source must be.
    pub expect: Expect,
    /// How the copy maps ids, where it does.
    pub id_map: Option<IdMap>,
}

/// What of a mount may not be undone in a copy of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Locks {
    /// Anything may.
    None,
    /// What a user namespace would lock: read-only, nosuid, nodev, noexec, and how access times are kept.
    Kept {
        /// Attributes that are to be cleared by name, and not only because they are not named. Those are refused.
        named: u64,
    },
}

/// How a mount maps ids (mount_setattr(2), `MOUNT_ATTR_IDMAP`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IdMap {
    /// The user namespace that has the mappings.
    pub namespace: Slot,
    /// Of the mount alone (`idmap`), or of all below it too (`ridmap`).
    pub reach: Reach,
}

/// What a path of the host must turn out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expect {
    /// Anything.
    Anything,
    /// A directory.
    Directory,
    /// A procfs.
    Procfs,
    /// The character device with these numbers.
    Device {
        /// The major number.
        major: u32,
        /// The minor number.
        minor: u32,
    },
}

/// An overlay file system.
#[derive(Debug)]
pub struct Overlay {
    /// Read-only layers, the topmost first.
    pub lower: Vec<CString>,
    /// The writable layer and its work directory; without them the overlay is read-only.
    pub upper: Option<(CString, CString)>,
    /// Further options, each with its value.
    pub options: Vec<(CString, Option<CString>)>,
}

/// A new file system.
#[derive(Debug)]
pub struct Mount {
    /// Its type.
    pub kind: CString,
    /// Its source, as mountinfo shows it.
    pub source: CString,
    /// Its own options with their places in the list the configuration has.
    pub options: Vec<MountOption>,
    /// `MOUNT_ATTR_*` of the mount.
    pub attributes: u64,
    /// Propagation, as for [`Source`].
    pub propagation: Vec<u64>,
    /// Where it is mounted.
    pub target: Target,
    /// What it starts with.
    pub content: Content,
    /// What its topmost directory's mode is.
    pub mode: RootMode,
    /// How it maps ids, where it does.
    pub id_map: Option<IdMap>,
}

/// The mode of a new file system's topmost directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RootMode {
    /// What the file system gives it, or an option does.
    Own,
    /// That of the directory it covers (a tmpfs without `mode`).
    Covered,
}

/// An option that is the file system's own.
#[derive(Debug)]
pub struct MountOption {
    /// The name.
    pub key: CString,
    /// The value, if it takes one.
    pub value: Option<CString>,
    /// Its index in the configuration's list of options.
    pub index: usize,
}

/// What a new mount starts with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// What it has.
    Own,
    /// Besides, a copy of what the target held (`tmpcopyup`).
    CopyUp,
}

/// Where something is mounted, relative to the root file system.
#[derive(Debug)]
pub struct Target {
    /// The path, without a leading slash; empty for the root itself.
    pub path: CString,
    /// Which paths are accepted.
    pub guard: Guard,
}

/// What a target must not turn out to be, however the image arranges its links.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Guard {
    /// Not inside a procfs.
    OutsideProcfs,
    /// A path of procfs that may be covered (such as `/proc/meminfo`).
    Anywhere,
    /// No component may be a symbolic link: `/proc` and `/sys` themselves.
    NoSymlinks,
}

/// Where the file system is mounted in which the parent makes a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nursery {
    /// Nowhere.
    Detached,
    /// In a mount namespace of its own, which goes with it: before Linux 6.15 nothing can be copied from what is mounted nowhere.
    Namespace,
}

/// A device node to be made.
#[derive(Debug)]
pub struct Device {
    /// Where, relative to the root file system.
    pub path: CString,
    /// The type and permission bits, as mknod(2) takes them.
    pub mode: u32,
    /// The major number; 0 for a fifo.
    pub major: u32,
    /// The minor number; 0 for a fifo.
    pub minor: u32,
    /// Whose it is, where that is not root's.
    pub owner: Option<Owner>,
}

/// The user and group that a file belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owner {
    /// The user.
    pub uid: u32,
    /// The group.
    pub gid: u32,
}

/// How the root file system becomes the root.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EnterRoot {
    /// pivot_root(2); the host's mounts are then unmounted from this namespace.
    Pivot,
    /// chroot(2) into the mount that covers the old root (`--no-pivot`): for a root on the initial ramfs.
    Cover,
}
