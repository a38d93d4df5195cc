//! The parent: carries out its column of the plan, in the process that creates the container.
//!
//! May use `init` (to spawn it), `container`, and everything below; never a verb.

pub mod activation;
mod created;
pub(crate) mod failure;
pub mod inherited;
pub(crate) mod made;
mod netdev;
pub(crate) mod private_root;
pub(crate) mod relay;
pub(crate) mod scheduling;
pub mod self_exe;
pub(crate) mod spawn;

pub use created::{Created, Paused};

use crate::cgroup;
use crate::cgroup::resctrl;
use crate::channel::{self, Failure, Message};
use crate::child::{Child, Ending};
use crate::container::hooks::run_hooks;
use crate::container::process::{self, ProcessId};
use crate::container::record::Record;
use crate::container::store::Entry;
use crate::error::{Error, Result};
use crate::fault::{Call, During, Fault};
use crate::hook::{self, PreparedHook};
use crate::init::InitResources;
use crate::mounts::locked::{self, LockedMountNs};
use crate::mounts::tree;
use crate::namespace;
use crate::namespace::id_mappings;
use crate::parent::made::Made;
use crate::slots::Slots;
use crate::socket;
use crate::systemd::unit;
use rustix::fd::{AsFd, AsRawFd, OwnedFd};
use rustix::fs::{self, MemfdFlags, Mode};
use rustix::io::Errno;
use rustix::process::Pid;
use spawn::SpawnArgs;
use tare_plan::place::Place;
use tare_plan::plan::Plan;
use tare_plan::step::{
    CallerStep, ChildStep, Commit, HookKind, HookStep, Locks, MoveNetDevice, OpenStep, ParentStep,
    ParentSync, Planned, ResctrlStep, Signal, Slot, Source, StartUnit, Status,
};

/// How long the parent waits for a message of init, in milliseconds, when init runs no hook.
const SILENCE_MS: u64 = 60_000;

/// The parent and what it has made so far. Dropping it undoes that, from the first field to the last.
struct Parent<'plan> {
    plan: &'plan Plan,
    init: Option<Child>,
    made: Made,
    entry: Entry,
    record: Record,
    slots: Slots,
    /// What init is spawned with; `None` after that.
    resources: Option<InitResources>,
    channel: OwnedFd,
    terminal: Option<OwnedFd>,
    /// The mount namespace in which copies of the host's mounts keep their flags locked.
    locked_mounts: Option<LockedMountNs>,
    /// How long to wait for a message of init, in milliseconds; `None` without limit.
    limit_ms: Option<u64>,
}

/// Carries out `plan`: creates the container of `record` in the state directory `entry`. On an error everything is undone
/// before this returns.
///
/// # Errors
/// The failed step of either column, with its place in the configuration.
pub fn carry_out(plan: &Plan, record: Record, entry: Entry) -> Result<Created> {
    let made = Made::of(&record);
    Parent::new(plan, record, entry, made)?.walk()?.keep()
}

/// Carries out the plan of `exec`, and waits until the new process executes its program. On an error the process is gone
/// before this returns, and the container is unchanged.
///
/// # Errors
/// The failed step of either column, with its place in the configuration.
pub(crate) fn execute(plan: &Plan, record: Record, entry: Entry, paused: Paused) -> Result<Created> {
    let mut parent = Parent::new(plan, record, entry, Made::default())?;
    if paused == Paused::Waits {
        parent.limit_ms = None;
    }
    let parent = parent.walk()?;
    match channel::receive_failure(&parent.channel, parent.limit_ms) {
        Ok(None) => parent.keep(),
        Ok(Some(failure)) => {
            let error = parent.failed_in_init(&failure);
            Err(parent.undo(error))
        }
        Err(fault) => Err(parent.undo(Error::act("wait for the program", fault))),
    }
}

impl<'plan> Parent<'plan> {
    fn new(plan: &'plan Plan, record: Record, entry: Entry, made: Made) -> Result<Self> {
        let (channel, theirs) = channel::pair().map_err(|fault| Error::act("make a channel", fault))?;
        let resources = Some(InitResources::new(plan, theirs, channel.as_raw_fd())?);
        let slots = Slots::new(plan.slots);
        let limit_ms = limit_ms(plan);
        Ok(Self {
            plan,
            init: None,
            made,
            entry,
            record,
            slots,
            resources,
            channel,
            terminal: None,
            locked_mounts: None,
            limit_ms,
        })
    }

