//! The steps of a plan: everything that the parent and the container's init can do, as data.
//!
//! A step names one act, with all it needs; nothing is left to decide where it is carried out. Paths below the root file
//! system are relative to it and are resolved inside it; paths of the host are absolute.

mod cgroup;
mod hook;
mod mount;
mod process;
mod resctrl;
mod unit;

pub use cgroup::{
    CheckUse, DeviceProgram, MakeCgroup, OpenCgroup, PrepareCgroup, ProgramInstruction, Tenant, WriteCgroup,
};
pub use hook::{Hook, HookEnvironment, HookKind, Hooks};
pub use mount::{
    Attributes, Content, Device, EnterRoot, Expect, Guard, IdMap, Locks, Mount, MountOption, Nursery,
    Overlay, Owner, Reach, RootMode, Source, Target,
};
pub use process::{
    Capabilities, Console, Identity, IoPriority, Label, Labelled, MapIds, MapWriter, MemoryPolicy,
    MoveNetDevice, NODE_WORDS, NoNewPrivileges, PROCESSOR_WORDS, Processors, Rlimit, Scheduler, Spawn,
    Verify, WindowSize,
};
pub use resctrl::{MakeResctrlGroup, Presence};
pub use unit::{ChangeUnit, Members, Property, StartUnit, Unit, Value};

use crate::host::CgroupVersion;
use crate::place::Place;
use crate::seccomp::Filter;
use crate::spec::NamespaceKind;
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
    /// To init: the unit that systemd has made for it is there, with its cgroups.
    Placed,
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
    pub const ALL: [Self; 7] = [
        Self::Placed,
        Self::Mapped,
        Self::Mounted,
        Self::HooksDone,
        Self::Ready,
        Self::Committed,
        Self::Released,
    ];

    /// The word for it in a printed plan.
    pub fn name(self) -> &'static str {
        match self {
            Self::Placed => "placed",
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
    /// Opens a directory of a container that exists, in one cgroup hierarchy.
    OpenCgroup(OpenCgroup),
    /// Asks systemd for a unit, and waits until it has made it.
    StartUnit(StartUnit),
    /// Asks systemd to change a unit.
    ChangeUnit(ChangeUnit),
    /// Gives init descriptors that were opened after its birth ([`Signal::Placed`]).
    HandOver { slots: Vec<Slot> },
    /// Opens the init of a container that exists.
    OpenInit { slot: Slot },
    /// Opens the root directory of that init.
    OpenRoot { slot: Slot },
    /// Writes one file of a cgroup.
    WriteCgroup(WriteCgroup),
    /// Writes one file of a cgroup, or, where the cgroup has none of that name, another one.
    WriteCgroupOr { first: WriteCgroup, or: WriteCgroup },
    /// Refuses a limit that is below what is in use.
    CheckUse(CheckUse),
    /// Lets a program decide which devices the processes of a cgroup may use.
    DeviceProgram(DeviceProgram),
    /// Gives a cgroup, and those of its files that may be, to the container's user.
    GiveCgroup { cgroup: Slot, uid: u32 },
    /// Makes a group of resctrl, where it is not there, and opens it.
    MakeResctrlGroup(MakeResctrlGroup),
    /// Puts init into a group of resctrl.
    EnterResctrlGroup { group: Slot },
    /// Opens a namespace that is to be joined, and refuses one of another kind.
    OpenNamespace { slot: Slot, kind: NamespaceKind, path: CString },
    /// Makes a user namespace for its mappings alone.
    MakeIdMap { slot: Slot, maps: MapIds },
    /// Makes a view of the host's mounts as a user namespace has it, in which copies are made that stay locked.
    MakeView,
    /// Makes a detached copy of a mount of the host, or of a directory or file in it.
    CloneTree { slot: Slot, source: Source },
    /// Makes a device node in a file system of its own that nobody else sees, and a detached copy of it.
    MakeNode { slot: Slot, device: Device, attributes: Attributes, nursery: Nursery },
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
    /// Moves a network device into the container.
    MoveNetDevice(MoveNetDevice),
    /// Sets how init is scheduled.
    Scheduler(Scheduler),
    /// Sets when init's disk requests are served.
    IoPriority(IoPriority),
    /// Tells init to go on.
    Send(Signal),
    /// Waits for init.
    Await(Signal),
    /// Passes the terminal's master on to the caller's console socket.
    SendConsole { socket: CString },
    /// Passes a descriptor of the process on to the caller's socket.
    SendPidfd { socket: CString },
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
    /// Lets its user look into it again, who has no other right to enter the namespaces of a container that waits.
    ShowToUser,
    /// Makes a detached copy of a mount, where the parent has no right to.
    CloneTree { slot: Slot, source: Source },
    /// Waits for descriptors that the parent opens after init's birth ([`Signal::Placed`]).
    TakeOver { slots: Vec<Slot> },
    /// Enters a directory of a cgroup hierarchy.
    JoinCgroup { cgroup: Slot, version: CgroupVersion },
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
    /// Lets the process run on these processors alone.
    OnlyProcessors(Processors),
    /// Takes the topmost directory of the mount namespace for the root that later steps work in.
    TakeRoot,
    /// Makes an open directory the root, where the container has no mount namespace whose root it is.
    ChangeRoot { slot: Slot },
    /// Sets the execution domain (personality(2)).
    Personality { persona: u64 },
    /// Sets from which nodes memory comes.
    MemoryPolicy(MemoryPolicy),
    /// Gives what is executed or made from here on a label of a security module.
    Label(Label),
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
    /// Puts the container's null device in the place of the host's, where that is a standard stream.
    OwnNull,
    /// Opens a terminal on the container's devpts; its other end goes to the parent with the next signal.
    OpenTerminal { size: Option<WindowSize>, owner: u32, console: Console },
    /// Runs hooks in the container's namespaces, one after the other.
    Hooks(Hooks),
    /// Hides a path: a directory behind an empty one, a file behind the null device.
    Mask { path: CString, null: Slot },
    /// Makes a path read-only, with all below it.
    ReadonlyPath { path: CString },
    /// Makes the root file system the only one: nothing of the host can be reached from here on.
    EnterRoot(EnterRoot),
    /// Goes back to the mount namespace that init comes from, and takes along, as its root, a copy of the root file system with all
    /// that is mounted in it. Nobody else sees that copy, and it goes with the last process that uses it.
    TakeRootBack { namespace: Slot },
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
    /// Limits a resource of init itself.
    Rlimit(Rlimit),
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
