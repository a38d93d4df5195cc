//! What the parent returns: a created container, or a new process in one.

use crate::child::Child;
use crate::container::record::Record;
use crate::container::store::Entry;
use rustix::fd::OwnedFd;
use tare_sys::clone::Spawned;

/// A created container that waits for `start`.
#[derive(Debug)]
pub struct Created {
    /// Its state directory, locked.
    pub entry: Entry,
    /// Its record.
    pub record: Record,
    /// Its init, a child of this process.
    pub init: Spawned,
    /// The terminal's master, unless the console socket got it.
    pub terminal: Option<OwnedFd>,
}

impl Created {
    /// Kills the process and reaps it. For a process of `exec`, which has nothing else to undo.
    pub fn abandon(self) {
        drop(Child::of(self.init));
    }
}

/// Whether `exec` works in a paused container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Paused {
    /// It is refused.
    Refused,
    /// It waits until the container is resumed (`--ignore-paused`).
    Waits,
}
