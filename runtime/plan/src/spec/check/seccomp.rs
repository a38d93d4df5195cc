//! Checks of the seccomp profile that need no table of system calls.

use super::each;
use crate::spec::mistake::{Place, Report};
use crate::spec::{Action, ArgCondition, Operator, Seccomp, SyscallRule};

/// config-linux.md, Seccomp.
pub(super) fn check(filter: &Seccomp, at: &Place<'_>, report: &mut Report) {
    errno(filter.default_action, filter.default_errno_ret, &at.key("defaultErrnoRet"), report);
    each(&filter.syscalls, &at.key("syscalls"), |each_rule, place| rule(each_rule, place, report));
    if filter.listener_metadata.is_some() && filter.listener_path.is_none() {
        report.wrong(&at.key("listenerMetadata"), "listenerMetadata must not be set without listenerPath");
    }
}

fn rule(rule: &SyscallRule, at: &Place<'_>, report: &mut Report) {
    if rule.names.is_empty() {
        report.wrong(&at.key("names"), "names must not be empty");
    }
    errno(rule.action, rule.errno_ret, &at.key("errnoRet"), report);
    each(&rule.args, &at.key("args"), |condition, place| argument(condition, place, report));
}

/// Only SCMP_ACT_ERRNO and SCMP_ACT_TRACE take a number, in the low 16 bits of the filter's result
/// (seccomp(2)). The kernel has no error number above 4095 (`MAX_ERRNO`). Callers also write 0 with other
/// actions.
fn errno(action: Action, errno: Option<u32>, at: &Place<'_>, report: &mut Report) {
    const HIGHEST: u32 = 4095;

    let Some(errno) = errno else { return };
    let top = match action {
        Action::Errno => HIGHEST,
        Action::Trace => u32::from(u16::MAX),
        _ if errno == 0 => return,
        _ => {
            report.wrong(at, format!("action {action} has no error number"));
            return;
        }
    };
    if errno > top {
        report.wrong(at, format!("error number {errno} is out of range: {action} has 0 to {top}"));
    }
}

/// A system call has six arguments.
fn argument(condition: &ArgCondition, at: &Place<'_>, report: &mut Report) {
    if condition.index > 5 {
        let what = format!("argument index {} is out of range: expected 0 to 5", condition.index);
        report.wrong(&at.key("index"), what);
    }
    if condition.op != Operator::MaskedEqual && condition.value_two.unwrap_or(0) != 0 {
        report.warn(&at.key("valueTwo"), format!("operator {} does not use valueTwo", condition.op));
    }
}
