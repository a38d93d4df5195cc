//! A whole plan: two columns of steps, and what must hold between them.

use crate::spec::Mistake;
use crate::step::{HookKind, InitStep, InitSync, ParentStep, ParentSync, Planned, Signal};
use std::ffi::CString;

/// Everything that making a container takes, in order.
#[derive(Debug)]
pub struct Plan {
    /// What the process that runs `create` does.
    pub parent: Vec<Planned<ParentStep>>,
    /// What the container's init does.
    pub init: Vec<Planned<InitStep>>,
    /// How many descriptors the steps share.
    pub slots: usize,
    /// What init becomes in the end.
    pub program: Program,
    /// What is odd about the configuration on this host, without being wrong.
    pub warnings: Vec<Mistake>,
}

/// The container's program.
#[derive(Debug)]
pub struct Program {
    /// Its arguments, the name first.
    pub arguments: Vec<CString>,
    /// Its environment.
    pub environment: Vec<CString>,
    /// Where it may be, in the order in which that is tried.
    pub candidates: Vec<CString>,
}

/// A wait that would never end, or a message that nobody awaits.
#[derive(Debug, PartialEq, Eq)]
pub struct Deadlock {
    /// The signal at which the columns part.
    pub signal: Signal,
}

impl Plan {
    /// Whether init runs createContainer hooks while the parent waits for it.
    pub fn runs_hooks_in_init(&self) -> bool {
        let create = |planned: &Planned<InitStep>| match &planned.step {
            InitStep::Hooks(hooks) => hooks.kind == HookKind::CreateContainer,
            _ => false,
        };
        self.init.iter().any(create)
    }

    /// Walks both columns as the two processes would, and finds whether they come to their ends.
    ///
    /// # Errors
    /// The first signal that one side awaits and the other never sends, or sends and the other never awaits.
    pub fn rendezvous(&self) -> Result<(), Deadlock> {
        let mut parent = self.parent.iter().filter_map(|planned| match planned.step {
            ParentStep::Sync(ParentSync::Send(signal)) => Some((Side::Sends, signal)),
            ParentStep::Sync(ParentSync::Await(signal)) => Some((Side::Awaits, signal)),
            ParentStep::Sync(ParentSync::PassFds(_)) => Some((Side::Sends, Signal::Placed)),
            _ => None,
        });
        let mut init = self.init.iter().filter_map(|planned| match planned.step {
            InitStep::Sync(InitSync::Send(signal)) => Some((Side::Sends, signal)),
            InitStep::Sync(InitSync::Await(signal)) => Some((Side::Awaits, signal)),
            InitStep::Sync(InitSync::ReceiveFds(_)) => Some((Side::Awaits, Signal::Placed)),
            _ => None,
        });
        loop {
            match (parent.next(), init.next()) {
                (None, None) => return Ok(()),
                (Some((one, this)), Some((other, that))) if one != other && this == that => {}
                (Some((_, signal)), _) | (None, Some((_, signal))) => return Err(Deadlock { signal }),
            }
        }
    }
}

#[derive(PartialEq, Eq)]
enum Side {
    Sends,
    Awaits,
}
