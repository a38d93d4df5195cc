//! A resolved profile: for each ABI, the action for each system call number.

use std::ops::Range;

use super::at;
use super::conditions::Condition;
use crate::spec::{Action, Mistake, Seccomp, SyscallRule};
use crate::tables::syscalls::{Abi, Syscall};

/// The result for calls of an architecture that the filter does not cover, as in libseccomp
/// (SCMP_FLTATR_ACT_BADARCH).
pub(super) const KILL_THREAD: u32 = libc::SECCOMP_RET_KILL_THREAD;

/// The result of a kernel that lacks the system call.
const ENOSYS: u32 = libc::SECCOMP_RET_ERRNO | libc::ENOSYS.unsigned_abs();

/// The decision about a system call number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Decision {
    /// A result that does not depend on the arguments.
    Return(u32),
    /// The result of the first of these rules that holds, else the default action.
    Chain(Vec<u32>),
}

/// A rule for one call: conditions, and the filter's result where all of them hold.
#[derive(Debug)]
pub(super) struct Rule {
    pub(super) conditions: Vec<Condition>,
    pub(super) action: u32,
}

/// A resolved profile.
#[derive(Debug)]
pub(super) struct Decisions {
    /// The result for calls that no rule matches.
    pub(super) default: u32,
    /// The result for calls that are newer than the profile.
    newer: u32,
    /// The rules that chains refer to, in the order of the profile.
    rules: Vec<Rule>,
    /// The names that no table has.
    pub(super) warnings: Vec<Mistake>,
    tables: Vec<Table>,
}

/// The system call numbers of one ABI that rules name.
#[derive(Debug)]
struct Table {
    abi: Abi,
    /// A system call number and the index of a rule for it. Sorted once all rules are entered.
    entries: Vec<(u32, u32)>,
    /// The highest number that a rule names, Arm's private numbers not counted.
    newest: Option<u32>,
}

/// The system call numbers from `start` up to the start of the next interval.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Interval {
    pub(super) start: u32,
    pub(super) abi: Abi,
    pub(super) decision: Decision,
}

