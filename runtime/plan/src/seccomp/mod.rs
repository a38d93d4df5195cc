//! The compiler of system call filters: a profile of config.json becomes a program for seccomp(2).
//!
//! For each kind of machine code the kernel names with one audit value (x86_64 and x32 share theirs) the profile is
//! resolved to one decision per system call number. Equal neighbours melt into intervals, and the program finds the
//! interval by binary search: a call costs some ten instructions, whatever the length of the profile, where a list of
//! comparisons costs hundreds.

mod conditions;
mod decisions;
mod emit;
mod search;

use crate::spec::{Action, Arch, Mistake, Seccomp, SeccompFlag};
use crate::tables::syscalls::Abi;

/// The most instructions that the kernel takes in one program: BPF_MAXINSNS.
pub const MOST_INSTRUCTIONS: usize = 4096;

/// One instruction of a classic BPF program, as the kernel's `struct sock_filter` has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Instruction {
    /// The operation.
    pub code: u16,
    /// Instructions to skip where a comparison holds.
    pub jt: u8,
    /// Instructions to skip where it does not.
    pub jf: u8,
    /// The operand.
    pub k: u32,
}

/// A compiled filter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filter {
    /// The program.
    pub instructions: Vec<Instruction>,
    /// The flags for seccomp(2), SECCOMP_FILTER_FLAG_*.
    pub flags: u64,
    /// What the profile names and this compiler does not know; places count from the document.
    pub warnings: Vec<Mistake>,
}

/// Compiles a profile for the machine that this program was built for.
///
/// The rules are those that callers know from libseccomp and runc:
/// * the machine's own architecture is always covered; a call of one that is not listed ends the thread;
/// * of several rules for one call, the first without conditions counts, wherever it stands; if there is none, those
///   with conditions are tried in their order; rules that only repeat the default action are skipped;
/// * conditions of one rule must all hold, but if two of them concern the same argument, any one suffices;
/// * on 32-bit ABIs only the low 32 bits of an argument are compared;
/// * calls newer than the newest that the profile names fail with ENOSYS, unless the default action lets calls
///   through, so that programs fall back to older calls;
/// * on 32-bit x86, a rule for a socket or System V call holds for its older form through socketcall(2) or ipc(2) too;
/// * without flags, SECCOMP_FILTER_FLAG_SPEC_ALLOW is set; an empty list sets none.
///
/// # Errors
///
/// Every mistake with its place in config.json: an action that is not supported yet, an argument that no call has, a
/// profile that needs more instructions than the kernel takes.
pub fn compile(profile: &Seccomp) -> Result<Filter, Vec<Mistake>> {
    let native = native().ok_or_else(|| vec![at("", "seccomp is not supported on this architecture")])?;
    compile_for(native, profile)
}

/// Compiles a profile for machines whose own architecture is `native`; see [`compile`].
///
/// # Errors
///
/// As [`compile`].
pub fn compile_for(native: Arch, profile: &Seccomp) -> Result<Filter, Vec<Mistake>> {
    let mistakes = refused(profile);
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

/// The architecture that this program was built for; `None` where the compiler has no table of it.
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

/// The table's column for an architecture; `None` where it has none.
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

/// A mistake at a place below linux.seccomp.
fn at(place: &str, what: impl Into<String>) -> Mistake {
    Mistake::new(format!("linux.seccomp{place}"), what)
}

/// What is valid and not built yet.
fn refused(profile: &Seccomp) -> Vec<Mistake> {
    let rules = profile.syscalls.iter().enumerate();
    let actions = rules.map(|(index, rule)| (format!(".syscalls[{index}].action"), rule.action));
    std::iter::once((".defaultAction".to_owned(), profile.default_action))
        .chain(actions)
        .filter(|(_, action)| !is_built(*action))
        .map(|(place, action)| {
            at(&place, format!("seccomp notify unsupported: action {action} is not built yet"))
        })
        .collect()
}

/// The ABIs to cover: the native one first, then those listed. One without a table stays uncovered, so that its calls
/// end the thread.
fn abis(native: Arch, profile: &Seccomp) -> (Vec<Abi>, Vec<Mistake>) {
    let mut abis: Vec<Abi> = abi(native).into_iter().collect();
    let mut warnings = Vec::new();
    for (index, arch) in profile.architectures.iter().enumerate() {
        match abi(*arch) {
            Some(abi) if abis.contains(&abi) => {}
            Some(abi) => abis.push(abi),
            None => warnings.push(at(
                &format!(".architectures[{index}]"),
                format!("system calls of {arch} are not known and end the thread"),
            )),
        }
    }
    (abis, warnings)
}

/// Whether filters with this action can be compiled.
pub fn is_built(action: Action) -> bool {
    action != Action::Notify
}

/// The bit of a flag for seccomp(2); `None` for one that the kernel takes only together with a listener, which is not
/// built yet.
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
