//! The documents that callers write, as types: config.json and process.json of runtime-spec 1.3.0 for Linux.
//!
//! [`load`] checks the form: JSON types, ranges, words. [`check`] checks what the values mean together. Both
//! report every mistake at once. [`Checked`] comes from `check` alone, so a plan can't start from an
//! unchecked configuration.

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

/// A config.json that was read and not checked.
#[derive(Debug, Clone, PartialEq)]
pub struct Loaded {
    /// The configuration.
    pub spec: Spec,
    /// The warnings of the reader.
    pub warnings: Vec<Mistake>,
}

/// A process.json that was read and not checked.
#[derive(Debug, Clone, PartialEq)]
pub struct LoadedProcess {
    /// The process.
    pub process: Process,
    /// The warnings of the reader.
    pub warnings: Vec<Mistake>,
}

/// Reads a config.json (config.md, config-linux.md).
///
/// # Errors
///
/// All mistakes of form, each with its place: invalid JSON, a missing property, a value of the wrong type or
/// out of range, an unknown word.
pub fn load(bytes: &[u8]) -> Result<Loaded, Vec<Mistake>> {
    read(bytes).map(|(spec, warnings)| Loaded { spec, warnings })
}

/// Reads a process.json, the document that exec takes: the `process` object of a config.json (config.md,
/// Process).
///
/// # Errors
///
/// As for [`load`]; places are relative to the process.
pub fn load_process(bytes: &[u8]) -> Result<LoadedProcess, Vec<Mistake>> {
    read(bytes).map(|(process, warnings)| LoadedProcess { process, warnings })
}

/// Reads the resources document that update takes (config-linux.md, Control groups).
///
/// # Errors
///
/// As for [`load`]; places are relative to the resources.
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
