//! The compiler of seccomp filters: a profile of config.json becomes a classic BPF program for seccomp(2).
//!
//! `decisions` resolves the profile to one decision per system call number of each ABI, and merges equal
//! neighbours into intervals. `search` finds the interval of a call by binary search. So a call costs about
//! ten instructions whatever the length of the profile, where a list of comparisons costs hundreds.
//! `conditions` compiles comparisons of arguments, `emit` is the assembler.

mod conditions;
mod decisions;
mod emit;
mod search;

use crate::spec::{Action, Arch, Mistake, Seccomp, SeccompFlag};
use crate::tables::syscalls::Abi;

/// The largest number of instructions of one program: the kernel's BPF_MAXINSNS.
pub const MOST_INSTRUCTIONS: usize = 4096;

/// An instruction of classic BPF, with the fields of the kernel's `struct sock_filter`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Instruction {
    /// The operation.
    pub code: u16,
    /// The number of instructions to skip if a comparison holds.
    pub jt: u8,
    /// The number of instructions to skip if it does not.
    pub jf: u8,
    /// The operand.
    pub k: u32,
}

/// A compiled filter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filter {
    /// The program.
    pub instructions: Vec<Instruction>,
    /// The flags of seccomp(2), SECCOMP_FILTER_FLAG_*.
    pub flags: u64,
    /// Warnings about unknown names and architectures. Places are relative to config.json.
    pub warnings: Vec<Mistake>,
}

/// Compiles a profile for the architecture that this program was built for.
///
/// The semantics are those of runc and libseccomp:
/// * The native architecture is always covered. A call of an architecture that the profile does not list
///   kills the thread.
/// * Of several rules for one call, the first without conditions counts, wherever it stands. If there is
///   none, those with conditions are tried in their order. Rules with the default action are skipped.
/// * All conditions of a rule must hold. If several are on the same argument, any one suffices.
/// * On 32-bit ABIs only the low 32 bits of an argument are compared.
/// * Calls newer than the newest that the profile names fail with ENOSYS, unless the default action lets
///   calls run. Programs then fall back to older calls.
/// * On 32-bit x86, a rule for a socket or System V IPC call also holds for its older form through
///   socketcall(2) or ipc(2).
/// * Without a list of flags, SECCOMP_FILTER_FLAG_SPEC_ALLOW is set. An empty list sets none.
///
/// # Errors
///
/// All mistakes with their places in config.json: an action that is not supported, an argument that no call
/// has, a profile that needs more instructions than the kernel takes.
pub fn compile(profile: &Seccomp) -> Result<Filter, Vec<Mistake>> {
    let native = native().ok_or_else(|| vec![at("", "seccomp is not supported on this architecture")])?;
    compile_for(native, profile)
}

/// Compiles a profile for the architecture `native`; see [`compile`].
///
/// # Errors
///
/// As [`compile`].
pub fn compile_for(native: Arch, profile: &Seccomp) -> Result<Filter, Vec<Mistake>> {
    let mistakes = unsupported_actions(profile);
    if !mistakes.is_empty() {
        return Err(mistakes);
    }
    let (abis, warnings) = abis(native, profile);
    let mut decisions = decisions::Decisions::new(profile, &abis)?;
    decisions.warnings.splice(0..0, warnings);
    let instructions = search::program(&decisions, &abis)?;
    if instructions.len() > MOST_INSTRUCTIONS {
        let what =
            format!("filter needs {} instructions, the kernel takes {MOST_INSTRUCTIONS}", instructions.len());
        return Err(vec![at(".syscalls", what)]);
    }
    Ok(Filter { instructions, flags: flags(profile), warnings: decisions.warnings })
}

/// Returns the architecture that this program was built for; `None` if the tables of system calls lack it.
pub const fn native() -> Option<Arch> {
    if cfg!(target_arch = "x86_64") {
        Some(Arch::X86_64)
    } else if cfg!(target_arch = "x86") {
        Some(Arch::X86)
    } else if cfg!(target_arch = "aarch64") {
        Some(Arch::Aarch64)
    } else if cfg!(target_arch = "arm") {
        Some(Arch::Arm)
    } else if cfg!(target_arch = "riscv64") {
        Some(Arch::Riscv64)
    } else {
        None
    }
}

/// Returns the ABI of an architecture; `None` if the tables of system calls lack it.
pub const fn abi(arch: Arch) -> Option<Abi> {
    match arch {
        Arch::X86_64 => Some(Abi::X86_64),
        Arch::X86 => Some(Abi::X86),
        Arch::X32 => Some(Abi::X32),
        Arch::Aarch64 => Some(Abi::Aarch64),
        Arch::Arm => Some(Abi::Arm),
        Arch::Riscv64 => Some(Abi::Riscv64),
        _ => None,
    }
}

/// Makes a mistake at a place below linux.seccomp.
fn at(place: &str, what: impl Into<String>) -> Mistake {
    Mistake::new(format!("linux.seccomp{place}"), what)
}

/// Reports actions that are valid and not supported.
fn unsupported_actions(profile: &Seccomp) -> Vec<Mistake> {
    let rules = profile.syscalls.iter().enumerate();
    let actions = rules.map(|(index, rule)| (format!(".syscalls[{index}].action"), rule.action));
    std::iter::once((".defaultAction".to_owned(), profile.default_action))
        .chain(actions)
        .filter(|(_, action)| !is_supported(*action))
        .map(|(place, action)| {
            at(&place, format!("seccomp notify unsupported: action {action} is not implemented yet"))
        })
        .collect()
}

/// Returns the ABIs to cover: the native one first, then those that the profile lists. The calls of one
/// without a table kill the thread.
fn abis(native: Arch, profile: &Seccomp) -> (Vec<Abi>, Vec<Mistake>) {
    let mut abis: Vec<Abi> = abi(native).into_iter().collect();
    let mut warnings = Vec::new();
    for (index, arch) in profile.architectures.iter().enumerate() {
        match abi(*arch) {
            Some(abi) if abis.contains(&abi) => {}
            Some(abi) => abis.push(abi),
            None => warnings.push(at(
                &format!(".architectures[{index}]"),
                format!("system calls of {arch} are unknown and kill the thread"),
            )),
        }
    }
    (abis, warnings)
}

/// Whether the compiler supports an action.
pub fn is_supported(action: Action) -> bool {
    action != Action::Notify
}

/// Returns the bit of a flag of seccomp(2); `None` for one that the kernel only takes with a listener, which
/// is not supported.
pub const fn flag(flag: SeccompFlag) -> Option<u64> {
    match flag {
        SeccompFlag::Tsync => Some(libc::SECCOMP_FILTER_FLAG_TSYNC),
        SeccompFlag::Log => Some(libc::SECCOMP_FILTER_FLAG_LOG),
        SeccompFlag::SpecAllow => Some(libc::SECCOMP_FILTER_FLAG_SPEC_ALLOW),
        SeccompFlag::WaitKillableRecv => None,
    }
}

fn flags(profile: &Seccomp) -> u64 {
    let Some(flags) = &profile.flags else { return libc::SECCOMP_FILTER_FLAG_SPEC_ALLOW };
    flags.iter().filter_map(|named| flag(*named)).fold(0, |bits, bit| bits | bit)
}
