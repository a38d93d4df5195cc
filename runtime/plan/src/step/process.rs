//! Steps on init as a process: how it is spawned, its identity, what it may do.

use super::Slot;
use super::{MapIds, MoveNetDevice};
use crate::host::CgroupVersion;
use crate::spec::{IoPriorityClass, MemoryPolicyMode, NamespaceKind, SchedulerPolicy};
use crate::tables::rlimits::RlimitKind;
use std::ffi::CString;

/// What the parent does to the child that becomes init.
#[derive(Debug)]
pub enum ChildStep {
    /// Spawns init, in new namespaces.
    Spawn(Spawn),
    /// Writes the id mappings of init's new user namespace.
    MapIds(MapIds),
    /// Sets `oom_score_adj` of init, -1000 to 1000.
    OomScore(i32),
    /// Sets a resource limit of init.
    Rlimit(Rlimit),
    /// Moves a network device into the container.
    MoveNetDevice(MoveNetDevice),
    /// Sets the scheduling policy of init.
    Scheduler(Scheduler),
    /// Sets the I/O priority of init.
    IoPriority(IoPriority),
}

/// What the parent passes to the caller's sockets.
#[derive(Debug)]
pub enum CallerStep {
    /// The terminal's master, to the console socket at this path.
    Console(CString),
    /// A pidfd of the process, to the socket at this path.
    Pidfd(CString),
}

/// What init sets besides its identity.
#[derive(Debug)]
#[allow(missing_docs, reason = "the sentence above a variant says what its fields are")]
pub enum ProcessStep {
    /// Makes init non-dumpable until exec: other processes of its user cannot trace it nor read its `/proc`
    /// directory.
    Hide,
    /// Takes that back. Only its own user can then enter the namespaces of a rootless container that waits.
    Show,
    /// Starts a session, without the caller's terminal.
    NewSession,
    /// Allows every CPU of the cgroup, whatever the caller's affinity is.
    AllCpus,
    /// Allows these CPUs only.
    SetCpus(CpuSet),
    /// Sets the execution domain (personality(2)).
    Personality { persona: u64 },
    /// Sets the NUMA memory policy.
    MemoryPolicy(MemoryPolicy),
    /// Sets a label of a security module for what is executed or made from here on.
    Label(Label),
    /// Joins a new, empty session keyring.
    NewKeyring { name: CString },
    /// Sets the umask.
    Umask { mask: u32 },
    /// Closes every file descriptor but the standard streams, the next `preserve` ones, and those of later
    /// steps.
    CloseFds { preserve: u32, keep: Vec<Slot> },
    /// Changes to the working directory of the process and checks that it is inside the root.
    WorkingDirectory { path: CString },
}

/// How init takes its identity.
#[derive(Debug)]
pub enum IdentityStep {
    /// Drops capabilities from the bounding set, all but these.
    BoundCapabilities(u64),
    /// Sets a resource limit of init itself.
    Rlimit(Rlimit),
    /// Takes the user, the group and the supplementary groups.
    User(Identity),
    /// Sets the capability sets.
    Capabilities(Capabilities),
    /// Sets no_new_privs.
    NoNewPrivileges,
    /// Reads back what was set and fails when it differs.
    Verify(Verify),
}

/// How init becomes the container's program.
#[derive(Debug)]
pub enum ProgramStep {
    /// Looks the program up, so that `create` reports a missing one.
    Find,
    /// Sets HOME from the container's `/etc/passwd`, for this uid.
    FindHome(u32),
    /// Resets the signal handlers and executes the program.
    Execute,
}

/// A cgroup that init joins.
#[derive(Debug)]
pub struct JoinCgroup {
    /// The directory.
    pub cgroup: Slot,
    /// Where its hierarchy is mounted, for messages.
    pub hierarchy: CString,
    /// Its version.
    pub version: CgroupVersion,
}