    /// Carries out all steps of the parent's column.
    fn walk(mut self) -> Result<Self> {
        for planned in &self.plan.parent {
            if let Err(error) = self.act(planned) {
                return Err(self.undo(error));
            }
        }
        Ok(self)
    }

    /// Carries out one step.
    fn act(&mut self, planned: &Planned<ParentStep>) -> Result<()> {
        let done = match &planned.step {
            ParentStep::Sync(ParentSync::Await(signal)) => return self.wait_for(*signal),
            ParentStep::Commit(Commit) => return self.commit(),
            ParentStep::Unit(start) => return self.start_unit(start, planned.because),
            ParentStep::Sync(ParentSync::Send(signal)) => channel::send_signal(self.channel.as_fd(), *signal),
            ParentStep::Sync(ParentSync::PassFds(slots)) => self.pass_fds(slots),
            ParentStep::Cgroup(step) => cgroup::steps::act(step, &mut self.slots),
            ParentStep::Resctrl(step) => self.resctrl(step),
            ParentStep::Open(step) => self.open(step),
            ParentStep::Child(step) => self.child(step),
            ParentStep::Hook(step) => self.hook(step),
            ParentStep::Caller(step) => self.pass_to_caller(step),
        };
        // When init has failed meanwhile, its failure is the cause of this one.
        done.map_err(|fault| self.init_failure().unwrap_or_else(|| failure::of_parent(planned, fault)))
    }

    /// Makes a resctrl group, or moves init into one.
    fn resctrl(&mut self, step: &ResctrlStep) -> std::result::Result<(), Fault> {
        match step {
            ResctrlStep::Make(group) => {
                let directory = self.made.make_group(group)?;
                self.slots.put(group.slot, directory)
            }
            ResctrlStep::Enter(group) => resctrl::enter(self.slots.get(*group)?, self.pid()?),
        }
    }

    /// Acts on the child that becomes init.
    fn child(&mut self, step: &ChildStep) -> std::result::Result<(), Fault> {
        match step {
            ChildStep::Spawn(spawn) => self.spawn(spawn),
            ChildStep::MapIds(maps) => id_mappings::write(self.pid()?, maps),
            ChildStep::OomScore(adjustment) => scheduling::set_oom_score(self.pid()?, *adjustment),
            ChildStep::Rlimit(limit) => {
                tare_sys::rlimit::set(Some(self.pid()?), limit.resource.resource(), limit.soft, limit.hard)
                    .during(Call::Rlimit)
            }
            ChildStep::MoveNetDevice(device) => self.move_device(device),
            ChildStep::Scheduler(scheduler) => scheduling::set(self.pid()?, scheduler),
            ChildStep::IoPriority(priority) => scheduling::set_io_priority(self.pid()?, priority),
        }
    }

    /// Runs hooks, or writes the state that they read.
    fn hook(&mut self, step: &HookStep) -> std::result::Result<(), Fault> {
        match step {
            HookStep::WriteState { slot, status } => self.write_state(*slot, *status),
            HookStep::Run(hooks) => self.hooks(&hooks.hooks, hooks.state),
        }
    }

    /// Passes a file descriptor to a socket of the caller.
    fn pass_to_caller(&mut self, step: &CallerStep) -> std::result::Result<(), Fault> {
        match step {
            CallerStep::Console(socket) => self.send_console(socket),
            CallerStep::Pidfd(socket) => self.send_pidfd(socket),
        }
    }

    /// The error of init, if it has failed or died.
    fn init_failure(&self) -> Option<Error> {
        self.init.as_ref()?;
        match channel::receive(self.channel.as_fd(), Some(0)) {
            Ok((Message::Failed(failure), _)) => Some(self.failed_in_init(&failure)),
            Err(fault) if fault.errno == Errno::PIPE => Some(Error::InitDied { how: self.how_init_ended() }),
            _ => None,
        }
    }