impl Decisions {
    /// Resolves a profile for some ABIs.
    ///
    /// # Errors
    ///
    /// A condition on an argument that no system call has.
    pub(super) fn new(profile: &Seccomp, abis: &[Abi]) -> Result<Self, Vec<Mistake>> {
        let default = action(profile.default_action, profile.default_errno_ret);
        let names = profile.syscalls.iter().map(|rule| rule.names.known().len()).sum();
        let table = |abi: &Abi| Table { abi: *abi, entries: Vec::with_capacity(names), newest: None };
        let tables = abis.iter().map(table).collect();
        let newer = if lets_through(profile.default_action) { default } else { ENOSYS };
        let mut decisions = Self { default, newer, rules: Vec::new(), warnings: Vec::new(), tables };
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

    /// Returns the intervals of one ABI, from its lowest number on; none for an ABI that the filter does not
    /// cover.
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

    /// Returns a rule of a chain.
    pub(super) fn rule(&self, index: u32) -> Option<&Rule> {
        self.rules.get(usize::try_from(index).ok()?)
    }

    /// Adds the intervals for a range of numbers that no rule names. Numbers above the newest that the
    /// profile names get ENOSYS, so that programs fall back to older calls; Arm's private numbers do not.
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

    /// Adds a rule of the profile, the alternatives of its conditions given.
    fn add(&mut self, rule: &SyscallRule, index: usize, alternatives: Vec<Vec<Condition>>) {
        let action = action(rule.action, rule.errno_ret);
        let first = self.end();
        // A rule with the default action decides nothing, as in libseccomp. Its names still show how new the
        // profile is.
        if action != self.default {
            self.rules.extend(alternatives.into_iter().map(|conditions| Rule { conditions, action }));
        }
        let rules = first..self.end();
        for call in rule.names.known() {
            self.enter(*call, rules.clone());
        }
        for (position, name) in rule.names.unknown() {
            let place = format!(".syscalls[{index}].names[{position}]");
            self.warnings.push(at(&place, format!("unknown system call {name:?} is ignored")));
        }
    }

    /// Enters rules for a call in the table of each ABI.
    fn enter(&mut self, call: Syscall, rules: Range<u32>) {
        for table in &mut self.tables {
            let Some(number) = call.number(table.abi) else { continue };
            table.entries.extend(rules.clone().map(|rule| (number, rule)));
            if u64::from(number) < private(table.abi) {
                table.newest = table.newest.max(Some(number));
            }
        }
        if let Some((multiplexer, first)) = call.multiplexer() {
            rules.for_each(|rule| self.enter_multiplexed(multiplexer, first, rule));
        }
    }

    /// Enters a rule for the call in its older form, through socketcall(2) or ipc(2). The first argument of
    /// these is the number of the call, so a condition of the rule on the first argument is dropped.
    fn enter_multiplexed(&mut self, multiplexer: Syscall, first: u64, rule: u32) {
        let index = self.end();
        let Some(Rule { conditions, action }) = self.rule(rule) else { return };
        let others = conditions.iter().filter(|condition| condition.index != 0).cloned();
        let conditions = std::iter::once(Condition::first_is(first)).chain(others).collect();
        let multiplexed = Rule { conditions, action: *action };
        let table = self.tables.iter_mut().find(|table| table.abi == Abi::X86);
        if let Some((table, number)) = table.zip(multiplexer.number(Abi::X86)) {
            table.entries.push((number, index));
            self.rules.push(multiplexed);
        }
    }

    /// Decides about a call by its rules: the first one without conditions alone, else all in their order.
    fn decide(&self, group: &[(u32, u32)]) -> Decision {
        let rules = || group.iter().map(|(_, rule)| *rule);
        let always = rules().filter_map(|rule| self.rule(rule)).find(|rule| rule.conditions.is_empty());
        always.map_or_else(|| Decision::Chain(rules().collect()), |rule| Decision::Return(rule.action))
    }

    /// Returns the index of the next rule.
    fn end(&self) -> u32 {
        u32::try_from(self.rules.len()).unwrap_or(u32::MAX)
    }
}

/// One past the highest system call number.
const END: u64 = 1 << u32::BITS;

/// Returns the first number of the range that does not grow with new kernels.
fn private(abi: Abi) -> u64 {
    if abi == Abi::Arm { Abi::ARM_PRIVATE.into() } else { END }
}

/// The intervals of one ABI, up to now.
struct Intervals {
    abi: Abi,
    list: Vec<Interval>,
}

impl Intervals {
    /// Starts an interval, unless the last one has the same decision.
    fn extend(&mut self, start: u64, decision: Decision) {
        let differs = self.list.last().is_none_or(|last| last.decision != decision);
        if let (true, Ok(start)) = (differs, u32::try_from(start)) {
            self.list.push(Interval { start, abi: self.abi, decision });
        }
    }
}

/// Returns the sets of conditions of a rule. It holds if all conditions of one set hold. As in runc there is
/// one set of all conditions, or one set for each condition if several are on the same argument.
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

/// Whether an action lets a call run. A tracer is trusted to know new calls.
const fn lets_through(action: Action) -> bool {
    matches!(action, Action::Allow | Action::Log | Action::Trace)
}

/// Returns the result of the filter for an action, SECCOMP_RET_*.
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::{ArgCondition, Operator};

    const ALLOW: u32 = 0x7fff_0000;
    const EPERM: u32 = 0x0005_0001;

    fn rule(names: &[&str], action: Action) -> SyscallRule {
        SyscallRule { names: names.iter().copied().collect(), action, errno_ret: None, args: Vec::new() }
    }

    /// The starts and the decisions of the intervals of one ABI.
    fn intervals(default_action: Action, syscalls: Vec<SyscallRule>, abi: Abi) -> Vec<(u32, Decision)> {
        let profile = Seccomp {
            default_action,
            default_errno_ret: None,
            architectures: Vec::new(),
            flags: None,
            listener_path: None,
            listener_metadata: None,
            syscalls,
        };
        let decisions = Decisions::new(&profile, &[abi]).unwrap();
        decisions.intervals(abi).into_iter().map(|interval| (interval.start, interval.decision)).collect()
    }