/// The process that becomes the container's init.
#[derive(Debug)]
pub struct Spawn {
    /// New namespaces, as `CLONE_NEW*` flags.
    pub namespaces: u64,
    /// Namespaces to join before init is made: an intermediate process joins them and makes init.
    pub join: Vec<(NamespaceKind, Slot)>,
    /// The pidfd of a container's init, and the `CLONE_NEW*` kinds of its namespaces, which the intermediate
    /// process joins in one call.
    pub enter: Option<(Slot, u64)>,
    /// The `timens_offsets` of a new time namespace, which must be written before init is made.
    pub time: Option<CString>,
    /// The v2 cgroup that init is born in (CLONE_INTO_CGROUP).
    pub cgroup: Option<Slot>,
}

/// A resource limit (setrlimit(2)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rlimit {
    /// The resource's name, such as `RLIMIT_NOFILE`.
    pub resource: RlimitKind,
    /// The soft limit.
    pub soft: u64,
    /// The hard limit.
    pub hard: u64,
}

/// The scheduling policy of a process (sched_setattr(2)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scheduler {
    /// The policy, for messages.
    pub policy: SchedulerPolicy,
    /// The policy's number.
    pub number: u32,
    /// Why the kernel may refuse this policy with EPERM, for the error.
    pub eperm_hint: Option<&'static str>,
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

/// The I/O priority of a process (ioprio_set(2)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IoPriority {
    /// The class, for messages.
    pub class: IoPriorityClass,
    /// The class's number.
    pub number: u16,
    /// 0, the highest, to 7.
    pub level: u16,
}

/// 64-bit words in a set of memory nodes: enough for MAX_NUMNODES of every kernel.
pub const NODE_WORDS: usize = 16;

/// The NUMA memory policy (set_mempolicy(2)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryPolicy {
    /// The mode, for messages.
    pub mode: MemoryPolicyMode,
    /// The mode's number and its flags.
    pub number: u32,
    /// A bit for each node.
    pub nodes: [u64; NODE_WORDS],
}

/// The size of a terminal, in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WindowSize {
    /// Lines.
    pub rows: u16,
    /// Columns.
    pub columns: u16,
}

/// Whether the terminal is bind-mounted at `/dev/console`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Console {
    /// It is, as for the first process of a container.
    Named,
    /// It is not.
    Unnamed,
}

/// 64-bit words in a CPU set: 1,024 CPUs, as CPU_SETSIZE has.
pub const CPU_WORDS: usize = 16;

/// A set of CPUs (sched_setaffinity(2)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CpuSet {
    /// A bit for each.
    pub bits: [u64; CPU_WORDS],
}

/// The user and groups of the process.
#[derive(Debug)]
pub struct Identity {
    /// User.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Supplementary groups; `None` keeps the current ones, where setgroups(2) is denied.
    pub groups: Option<Vec<u32>>,
}

/// Capability sets, one bit per capability.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Capabilities {
    /// The effective set.
    pub effective: u64,
    /// The permitted set.
    pub permitted: u64,
    /// The inheritable set.
    pub inheritable: u64,
    /// The ambient set.
    pub ambient: u64,
}

/// What init reads back before the container is created.
#[derive(Debug)]
pub struct Verify {
    /// The real, effective and saved uid.
    pub uid: u32,
    /// The real, effective and saved gid.
    pub gid: u32,
    /// The capabilities, if they are set already.
    pub capabilities: Option<Capabilities>,
    /// no_new_privs.
    pub no_new_privileges: NoNewPrivileges,
}

/// no_new_privs (prctl(2)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoNewPrivileges {
    /// Not set.
    Unset,
    /// Set.
    Set,
}

/// A label of a security module (proc_pid_attr(5)).
#[derive(Debug)]
pub struct Label {
    /// What it is for.
    pub target: LabelTarget,
    /// What is written.
    pub value: CString,
}

/// What a label is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LabelTarget {
    /// The AppArmor profile of the program that is executed next.
    ApparmorProgram,
    /// The SELinux context of the program that is executed next.
    SelinuxProgram,
    /// The SELinux context of new keyrings.
    SelinuxKeys,
}
