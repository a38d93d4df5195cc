//! The program of a container: process of config.json, and the document process.json of exec.

use super::decode::{Decode, Slot};
use super::ids::{Gid, Uid};
use super::mistake::{Place, Report};
use super::object::object;
use crate::tables::capabilities::{Capability, CapabilitySet};
use crate::tables::rlimits::RlimitKind;
use crate::tables::vocabulary;

object! {
    /// The program to run and what it may do (config.md, Process).
    pub struct Process ignoring("commandLine") {
        /// Whether it gets a terminal of its own.
        terminal: bool = "terminal",
        /// The size of that terminal.
        console_size: Option<ConsoleSize> = "consoleSize",
        /// Who it runs as; root where the document says nothing.
        user: User = "user",
        /// The argument vector; the first names the program as execvp(3) would find it.
        args: Vec<String> = "args",
        /// The environment, `NAME=value` each.
        env: Vec<String> = "env",
        /// The working directory, absolute.
        cwd: String = "cwd",
        /// The capabilities to keep; `None` keeps none.
        capabilities: Option<Capabilities> = "capabilities",
        /// Resource limits.
        rlimits: Vec<Rlimit> = "rlimits",
        /// Whether execve(2) may no longer add privileges.
        no_new_privileges: bool = "noNewPrivileges",
        /// The AppArmor profile.
        apparmor_profile: Option<String> = "apparmorProfile",
        /// The value of oom_score_adj, -1000 to 1000; `None` leaves it as it is.
        oom_score_adj: Option<i32> = "oomScoreAdj",
        /// The CPU scheduling policy.
        scheduler: Option<Scheduler> = "scheduler",
        /// The SELinux context.
        selinux_label: Option<String> = "selinuxLabel",
        /// The I/O priority.
        io_priority: Option<IoPriority> = "ioPriority",
        /// The CPUs that exec uses.
        exec_cpu_affinity: Option<CpuAffinity> = "execCPUAffinity",
    }
}

object! {
    /// The size of a terminal, in characters (config.md, Process).
    pub struct ConsoleSize {
        /// Rows.
        height: u64 = "height",
        /// Columns.
        width: u64 = "width",
    }
}

object! {
    /// Who a process runs as, in the container's user namespace (config.md, POSIX-platform User).
    pub struct User ignoring("username") {
        /// User id.
        uid: Uid = "uid",
        /// Group id.
        gid: Gid = "gid",
        /// Bits that new files never get; `None` leaves the mask as it is.
        umask: Option<u32> = "umask",
        /// Further groups.
        additional_gids: Vec<Gid> = "additionalGids",
    }
}

object! {
    /// The five sets of capabilities(7) (config.md, Linux Process).
    #[derive(Default)]
    pub struct Capabilities {
        /// What can ever be gained.
        bounding: CapabilitySet = "bounding",
        /// What the kernel checks.
        effective: CapabilitySet = "effective",
        /// What survives execve(2) together with a file's inheritable set.
        inheritable: CapabilitySet = "inheritable",
        /// What can be made effective.
        permitted: CapabilitySet = "permitted",
        /// What survives execve(2) of a program without privileges.
        ambient: CapabilitySet = "ambient",
    }
}

/// A name that no table has is a warning, not a mistake: newer kernels have newer capabilities, and the specification
/// wants such a container to start (config.md, Linux Process, capabilities).
impl Decode for CapabilitySet {
    const WANTED: &'static str = "an array";

    fn absent() -> Option<Self> {
        Some(Self::EMPTY)
    }

    fn is_silent(&self) -> bool {
        self.is_empty()
    }

    fn list<'de, A: serde::de::SeqAccess<'de>>(
        list: A,
        at: &Place<'_>,
        report: &mut Report,
    ) -> Result<Slot<Self>, A::Error> {
        let names = Vec::<CapabilityName>::list(list, at, report)?;
        Ok(names.map(|names| names.into_iter().filter_map(|name| name.0).collect()))
    }
}

/// One name of a set, known or not.
struct CapabilityName(Option<Capability>);

impl Decode for CapabilityName {
    const WANTED: &'static str = "the name of a capability";

