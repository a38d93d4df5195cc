//! The steps of a plan: everything that the parent and the container's init can do, as data.
//!
//! A step names one act, with all it needs; nothing is left to decide where it is carried out. Paths below the root file
//! system are relative to it and are resolved inside it; paths of the host are absolute.

use crate::place::Place;
use crate::seccomp::Filter;
use crate::spec::NamespaceKind;
use crate::tables::vocabulary;
use std::ffi::CString;

/// A step and the place in the configuration that asks for it.
#[derive(Debug)]
pub struct Planned<Step> {
    /// What to do.
    pub step: Step,
    /// Why: the place in `config.json`.
    pub because: Place,
}

/// A descriptor that one step opens and a later one uses, on either side: init is born with the parent's descriptors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Slot(pub u16);

/// What one side tells the other, so that neither goes on too early.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// To init: its user namespace has its mappings.
    Mapped,
    /// To the parent: the namespaces are entered and the mounts are made.
    Mounted,
    /// To init: the hooks that run beside it have run.
    HooksDone,
    /// To the parent: everything is done but to start. With a terminal, its master comes along.
    Ready,
    /// To init: the container is recorded as created.
    Committed,
    /// To the parent: init now lives on without it.
    Released,
}

impl Signal {
    /// Every signal, in the order in which they are given.
    pub const ALL: [Self; 6] =
        [Self::Mapped, Self::Mounted, Self::HooksDone, Self::Ready, Self::Committed, Self::Released];

    /// The word for it in a printed plan.
    pub fn name(self) -> &'static str {
        match self {
            Self::Mapped => "mapped",
            Self::Mounted => "mounted",
            Self::HooksDone => "hooks done",
            Self::Ready => "ready",
            Self::Committed => "committed",
            Self::Released => "released",
        }
    }
}

/// What the process that runs `create` does.
#[derive(Debug)]
#[allow(missing_docs, reason = "the sentence above a variant says what its fields are")]
pub enum ParentStep {
    /// Makes the container's directory in one cgroup hierarchy and opens it.
    MakeCgroup(MakeCgroup),
    /// Writes one file of a cgroup.
    WriteCgroup(WriteCgroup),
    /// Opens a namespace that is to be joined, and refuses one of another kind.
    OpenNamespace { slot: Slot, kind: NamespaceKind, path: CString },
    /// Makes a detached copy of a mount of the host, or of a directory or file in it.
    CloneTree { slot: Slot, source: Source },
    /// Makes a detached copy of the container's own directory in a cgroup hierarchy.
    CloneCgroup { slot: Slot, cgroup: Slot, attributes: Attributes },
    /// Makes the socket on which init waits to be started.
    Listen { slot: Slot },
    /// Makes a file in memory that will hold the container's state, for hooks that init runs.
    MakeState { slot: Slot },
    /// Makes init, in new namespaces.
    Spawn(Spawn),
    /// Writes the mappings of init's new user namespace.
    MapIds(MapIds),
    /// Sets how eagerly the kernel kills init when memory is short (-1000 to 1000).
    OomScore { adjustment: i32 },
    /// Fills the file in memory with the container's state, now that init's pid is known.
    FillState { slot: Slot, status: Status },
    /// Runs hooks in the runtime's namespaces, one after the other.
    Hooks(Hooks),
    /// Limits a resource of init.
    Rlimit(Rlimit),
    /// Tells init to go on.
    Send(Signal),
    /// Waits for init.
    Await(Signal),
    /// Passes the terminal's master on to the caller's console socket.
    SendConsole { socket: CString },
    /// Records the container as created: from here on it exists.
    Commit,
}

