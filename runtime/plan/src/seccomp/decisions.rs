//! What a profile means: for each ABI, what happens to each system call number.

use std::ops::Range;

use super::at;
use super::conditions::Condition;
use crate::spec::{Action, Mistake, Seccomp, SyscallRule};
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
    Chain(Vec<u32>),
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
    blocks: Vec<Block>,
    /// What no table has.
    pub(super) warnings: Vec<Mistake>,
    tables: Vec<Table>,
}

/// The numbers of one ABI that rules name.
#[derive(Debug)]
struct Table {
    abi: Abi,
    /// A number and a block for it, sorted once all rules are in; blocks without conditions hold always.
    entries: Vec<(u32, u32)>,
    /// The highest number that any rule names, Arm's private ones aside.
    newest: Option<u32>,
}

/// Numbers from a first one on, up to the next interval's first, with the ABI they belong to.
pub(super) type Interval = (u32, Abi, Decision);

impl Decisions {
    pub(super) fn new(profile: &Seccomp, abis: &[Abi]) -> Result<Self, Vec<Mistake>> {
        let default = action(profile.default_action, profile.default_errno_ret);
        let names = profile.syscalls.iter().map(|rule| rule.names.known().len()).sum();
        let table = |abi: &Abi| Table { abi: *abi, entries: Vec::with_capacity(names), newest: None };
        let tables = abis.iter().map(table).collect();
        let newer = if lets_through(profile.default_action) { default } else { NO_SUCH_CALL };
        let mut decisions = Self { default, newer, blocks: Vec::new(), warnings: Vec::new(), tables };
        let mut mistakes = Vec::new();
        for (index, rule) in profile.syscalls.iter().enumerate() {
            match alternatives(rule, index) {
                Ok(alternatives) => decisions.add(rule, index, alternatives),
                Err(mistake) => mistakes.push(mistake),
            }
        }
        for table in &mut decisions.tables {
            table.entries.sort_unstable();
            table.entries.dedup();
        }
        if mistakes.is_empty() { Ok(decisions) } else { Err(mistakes) }
    }

    /// The intervals of one ABI from its lowest number on; none for an ABI that the filter does not cover.
    pub(super) fn intervals(&self, abi: Abi) -> Vec<Interval> {
        let Some(table) = self.tables.iter().find(|table| table.abi == abi) else { return Vec::new() };
        let mut intervals = Intervals { abi, list: Vec::with_capacity(128) };
        let mut next = u64::from(if abi == Abi::X32 { Abi::X32_BIT } else { 0 });
        for group in table.entries.chunk_by(|left, right| left.0 == right.0) {
            let Some((number, _)) = group.first() else { continue };
            self.unnamed(next..u64::from(*number), table, &mut intervals);
            intervals.extend(u64::from(*number), self.decide(group));
            next = u64::from(*number) + 1;
        }
        self.unnamed(next..END, table, &mut intervals);
        intervals.list
    }

    /// The block of a chain.
    pub(super) fn block(&self, index: u32) -> Option<&Block> {
        self.blocks.get(usize::try_from(index).ok()?)
    }

    /// Covers a range of numbers that no rule names: known ones, newer ones, private ones.
    fn unnamed(&self, range: Range<u64>, table: &Table, intervals: &mut Intervals) {
        let newer = table.newest.map_or(END, |newest| u64::from(newest) + 1);
        let private = private(table.abi).max(newer);
        let parts = [(0..newer, self.default), (newer..private, self.newer), (private..END, self.default)];
        for (part, action) in parts {
            let start = range.start.max(part.start);
            if start < range.end.min(part.end) {
                intervals.extend(start, Decision::Return(action));
            }
        }
    }

    fn add(&mut self, rule: &SyscallRule, index: usize, alternatives: Vec<Vec<Condition>>) {
        let action = action(rule.action, rule.errno_ret);
        let first = self.end();
        // A rule that repeats the default action decides nothing; its names still tell what the profile knows.
        if action != self.default {
            self.blocks.extend(alternatives.into_iter().map(|conditions| Block { conditions, action }));
        }
        let blocks = first..self.end();
        for call in rule.names.known() {
            self.name(*call, blocks.clone());
        }
        for (position, name) in rule.names.unknown() {
            let place = format!(".syscalls[{index}].names[{position}]");
            self.warnings.push(at(&place, format!("unknown system call {name:?} is ignored")));
        }
    }

    /// Enters a call in the table of each ABI.
    fn name(&mut self, call: Syscall, rule: Range<u32>) {
        for table in &mut self.tables {
            let Some(number) = call.number(table.abi) else { continue };
            table.entries.extend(rule.clone().map(|block| (number, block)));
            if u64::from(number) < private(table.abi) {
                table.newest = table.newest.max(Some(number));
            }
        }
        if let Some((door, first)) = call.door() {
            rule.for_each(|block| self.behind(door, first, block));
        }
    }

    /// Enters a block for the older form of a call: the first argument of the door names the call, so no condition of
    /// the rule can hold for it any more.
    fn behind(&mut self, door: Syscall, first: u64, block: u32) {
        let index = self.end();
        let Some(Block { conditions, action }) = self.block(block) else { return };
        let others = conditions.iter().filter(|condition| condition.index != 0).cloned();
        let conditions = std::iter::once(Condition::first_is(first)).chain(others).collect();
        let behind = Block { conditions, action: *action };
        let table = self.tables.iter_mut().find(|table| table.abi == Abi::X86);
        if let Some((table, number)) = table.zip(door.number(Abi::X86)) {
            table.entries.push((number, index));
            self.blocks.push(behind);
        }
    }

    /// The first block without conditions decides alone.
    fn decide(&self, group: &[(u32, u32)]) -> Decision {
        let blocks = || group.iter().map(|(_, block)| *block);
        let always = blocks().filter_map(|block| self.block(block)).find(|block| block.conditions.is_empty());
        always.map_or_else(|| Decision::Chain(blocks().collect()), |block| Decision::Return(block.action))
    }

    /// The index of the next block.
    fn end(&self) -> u32 {
        u32::try_from(self.blocks.len()).unwrap_or(u32::MAX)
    }
}

/// One past the highest number that a call can have.
const END: u64 = 1 << u32::BITS;

/// Where the numbers begin that do not grow with the kernel's version.
fn private(abi: Abi) -> u64 {
    if abi == Abi::Arm { Abi::ARM_PRIVATE.into() } else { END }
}

/// The intervals of one ABI in the making.
struct Intervals {
    abi: Abi,
    list: Vec<Interval>,
}

impl Intervals {
    /// Starts an interval, unless it would say the same as the one before.
    fn extend(&mut self, start: u64, decision: Decision) {
        let differs = self.list.last().is_none_or(|(_, _, last)| *last != decision);
        if let (true, Ok(start)) = (differs, u32::try_from(start)) {
            self.list.push((start, self.abi, decision));
        }
    }
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
