//! The verb `kill` (runtime.md, "Kill").

use crate::cgroup;
use crate::error::{Error, Result};
use crate::fault::{Call, Fault};
use crate::state::status;
use crate::store::Store;
use rustix::io::Errno;
use rustix::process::{Signal, pidfd_send_signal};
use tare_plan::step::Status;

/// Whom a signal is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// The container's init.
    Init,
    /// Every process of the container (`--all`).
    All,
}

/// Sends `signal`.
///
/// # Errors
/// When there is no such container, or, for init, when it has ended.
pub fn kill(store: &Store, id: &str, signal: Signal, reach: Reach) -> Result<()> {
    let entry = store.look(id)?;
    let record = entry.record()?;
    if reach == Reach::All {
        return cgroup::signal_all(&record.cgroups, signal)
            .map_err(|fault| entry.error("signal all of", fault));
    }
    if matches!(status(&entry, &record), Status::Stopped | Status::Creating) {
        return Err(Error::NotRunning);
    }
    let init = record.init.as_ref().map(crate::process::ProcessId::open).transpose();
    let Some(init) = init.map_err(|fault| entry.error("signal", fault))?.flatten() else {
        return Err(Error::NotRunning);
    };
    match pidfd_send_signal(&init, signal) {
        Ok(()) => Ok(()),
        Err(Errno::SRCH) => Err(Error::NotRunning),
        Err(errno) => Err(entry.error("signal", Fault::new(Call::Wait, errno))),
    }
}

/// The signal with this number, 1 to 64.
pub fn signal(number: i32) -> Option<Signal> {
    Signal::from_named_raw(number).or_else(|| realtime(number))
}

/// A real-time signal: those that the language's own runtime library keeps for itself are not left out.
fn realtime(number: i32) -> Option<Signal> {
    (32..=64).contains(&number).then(|| tare_sys::signals::realtime(number)).flatten()
}
