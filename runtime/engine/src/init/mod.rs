//! The init's column: runs each step of the plan inside the new container, up to the container's program.
//!
//! From here on nothing is allocated, formatted or logged: what a step needs was made before init was.

mod close;
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
mod terminal;

use crate::channel::{self, Failure, KernelText};
use crate::child::{die_with_parent, outlive_parent};
use crate::fault::{Call, During, Fault};
use crate::hook;
use crate::mounts::inside::Inside;
use crate::slots::Slots;
pub(crate) use resources::InitResources;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::io::Errno;
use tare_plan::step::{InitStep, InitSync, Planned, Signal, Slot};

/// Init, as far as it has come.
struct Init<'plan> {
    resources: InitResources,
    slots: &'plan mut Slots,
    root: Option<OwnedFd>,
    terminal: Option<OwnedFd>,
    masks: mask::MaskMounts,
    hooks_done: usize,
    filters_done: usize,
    program: usize,
    /// The index of the first step that is reported: 0, or that of the first step after the wait for `start`.
    first_step: usize,
    /// Where a failure after `start` is reported.
    starter: Option<OwnedFd>,
    text: KernelText,
}

/// Carries out `column`. Returns, with the exit code of a runtime's error, only when a step fails.
pub(crate) fn run(column: &[Planned<InitStep>], resources: InitResources, slots: &mut Slots) -> i32 {
    // Steps close descriptors by number; nothing may close them again when this value goes, so it never does.
    let mut init = std::mem::ManuallyDrop::new(Init::new(resources, slots));
    if init.close_parents_end().is_err() {
        return 1;
    }
    for (index, planned) in column.iter().enumerate() {
        let done = init.act(&planned.step);
        if let InitStep::Sync(InitSync::WaitForStart(_)) = planned.step {
            init.first_step = index + 1;
        }
        if let Err(fault) = done {
            let step = index.saturating_sub(init.first_step);
            let failure = Failure { step, fault, text: init.text };
            channel::send_failed(init.listener(), &failure);
            break;
        }
    }
    1
}

impl<'plan> Init<'plan> {
    fn new(resources: InitResources, slots: &'plan mut Slots) -> Self {
        Self {
            resources,
            slots,
            root: None,
            terminal: None,
            masks: mask::MaskMounts::default(),
            hooks_done: 0,
            filters_done: 0,
            program: 0,
            first_step: 0,
            starter: None,
            text: KernelText::EMPTY,
        }
    }

    /// Closes the copy of the parent's end of the channel: while init held it, it would never hear that the parent is gone.
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

    /// Waits for the parent or for `start`, or lets the parent go on.
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

    /// Waits for descriptors that the parent has opened since init was born; the end of the channel means that it is dead.
    fn receive_fds(&mut self, slots: &[Slot]) -> Result<(), Fault> {
        for slot in slots {
            let (_, fd) = channel::receive_bytes(self.resources.channel.as_fd(), &mut [0])?;
            self.slots.put(*slot, fd.ok_or(Fault::new(Call::Peer, Errno::PIPE))?)?;
        }
        Ok(())
    }

    /// The root file system's topmost directory.
    fn root(&self) -> Result<BorrowedFd<'_>, Fault> {
        self.root.as_ref().map(AsFd::as_fd).ok_or(Fault::new(Call::Slot, Errno::BADF))
    }

    /// The inside of the root file system.
    fn inside(&self) -> Result<Inside<'_>, Fault> {
        self.root().map(Inside::new)
    }

    /// Where a failure is reported: to `start` once it has connected, to the parent until then.
    fn listener(&self) -> BorrowedFd<'_> {
        self.starter.as_ref().unwrap_or(&self.resources.channel).as_fd()
    }

    fn send(&mut self, signal: Signal) -> Result<(), Fault> {
        // The master goes to the parent and stays there: the container must not hold its own terminal's other end.
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

    /// Waits for the message that `start` sends; the descriptor in it is where `start` hears how it went: it is closed by
    /// exec, so that its end without a message means success.
    fn wait_for_start(&mut self, slot: Slot) -> Result<(), Fault> {
        let socket = self.slots.get(slot)?;
        while self.starter.is_none() {
            let (_, reply) = channel::receive_bytes(socket, &mut [0])?;
            self.starter = reply;
        }
        Ok(())
    }
}
