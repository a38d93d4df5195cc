//! The init's column: runs each step of the plan inside the new container, up to the container's program.
//!
//! From here on nothing is allocated, formatted or logged: what a step needs was made before init was.

mod close;
mod device;
pub(crate) mod identity;
mod kit;
mod label;
mod mask;
pub(crate) mod mount;
pub(crate) mod namespace;
mod program;
mod root;
mod terminal;

use crate::channel::{self, Failure, KernelText};
use crate::child::{die_with_parent, hide, outlive_parent};
use crate::fault::{Call, During, Fault};
use crate::hook;
use crate::mounts::attributes;
use crate::mounts::inside::Inside;
use crate::slots::Slots;
pub(crate) use kit::Kit;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::io::Errno;
use tare_plan::step::{Console, InitStep, Planned, Signal, Slot};

/// Init, as far as it has come.
struct Init<'plan> {
    kit: Kit,
    slots: &'plan mut Slots,
    root: Option<OwnedFd>,
    terminal: Option<OwnedFd>,
    cover: mask::Cover,
    hooks_done: usize,
    filters_done: usize,
    program: usize,
    /// Who hears of a failure after `start`.
    starter: Option<OwnedFd>,
    text: KernelText,
}

/// Carries out `column`. Returns, with the exit code of a runtime's error, only when a step fails.
pub(crate) fn run(column: &[Planned<InitStep>], kit: Kit, slots: &mut Slots) -> i32 {
    // Steps close descriptors by number; nothing may close them again when this value goes, so it never does.
    let mut init = std::mem::ManuallyDrop::new(Init::new(kit, slots));
    if init.let_go_of_parents_end().is_err() {
        return 1;
    }
    for (step, planned) in column.iter().enumerate() {
        if let Err(fault) = init.act(&planned.step) {
            let failure = Failure { step, fault, text: init.text };
            channel::send_failed(init.listener(), &failure);
            break;
        }
    }
    1
}

impl<'plan> Init<'plan> {
    fn new(kit: Kit, slots: &'plan mut Slots) -> Self {
        Self {
            kit,
            slots,
            root: None,
            terminal: None,
            cover: mask::Cover::default(),
            hooks_done: 0,
            filters_done: 0,
            program: 0,
            starter: None,
            text: KernelText::EMPTY,
        }
    }

    /// Closes the copy of the parent's end of the channel: while init held it, it would never hear that the parent is gone.
    fn let_go_of_parents_end(&self) -> Result<(), Fault> {
        let number = self.kit.parents_end.cast_unsigned();
        tare_sys::descriptors::close_range(number, number).during(Call::Close)
    }

    /// Carries out one step.
    fn act(&mut self, step: &InitStep) -> Result<(), Fault> {
        match step {
            InitStep::DieWithParent => die_with_parent(),
            InitStep::OutliveParent => outlive_parent(),
            InitStep::Await(signal) => channel::await_signal(self.kit.channel.as_fd(), *signal),
            InitStep::Send(signal) => self.send(*signal),
            InitStep::Hooks(hooks) => self.hooks(hooks.state),
            InitStep::WaitForStart { slot } => self.wait_for_start(*slot),
            InitStep::CloseDescriptors { preserve, keep } => close::close_descriptors(self, *preserve, keep),
            _ => self.set_up(step),
        }
    }

    /// Carries out a step that sets the process or its namespaces up.
    fn set_up(&mut self, step: &InitStep) -> Result<(), Fault> {
        match step {
            InitStep::HideFromOthers => hide(),
            InitStep::ShowToUser => identity::show(),
            InitStep::CloneTree { slot, source } => {
                let tree = crate::mounts::tree::clone(source, self.slots)?;
                self.slots.put(*slot, tree)
            }
            InitStep::TakeOver { slots } => self.take_over(slots),
            InitStep::JoinCgroup { cgroup, version } => {
                namespace::join_cgroup(self.slots.get(*cgroup)?, *version)
            }
            InitStep::JoinNamespace { slot, kind } => crate::namespace::join(self.slots.get(*slot)?, *kind),
            InitStep::BecomeRoot => identity::become_root(),
            InitStep::EveryProcessor => identity::every_processor(),
            InitStep::OnlyProcessors(set) => identity::only_processors(set),
            InitStep::TakeRoot => root::take(self),
            InitStep::ChangeRoot { slot } => root::change(self.slots.get(*slot)?),
            InitStep::Personality { persona } => tare_sys::personality::set(*persona).during(Call::Prctl),
            InitStep::MemoryPolicy(policy) => {
                tare_sys::memory_policy::set(policy.number, &policy.nodes).during(Call::MemoryPolicy)
            }
            InitStep::NewSession => rustix::process::setsid().during(Call::Session).map(drop),
            InitStep::Label(value) => label::write(self.kit.host_proc.as_fd(), value),
            InitStep::NewKeyring { name } => namespace::new_keyring(name),
            InitStep::NewCgroupNamespace => namespace::new_cgroup_namespace(),
            InitStep::Hostname { name } => {
                rustix::system::sethostname(name.as_bytes()).during(Call::Hostname)
            }
            InitStep::Domainname { name } => {
                rustix::system::setdomainname(name.as_bytes()).during(Call::Domainname)
            }
            InitStep::LoopbackUp => namespace::loopback_up(),
            InitStep::Sysctl { path, value } => {
                namespace::sysctl(self.kit.host_proc.as_fd(), path, value.as_bytes())
            }
            InitStep::Umask { mask } => {
                rustix::process::umask(rustix::fs::Mode::from_raw_mode(*mask));
                Ok(())
            }
            InitStep::Rlimit(limit) => identity::limit(limit),
            InitStep::BoundCapabilities { keep } => identity::bound_capabilities(*keep),
            InitStep::Identity(identity) => identity::take(identity),
            InitStep::SetCapabilities(sets) => identity::set_capabilities(*sets),
            InitStep::NoNewPrivileges => rustix::thread::set_no_new_privs(true).during(Call::Prctl),
            InitStep::Verify(verify) => identity::verify(verify),
            InitStep::Seccomp(filter) => self.seccomp(filter.flags),
            InitStep::FindProgram => program::find(self),
            InitStep::FindHome { uid } => program::find_home(self, *uid),
            InitStep::WorkingDirectory { path } => program::working_directory(path),
            InitStep::Execute => Err(program::execute(self)),
            _ => self.build_root(step),
        }
    }