    // linux/seccomp.h.
    #[test]
    fn actions_have_the_results_of_the_kernel() {
        for (name, errno, result) in [
            (Action::KillProcess, None, 0x8000_0000),
            (Action::KillThread, None, 0),
            (Action::Kill, Some(5), 0),
            (Action::Trap, None, 0x0003_0000),
            (Action::Errno, None, EPERM),
            (Action::Errno, Some(38), 0x0005_0026),
            (Action::Errno, Some(0x1_0001), EPERM),
            (Action::Notify, None, 0x7fc0_0000),
            (Action::Trace, Some(7), 0x7ff0_0007),
            (Action::Log, None, 0x7ffc_0000),
            (Action::Allow, Some(5), ALLOW),
        ] {
            assert_eq!(action(name, errno), result, "{name} {errno:?}");
        }
    }

    // On x86_64: read 0, write 1, close 3.
    #[test]
    fn neighbours_with_the_same_decision_are_one_interval() {
        let rules = vec![rule(&["read", "write", "close"], Action::Allow)];
        assert_eq!(
            intervals(Action::Errno, rules, Abi::X86_64),
            [
                (0, Decision::Return(ALLOW)),
                (2, Decision::Return(EPERM)),
                (3, Decision::Return(ALLOW)),
                (4, Decision::Return(ENOSYS)),
            ]
        );
    }

    #[test]
    fn newer_calls_fail_with_enosys_unless_the_default_lets_calls_run() {
        for (default, newer) in [
            (Action::Errno, ENOSYS),
            (Action::Trap, ENOSYS),
            (Action::KillProcess, ENOSYS),
            (Action::Allow, ALLOW),
            (Action::Log, 0x7ffc_0000),
            (Action::Trace, 0x7ff0_0001),
        ] {
            let rules = vec![rule(&["read"], Action::KillThread)];
            let last = intervals(default, rules, Abi::X86_64).pop();
            assert_eq!(last, Some((1, Decision::Return(newer))), "{default}");
        }
    }

    #[test]
    fn a_rule_with_the_default_action_only_shows_how_new_the_profile_is() {
        let rules = vec![rule(&["close"], Action::Errno)];
        assert_eq!(
            intervals(Action::Errno, rules, Abi::X86_64),
            [(0, Decision::Return(EPERM)), (4, Decision::Return(ENOSYS))]
        );
        assert_eq!(intervals(Action::Errno, Vec::new(), Abi::X86_64), [(0, Decision::Return(EPERM))]);
    }

    // arch/arm: read 3, __ARM_NR_BASE 0xf0000, set_tls 0xf0005.
    #[test]
    fn private_numbers_of_arm_do_not_count_as_newer() {
        let rules = vec![rule(&["read", "set_tls"], Action::Allow)];
        assert_eq!(
            intervals(Action::Errno, rules, Abi::Arm),
            [
                (0, Decision::Return(EPERM)),
                (3, Decision::Return(ALLOW)),
                (4, Decision::Return(ENOSYS)),
                (0xf_0000, Decision::Return(EPERM)),
                (0xf_0005, Decision::Return(ALLOW)),
                (0xf_0006, Decision::Return(EPERM)),
            ]
        );
    }

    #[test]
    fn numbers_of_x32_start_at_bit_30() {
        let rules = vec![rule(&["read"], Action::Allow)];
        let intervals = intervals(Action::Errno, rules, Abi::X32);
        assert_eq!(intervals[0], (0x4000_0000, Decision::Return(ALLOW)));
    }

    fn on_argument(index: u32, value: u64) -> ArgCondition {
        ArgCondition { index, value, value_two: None, op: Operator::Equal }
    }

    #[test]
    fn conditional_rules_are_a_chain_in_their_order() {
        let mut first = rule(&["read"], Action::Allow);
        first.args = vec![on_argument(0, 1), on_argument(1, 2)];
        let mut second = rule(&["read"], Action::Trap);
        second.args = vec![on_argument(2, 1), on_argument(2, 2)];
        // The conditions of the first rule are one set, those of the second, on one argument, are two.
        let chain = (0, Decision::Chain(vec![0, 1, 2]));
        assert_eq!(intervals(Action::Errno, vec![first.clone(), second], Abi::X86_64)[0], chain);
        let always = rule(&["read"], Action::Log);
        let decided = (0, Decision::Return(0x7ffc_0000));
        assert_eq!(intervals(Action::Errno, vec![first, always], Abi::X86_64)[0], decided);
    }
}