/// What the container's init does.
#[derive(Debug)]
#[allow(missing_docs, reason = "the sentence above a variant says what its fields are")]
pub enum InitStep {
    /// Asks to be killed when the parent dies.
    DieWithParent,
    /// Keeps other processes of its user from tracing it and from looking into its `/proc` directory, until exec.
    HideFromOthers,
    /// Makes a detached copy of a mount, where the parent has no right to.
    CloneTree { slot: Slot, source: Source },
    /// Enters a cgroup v1 hierarchy.
    JoinCgroup { cgroup: Slot },
    /// Enters an existing namespace.
    JoinNamespace { slot: Slot, kind: NamespaceKind },
    /// Waits for the parent.
    Await(Signal),
    /// Tells the parent.
    Send(Signal),
    /// Becomes user and group 0 of the new user namespace.
    BecomeRoot,
    /// Leaves the caller's session and its terminal.
    NewSession,
    /// Lets the process run on every processor that its cgroup allows, wherever the caller was confined to.
    EveryProcessor,
    /// Sets the execution domain (personality(2)).
    Personality { persona: u64 },
    /// Takes an empty session keyring.
    NewKeyring { name: CString },
    /// Makes a cgroup namespace, whose root is the cgroup that init is in.
    NewCgroupNamespace,
    /// Sets the host name.
    Hostname { name: CString },
    /// Sets the NIS domain name.
    Domainname { name: CString },
    /// Brings the loopback interface up.
    LoopbackUp,
    /// Stops mounts of this namespace from reaching the host's.
    DetachPropagation,
    /// Mounts an overlay as the root file system.
    RootOverlay { overlay: Overlay, at: CString },
    /// Makes a detached copy of a directory the root file system.
    RootTree { tree: Slot, at: CString },
    /// Copies a mount and mounts the copy.
    Bind { source: Source, target: Target, content: Content },
    /// Makes a new file system and mounts it.
    Mount(Mount),
    /// Mounts a detached copy that the parent or an earlier step made.
    Attach { tree: Slot, target: Target, content: Content },
    /// Changes the mount that a target already is.
    Remount { target: Target, attributes: Attributes, propagation: u64 },
    /// Makes a directory, with those above it.
    MakeDirectory { path: CString },
    /// Makes a device node.
    MakeDevice(Device),
    /// Makes a symbolic link.
    Symlink { path: CString, target: CString },
    /// Opens a terminal on the container's devpts; its other end goes to the parent with the next signal.
    OpenTerminal { size: Option<WindowSize>, owner: u32 },
    /// Runs hooks in the container's namespaces, one after the other.
    Hooks(Hooks),
    /// Hides a path: a directory behind an empty one, a file behind the null device.
    Mask { path: CString, null: Slot },
    /// Makes a path read-only, with all below it.
    ReadonlyPath { path: CString },
    /// Makes the root file system the only one: nothing of the host can be reached from here on.
    EnterRoot(EnterRoot),
    /// Changes the mount of the root file system.
    RootAttributes { attributes: Attributes, propagation: u64 },
    /// Writes a kernel parameter of the container's namespaces; the path is below `/proc/sys`.
    Sysctl { path: CString, value: CString },
    /// Closes every descriptor but the standard ones, those of the next `preserve` numbers, and those that later steps use.
    CloseDescriptors { preserve: u32, keep: Vec<Slot> },
    /// Changes to the process's working directory and makes sure that it is inside the root.
    WorkingDirectory { path: CString },
    /// Sets the file mode creation mask.
    Umask { mask: u32 },
    /// Drops capabilities for good, from the set that bounds all others.
    BoundCapabilities { keep: u64 },
    /// Takes the process's user and groups.
    Identity(Identity),
    /// Sets the capabilities.
    SetCapabilities(Capabilities),
    /// Gives up ever gaining privileges by executing a program.
    NoNewPrivileges,
    /// Looks the program up, so that a missing one is told before the container counts as created.
    FindProgram,
    /// Sets HOME from the container's password file.
    FindHome { uid: u32 },
    /// Reads back what was set and refuses to go on when it differs.
    Verify(Verify),
    /// No longer dies with the parent.
    OutliveParent,
    /// Waits until `start`.
    WaitForStart { slot: Slot },
    /// Puts the process under a system call filter.
    Seccomp(Filter),
    /// Gives signals their default actions and executes the container's program.
    Execute,
}

/// A directory of the container in one cgroup hierarchy.
#[derive(Debug)]
pub struct MakeCgroup {
    /// Where the open directory is put.
    pub slot: Slot,
    /// Where the hierarchy is mounted.
    pub mount: CString,
    /// The directory, relative to the mount.
    pub path: CString,
    /// What new directories need before a process may enter them.
    pub prepare: PrepareCgroup,
}

/// What the directories on the way to a container's cgroup need.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PrepareCgroup {
    /// Nothing.
    Plain,
    /// cpuset on v1: each new directory starts empty and takes its parent's processors and memory nodes.
    InheritCpuset,
    /// v2: each directory above the last hands the controllers it has on to the next.
    EnableControllers,
}

/// One value of one cgroup file.
#[derive(Debug)]
pub struct WriteCgroup {
    /// The cgroup.
    pub cgroup: Slot,
    /// The file in it.
    pub file: CString,
    /// What is written, in one write(2).
    pub value: CString,
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
    /// Propagation of the copy, as `MS_*` flags, each applied in turn; those with `MS_REC` reach all below.
    pub propagation: Vec<u64>,
    /// What the source must be.
    pub expect: Expect,
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

/// The process that becomes the container's init.
#[derive(Debug)]
pub struct Spawn {
    /// New namespaces, as `CLONE_NEW*` flags.
    pub namespaces: u64,
    /// Namespaces that have to be entered before init is made; a process in between does so and makes init.
    pub join: Vec<(NamespaceKind, Slot)>,
    /// A time namespace that has to be made before init is, with what is written to its `timens_offsets`.
    pub time: Option<CString>,
    /// The v2 cgroup that init is born in.
    pub cgroup: Option<Slot>,
}

/// Mappings of a user namespace, as the kernel's files take them: a line for each extent.
#[derive(Debug)]
pub struct MapIds {
    /// For `uid_map`.
    pub uids: String,
    /// For `gid_map`.
    pub gids: String,
    /// By whom they are written.
    pub writer: MapWriter,
}

/// Who may write the mappings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MapWriter {
    /// The runtime, which has the capabilities for it.
    Privileged,
    /// The runtime as an ordinary user, for itself alone: setgroups is denied first.
    OwnIds,
    /// The set-user-id programs newuidmap and newgidmap.
    Delegated,
}