    /// Carries out a step that builds the root file system.
    fn build_root(&mut self, step: &InitStep) -> Result<(), Fault> {
        match step {
            InitStep::DetachPropagation => root::detach_propagation(),
            InitStep::RootOverlay { overlay, at } => root::overlay(self, overlay, at),
            InitStep::RootTree { tree, at } => root::tree(self, *tree, at),
            InitStep::RootAttributes { attributes, propagation } => {
                attributes::change(self.root()?, *attributes, *propagation)
            }
            InitStep::EnterRoot(how) => root::enter(self, *how),
            InitStep::TakeRootBack { namespace } => root::take_back(self, *namespace),
            InitStep::Bind { source, target, content } => {
                mount::attach(self, crate::mounts::tree::clone(source, self.slots)?.as_fd(), target, *content)
            }
            InitStep::Mount(mount) => mount::mount(self, mount),
            InitStep::Attach { tree, target, content } => {
                let tree = self.slots.copy_of(*tree)?;
                mount::attach(self, tree.as_fd(), target, *content)
            }
            InitStep::Remount { target, attributes, propagation } => {
                mount::remount(self.inside()?, target, *attributes, *propagation)
            }
            InitStep::MakeDirectory { path } => self.inside()?.make_directory(path).map(drop),
            InitStep::MakeDevice(device) => device::make(self.inside()?, device),
            InitStep::Symlink { path, target } => device::symlink(self.inside()?, path, target),
            InitStep::OpenTerminal { size, owner, console } => {
                let terminal = terminal::open(self, *size, *owner)?;
                if *console == Console::Named {
                    terminal::name(self.inside()?, terminal.as_fd())?;
                }
                terminal::control(&terminal)
            }
            InitStep::OwnNull => device::own_null(self.inside()?),
            InitStep::Mask { path, null } => mask::mask(self, path, *null),
            InitStep::ReadonlyPath { path } => mask::readonly(self.inside()?, path),
            _ => Err(Fault::new(Call::Unexpected, Errno::NOSYS)),
        }
    }

    /// Waits for descriptors that the parent has opened since init was born; the end of the channel means that it is dead.
    fn take_over(&mut self, slots: &[Slot]) -> Result<(), Fault> {
        for slot in slots {
            let (_, fd) = channel::receive_bytes(self.kit.channel.as_fd(), &mut [0])?;
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

    /// Who is told of a failure: `start` once it has called, the parent until then.
    fn listener(&self) -> BorrowedFd<'_> {
        self.starter.as_ref().unwrap_or(&self.kit.channel).as_fd()
    }

    fn send(&mut self, signal: Signal) -> Result<(), Fault> {
        // The master goes to the parent and stays there: the container must not hold its own terminal's other end.
        let terminal = if signal == Signal::Ready { self.terminal.take() } else { None };
        channel::send_reached(self.kit.channel.as_fd(), signal, terminal.as_ref().map(AsFd::as_fd))
    }

    fn hooks(&mut self, state: Slot) -> Result<(), Fault> {
        let state = self.slots.get(state)?;
        let hooks = self.kit.hooks.get(self.hooks_done).ok_or(Fault::new(Call::Slot, Errno::BADF))?;
        self.hooks_done += 1;
        hook::run_all(hooks, state, Some(&self.kit.environment))
    }

    fn seccomp(&mut self, flags: u64) -> Result<(), Fault> {
        let filter = self.kit.filters.get(self.filters_done).ok_or(Fault::new(Call::Slot, Errno::BADF))?;
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
