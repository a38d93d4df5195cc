//! The identity of a process. A pid alone is not enough, because the kernel reuses it.

use crate::fault::{Call, Fault};
use rustix::fd::{AsFd, OwnedFd};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use serde::{Deserialize, Serialize};

/// A process by its pid, its start time, and the boot of the host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessId {
    /// The process id on the host.
    pub pid: i32,
    /// The start time in clock ticks since the boot.
    pub start: u64,
    /// The ID of the boot (`/proc/sys/kernel/random/boot_id`). State directories can outlive a reboot.
    pub boot: String,
}

/// Fields of `/proc/PID/stat` (proc_pid_stat(5)).
struct Stat {
    state: char,
    start: u64,
}

impl ProcessId {
    /// Returns the identity of the process `pid`, which must not have been reaped.
    pub(crate) fn of(pid: Pid) -> Result<Self, Fault> {
        let stat = stat(pid.as_raw_nonzero().get()).ok_or(Fault::new(Call::Read, Errno::SRCH))?;
        Ok(Self { pid: pid.as_raw_nonzero().get(), start: stat.start, boot: boot() })
    }

    /// Whether the process still runs. A zombie does not.
    pub(crate) fn is_alive(&self) -> bool {
        let same = |stat: &Stat| stat.start == self.start && !matches!(stat.state, 'Z' | 'X' | 'x');
        stat(self.pid).is_some_and(|stat| same(&stat)) && self.boot == boot()
    }

    /// Opens a pidfd; `None` if the process does not run any more.
    pub(crate) fn open(&self) -> Result<Option<OwnedFd>, Fault> {
        let Some(pid) = Pid::from_raw(self.pid) else { return Ok(None) };
        match pidfd_open(pid, PidfdFlags::empty()) {
            // The check comes after the open: a pidfd keeps referring to the same process, a pid does not.
            Ok(process) => Ok(self.is_alive().then_some(process)),
            // Kernels before 6.13 return EINVAL for a process that is being reaped.
            Err(Errno::SRCH | Errno::INVAL) => Ok(None),
            Err(errno) => Err(Fault::new(Call::Open, errno)),
        }
    }
}

fn stat(pid: i32) -> Option<Stat> {
    parse(&std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

/// Parses the fields after the program's name. The program chooses the name, which may contain spaces and parentheses, so the
/// fields begin after the last parenthesis.
fn parse(line: &str) -> Option<Stat> {
    let mut fields = line.get(line.rfind(')')? + 1..)?.split_ascii_whitespace();
    let state = fields.next()?.chars().next()?;
    Some(Stat { state, start: fields.nth(18)?.parse().ok()? })
}

fn boot() -> String {
    let text = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    text.trim_end().to_owned()
}

/// Returns the current time as in RFC 3339, in UTC.
pub(crate) fn now() -> String {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    crate::time::rfc3339(since)
}

/// Waits at most `limit_ms` milliseconds for the exit of a process that is not a child.
pub(crate) fn await_exit(process: &OwnedFd, limit_ms: u64) -> Result<(), Fault> {
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
    fn a_process_with_another_start_time_is_not_alive() {
        let me = ProcessId::of(rustix::process::getpid()).unwrap();
        assert!(me.is_alive());
        assert!(!ProcessId { start: me.start - 1, ..me }.is_alive());
    }
}
