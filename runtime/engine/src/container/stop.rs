//! Stopping a container: killing its processes and waiting for their exit.

use super::process::{ProcessId, await_exit};
use super::record::Record;
use super::store::Entry;
use crate::cgroup::members;
use crate::error::Result;
use crate::fault::{Call, Fault};
use rustix::io::Errno;
use rustix::process::{Signal, pidfd_send_signal};

/// The limit for the exit of a killed init, in milliseconds.
const LIMIT_MS: u64 = 10_000;

/// Kills every process of a container and waits until all have exited.
///
/// That includes processes in a cgroup that existed before the container. If `create` did not finish, no process in such a
/// cgroup is the container's, and none is killed.
pub(crate) fn stop(entry: &Entry, record: &Record) -> Result<()> {
    let cgroups = if record.init.is_some() { record.cgroups.clone() } else { record.own_cgroups() };
    members::kill_all(&cgroups).map_err(|fault| entry.error("end the processes of", fault))?;
    match &record.init {
        Some(init) => end(init).map_err(|fault| entry.error("end the init of", fault)),
        None => Ok(()),
    }
}

/// Kills init and waits for its exit. A container without a cgroup has only this.
fn end(init: &ProcessId) -> std::result::Result<(), Fault> {
    let Some(process) = init.open()? else { return Ok(()) };
    match pidfd_send_signal(&process, Signal::KILL) {
        Ok(()) => await_exit(&process, LIMIT_MS),
        Err(Errno::SRCH) => Ok(()),
        Err(errno) => Err(Fault::new(Call::Wait, errno)),
    }
}
