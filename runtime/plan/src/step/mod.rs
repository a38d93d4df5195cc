//! The steps of a plan: everything that the parent and the container's init can do, as data.
//!
//! A step names one act and holds all that the act needs. Nothing is left to decide where it is carried out.
//! Steps are nested by what they act on, so that every `match` that carries them out is exhaustive. Paths
//! below the root file system are relative to it and are resolved inside it. Paths of the host are absolute.

mod cgroup;
mod hook;
mod mount;
mod namespace;
mod open;
mod process;
mod resctrl;
mod sync;
mod unit;

pub use cgroup::{
    CgroupStep, CheckUse, DeviceProgram, ExistingCgroup, LimitStep, LimitWrite, LimitedMemory, MakeCgroup,
    OpenCgroup, PrepareCgroup, ProgramInstruction, WriteCgroup,
};
pub use hook::{Hook, HookEnvironment, HookKind, HookStep, Hooks};
pub use mount::{
    Attributes, Content, Device, EnterRoot, Expect, FileStep, Guard, IdMap, Locks, Mount, MountOption,
    MountStep, NodeFs, Overlay, OverlayUpper, Owner, Recursive, RootMode, RootStep, Source, Target,
};
pub use namespace::{MapIds, MapWriter, MoveNetDevice, NamespaceStep};
pub use open::{OpenStep, SourceUse};
pub use process::{
    CPU_WORDS, CallerStep, Capabilities, ChildStep, Console, CpuSet, Identity, IdentityStep, IoPriority,
    JoinCgroup, Label, LabelTarget, MemoryPolicy, NODE_WORDS, NoNewPrivileges, ProcessStep, ProgramStep,
    Rlimit, Scheduler, Spawn, Verify, WindowSize,
};
pub use resctrl::{MakeResctrlGroup, Presence, ResctrlStep};
pub use sync::{InitSync, ParentSync, Signal};
pub use unit::{ChangeUnit, Members, Property, StartUnit, Unit, Value};

use crate::place::Place;
use crate::seccomp::Filter;

/// A step and the place in the configuration that asks for it.
#[derive(Clone, Debug)]
pub struct Planned<Step> {
    /// What to do.
    pub step: Step,
    /// Why: the place in `config.json`.
    pub because: Place,
}

/// A file descriptor that one step opens and a later step uses, in either process: init inherits the parent's
/// descriptors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Slot(pub u16);

/// An enum whose variants hold steps of one kind each, with the conversions from them.
macro_rules! nested {
    ($(#[$meta:meta])* pub enum $name:ident { $($(#[doc = $doc:literal])* $variant:ident($kind:ty),)* }) => {
        $(#[$meta])*
        #[derive(Debug)]
        pub enum $name { $($(#[doc = $doc])* $variant($kind),)* }

        $(impl From<$kind> for $name {
            fn from(step: $kind) -> Self {
                Self::$variant(step)
            }
        })*

        impl std::fmt::Display for $name {
            fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                match self { $(Self::$variant(step) => step.fmt(out),)* }
            }
        }
    };
}

nested! {
    /// What the process that runs `create` does.
    pub enum ParentStep {
        /// Creates, opens and fills the container's cgroups.
        Cgroup(CgroupStep),
        /// Asks systemd to start a unit, and waits until it has.
        Unit(StartUnit),
        /// Makes and enters resctrl groups.
        Resctrl(ResctrlStep),
        /// Opens or makes something for a later step.
        Open(OpenStep),
        /// Acts on the child that becomes init.
        Child(ChildStep),
        /// Runs hooks in the runtime's namespaces.
        Hook(HookStep),
        /// Waits for init, or lets it go on.
        Sync(ParentSync),
        /// Passes file descriptors to the caller's sockets.
        Caller(CallerStep),
        /// Records the container as created. From here on it exists.
        Commit(Commit),
    }
}

/// The rename that makes a container exist.
#[derive(Debug)]
pub struct Commit;

nested! {
    /// What the container's init does.
    pub enum InitStep {
        /// Waits for the parent, or lets it go on.
        Sync(InitSync),
        /// Joins, makes and sets up namespaces.
        Namespace(NamespaceStep),
        /// Builds and enters the root file system.
        Root(RootStep),
        /// Mounts inside the root file system.
        Mount(MountStep),
        /// Makes files, device nodes and links inside the root file system.
        File(FileStep),
        /// Sets what the process has besides its identity.
        Process(ProcessStep),
        /// Takes users, groups and capabilities.
        Identity(IdentityStep),
        /// Runs hooks in the container's namespaces, one after the other.
        Hooks(Hooks),
        /// Installs the seccomp filter.
        Seccomp(Filter),
        /// Finds and executes the container's program.
        Program(ProgramStep),
    }
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
