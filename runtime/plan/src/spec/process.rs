//! The process of a container: `process` of config.json, and the document process.json that exec takes.

use super::decode::{Decode, Parsed, Scalar, Unexpected, mismatch};
use super::ids::{Gid, Uid};
use super::mistake::{Place, Report};
use super::object::object;
use crate::tables::capabilities::{Capability, CapabilitySet};
use crate::tables::rlimits::RlimitKind;
use crate::tables::vocabulary;

object! {
    /// The program, its identity, privileges and limits (config.md, Process).
    pub struct Process ignoring("commandLine") {
        /// Whether it gets a terminal.
        terminal: bool = "terminal",
        /// The size of the terminal.
        console_size: Option<ConsoleSize> = "consoleSize",
        /// Its user and groups. Default: root.
        user: User = "user",
        /// The argument vector. The first item names the program, which is looked up as execvp(3) does.
        args: Vec<String> = "args",
        /// The environment, as `NAME=value`.
        env: Vec<String> = "env",
        /// The working directory, absolute.
        cwd: String = "cwd",
        /// The capabilities. Default: none.
        capabilities: Option<Capabilities> = "capabilities",
        /// Resource limits.
        rlimits: Vec<Rlimit> = "rlimits",
        /// no_new_privs: execve(2) no longer adds privileges (prctl(2)).
        no_new_privileges: bool = "noNewPrivileges",
        /// The AppArmor profile.
        apparmor_profile: Option<String> = "apparmorProfile",
        /// The value of oom_score_adj, -1000 to 1000. Default: the runtime's own.
        oom_score_adj: Option<i32> = "oomScoreAdj",
        /// The CPU scheduling policy.
        scheduler: Option<Scheduler> = "scheduler",
        /// The SELinux context.
        selinux_label: Option<String> = "selinuxLabel",
        /// The I/O priority.
        io_priority: Option<IoPriority> = "ioPriority",
        /// The CPUs of a process that exec starts.
        exec_cpu_affinity: Option<CpuAffinity> = "execCPUAffinity",
    }
}

object! {
    /// The size of a terminal in characters (config.md, Process).
    pub struct ConsoleSize {
        /// Rows.
        height: u64 = "height",
        /// Columns.
        width: u64 = "width",
    }
}

object! {
    /// The user and the groups of a process, in the container's user namespace (config.md, POSIX-platform
    /// User).
    pub struct User ignoring("username") {
        /// User id.
        uid: Uid = "uid",
        /// Group id.
        gid: Gid = "gid",
        /// The umask. Default: the runtime's own.
        umask: Option<u32> = "umask",
        /// The supplementary groups.
        additional_gids: Vec<Gid> = "additionalGids",
    }
}

object! {
    /// The five sets of capabilities(7) (config.md, Linux Process).
    #[derive(Default)]
    pub struct Capabilities {
        /// The limit of what execve(2) can add.
        bounding: CapabilitySet = "bounding",
        /// What the kernel checks.
        effective: CapabilitySet = "effective",
        /// What execve(2) keeps if the file's inheritable set has it too.
        inheritable: CapabilitySet = "inheritable",
        /// What the process may make effective.
        permitted: CapabilitySet = "permitted",
        /// What execve(2) of a file without capabilities keeps.
        ambient: CapabilitySet = "ambient",
    }
}

/// An unknown name is a warning and no mistake: newer kernels have newer capabilities, and the specification
/// asks runtimes to log a warning and start the container (config.md, Linux Process, capabilities).
impl Decode for CapabilitySet {
    const EXPECTED: &'static str = "an array";

    fn absent() -> Option<Self> {
        Some(Self::EMPTY)
    }

    fn is_omitted(&self) -> bool {
        self.is_empty()
    }

    fn list<'de, A: serde::de::SeqAccess<'de>>(
        list: A,
        at: &Place<'_>,
        report: &mut Report,
    ) -> Result<Parsed<Self>, A::Error> {
        let names = Vec::<CapabilityName>::list(list, at, report)?;
        Ok(names.map(|names| names.into_iter().filter_map(|name| name.0).collect()))
    }
}

/// One name of a set; `None` for an unknown one.
struct CapabilityName(Option<Capability>);

impl Decode for CapabilityName {
    const EXPECTED: &'static str = "the name of a capability";

    fn scalar(value: Scalar<'_>, at: &Place<'_>, report: &mut Report) -> Parsed<Self> {
        let Scalar::Text(name) = value else {
            return mismatch(Self::EXPECTED, Unexpected::Scalar(value), at, report);
        };
        let known = Capability::parse(name);
        if known.is_none() {
            let names: Vec<&str> = Capability::ALL.iter().map(|capability| capability.name()).collect();
            let unknown = super::spelling::unknown("capability", name, &names);
            report.warn(at, format!("ignoring {unknown}"));
        }
        Parsed::Value(Self(known))
    }
}

object! {
    /// A resource limit, see getrlimit(2) (config.md, POSIX process).
    pub struct Rlimit {
        /// The resource.
        kind: RlimitKind = "type",
        /// The limit that the kernel enforces, in the unit of the resource.
        soft: u64 = "soft",
        /// The highest value to which the process may raise the soft limit.
        hard: u64 = "hard",
    }
}

object! {
    /// How the kernel schedules the process, see sched_setattr(2) (config.md, Linux Process).
    pub struct Scheduler {
        /// The policy.
        policy: SchedulerPolicy = "policy",
        /// The nice value, -20 to 19. Default: 0.
        nice: Option<i32> = "nice",
        /// The static priority of the real-time policies, 1 to 99. Default: 0, for the other policies.
        priority: Option<i32> = "priority",
        /// Flags.
        flags: Vec<SchedulerFlag> = "flags",
        /// SCHED_DEADLINE: nanoseconds of CPU time in each period. Default: 0.
        runtime: Option<u64> = "runtime",
        /// SCHED_DEADLINE: nanoseconds within which the process gets that CPU time. Default: 0.
        deadline: Option<u64> = "deadline",
        /// SCHED_DEADLINE: nanoseconds of a period. Default: the deadline.
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
        /// Time sharing for CPU-bound processes.
        Batch = "SCHED_BATCH",
        /// Reserved: no kernel has it.
        Isochronous = "SCHED_ISO",
        /// Time sharing with the lowest weight.
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
        /// Keep the policy.
        KeepPolicy = "SCHED_FLAG_KEEP_POLICY",
        /// Keep the parameters.
        KeepParams = "SCHED_FLAG_KEEP_PARAMS",
        /// Set the minimum utilization (which the specification has no property for).
        UtilClampMin = "SCHED_FLAG_UTIL_CLAMP_MIN",
        /// Set the maximum utilization (likewise).
        UtilClampMax = "SCHED_FLAG_UTIL_CLAMP_MAX",
    }
}

object! {
    /// The I/O priority, see ioprio_set(2) (config.md, Linux Process).
    pub struct IoPriority {
        /// The scheduling class.
        class: IoPriorityClass = "class",
        /// The level within the class, 0 (highest) to 7. Default: 0.
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
    /// The CPUs of a process that exec starts, as lists such as `0-3,7` (config.md, Linux Process).
    pub struct CpuAffinity {
        /// The CPUs until the process is in the container's cgroup.
        initial: Option<String> = "initial",
        /// The CPUs from then on.
        last: Option<String> = "final",
    }
}
