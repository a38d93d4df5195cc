//! The verb `kill` (runtime.md, "Kill").

use crate::cgroup::freezer;
use crate::cgroup::members;
use crate::container::record::Record;
use crate::container::status::status;
use crate::container::store::{Entry, Store};
use crate::error::{Error, Result};
use crate::fault::{Call, Fault};
use crate::verb::processes;
use rustix::io::Errno;
use rustix::process::{Signal, kill_process, pidfd_send_signal};
use tare_plan::footprint::PidNamespace;
use tare_plan::step::Status;

/// The processes that get a signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KillTarget {
    /// The container's init.
    Init,
    /// Every process of the container (`--all`).
    All,
}

/// Sends `signal` to a container.
///
/// In a shared pid namespace the other processes would outlive init, so a SIGKILL goes to all of them, as in runc.
///
/// # Errors
/// When the container does not exist, or when its init does not run.
pub fn kill(store: &Store, id: &str, signal: Signal, target: KillTarget) -> Result<()> {
    let entry = store.open_unlocked(id)?;
    let record = entry.record()?;
    let kills_all = signal == Signal::KILL
        && record.pid_namespace == PidNamespace::Shared
        && !record.cgroups.is_empty()
        && has_processes(&entry, &record)?;
    let killed = if target == KillTarget::All || kills_all {
        signal_all(&record, signal).map_err(|fault| entry.error("signal all of", fault))
    } else {
        signal_init(&entry, &record, signal)
    };
    if signal == Signal::KILL {
        freezer::thaw_killed(&record.cgroups).map_err(|fault| entry.error("thaw", fault))?;
    }
    killed
}

/// Whether a process of the container runs.
fn has_processes(entry: &Entry, record: &Record) -> Result<bool> {
    if record.init.is_none() {
        return Ok(false);
    }
    let left = members::of_container(&record.cgroups);
    left.map(|left| !left.is_empty()).map_err(|fault| entry.error("list the processes of", fault))
}

/// Signals init by its pidfd.
fn signal_init(entry: &Entry, record: &Record, signal: Signal) -> Result<()> {
    if matches!(status(entry, record), Status::Stopped | Status::Creating) {
        return Err(Error::NotRunning);
    }
    let init = record.init.as_ref().map(crate::container::process::ProcessId::open).transpose();
    let Some(init) = init.map_err(|fault| entry.error("signal", fault))?.flatten() else {
        return Err(Error::NotRunning);
    };
    match pidfd_send_signal(&init, signal) {
        Ok(()) => Ok(()),
        Err(Errno::SRCH) => Err(Error::NotRunning),
        Err(errno) => Err(entry.error("signal", Fault::new(Call::Wait, errno))),
    }
}

/// Signals every process. The container is frozen meanwhile, so that no process forks and escapes the signal. Without a freezer, new
/// children are missed.
fn signal_all(record: &Record, signal: Signal) -> std::result::Result<(), Fault> {
    let froze = !freezer::is_frozen(&record.cgroups) && freezer::freeze(&record.cgroups).is_ok();
    let signalled = processes::all(record).and_then(|all| {
        all.into_iter().try_for_each(|pid| match kill_process(pid, signal) {
            Ok(()) | Err(Errno::SRCH) => Ok(()),
            Err(errno) => Err(Fault::new(Call::Wait, errno)),
        })
    });
    if froze {
        freezer::thaw(&record.cgroups)?;
    }
    signalled
}

/// Returns the signal with a number from 1 to 64.
pub fn signal(number: i32) -> Option<Signal> {
    Signal::from_named_raw(number).or_else(|| realtime(number))
}

/// Returns a real-time signal, also 32 and 33, which the C library reserves for itself (signal(7)). Another program may use them.
fn realtime(number: i32) -> Option<Signal> {
    (32..=64).contains(&number).then(|| tare_sys::signals::realtime(number)).flatten()
}