    /// Opens or makes something for a later step.
    fn open(&mut self, step: &OpenStep) -> std::result::Result<(), Fault> {
        let fd = match step {
            OpenStep::LockedMounts => {
                self.locked_mounts = Some(locked::make()?);
                return Ok(());
            }
            OpenStep::Init { .. } => self.record.open_init()?,
            OpenStep::Root { .. } => self.record.open_root()?,
            OpenStep::Namespace { kind, path, .. } => namespace::open(path, *kind)?,
            OpenStep::IdMap { maps, .. } => namespace::id_map::make(maps)?,
            OpenStep::Tree { source, .. } => self.clone_tree(source)?,
            OpenStep::DeviceNode { device, attributes, fs, .. } => tree::make_node(device, *attributes, *fs)?,
            OpenStep::CgroupMount { cgroup, attributes, .. } => {
                tree::clone_directory(self.slots.get(*cgroup)?, *attributes)?
            }
            OpenStep::StartSocket { .. } => socket::listen(&self.entry.socket_path())?,
            OpenStep::StateFile { .. } => {
                fs::memfd_create(c"state", MemfdFlags::CLOEXEC).during(Call::MakeFile)?
            }
        };
        step.slot().map_or(Ok(()), |slot| self.slots.put(slot, fd))
    }

    fn clone_tree(&self, source: &Source) -> std::result::Result<OwnedFd, Fault> {
        match (&self.locked_mounts, source.locks) {
            (Some(mounts), Locks::Kept { .. }) => tree::clone_locked(source, &self.slots, mounts),
            _ => tree::clone(source, &self.slots),
        }
    }

    fn spawn(&mut self, step: &tare_plan::step::Spawn) -> std::result::Result<(), Fault> {
        // init must not inherit a channel to a process that still sees the host's mounts.
        drop(self.locked_mounts.take());
        let resources = self.resources.take().ok_or(Fault::new(Call::Slot, Errno::EXIST))?;
        let args = SpawnArgs { column: &self.plan.init, resources, slots: &mut self.slots };
        self.init = Some(spawn::init(step, args)?);
        Ok(())
    }

    /// Asks systemd to start the unit around init. From here on the unit must be stopped when a later step fails.
    fn start_unit(&mut self, step: &StartUnit, because: Place) -> Result<()> {
        let init = self.pid().map_err(|fault| Error::step(&"start a unit", fault, because))?;
        self.made.start_unit(step, init).map_err(|refusal| {
            self.init_failure().unwrap_or_else(|| unit::refused("start", &step.unit, refusal, because))
        })
    }

    /// Passes init the file descriptors that were opened after it was spawned.
    fn pass_fds(&self, slots: &[Slot]) -> std::result::Result<(), Fault> {
        let mut opened = slots.iter().map(|slot| self.slots.get(*slot));
        opened.try_for_each(|fd| channel::send_descriptor(self.channel.as_fd(), &[0], fd?))
    }

    fn pid(&self) -> std::result::Result<Pid, Fault> {
        self.init.as_ref().and_then(Child::pid).ok_or(Fault::new(Call::Slot, Errno::SRCH))
    }

    /// Moves a network device into the namespace that init was born in or joins.
    fn move_device(&self, step: &MoveNetDevice) -> std::result::Result<(), Fault> {
        if let Some(slot) = step.namespace {
            return netdev::move_to(self.slots.get(slot)?, step);
        }
        let path = format!("/proc/{}/ns/net", self.pid()?.as_raw_nonzero());
        let flags = fs::OFlags::RDONLY | fs::OFlags::CLOEXEC;
        let namespace = fs::openat(fs::CWD, path, flags, Mode::empty()).during(Call::Open)?;
        netdev::move_to(namespace.as_fd(), step)
    }

    /// Waits until init has sent `signal`, has failed, or has died.
    fn wait_for(&mut self, signal: Signal) -> Result<()> {
        match channel::receive(self.channel.as_fd(), self.limit_ms) {
            Ok((Message::Reached(reached), fd)) if reached == signal => {
                self.terminal = fd.or(self.terminal.take());
                Ok(())
            }
            Ok((Message::Failed(failure), _)) => Err(self.failed_in_init(&failure)),
            Ok((Message::Reached(_), _)) => {
                Err(Error::InitDied { how: "it sent an unexpected message".to_owned() })
            }
            Err(fault) if fault.errno == Errno::TIMEDOUT => {
                Err(Error::act("wait for the container's init", fault))
            }
            Err(_) => Err(Error::InitDied { how: self.how_init_ended() }),
        }
    }

