//! Checks of the process: what `create` and `exec` need, and the ranges of the kernel's values.

use std::collections::BTreeSet;

use super::{each, lists};
use crate::spec::mistake::{Place, Report};
use crate::spec::{CpuAffinity, IoPriority, Process, Rlimit, Scheduler, SchedulerPolicy};

pub(super) fn check(process: &Process, at: &Place<'_>, report: &mut Report) {
    program(process, at, report);
    if process.user.umask.is_some_and(|umask| umask > 0o777) {
        report.wrong(&at.key("user").key("umask"), "umask is out of range: expected 0 to 511");
    }
    if let Some(score) = process.oom_score_adj.filter(|score| !(-1000..=1000).contains(score)) {
        let what = format!("oomScoreAdj {score} is out of range: expected -1000 to 1000");
        report.wrong(&at.key("oomScoreAdj"), what);
    }
    if let Some(size) = process.console_size.as_ref().filter(|_| process.terminal) {
        for (key, length) in [("height", size.height), ("width", size.width)] {
            if length > u64::from(u16::MAX) {
                let what = format!("terminal {key} {length} is out of range: expected 0 to 65535");
                report.wrong(&at.key("consoleSize").key(key), what);
            }
        }
    }
    rlimits(&process.rlimits, &at.key("rlimits"), report);
    if let Some(wanted) = &process.scheduler {
        scheduler(wanted, &at.key("scheduler"), report);
    }
    if let Some(priority) = &process.io_priority {
        io_priority(priority, &at.key("ioPriority"), report);
    }
    if let Some(affinity) = &process.exec_cpu_affinity {
        cpu_affinity(affinity, &at.key("execCPUAffinity"), report);
    }
}

/// The working directory, the arguments and the environment. The messages are runc's, which callers know.
fn program(process: &Process, at: &Place<'_>, report: &mut Report) {
    if process.cwd.is_empty() {
        report.wrong(&at.key("cwd"), "Cwd property must not be empty");
    } else if !process.cwd.starts_with('/') {
        report.wrong(&at.key("cwd"), "Cwd must be an absolute path");
    }
    if process.args.is_empty() {
        report.wrong(&at.key("args"), "args must not be empty");
    }
    each(&process.env, &at.key("env"), |variable, place| {
        // execve(2) passes such a string on; most programs ignore it.
        if !variable.contains('=') {
            report.warn(place, format!("environment variable {variable:?} has no value"));
        }
    });
}

/// config.md, POSIX process, rlimits.
fn rlimits(rlimits: &[Rlimit], at: &Place<'_>, report: &mut Report) {
    let mut seen = BTreeSet::new();
    each(rlimits, at, |rlimit, place| {
        let Rlimit { kind, soft, hard } = rlimit;
        if !seen.insert(*kind) {
            report.wrong(place, format!("duplicated rlimit {kind}"));
        }
        if soft > hard {
            report.wrong(place, format!("soft limit {soft} of {kind} exceeds its hard limit {hard}"));
        }
    });
}

/// The rules of sched_setattr(2) and sched(7): which policy takes which parameters, and their ranges.
fn scheduler(wanted: &Scheduler, at: &Place<'_>, report: &mut Report) {
    use SchedulerPolicy::{Deadline, Fifo, RoundRobin};

    let nice = wanted.nice.unwrap_or(0);
    if !(-20..=19).contains(&nice) {
        let what = format!("invalid scheduler nice value: {nice}, must be between -20 and 19");
        report.wrong(&at.key("nice"), what);
    }
    let priority = wanted.priority.unwrap_or(0);
    match wanted.policy {
        Fifo | RoundRobin if !(1..=99).contains(&priority) => {
            let what =
                format!("scheduler priority {priority} is out of range: {} has 1 to 99", wanted.policy);
            report.wrong(&at.key("priority"), what);
        }
        Fifo | RoundRobin => {}
        _ if priority != 0 => {
            report.wrong(&at.key("priority"), "only SCHED_FIFO and SCHED_RR have a scheduler priority");
        }
        _ => {}
    }
    let times = DeadlineTimes {
        runtime: wanted.runtime.unwrap_or(0),
        deadline: wanted.deadline.unwrap_or(0),
        period: wanted.period.unwrap_or(0),
    };
    match wanted.policy {
        Deadline => deadline_order(times, at, report),
        _ if times != DeadlineTimes::default() => {
            report.wrong(at, "only SCHED_DEADLINE has a scheduler runtime, deadline and period");
        }
        _ => {}
    }
}

/// The times of SCHED_DEADLINE, in nanoseconds.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
struct DeadlineTimes {
    runtime: u64,
    deadline: u64,
    period: u64,
}

/// The rules of SCHED_DEADLINE (sched(7)): 1024 <= runtime <= deadline <= period, all below 2^63. A period of
/// 0 means the deadline.
fn deadline_order(times: DeadlineTimes, at: &Place<'_>, report: &mut Report) {
    /// The kernel's resolution in nanoseconds (`DL_SCALE`).
    const SHORTEST: u64 = 1024;

    let DeadlineTimes { runtime, deadline, period } = times;
    let mut wrong = |key: &str, what: String| report.wrong(&at.key(key), what);
    if runtime < SHORTEST {
        wrong("runtime", format!("scheduler runtime {runtime} is less than {SHORTEST} nanoseconds"));
    }
    if runtime > deadline {
        wrong("deadline", format!("scheduler deadline {deadline} is less than runtime {runtime}"));
    }
    if period != 0 && deadline > period {
        wrong("period", format!("scheduler period {period} is less than deadline {deadline}"));
    }
    for (key, time) in [("runtime", runtime), ("deadline", deadline), ("period", period)] {
        if time > i64::MAX.unsigned_abs() {
            wrong(key, format!("scheduler {key} {time} is out of range: expected less than 2^63"));
        }
    }
}

/// ioprio_set(2): levels 0 to 7.
fn io_priority(priority: &IoPriority, at: &Place<'_>, report: &mut Report) {
    let level = priority.priority.unwrap_or(0);
    if !(0..=7).contains(&level) {
        let what = format!("invalid ioPriority.priority {level}: expected 0 to 7");
        report.wrong(&at.key("priority"), what);
    }
}

/// config.md, Linux Process, execCPUAffinity.
fn cpu_affinity(affinity: &CpuAffinity, at: &Place<'_>, report: &mut Report) {
    for (key, list) in [("initial", &affinity.initial), ("final", &affinity.last)] {
        if let Some(list) = list.as_deref().filter(|list| !lists::is_list(list)) {
            report.wrong(&at.key(key), format!("invalid CPU list {list:?}: expected such as \"0-3,7\""));
        }
    }
}
