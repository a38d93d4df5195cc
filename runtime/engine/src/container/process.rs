//! A process that can be told from any later one with the same pid.

use crate::fault::{Call, Fault};
use rustix::fd::{AsFd, OwnedFd};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use serde::{Deserialize, Serialize};

/// A process by its pid, the time it started, and the boot it started in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessId {
    /// The process id on the host.
    pub pid: i32,
    /// When it started, in clock ticks since the boot.
    pub start: u64,
    /// The boot's id.
    pub boot: String,
}

/// What `/proc/PID/stat` says (proc_pid_stat(5)).
struct Stat {
    state: char,
    start: u64,
}

impl ProcessId {
    /// Notes who the process with this pid is; it must not have been waited for yet.
    pub(crate) fn of(pid: Pid) -> Result<Self, Fault> {
        let stat = stat(pid.as_raw_nonzero().get()).ok_or(Fault::new(Call::Read, Errno::SRCH))?;
        Ok(Self { pid: pid.as_raw_nonzero().get(), start: stat.start, boot: boot() })
    }

    /// Whether it still runs. One that has ended and only waits for its parent does not.
    pub(crate) fn is_alive(&self) -> bool {
        let same = |stat: &Stat| stat.start == self.start && !matches!(stat.state, 'Z' | 'X' | 'x');
        stat(self.pid).is_some_and(|stat| same(&stat)) && self.boot == boot()
    }

    /// A descriptor of it; nothing when it does not run any more.
    pub(crate) fn open(&self) -> Result<Option<OwnedFd>, Fault> {
        let Some(pid) = Pid::from_raw(self.pid) else { return Ok(None) };
        match pidfd_open(pid, PidfdFlags::empty()) {
            // The pid may have gone to another process before it was opened, but not after.
            Ok(process) => Ok(self.is_alive().then_some(process)),
            // Of a process that is being reaped kernels before 6.13 say that it leads no threads.
            Err(Errno::SRCH | Errno::INVAL) => Ok(None),
            Err(errno) => Err(Fault::new(Call::Open, errno)),
        }
    }
}

/// The fields after the program's name, which is the program's own to choose and ends at the last parenthesis.
fn stat(pid: i32) -> Option<Stat> {
    parse(&std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

fn parse(line: &str) -> Option<Stat> {
    let mut fields = line.get(line.rfind(')')? + 1..)?.split_ascii_whitespace();
    let state = fields.next()?.chars().next()?;
    Some(Stat { state, start: fields.nth(18)?.parse().ok()? })
}

fn boot() -> String {
    let text = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    text.trim_end().to_owned()
}

/// The time now, as RFC 3339 has it, in UTC.
pub(crate) fn now() -> String {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    crate::time::rfc3339(since)
}

/// Waits for the end of a process that is not a child.
pub(crate) fn await_end(process: &OwnedFd, limit_ms: u64) -> Result<(), Fault> {
    let ended = crate::channel::await_readable(process.as_fd(), Some(limit_ms));
    ended.map_err(|fault| Fault::new(Call::Wait, fault.errno))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_parentheses_does_not_shift_the_fields() {
        let line = "7 (a) S 1 (x) Z) S 1 7 7 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 4242 1 2 3";
        let stat = parse(line).unwrap();
        assert_eq!((stat.state, stat.start), ('S', 4242));
    }

    #[test]
    fn this_process_is_alive_and_an_older_one_with_its_pid_is_not() {
        let me = ProcessId::of(rustix::process::getpid()).unwrap();
        assert!(me.is_alive());
        assert!(!ProcessId { start: me.start - 1, ..me }.is_alive());
    }
}
