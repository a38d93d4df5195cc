//! A plan: two columns of steps, and the check that they cannot deadlock.
//!
//! May use `step` and `spec`. All above uses it, and the crates that carry plans out.

use crate::spec::Mistake;
use crate::step::{HookKind, InitStep, InitSync, ParentStep, ParentSync, Planned, Signal};
use std::ffi::CString;

/// Everything that it takes to create a container, in order.
#[derive(Debug)]
pub struct Plan {
    /// The steps of the parent, the process that runs `create`.
    pub parent: Vec<Planned<ParentStep>>,
    /// The steps of the container's init.
    pub init: Vec<Planned<InitStep>>,
    /// How many file descriptors the steps share.
    pub slots: usize,
    /// The program that init executes at the end.
    pub program: Program,
    /// Warnings: parts of the configuration that have no effect on this host.
    pub warnings: Vec<Mistake>,
}

/// The container's program.
#[derive(Debug)]
pub struct Program {
    /// The arguments, the name first.
    pub arguments: Vec<CString>,
    /// The environment.
    pub environment: Vec<CString>,
    /// The paths at which it may be, in the order of the lookup.
    pub candidates: Vec<CString>,
}

/// A signal that one process awaits and the other never sends, or one that it sends and the other never
/// awaits.
#[derive(Debug, PartialEq, Eq)]
pub struct Deadlock {
    /// The first signal at which the columns differ.
    pub signal: Signal,
}

impl Plan {
    /// Whether init runs createContainer hooks. The parent waits meanwhile.
    pub fn runs_hooks_in_init(&self) -> bool {
        let create = |planned: &Planned<InitStep>| match &planned.step {
            InitStep::Hooks(hooks) => hooks.kind == HookKind::CreateContainer,
            _ => false,
        };
        self.init.iter().any(create)
    }

    /// Checks that both processes reach the ends of their columns: the signals of one must match those of the
    /// other, in order.
    ///
    /// # Errors
    /// The first signal at which they differ.
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

/// What a process does with a signal.
#[derive(PartialEq, Eq)]
enum Side {
    Sends,
    Awaits,
}
