//! The program itself: the architecture first, then a binary search for the interval of the call's number.

use super::conditions;
use super::decisions::{Decision, Decisions, Interval, KILL};
use super::emit::{IF_AT_LEAST, IF_EQUAL, Label, Target, Writer};
use super::{Instruction, at};
use crate::spec::Mistake;
use crate::tables::syscalls::Abi;

/// Where `struct seccomp_data` has the system call number.
const NUMBER: u32 = 0;
/// Where `struct seccomp_data` has the architecture.
const ARCHITECTURE: u32 = 4;

/// The number that a tracer puts in place of a call to skip it; x86_64 has it although it has bit 30 set.
const SKIPPED: u32 = u32::MAX;

/// Writes the program for these ABIs, the first being the machine's own.
pub(super) fn program(decisions: &Decisions, abis: &[Abi]) -> Result<Vec<Instruction>, Vec<Mistake>> {
    let mut audits: Vec<(u32, Abi)> = Vec::new();
    for abi in abis {
        if !audits.iter().any(|(audit, _)| *audit == audit_value(*abi)) {
            audits.push((audit_value(*abi), *abi));
        }
    }
    let mut writer = Writer::default();
    let mut next = Target::Return(KILL);
    // What is written last is executed first: the machine's own calls wait for one comparison only.
    for (audit, abi) in audits.into_iter().rev() {
        let intervals = audit_intervals(decisions, abi);
        let mut search = Search { writer: &mut writer, decisions, chains: Vec::new() };
        let number = search.tree(&intervals).map_err(|error| vec![at("", error.to_string())])?;
        let loaded = writer.load(NUMBER, number);
        next = Target::At(writer.compare(IF_EQUAL, audit, (Target::At(loaded), next)));
    }
    writer.load(ARCHITECTURE, next);
    Ok(writer.finish())
}

/// linux/audit.h, AUDIT_ARCH_*: the machine's ELF number, with bit 31 for 64 bits and bit 30 for little endian.
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

/// The intervals of all ABIs that share an audit value: x32 is x86_64 with bit 30 of the number set.
fn audit_intervals(decisions: &Decisions, abi: Abi) -> Vec<Interval> {
    if !matches!(abi, Abi::X86_64 | Abi::X32) {
        return decisions.intervals(abi);
    }
    let mut intervals = decisions.intervals(Abi::X86_64);
    if intervals.is_empty() {
        intervals.push((0, Abi::X86_64, Decision::Return(KILL)));
    }
    let skipped = intervals.last().map(|(_, abi, decision)| (SKIPPED, *abi, decision.clone()));
    let x32 = decisions.intervals(Abi::X32);
    if x32.is_empty() {
        intervals.push((Abi::X32_BIT, Abi::X32, Decision::Return(KILL)));
        intervals.extend(skipped);
    }
    intervals.extend(x32);
    intervals
}

/// The search through the intervals of one audit value.
struct Search<'a> {
    writer: &'a mut Writer,
    decisions: &'a Decisions,
    /// The chains written so far.
    chains: Vec<(Abi, Vec<u32>, Label)>,
}

impl Search<'_> {
    /// Writes the search; it starts with the number loaded.
    fn tree(&mut self, intervals: &[Interval]) -> Result<Target, seccompiler::BackendError> {
        let (low, high) = intervals.split_at(intervals.len() / 2);
        match (low, high) {
            ([], [(_, abi, decision)]) => self.leaf(*abi, decision),
            (_, [(start, ..), ..]) => {
                let yes = self.tree(high)?;
                let no = self.tree(low)?;
                Ok(if yes == no {
                    yes
                } else {
                    Target::At(self.writer.compare(IF_AT_LEAST, *start, (yes, no)))
                })
            }
            (_, []) => Ok(Target::Return(KILL)),
        }
    }

    fn leaf(&mut self, abi: Abi, decision: &Decision) -> Result<Target, seccompiler::BackendError> {
        match decision {
            Decision::Return(value) => Ok(Target::Return(*value)),
            Decision::Chain(blocks) => self.chain(abi, blocks),
        }
    }

    /// Writes the blocks of a chain one after the other, each followed by its action, and the default action at the end.
    fn chain(&mut self, abi: Abi, blocks: &[u32]) -> Result<Target, seccompiler::BackendError> {
        let known = self.chains.iter().find(|(of, known, _)| *of == abi && known == blocks);
        if let Some((_, _, label)) = known {
            return Ok(Target::At(*label));
        }
        self.writer.give_back(self.decisions.default);
        for block in blocks.iter().rev().filter_map(|block| self.decisions.block(*block)) {
            self.writer.give_back(block.action);
            self.writer.block(&conditions::block(&block.conditions, abi)?);
        }
        let label = self.writer.here();
        self.chains.push((abi, blocks.to_vec(), label));
        Ok(Target::At(label))
    }
}
