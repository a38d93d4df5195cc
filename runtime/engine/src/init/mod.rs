//! The init process: carries out the init's column of a plan, up to the container's program.
//!
//! Init runs between clone(2) and execve(2). It does not allocate, format text or log: the raw clone(2) runs no fork handlers of
//! the C library, so its allocator may be in any state (signal-safety(7)). [`InitResources`] has what the steps need. There is one
//! file for each family of steps, and they share `state`.
//!
//! The parent spawns init, and only the parent may use this folder. It may use `container` and the floors below.

mod close;
mod device;
mod file;
pub(crate) mod identity;
mod label;
mod mask;
pub(crate) mod mount;
pub(crate) mod namespace;
mod process;
mod program;
mod resources;
mod root;
mod state;
mod terminal;

use crate::channel::{self, Failure};
use crate::child::{die_with_parent, outlive_parent};
use crate::fault::{Call, During, Fault};
use crate::hook;
use crate::slots::Slots;
pub(crate) use resources::InitResources;
use rustix::fd::AsFd;
use rustix::io::Errno;
use state::Init;
use tare_plan::step::{InitStep, InitSync, Planned, Signal, Slot};

/// Carries out `column`. The last step executes the container's program, so this returns only after a failure, with the exit code
/// of init.
pub(crate) fn run(column: &[Planned<InitStep>], resources: InitResources, slots: &mut Slots) -> i32 {
    // Some steps close file descriptors by number. A drop of this value would close the same numbers again.
    let mut init = std::mem::ManuallyDrop::new(Init::new(resources, slots));
    if init.close_parents_end().is_err() {
        return 1;
    }
    // Steps are counted from 0 for the parent, and from 0 again for `start`, once it has connected.
    let mut step = 0;
    for planned in column {
        if let Err(fault) = init.act(&planned.step) {
            let failure = Failure { step, fault, text: init.text };
            channel::send_failed(init.listener(), &failure);
            break;
        }
        let started = matches!(planned.step, InitStep::Sync(InitSync::WaitForStart(_)));
        step = if started { 0 } else { step + 1 };
    }
    1
}

impl Init<'_> {
    /// Closes init's copy of the parent's end of the channel. With the copy, the channel would not end when the parent dies.
    fn close_parents_end(&self) -> Result<(), Fault> {
        let number = self.resources.parents_end.cast_unsigned();
        tare_sys::descriptors::close_range(number, number).during(Call::Close)
    }

    /// Carries out one step.
    fn act(&mut self, step: &InitStep) -> Result<(), Fault> {
        match step {
            InitStep::Sync(step) => self.sync(step),
            InitStep::Namespace(step) => namespace::act(self, step),
            InitStep::Root(step) => root::act(self, step),
            InitStep::Mount(step) => mount::act(self, step),
            InitStep::File(step) => file::act(self, step),
            InitStep::Process(step) => process::act(self, step),
            InitStep::Identity(step) => identity::act(step),
            InitStep::Hooks(hooks) => self.hooks(hooks.state),
            InitStep::Seccomp(filter) => self.seccomp(filter.flags),
            InitStep::Program(step) => program::act(self, step),
        }
    }

    /// Waits for the parent or for `start`, or sends the parent a signal.
    fn sync(&mut self, step: &InitSync) -> Result<(), Fault> {
        match step {
            InitSync::DieWithParent => die_with_parent(),
            InitSync::OutliveParent => outlive_parent(),
            InitSync::Await(signal) => channel::await_signal(self.resources.channel.as_fd(), *signal),
            InitSync::Send(signal) => self.send(*signal),
            InitSync::ReceiveFds(slots) => self.receive_fds(slots),
            InitSync::WaitForStart(slot) => self.wait_for_start(*slot),
        }
    }

    /// Receives the file descriptors that the parent has opened after it has spawned init. No limit: systemd may be slow, and the
    /// channel ends when the parent dies.
    fn receive_fds(&mut self, slots: &[Slot]) -> Result<(), Fault> {
        for slot in slots {
            let (_, fd) = channel::receive_bytes(self.resources.channel.as_fd(), &mut [0])?;
            self.slots.put(*slot, fd.ok_or(Fault::new(Call::Peer, Errno::PIPE))?)?;
        }
        Ok(())
    }

    fn send(&mut self, signal: Signal) -> Result<(), Fault> {
        // Init gives the master away: a container with the master of its own terminal could read what the caller types.
        let terminal = if signal == Signal::Ready { self.terminal.take() } else { None };
        channel::send_reached(self.resources.channel.as_fd(), signal, terminal.as_ref().map(AsFd::as_fd))
    }

    fn hooks(&mut self, state: Slot) -> Result<(), Fault> {
        let state = self.slots.get(state)?;
        let hooks = self.resources.hooks.get(self.hooks_done).ok_or(Fault::new(Call::Slot, Errno::BADF))?;
        self.hooks_done += 1;
        hook::run_all(hooks, state, Some(&self.resources.environment))
    }

    fn seccomp(&mut self, flags: u64) -> Result<(), Fault> {
        let filter =
            self.resources.filters.get(self.filters_done).ok_or(Fault::new(Call::Slot, Errno::BADF))?;
        self.filters_done += 1;
        tare_sys::seccomp::install(filter, flags).during(Call::Seccomp)
    }

    /// Waits until `start` connects and passes a socket. execve(2) closes the socket, so its end without a message means success.
    ///
    /// No limit: a created container may wait for days (runtime.md, "Lifecycle"). `kill` and `delete` end it by a signal.
    fn wait_for_start(&mut self, slot: Slot) -> Result<(), Fault> {
        let socket = self.slots.get(slot)?;
        while self.starter.is_none() {
            let (_, reply) = channel::receive_bytes(socket, &mut [0])?;
            self.starter = reply;
        }
        Ok(())
    }
}