    fn text(value: &str, at: &Place<'_>, report: &mut Report) -> Slot<Self> {
        let known = Capability::parse(value);
        if known.is_none() {
            let names: Vec<&str> = Capability::ALL.iter().map(|capability| capability.name()).collect();
            let unknown = super::spelling::unknown("capability", value, &names);
            report.warn(at, format!("ignoring {unknown}"));
        }
        Slot::Given(Self(known))
    }
}

object! {
    /// A resource limit, see getrlimit(2) (config.md, POSIX process).
    pub struct Rlimit {
        /// The resource.
        kind: RlimitKind = "type",
        /// The limit in force, in the unit of the resource.
        soft: u64 = "soft",
        /// The ceiling of the soft limit.
        hard: u64 = "hard",
    }
}

object! {
    /// How the kernel schedules the process, see sched_setattr(2) (config.md, Linux Process).
    pub struct Scheduler {
        /// The policy.
        policy: SchedulerPolicy = "policy",
        /// The nice value, -20 to 19; absent it is 0.
        nice: Option<i32> = "nice",
        /// The static priority of the real-time policies; absent it is 0.
        priority: Option<i32> = "priority",
        /// Flags.
        flags: Vec<SchedulerFlag> = "flags",
        /// Deadline policy: nanoseconds of run time in each period; absent it is 0.
        runtime: Option<u64> = "runtime",
        /// Deadline policy: nanoseconds until the run time must be granted; absent it is 0.
        deadline: Option<u64> = "deadline",
        /// Deadline policy: nanoseconds of a period; absent it is 0.
        period: Option<u64> = "period",
    }
}

vocabulary! {
    /// A CPU scheduling policy, see sched(7).
    pub enum SchedulerPolicy: "scheduler policy" {
        /// Time sharing.
        Other = "SCHED_OTHER",
        /// Real time, first in first out.
        Fifo = "SCHED_FIFO",
        /// Real time, round robin.
        RoundRobin = "SCHED_RR",
        /// Time sharing without wake-up preference.
        Batch = "SCHED_BATCH",
        /// Reserved by the kernel, implemented nowhere.
        Isochronous = "SCHED_ISO",
        /// Only when nothing else runs.
        Idle = "SCHED_IDLE",
        /// Earliest deadline first.
        Deadline = "SCHED_DEADLINE",
    }
}

vocabulary! {
    /// A flag of sched_setattr(2).
    pub enum SchedulerFlag: "scheduler flag" {
        /// Children start with the default policy.
        ResetOnFork = "SCHED_FLAG_RESET_ON_FORK",
        /// Unused deadline bandwidth may be reclaimed.
        Reclaim = "SCHED_FLAG_RECLAIM",
        /// A deadline overrun raises SIGXCPU.
        DeadlineOverrun = "SCHED_FLAG_DL_OVERRUN",
        /// The policy stays as it is.
        KeepPolicy = "SCHED_FLAG_KEEP_POLICY",
        /// The parameters stay as they are.
        KeepParams = "SCHED_FLAG_KEEP_PARAMS",
        /// A minimum utilisation is given.
        UtilClampMin = "SCHED_FLAG_UTIL_CLAMP_MIN",
        /// A maximum utilisation is given.
        UtilClampMax = "SCHED_FLAG_UTIL_CLAMP_MAX",
    }
}

object! {
    /// The I/O priority, see ioprio_set(2) (config.md, Linux Process).
    pub struct IoPriority {
        /// The scheduling class.
        class: IoPriorityClass = "class",
        /// The level within the class, 0 (highest) to 7; absent it is 0.
        priority: Option<i32> = "priority",
    }
}

vocabulary! {
    /// A class of I/O scheduling, see ioprio_set(2).
    pub enum IoPriorityClass: "class of I/O priority" {
        /// Before all others.
        RealTime = "IOPRIO_CLASS_RT",
        /// By level.
        BestEffort = "IOPRIO_CLASS_BE",
        /// Only when the disk is idle.
        Idle = "IOPRIO_CLASS_IDLE",
    }
}

object! {
    /// The CPUs of an exec'd process, as lists such as `0-3,7` (config.md, Linux Process).
    pub struct CpuAffinity {
        /// Before the process is in the container's cgroup.
        initial: Option<String> = "initial",
        /// After it is.
        last: Option<String> = "final",
    }
}