    fn how_init_ended(&self) -> String {
        let Some(init) = &self.init else { return "it was never spawned".to_owned() };
        let ending = init.ending();
        let oom_killed = ending == Ending::Signal(9) && cgroup::was_oom_killed(&self.record.cgroups);
        let why = if oom_killed {
            ", killed by the OOM killer: linux.resources.memory.limit is too low"
        } else {
            ""
        };
        format!("{ending}{why}")
    }

    fn failed_in_init(&self, failure: &Failure) -> Error {
        match self.plan.init.get(failure.step) {
            Some(planned) => failure::of_init(planned, &self.plan.program, failure),
            None => Error::InitDied { how: "it failed in a step that is not in the plan".to_owned() },
        }
    }

    fn hooks(&self, hooks: &[tare_plan::step::Hook], state: Slot) -> std::result::Result<(), Fault> {
        let prepared: Vec<PreparedHook> = hooks.iter().map(PreparedHook::new).collect();
        hook::run_all(&prepared, self.slots.get(state)?, None)
    }

    fn write_state(&mut self, slot: Slot, status: Status) -> std::result::Result<(), Fault> {
        self.record_init()?;
        let text = self.record.state(status);
        rustix::io::write(self.slots.get(slot)?, text.as_bytes()).during(Call::Write).map(drop)
    }

    /// Records the pid and the start time of init.
    fn record_init(&mut self) -> std::result::Result<(), Fault> {
        if self.record.init.is_none() {
            self.record.init = Some(ProcessId::of(self.pid()?)?);
        }
        Ok(())
    }

    fn send_console(&mut self, socket: &std::ffi::CStr) -> std::result::Result<(), Fault> {
        let Some(master) = self.terminal.take() else { return Err(Fault::new(Call::Slot, Errno::BADF)) };
        let connection = socket::connect(socket)?;
        let name = rustix::pty::ptsname(&master, Vec::new()).during(Call::Terminal)?;
        channel::send_descriptor(connection.as_fd(), name.as_bytes(), master.as_fd())
    }

    fn send_pidfd(&self, socket: &std::ffi::CStr) -> std::result::Result<(), Fault> {
        let process = self.init.as_ref().and_then(Child::pidfd).ok_or(Fault::new(Call::Slot, Errno::SRCH))?;
        let connection = socket::connect(socket)?;
        channel::send_descriptor(connection.as_fd(), b"pidfd", process)
    }

    /// Records the container as created. From here on it exists, even if this process is killed.
    fn commit(&mut self) -> Result<()> {
        self.record_init()
            .map_err(|fault| Error::act("find out when the container's init started", fault))?;
        self.record.created = process::now();
        self.entry.commit(&self.record)
    }

    /// Undoes everything, because of `error`. What cannot be removed stays recorded, so that `delete --force` finds it.
    fn undo(mut self, error: Error) -> Error {
        drop(self.init.take());
        if self.made.remove().is_err() {
            self.entry.keep();
        }
        if error.is_of_a_hook() {
            // When a hook fails, the container is destroyed and its poststop hooks run (runtime.md, "Lifecycle", steps 3 to
            // 5 and 13). An error of those hooks is not reported: `error` is the cause.
            let _unreported = run_hooks(&self.entry, &self.record, HookKind::Poststop);
        }
        error
    }

    /// Keeps everything.
    fn keep(mut self) -> Result<Created> {
        let missing = || Error::InitDied { how: "the plan never spawned it".to_owned() };
        let init = self.init.take().and_then(Child::keep).ok_or_else(missing)?;
        self.made.keep();
        self.entry.keep();
        Ok(Created { entry: self.entry, record: self.record, init, terminal: self.terminal })
    }
}

/// createContainer hooks run in init and may take as long as their own timeouts allow.
fn limit_ms(plan: &Plan) -> Option<u64> {
    (!plan.runs_hooks_in_init()).then_some(SILENCE_MS)
}
