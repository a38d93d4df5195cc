//! What a profile means: for each ABI, what happens to each system call number.

use std::ops::Range;

use super::conditions::Condition;
use super::{at, multiplexed};
use crate::spec::{Action, Mistake, Seccomp, SyscallName, SyscallRule};
use crate::tables::syscalls::{Abi, Syscall};

/// Ends the thread: what happens to calls of an architecture that the filter does not cover.
pub(super) const KILL: u32 = libc::SECCOMP_RET_KILL_THREAD;

/// What a kernel without the call would answer.
const NO_SUCH_CALL: u32 = libc::SECCOMP_RET_ERRNO | libc::ENOSYS.unsigned_abs();

/// What happens to some calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Decision {
    /// The same whatever the arguments.
    Return(u32),
    /// The first of these blocks whose conditions hold decides, or else the default action.
    Chain(Vec<usize>),
}

/// Conditions and what happens where they hold.
#[derive(Debug)]
pub(super) struct Block {
    pub(super) conditions: Vec<Condition>,
    pub(super) action: u32,
}

/// A profile, resolved.
#[derive(Debug)]
pub(super) struct Decisions {
    /// What happens to calls that no rule matches.
    pub(super) default: u32,
    /// What happens to calls that are newer than the profile.
    newer: u32,
    /// The blocks that chains refer to, in the order of the rules.
    pub(super) blocks: Vec<Block>,
    /// What no table has.
    pub(super) warnings: Vec<Mistake>,
    tables: Vec<(Abi, Table)>,
}

/// The numbers of one ABI that rules name.
#[derive(Debug)]
struct Table {
    /// A number and a block for it, in no order; blocks without conditions hold always.
    entries: Vec<(u32, usize)>,
    /// The highest number that any rule names, Arm's private ones aside.
    newest: Option<u32>,
}

impl Decisions {
    pub(super) fn new(profile: &Seccomp, abis: &[Abi]) -> Result<Self, Vec<Mistake>> {
        let default = action(profile.default_action, profile.default_errno_ret);
        let empty = || Table { entries: Vec::new(), newest: None };
        let tables = abis.iter().map(|abi| (*abi, empty())).collect();
        let newer = if lets_through(profile.default_action) { default } else { NO_SUCH_CALL };
        let mut decisions = Self { default, newer, blocks: Vec::new(), warnings: Vec::new(), tables };
        let mut mistakes = Vec::new();
        for (index, rule) in profile.syscalls.iter().enumerate() {
            match alternatives(rule, index) {
                Ok(alternatives) => decisions.add(rule, index, &alternatives),
                Err(mistake) => mistakes.push(mistake),
            }
        }
        if mistakes.is_empty() { Ok(decisions) } else { Err(mistakes) }
    }

    /// The intervals of one ABI from its lowest number on: where each begins, and its decision; `None` for an ABI that
    /// the filter does not cover.
    pub(super) fn intervals(&self, abi: Abi) -> Option<Vec<(u32, Decision)>> {
        let (_, table) = self.tables.iter().find(|(candidate, _)| *candidate == abi)?;
        let known = Known { newest: table.newest.map_or(END, u64::from), private: private(abi) };
        let mut intervals = Vec::with_capacity(table.entries.len());
        let mut next = u64::from(if abi == Abi::X32 { Abi::X32_BIT } else { 0 });
        for (number, decision) in self.by_number(table) {
            self.unnamed(next..number.into(), known, &mut intervals);
            extend(&mut intervals, number.into(), decision);
            next = u64::from(number) + 1;
        }
        self.unnamed(next..END, known, &mut intervals);
        Some(intervals)
    }

    /// Covers a range of numbers that no rule names: known ones, newer ones, private ones.
    fn unnamed(&self, range: Range<u64>, known: Known, intervals: &mut Vec<(u32, Decision)>) {
        let newer = known.newest + 1;
        let parts = [
            (0..newer, self.default),
            (newer..known.private, self.newer),
            (known.private..END, self.default),
        ];
        for (part, action) in parts {
            let start = range.start.max(part.start);
            if start < range.end.min(part.end) {
                extend(intervals, start, Decision::Return(action));
            }
        }
    }

    fn add(&mut self, rule: &SyscallRule, index: usize, alternatives: &[Vec<Condition>]) {
        let action = action(rule.action, rule.errno_ret);
        let first = self.blocks.len();
        // A rule that repeats the default action decides nothing; its names still tell what the profile knows.
        let effective = action != self.default;
        if effective {
            let blocks =
                alternatives.iter().map(|conditions| Block { conditions: conditions.clone(), action });
            self.blocks.extend(blocks);
        }
        let blocks = first..self.blocks.len();
        for (position, name) in rule.names.iter().enumerate() {
            match name {
                SyscallName::Known(call) => self.name(*call, blocks.clone()),
                SyscallName::Unknown(name) => {
                    let place = format!(".syscalls[{index}].names[{position}]");
                    self.warnings.push(at(&place, format!("unknown system call {name:?} is ignored")));
                }
            }
        }
    }