vocabulary! {
    /// When hooks run (config.md, "POSIX-platform Hooks").
    pub enum HookKind: "kind of hook" {
        /// Before createRuntime, beside it; deprecated.
        Prestart = "prestart",
        /// When the namespaces are there, in the runtime's.
        CreateRuntime = "createRuntime",
        /// Then, in the container's.
        CreateContainer = "createContainer",
        /// Before the program, in the container's.
        StartContainer = "startContainer",
        /// When the program runs, in the runtime's.
        Poststart = "poststart",
        /// When the container is deleted, in the runtime's.
        Poststop = "poststop",
    }
}

impl HookKind {
    /// The place of hooks of this kind in the configuration.
    pub fn place(self) -> Place {
        Place::of(match self {
            Self::Prestart => "hooks.prestart",
            Self::CreateRuntime => "hooks.createRuntime",
            Self::CreateContainer => "hooks.createContainer",
            Self::StartContainer => "hooks.startContainer",
            Self::Poststart => "hooks.poststart",
            Self::Poststop => "hooks.poststop",
        })
    }
}

/// Hooks of one kind.
#[derive(Debug)]
pub struct Hooks {
    /// When they run.
    pub kind: HookKind,
    /// In their order.
    pub hooks: Vec<Hook>,
    /// Where their standard input comes from.
    pub state: Slot,
}

/// A program run at a point of the container's life.
#[derive(Debug)]
pub struct Hook {
    /// The absolute path.
    pub path: CString,
    /// Arguments, the name first.
    pub arguments: Vec<CString>,
    /// Environment; `None` takes the container's own, as startContainer hooks do.
    pub environment: Option<Vec<CString>>,
    /// Seconds after which it is killed.
    pub timeout_seconds: Option<u32>,
}

/// A resource limit (setrlimit(2)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rlimit {
    /// The resource's name, such as `RLIMIT_NOFILE`.
    pub resource: crate::tables::rlimits::RlimitKind,
    /// The limit in force.
    pub soft: u64,
    /// The most it may be raised to.
    pub hard: u64,
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

/// A terminal's size, in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WindowSize {
    /// Lines.
    pub rows: u16,
    /// Columns.
    pub columns: u16,
}

/// How the root file system becomes the root.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EnterRoot {
    /// pivot_root(2); the host's mounts are then unmounted from this namespace.
    Pivot,
    /// chroot(2) into the mount that covers the old root (`--no-pivot`): for a root on the initial ramfs.
    Cover,
    /// chroot(2) alone: the container shares the runtime's mount namespace.
    Chroot,
}

/// The ids of the process.
#[derive(Debug)]
pub struct Identity {
    /// User.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Further groups; `None` keeps those there are, where setgroups(2) is denied.
    pub groups: Option<Vec<u32>>,
}

/// Sets of capabilities, one bit for each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Capabilities {
    /// In force.
    pub effective: u64,
    /// Available.
    pub permitted: u64,
    /// Kept across exec for files that have them as well.
    pub inheritable: u64,
    /// Kept across exec of any program.
    pub ambient: u64,
}

/// What must be true before the container counts as created.
#[derive(Debug)]
pub struct Verify {
    /// The user, in force and saved.
    pub uid: u32,
    /// The group, in force and saved.
    pub gid: u32,
    /// The capabilities, where they are already set.
    pub capabilities: Option<Capabilities>,
    /// Whether no-new-privileges is set.
    pub no_new_privileges: NoNewPrivileges,
}

/// Whether the process may gain privileges by executing a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoNewPrivileges {
    /// It may.
    Unset,
    /// It may not.
    Set,
}

/// The states of a container (runtime.md, "State").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Being made.
    Creating,
    /// Made; its program has not been started.
    Created,
    /// Its program runs.
    Running,
    /// Its processes are frozen (runc's word; the specification allows more states than its own).
    Paused,
    /// Its program has ended.
    Stopped,
}

impl Status {
    /// The word in the state's JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Creating => "creating",
            Self::Created => "created",
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Stopped => "stopped",
        }
    }
}
