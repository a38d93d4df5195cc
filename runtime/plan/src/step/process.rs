//! What steps say of init as a process: how it is made, who it is, what it may do.

use super::Slot;
use crate::spec::{IoPriorityClass, MemoryPolicyMode, NamespaceKind, SchedulerPolicy};
use crate::tables::rlimits::RlimitKind;
use std::ffi::CString;

/// The process that becomes the container's init.
#[derive(Debug)]
pub struct Spawn {
    /// New namespaces, as `CLONE_NEW*` flags.
    pub namespaces: u64,
    /// Namespaces that have to be entered before init is made; a process in between does so and makes init.
    pub join: Vec<(NamespaceKind, Slot)>,
    /// The init of a container whose namespaces of these kinds (`CLONE_NEW*`) that process enters, all at once.
    pub enter: Option<(Slot, u64)>,
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

/// A resource limit (setrlimit(2)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rlimit {
    /// The resource's name, such as `RLIMIT_NOFILE`.
    pub resource: RlimitKind,
    /// The limit in force.
    pub soft: u64,
    /// The most it may be raised to.
    pub hard: u64,
}

/// A network device of the host that goes into the container.
#[derive(Debug)]
pub struct MoveNetDevice {
    /// Its name on the host.
    pub device: CString,
    /// Its name in the container, in which `%d` stands for a free number; `None` keeps the host's.
    pub name: Option<CString>,
    /// The network namespace, where it is not the one that init is born in.
    pub namespace: Option<Slot>,
}

/// How a process is scheduled (sched_setattr(2)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scheduler {
    /// The policy, for messages.
    pub policy: SchedulerPolicy,
    /// The policy's number.
    pub number: u32,
    /// `SCHED_FLAG_*`.
    pub flags: u64,
    /// -20 to 19.
    pub nice: i32,
    /// 1 to 99 for the real-time policies.
    pub priority: u32,
    /// Of a deadline, in nanoseconds.
    pub runtime_ns: u64,
    /// Of a deadline, in nanoseconds.
    pub deadline_ns: u64,
    /// Of a deadline, in nanoseconds.
    pub period_ns: u64,
}

/// When a process's disk requests are served (ioprio_set(2)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IoPriority {
    /// The class, for messages.
    pub class: IoPriorityClass,
    /// The class's number.
    pub number: u16,
    /// 0, the highest, to 7.
    pub level: u16,
}

/// How many words of 64 bits a set of memory nodes has: as many as the largest kernel has nodes.
pub const NODE_WORDS: usize = 16;

/// From which nodes memory comes (set_mempolicy(2)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryPolicy {
    /// The mode, for messages.
    pub mode: MemoryPolicyMode,
    /// The mode's number and its flags.
    pub number: u32,
    /// A bit for each node.
    pub nodes: [u64; NODE_WORDS],
}

/// A terminal's size, in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WindowSize {
    /// Lines.
    pub rows: u16,
    /// Columns.
    pub columns: u16,
}

/// Whether `/dev/console` becomes a name of the terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Console {
    /// It does, as for a container's first process.
    Named,
    /// It does not: there is one, or there is none.
    Unnamed,
}

/// How many words of 64 bits a set of processors has: as many as the largest kernel has processors.
pub const PROCESSOR_WORDS: usize = 16;

/// A set of processors (sched_setaffinity(2)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Processors {
    /// A bit for each.
    pub bits: [u64; PROCESSOR_WORDS],
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

/// A label of a security module, for what this process executes or makes from here on (proc_pid_attr(5)).
#[derive(Debug)]
pub struct Label {
    /// What gets it, by which module.
    pub of: Labelled,
    /// What is written.
    pub value: CString,
}

/// What a label is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Labelled {
    /// The AppArmor profile of the program that is executed next.
    ApparmorProgram,
    /// The SELinux context of the program that is executed next.
    SelinuxProgram,
    /// The SELinux context of new keyrings.
    SelinuxKeys,
}