    /// Enters a call in the table of each ABI.
    fn name(&mut self, call: Syscall, rule: Range<usize>) {
        for (abi, table) in &mut self.tables {
            if let Some(number) = call.number(*abi) {
                table.entries.extend(rule.clone().map(|block| (number, block)));
                table.newest =
                    table.newest.max(Some(number).filter(|number| u64::from(*number) < private(*abi)));
            }
            if let Some((door, first)) = multiplexed::door(call, *abi) {
                for block in rule.clone() {
                    let behind = behind(self.blocks.get(block), first);
                    table.entries.push((door, self.blocks.len()));
                    self.blocks.extend(behind);
                }
            }
        }
    }

    /// Each number that rules name, in order, with its decision.
    fn by_number(&self, table: &Table) -> Vec<(u32, Decision)> {
        let mut entries = table.entries.clone();
        entries.sort_unstable();
        entries.dedup();
        let groups = entries.chunk_by(|left, right| left.0 == right.0);
        groups
            .filter_map(|group| {
                let blocks: Vec<usize> = group.iter().map(|(_, block)| *block).collect();
                group.first().map(|(number, _)| (*number, self.decide(blocks)))
            })
            .collect()
    }

    /// The first block without conditions decides alone.
    fn decide(&self, blocks: Vec<usize>) -> Decision {
        let always = |block: &usize| self.blocks.get(*block).filter(|block| block.conditions.is_empty());
        match blocks.iter().find_map(always) {
            Some(block) => Decision::Return(block.action),
            None => Decision::Chain(blocks),
        }
    }
}

/// One past the highest number that a call can have.
const END: u64 = 1 << u32::BITS;

/// Where the numbers begin that do not grow with the kernel's version.
fn private(abi: Abi) -> u64 {
    if abi == Abi::Arm { Abi::ARM_PRIVATE.into() } else { END }
}

/// What a profile knows of an ABI.
#[derive(Debug, Clone, Copy)]
struct Known {
    /// The highest number that it names.
    newest: u64,
    /// The lowest private number.
    private: u64,
}

/// Starts an interval, unless it would say the same as the one before.
fn extend(intervals: &mut Vec<(u32, Decision)>, start: u64, decision: Decision) {
    let differs = intervals.last().is_none_or(|(_, last)| *last != decision);
    if let (true, Ok(start)) = (differs, u32::try_from(start)) {
        intervals.push((start, decision));
    }
}

/// The same rule for the call behind a door: the first argument names the call, so no condition of the rule can hold
/// for it any more.
fn behind(block: Option<&Block>, first: u64) -> Option<Block> {
    let block = block?;
    let others = block.conditions.iter().filter(|condition| condition.index != 0).cloned();
    let conditions = std::iter::once(Condition::first_is(first)).chain(others).collect();
    Some(Block { conditions, action: block.action })
}

/// The sets of conditions of a rule, of which one must hold: one set, or each condition for itself where two concern
/// the same argument.
fn alternatives(rule: &SyscallRule, index: usize) -> Result<Vec<Vec<Condition>>, Mistake> {
    let mut conditions = Vec::with_capacity(rule.args.len());
    for (position, written) in rule.args.iter().enumerate() {
        let condition = Condition::new(written).ok_or_else(|| {
            let what = format!("argument index {} is out of range: expected 0 to 5", written.index);
            at(&format!(".syscalls[{index}].args[{position}].index"), what)
        })?;
        conditions.push(condition);
    }
    let mut arguments: Vec<u8> = conditions.iter().map(|condition| condition.index).collect();
    arguments.sort_unstable();
    arguments.dedup();
    let repeated = arguments.len() < conditions.len();
    Ok(if repeated {
        conditions.into_iter().map(|condition| vec![condition]).collect()
    } else {
        vec![conditions]
    })
}

/// Whether an action lets a call happen; a tracer is trusted to know new calls.
const fn lets_through(action: Action) -> bool {
    matches!(action, Action::Allow | Action::Log | Action::Trace)
}

/// The value that the program returns for an action.
pub(super) fn action(action: Action, errno: Option<u32>) -> u32 {
    const EPERM: u32 = libc::EPERM.unsigned_abs();

    let data = errno.unwrap_or(EPERM) & libc::SECCOMP_RET_DATA;
    match action {
        Action::Allow => libc::SECCOMP_RET_ALLOW,
        Action::Errno => libc::SECCOMP_RET_ERRNO | data,
        Action::Kill | Action::KillThread => libc::SECCOMP_RET_KILL_THREAD,
        Action::KillProcess => libc::SECCOMP_RET_KILL_PROCESS,
        Action::Log => libc::SECCOMP_RET_LOG,
        Action::Notify => libc::SECCOMP_RET_USER_NOTIF,
        Action::Trace => libc::SECCOMP_RET_TRACE | data,
        Action::Trap => libc::SECCOMP_RET_TRAP,
    }
}
