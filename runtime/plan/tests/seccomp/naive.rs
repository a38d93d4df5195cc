//! The naive reading of a profile: what it says of one call, rule by rule.

use tare_plan::spec::{Action, ArgCondition, Operator, Seccomp, SyscallRule};
use tare_plan::tables::syscalls::{Abi, Syscall};

use super::machine::{ALLOW, Call, ENOSYS, ERRNO, KILL_THREAD};

fn value(action: Action, errno: Option<u32>) -> u32 {
    match action {
        Action::Allow => ALLOW,
        Action::Errno => ERRNO | errno.unwrap_or(1),
        Action::Kill | Action::KillThread => KILL_THREAD,
        Action::KillProcess => 0x8000_0000,
        Action::Log => 0x7ffc_0000,
        Action::Notify => panic!("no filter notifies yet"),
        Action::Trace => 0x7ff0_0000 | errno.unwrap_or(1),
        Action::Trap => 0x0003_0000,
    }
}

/// What the profile says of a call, read naively.
pub(crate) fn expected(profile: &Seccomp, abi: Abi, call: &Call) -> u32 {
    let default = value(profile.default_action, profile.default_errno_ret);
    let mut conditional = None;
    for rule in &profile.syscalls {
        let value = value(rule.action, rule.errno_ret);
        for (named, first) in rule.names.known().iter().filter_map(|name| names(*name, abi, call)) {
            // The first argument of a door names the call behind it and is no argument of that call.
            let args: Vec<_> = rule.args.iter().filter(|arg| !(first && arg.index == 0)).collect();
            let holds = named && all_or_any(rule, &args, abi, call);
            if value != default && holds && rule.args.is_empty() && !first {
                return value;
            }
            if value != default && holds && conditional.is_none() {
                conditional = Some(value);
            }
        }
    }
    let permissive = matches!(profile.default_action, Action::Allow | Action::Log | Action::Trace);
    let private = abi == Abi::Arm && call.number >= Abi::ARM_PRIVATE;
    let newer = !private && newest(profile, abi).is_some_and(|newest| call.number > newest);
    conditional.unwrap_or(if newer && !permissive { ENOSYS } else { default })
}

/// Whether a name means this call, directly or (true) through socketcall(2).
fn names(known: Syscall, abi: Abi, call: &Call) -> Option<(bool, bool)> {
    if known.number(abi) == Some(call.number) {
        return Some((true, false));
    }
    let behind = [("socket", 1), ("connect", 3), ("accept", 5), ("accept4", 18), ("recv", 10)];
    let door = abi == Abi::X86 && call.number == 102;
    let first = u64::from(call.args[0] as u32);
    behind
        .iter()
        .any(|(name, number)| door && known.name() == *name && first == *number)
        .then_some((true, true))
}

fn all_or_any(rule: &SyscallRule, args: &[&ArgCondition], abi: Abi, call: &Call) -> bool {
    let mut indexes: Vec<u32> = rule.args.iter().map(|arg| arg.index).collect();
    indexes.sort_unstable();
    indexes.dedup();
    if indexes.len() == rule.args.len() {
        args.iter().all(|arg| condition(arg, abi, call))
    } else {
        args.len() < rule.args.len() || args.iter().any(|arg| condition(arg, abi, call))
    }
}

fn condition(arg: &ArgCondition, abi: Abi, call: &Call) -> bool {
    let narrow = matches!(abi, Abi::X86 | Abi::X32 | Abi::Arm);
    let cut = |word: u64| if narrow { u64::from(word as u32) } else { word };
    let (found, value) = (cut(call.args[arg.index as usize]), cut(arg.value));
    match arg.op {
        Operator::Equal => found == value,
        Operator::NotEqual => found != value,
        Operator::Greater => found > value,
        Operator::GreaterEqual => found >= value,
        Operator::Less => found < value,
        Operator::LessEqual => found <= value,
        Operator::MaskedEqual => found & value == cut(arg.value_two.unwrap_or(0)) & value,
    }
}

fn newest(profile: &Seccomp, abi: Abi) -> Option<u32> {
    let calls = profile.syscalls.iter().flat_map(|rule| rule.names.known());
    let known = calls.filter_map(|call| call.number(abi));
    known.filter(|number| abi != Abi::Arm || *number < Abi::ARM_PRIVATE).max()
}
