//! The program: it compares the architecture, then finds the interval of the system call number by binary
//! search.

use seccompiler::BackendError;

use super::conditions;
use super::decisions::{Decision, Decisions, Interval, KILL_THREAD};
use super::emit::{Assembler, Branch, IF_AT_LEAST, IF_EQUAL, Label, Target};
use super::{Instruction, at};
use crate::spec::Mistake;
use crate::tables::syscalls::Abi;

/// The offset of the system call number in `struct seccomp_data` (seccomp(2)).
const NUMBER: u32 = 0;
/// The offset of the architecture.
const ARCHITECTURE: u32 = 4;

/// The number -1. A tracer sets it to skip a call (ptrace(2)). On x86_64 it is no x32 call although bit 30 is
/// set.
const SKIPPED: u32 = u32::MAX;

/// Writes the program for some ABIs, the native one first.
pub(super) fn program(decisions: &Decisions, abis: &[Abi]) -> Result<Vec<Instruction>, Vec<Mistake>> {
    let mut audits: Vec<(u32, Abi)> = Vec::new();
    for abi in abis {
        if !audits.iter().any(|(audit, _)| *audit == audit_value(*abi)) {
            audits.push((audit_value(*abi), *abi));
        }
    }
    let mut assembler = Assembler::default();
    let mut next = Target::Return(KILL_THREAD);
    // The last one written is the first one that runs: native calls take a single comparison.
    for (audit, abi) in audits.into_iter().rev() {
        let intervals = audit_intervals(decisions, abi);
        let mut search = Search { assembler: &mut assembler, decisions, chains: Vec::new() };
        let number = search.tree(&intervals).map_err(|error| vec![at("", error.to_string())])?;
        let loaded = assembler.load(NUMBER, number);
        let branch = Branch { yes: Target::At(loaded), no: next };
        next = Target::At(assembler.compare(IF_EQUAL, audit, branch));
    }
    assembler.load(ARCHITECTURE, next);
    Ok(assembler.finish())
}

/// AUDIT_ARCH_* of linux/audit.h: the machine number of ELF, with bit 31 for 64 bits and bit 30 for little
/// endian.
const fn audit_value(abi: Abi) -> u32 {
    const WIDE: u32 = 0x8000_0000;
    const LITTLE: u32 = 0x4000_0000;

    match abi {
        Abi::X86_64 | Abi::X32 => libc::EM_X86_64 as u32 | WIDE | LITTLE,
        Abi::X86 => libc::EM_386 as u32 | LITTLE,
        Abi::Aarch64 => libc::EM_AARCH64 as u32 | WIDE | LITTLE,
        Abi::Arm => libc::EM_ARM as u32 | LITTLE,
        Abi::Riscv64 => libc::EM_RISCV as u32 | WIDE | LITTLE,
    }
}

/// Returns the intervals of all ABIs with the same audit value. x32 has that of x86_64, and bit 30 of its
/// numbers set.
fn audit_intervals(decisions: &Decisions, abi: Abi) -> Vec<Interval> {
    if !matches!(abi, Abi::X86_64 | Abi::X32) {
        return decisions.intervals(abi);
    }
    let killed = |start, abi| Interval { start, abi, decision: Decision::Return(KILL_THREAD) };
    let mut intervals = decisions.intervals(Abi::X86_64);
    if intervals.is_empty() {
        intervals.push(killed(0, Abi::X86_64));
    }
    let skipped = intervals.last().map(|last| Interval { start: SKIPPED, ..last.clone() });
    let x32 = decisions.intervals(Abi::X32);
    if x32.is_empty() {
        intervals.push(killed(Abi::X32_BIT, Abi::X32));
        intervals.extend(skipped);
    }
    intervals.extend(x32);
    intervals
}

/// The binary search through the intervals of one audit value.
struct Search<'a> {
    assembler: &'a mut Assembler,
    decisions: &'a Decisions,
    /// The chains written up to now, which calls with the same rules share.
    chains: Vec<Chain>,
}

/// A chain of rules that is written.
struct Chain {
    abi: Abi,
    rules: Vec<u32>,
    label: Label,
}

impl Search<'_> {
    /// Writes the search. It starts with the system call number loaded.
    fn tree(&mut self, intervals: &[Interval]) -> Result<Target, BackendError> {
        let (low, high) = intervals.split_at(intervals.len() / 2);
        match (low, high) {
            ([], [only]) => self.leaf(only),
            (_, [first, ..]) => {
                let yes = self.tree(high)?;
                let no = self.tree(low)?;
                let compared = |search: &mut Self| {
                    search.assembler.compare(IF_AT_LEAST, first.start, Branch { yes, no })
                };
                Ok(if yes == no { yes } else { Target::At(compared(self)) })
            }
            (_, []) => Ok(Target::Return(KILL_THREAD)),
        }
    }

    fn leaf(&mut self, interval: &Interval) -> Result<Target, BackendError> {
        match &interval.decision {
            Decision::Return(value) => Ok(Target::Return(*value)),
            Decision::Chain(rules) => self.chain(interval.abi, rules),
        }
    }

    /// Writes the rules of a chain one after the other, each followed by its action, and the default action
    /// at the end.
    fn chain(&mut self, abi: Abi, rules: &[u32]) -> Result<Target, BackendError> {
        if let Some(known) = self.chains.iter().find(|chain| chain.abi == abi && chain.rules == rules) {
            return Ok(Target::At(known.label));
        }
        self.assembler.push_return(self.decisions.default);
        for rule in rules.iter().rev().filter_map(|rule| self.decisions.rule(*rule)) {
            self.assembler.push_return(rule.action);
            self.assembler.prepend(&conditions::compile(&rule.conditions, abi)?);
        }
        let label = self.assembler.here();
        self.chains.push(Chain { abi, rules: rules.to_vec(), label });
        Ok(Target::At(label))
    }
}
