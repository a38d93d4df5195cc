//! The end of every process of a container.

use super::process::{ProcessId, await_end};
use super::record::Record;
use super::store::Entry;
use crate::cgroup::population;
use crate::error::Result;
use crate::fault::{Call, Fault};
use rustix::io::Errno;
use rustix::process::{Signal, pidfd_send_signal};

/// How long init may take to end after it has been killed, in milliseconds.
const PATIENCE_MS: u64 = 10_000;

/// Kills all that runs in a container, and waits until it has ended.
///
/// A cgroup that was there before stays, but what the container left running in it does not. A container that was never
/// created has nothing running in such a cgroup: who is in it is somebody else.
pub(crate) fn stop(entry: &Entry, record: &Record) -> Result<()> {
    let cgroups = if record.init.is_some() { record.cgroups.clone() } else { record.own_cgroups() };
    population::kill_all(&cgroups).map_err(|fault| entry.error("end the processes of", fault))?;
    match &record.init {
        Some(init) => end(init).map_err(|fault| entry.error("end the init of", fault)),
        None => Ok(()),
    }
}

/// Kills init and waits until it has ended.
fn end(init: &ProcessId) -> std::result::Result<(), Fault> {
    let Some(process) = init.open()? else { return Ok(()) };
    match pidfd_send_signal(&process, Signal::KILL) {
        Ok(()) => await_end(&process, PATIENCE_MS),
        Err(Errno::SRCH) => Ok(()),
        Err(errno) => Err(Fault::new(Call::Wait, errno)),
    }
}
