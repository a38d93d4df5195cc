//! Steps on the root file system: how it is built, mounted and entered, and the mounts and files in it.

use super::{Console, Slot, SourceUse, WindowSize};
use std::ffi::CString;

/// How init builds and enters the root file system.
#[derive(Debug)]
#[allow(missing_docs, reason = "the sentence above a variant says what its fields are")]
pub enum RootStep {
    /// Makes every mount of this namespace a slave, so that no mount propagates to the host.
    DetachPropagation,
    /// Makes a detached copy of a mount, where only init has the permission to.
    CloneTree { slot: Slot, source: Source },
    /// Mounts an overlay as the root file system.
    MountOverlay { overlay: Overlay, at: CString },
    /// Mounts a detached copy of a directory as the root file system.
    MountTree { tree: Slot, at: CString },
    /// Makes the root file system the only one: nothing of the host can be reached from here on.
    Enter(EnterRoot),
    /// Returns to the mount namespace that init was born in, with a detached copy of the root file system as
    /// root directory. No other process sees that copy, and it ends with the last process that uses it.
    TakeBack { namespace: Slot },
    /// Changes the mount of the root file system.
    SetAttributes { attributes: Attributes, propagation: u64 },
    /// Takes the current root directory as the container's root: `exec` has just entered it.
    Current,
    /// Changes the root directory to an open directory, where the container has no mount namespace of its
    /// own.
    Change { slot: Slot },
}

/// What init mounts inside the root file system.
#[derive(Debug)]
#[allow(missing_docs, reason = "the sentence above a variant says what its fields are")]
pub enum MountStep {
    /// Copies a mount of the host and mounts the copy.
    Bind { source: Source, target: Target, content: Content },
    /// Makes a new file system and mounts it.
    New(Mount),
    /// Mounts a detached copy that the parent or an earlier step made.
    Attach { tree: Slot, target: Target, content: Content },
    /// Changes the mount at a target.
    Remount { target: Target, attributes: Attributes, propagation: u64 },
    /// Masks a path: a directory with an empty one, a file with the null device.
    Mask { path: CString, null: Slot },
    /// Makes a path read-only, with all below it.
    ReadonlyPath { path: CString },
}

/// What init makes inside the root file system.
#[derive(Debug)]
#[allow(missing_docs, reason = "the sentence above a variant says what its fields are")]
pub enum FileStep {
    /// Makes a directory and its parents.
    MakeDirectory { path: CString },
    /// Makes a device node.
    MakeDevice(Device),
    /// Makes a symbolic link.
    Symlink { path: CString, target: CString },
    /// Opens the container's null device in place of the host's, where that is a standard stream.
    ReopenDevNull,
    /// Opens a terminal on the container's devpts. The master is passed to the parent with the next signal.
    OpenTerminal { size: Option<WindowSize>, owner: u32, console: Console },
}

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

/// Whether the mounts below a mount are included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recursive {
    /// Only the mount itself (`bind`, `idmap`).
    No,
    /// The mount and all mounts below it (`rbind`, `ridmap`).
    Yes,
}

/// A mount of the host, or a directory or file in it, that is copied detached.
#[derive(Debug)]
pub struct Source {
    /// The path on the host.
    pub path: CString,
    /// Whether mounts below the source are copied too.
    pub recursive: Recursive,
    /// Changes to the copy.
    pub attributes: Attributes,
    /// The flags of the source's mount that these changes may not clear.
    pub locks: Locks,
    /// Propagation of the copy, as `MS_*` flags, each applied in turn; those with `MS_REC` reach all below.
    pub propagation: Vec<u64>,
    /// What the source must be.
    pub expect: Expect,
    /// The id mapping of the copy, if it is id-mapped.
    pub id_map: Option<IdMap>,
    /// What the copy is for.
    pub usage: SourceUse,
}

/// The flags of a mount that a copy of it must keep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Locks {
    /// None.
    None,
    /// Those that a user namespace locks: ro, nosuid, nodev, noexec, and the atime flags.
    Kept {
        /// Flags that an option clears by name. Those are refused; flags that are cleared only because no
        /// option names them stay.
        named: u64,
    },
}

/// How a mount maps ids (mount_setattr(2), `MOUNT_ATTR_IDMAP`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IdMap {
    /// The user namespace that has the mappings.
    pub namespace: Slot,
    /// Whether mounts below are mapped too.
    pub recursive: Recursive,
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
    pub upper: Option<OverlayUpper>,
    /// Further options, each with its value.
    pub options: Vec<(CString, Option<CString>)>,
}

/// The writable part of an overlay.
#[derive(Debug)]
pub struct OverlayUpper {
    /// The upper directory.
    pub upper: CString,
    /// The work directory, on the same file system.
    pub work: CString,
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

/// The file system in which the parent makes a device node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NodeFs {
    /// It is mounted nowhere.
    Detached,
    /// It is mounted in a mount namespace of its own. Before Linux 6.15, open_tree(2) cannot copy from a
    /// detached mount.
    InNamespace,
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
