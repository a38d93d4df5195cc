//! The verb `kill` (runtime.md, "Kill").

use crate::cgroup::freezer;
use crate::cgroup::population;
use crate::container::record::{Pids, Record};
use crate::container::status::status;
use crate::container::store::{Entry, Store};
use crate::error::{Error, Result};
use crate::fault::{Call, Fault};
use crate::verb::processes;
use rustix::io::Errno;
use rustix::process::{Signal, kill_process, pidfd_send_signal};
use tare_plan::step::Status;

/// Whom a signal is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// The container's init.
    Init,
    /// Every process of the container (`--all`).
    All,
}

/// Sends `signal`. A `SIGKILL` that would leave others of the container alive, because they are not in a pid namespace of its
/// own, reaches them all.
///
/// # Errors
/// When there is no such container, or, for init, when it has ended.
pub fn kill(store: &Store, id: &str, signal: Signal, reach: Reach) -> Result<()> {
    let entry = store.look(id)?;
    let record = entry.record()?;
    let deadly = signal == Signal::KILL && record.pids == Pids::Shared && !record.cgroups.is_empty();
    let killed = if reach == Reach::All || (deadly && !is_over(&entry, &record)?) {
        signal_all(&record, signal).map_err(|fault| entry.error("signal all of", fault))
    } else {
        signal_init(&entry, &record, signal)
    };
    if signal == Signal::KILL {
        freezer::release(&record.cgroups).map_err(|fault| entry.error("let go on", fault))?;
    }
    killed
}

/// Whether nothing of the container runs any more.
fn is_over(entry: &Entry, record: &Record) -> Result<bool> {
    if record.init.is_none() {
        return Ok(true);
    }
    let left = population::members(&record.cgroups);
    left.map(|left| left.is_empty()).map_err(|fault| entry.error("list the processes of", fault))
}

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

/// Signals every process, held still meanwhile so that none forks away. Where there is no freezer, those who do are missed.
fn signal_all(record: &Record, signal: Signal) -> std::result::Result<(), Fault> {
    let held = !freezer::is_frozen(&record.cgroups) && freezer::freeze(&record.cgroups).is_ok();
    let signalled = processes::all(record).and_then(|all| {
        all.into_iter().try_for_each(|pid| match kill_process(pid, signal) {
            Ok(()) | Err(Errno::SRCH) => Ok(()),
            Err(errno) => Err(Fault::new(Call::Wait, errno)),
        })
    });
    if held {
        freezer::thaw(&record.cgroups)?;
    }
    signalled
}

/// The signal with this number, 1 to 64.
pub fn signal(number: i32) -> Option<Signal> {
    Signal::from_named_raw(number).or_else(|| realtime(number))
}

/// A real-time signal: those that the language's own runtime library keeps for itself are not left out.
fn realtime(number: i32) -> Option<Signal> {
    (32..=64).contains(&number).then(|| tare_sys::signals::realtime(number)).flatten()
}
