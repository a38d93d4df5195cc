//! Steps with which the parent and init wait for each other.

use super::Slot;

/// A message between the parent and init, so that neither goes on too early.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// To init: systemd has started the unit around it, with its cgroups.
    Placed,
    /// To init: the id mappings of its user namespace are written.
    Mapped,
    /// To the parent: the namespaces are entered and the mounts are made.
    Mounted,
    /// To init: the prestart and createRuntime hooks have run.
    HooksDone,
    /// To the parent: all is done but the start. The terminal's master is passed with this message, if there
    /// is one.
    Ready,
    /// To init: the container is recorded as created.
    Committed,
    /// To the parent: init no longer dies with it.
    Released,
}

impl Signal {
    /// Every signal, in the order in which they are sent.
    pub const ALL: [Self; 7] = [
        Self::Placed,
        Self::Mapped,
        Self::Mounted,
        Self::HooksDone,
        Self::Ready,
        Self::Committed,
        Self::Released,
    ];

    /// Its name in a printed plan.
    pub fn name(self) -> &'static str {
        match self {
            Self::Placed => "placed",
            Self::Mapped => "mapped",
            Self::Mounted => "mounted",
            Self::HooksDone => "hooks done",
            Self::Ready => "ready",
            Self::Committed => "committed",
            Self::Released => "released",
        }
    }
}

/// How the parent waits for init.
#[derive(Debug)]
pub enum ParentSync {
    /// Sends a signal to init.
    Send(Signal),
    /// Waits for a signal of init.
    Await(Signal),
    /// Passes init the file descriptors that were opened after it was spawned ([`Signal::Placed`]).
    PassFds(Vec<Slot>),
}

/// How init waits for the parent, and for `start`.
#[derive(Debug)]
pub enum InitSync {
    /// Asks the kernel to kill init when the parent dies.
    DieWithParent,
    /// Takes that back.
    OutliveParent,
    /// Waits for a signal of the parent.
    Await(Signal),
    /// Sends a signal to the parent.
    Send(Signal),
    /// Waits for the file descriptors that the parent opens after it has spawned init ([`Signal::Placed`]).
    ReceiveFds(Vec<Slot>),
    /// Waits on the start socket until `start` connects.
    WaitForStart(Slot),
}
