//! The documents that callers write: config.json and process.json of runtime-spec 1.3.0 for Linux, typed.

mod check;
mod config;
mod decode;
mod default;
mod examine;
mod ids;
mod linux;
mod mistake;
mod object;
mod process;
mod resources;
mod seccomp;
mod spelling;
mod sysctl;
mod values;

pub use check::{Checked, CheckedProcess, check, check_process, check_resources};
pub use config::{Hook, Hooks, Mount, Root, Spec};
pub use default::{Owner, default_config};
pub use examine::{Examined, examine};
pub use ids::{Gid, Uid};
pub use linux::{
    Device, DeviceKind, IdMapping, IntelRdt, Linux, MemoryPolicy, MemoryPolicyFlag, MemoryPolicyMode,
    Namespace, NamespaceKind, NetDevice, Personality, PersonalityDomain, Propagation, TimeOffset,
};
pub use mistake::Mistake;
pub use process::{
    Capabilities, ConsoleSize, CpuAffinity, IoPriority, IoPriorityClass, Process, Rlimit, Scheduler,
    SchedulerFlag, SchedulerPolicy, User,
};
pub use resources::{
    BlockIo, Cpu, DeviceRule, HugepageLimit, InterfacePriority, Memory, Network, Pids, Rdma, Resources,
    ThrottleDevice, Verdict, WeightDevice,
};
pub use seccomp::{Action, Arch, ArgCondition, Operator, Seccomp, SeccompFlag, SyscallNames, SyscallRule};
pub(crate) use sysctl::SysctlName;

/// A config.json as it was read.
#[derive(Debug, Clone, PartialEq)]
pub struct Loaded {
    /// What it says.
    pub spec: Spec,
    /// What is odd about it without being wrong.
    pub warnings: Vec<Mistake>,
}

/// A process.json as it was read.
#[derive(Debug, Clone, PartialEq)]
pub struct LoadedProcess {
    /// What it says.
    pub process: Process,
    /// What is odd about it without being wrong.
    pub warnings: Vec<Mistake>,
}

/// Reads a config.json (config.md, config-linux.md).
///
/// # Errors
///
/// Every mistake of form at once, each with its place: not JSON, a required property that is missing, a value of the
/// wrong type or out of range, a word that is none of its vocabulary. What the values mean together is for the check.
pub fn load(bytes: &[u8]) -> Result<Loaded, Vec<Mistake>> {
    read(bytes).map(|(spec, warnings)| Loaded { spec, warnings })
}

/// Reads a process.json, the document that exec takes: the process object of a config.json alone (config.md, Process).
///
/// # Errors
///
/// As [`load`]; places count from the process.
pub fn load_process(bytes: &[u8]) -> Result<LoadedProcess, Vec<Mistake>> {
    read(bytes).map(|(process, warnings)| LoadedProcess { process, warnings })
}

/// Reads the resources document that update takes (config-linux.md, Control groups).
///
/// # Errors
///
/// As [`load`]; places count from the resources.
pub fn load_resources(bytes: &[u8]) -> Result<Resources, Vec<Mistake>> {
    read(bytes).map(|(resources, _)| resources)
}

fn read<T: decode::Decode>(bytes: &[u8]) -> Result<(T, Vec<Mistake>), Vec<Mistake>> {
    let (value, report) = decode::document(bytes);
    match value {
        Some(value) if report.mistakes.is_empty() => Ok((value, report.warnings)),
        _ => Err(report.mistakes),
    }
}
