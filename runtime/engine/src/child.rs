//! A child process of the runtime: a guard that ends it, and what a child does first of all.
//!
//! The functions that a child calls allocate nothing: they run between clone(2) and exec(2).

use crate::channel;
use crate::fault::{Call, During, Fault};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::process::{
    DumpableBehavior, Pid, Signal, WaitId, WaitIdOptions, pidfd_send_signal, set_dumpable_behavior,
    set_parent_process_death_signal, waitid,
};
use std::fmt;
use tare_sys::clone::Spawned;
use tare_sys::descriptors::close_range;

/// The default for PATH. Podman starts a runtime without PATH, and `criu` and `ps` are found along this one then.
pub const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// A child process that is killed and reaped when this value is dropped, unless it is kept.
#[derive(Debug)]
pub(crate) struct Child {
    spawned: Option<Spawned>,
}

impl Child {
    /// Takes ownership of a process that clone(2) returned.
    pub(crate) fn of(spawned: Spawned) -> Self {
        Self { spawned: Some(spawned) }
    }

    /// The pid; `None` once the process is kept.
    pub(crate) fn pid(&self) -> Option<Pid> {
        self.spawned.as_ref().map(|spawned| spawned.pid)
    }

    /// The pidfd; `None` once the process is kept.
    pub(crate) fn pidfd(&self) -> Option<BorrowedFd<'_>> {
        self.spawned.as_ref().map(|spawned| spawned.pidfd.as_fd())
    }

    /// Waits for the end of the process and returns how it ended. The exit status stays for a later waitid(2).
    pub(crate) fn ending(&self) -> Ending {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        let status = self.pidfd().and_then(|process| waitid(WaitId::PidFd(process), options).ok()?);
        match status.map(|status| (status.terminating_signal(), status.exit_status())) {
            Some((Some(signal), _)) => Ending::Signal(signal),
            Some((None, code)) => Ending::Exit(code.unwrap_or(0)),
            None => Ending::Unknown,
        }
    }

    /// Lets the process live when this value is dropped.
    pub(crate) fn keep(mut self) -> Option<Spawned> {
        self.spawned.take()
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        if let Some(spawned) = self.spawned.take() {
            // The process may be dead already, and has to be reaped anyway. The wait has no limit: a SIGKILL ends it.
            let _ = pidfd_send_signal(&spawned.pidfd, Signal::KILL);
            let _ = channel::retry(|| waitid(WaitId::PidFd(spawned.pidfd.as_fd()), WaitIdOptions::EXITED));
        }
    }
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// It exited with this status.
    Exit(i32),
    /// This signal killed it.
    Signal(i32),
    /// It is not a child of this process, or another waitid(2) took its status.
    Unknown,
}

impl fmt::Display for Ending {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exit(code) => write!(out, "exit status {code}"),
            Self::Signal(signal) => write!(out, "signal {signal}"),
            Self::Unknown => out.write_str("it can't be waited for"),
        }
    }
}

/// Asks the kernel to kill this process when its parent dies (prctl(2), PR_SET_PDEATHSIG). A parent that died before the
/// call is noticed by the end of the channel.
pub(crate) fn die_with_parent() -> Result<(), Fault> {
    set_parent_process_death_signal(Some(Signal::KILL)).during(Call::Prctl)
}

/// Undoes [`die_with_parent`].
pub(crate) fn outlive_parent() -> Result<(), Fault> {
    set_parent_process_death_signal(None).during(Call::Prctl)
}

/// Makes this process non-dumpable. A process inside a namespace that it joins can then neither trace it nor reach the host
/// through its `/proc` directory (CVE-2016-9962, CVE-2019-5736). exec(2) undoes it.
pub(crate) fn hide() -> Result<(), Fault> {
    set_dumpable_behavior(DumpableBehavior::NotDumpable).during(Call::Prctl)
}

/// Keeps this process alive until it is killed, or until the parent dies or closes its end of the channel. `other_end` is the number of
/// that end, since this process has inherited a copy. Returns the exit code.
///
/// The wait has no limit: the parent ends it.
pub(crate) fn hold(channel: OwnedFd, other_end: u32) -> i32 {
    let ready = die_with_parent().is_ok() && close_range(other_end, other_end).is_ok();
    if ready {
        // Any end of the wait means that the parent is dead or has closed the channel.
        let _ = channel::receive_bytes(channel.as_fd(), &mut [0]);
    }
    1
}
