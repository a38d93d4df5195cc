//! A model of the semantics of profiles: the result for one call, rule by rule, written as libseccomp and
//! runc document them.

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
        Action::Notify => panic!("SCMP_ACT_NOTIFY is not supported"),
        Action::Trace => 0x7ff0_0000 | errno.unwrap_or(1),
        Action::Trap => 0x0003_0000,
    }
}

/// Returns the result of a profile for a call.
pub(crate) fn expected(profile: &Seccomp, abi: Abi, call: &Call) -> u32 {
    let default = value(profile.default_action, profile.default_errno_ret);
    let mut conditional = None;
    for rule in &profile.syscalls {
        let value = value(rule.action, rule.errno_ret);
        for form in rule.names.known().iter().filter_map(|name| names(*name, abi, call)) {
            // The first argument of socketcall(2) is the number of the call and no argument of it.
            let is_direct = form == Form::Direct;
            let args: Vec<_> = rule.args.iter().filter(|arg| is_direct || arg.index != 0).collect();
            let holds = all_or_any(rule, &args, abi, call);
            if value != default && holds && rule.args.is_empty() && is_direct {
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

/// The form of a call.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Direct,
    /// Through socketcall(2).
    Multiplexed,
}

/// Whether a name means this call, and in which form.
fn names(known: Syscall, abi: Abi, call: &Call) -> Option<Form> {
    if known.number(abi) == Some(call.number) {
        return Some(Form::Direct);
    }
    let multiplexed = [("socket", 1), ("connect", 3), ("accept", 5), ("accept4", 18), ("recv", 10)];
    let is_socketcall = abi == Abi::X86 && call.number == 102;
    let first = u64::from(call.args[0] as u32);
    multiplexed
        .iter()
        .any(|(name, number)| is_socketcall && known.name() == *name && first == *number)
        .then_some(Form::Multiplexed)
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
