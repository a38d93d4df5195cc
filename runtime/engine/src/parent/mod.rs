//! The parent's column: runs each step of the plan in the process that creates the container.

pub mod activation;
pub mod inherited;
pub(crate) mod made;
mod netdev;
pub(crate) mod private_root;
pub(crate) mod relay;
pub(crate) mod scheduling;
pub mod self_exe;
pub(crate) mod spawn;
pub mod terminal;

use crate::cgroup;
use crate::cgroup::resctrl;
use crate::cgroup::steps;
use crate::channel::{self, Failure, Message};
use crate::child::{Child, Ending};
use crate::container::hooks::run_hooks;
use crate::container::process::{self, ProcessId};
use crate::container::record::Record;
use crate::container::store::Entry;
use crate::error::{Error, Result};
use crate::fault::{Call, During, Fault};
use crate::hook::{self, PreparedHook};
use crate::init::Kit;
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
use spawn::Birth;
use tare_plan::place::Place;
use tare_plan::plan::Plan;
use tare_plan::spec::SchedulerPolicy;
use tare_plan::step::{
    HookKind, InitStep, Locks, MoveNetDevice, ParentStep, Planned, Signal, Slot, Source, StartUnit, Status,
};
use tare_sys::clone::Spawned;

/// How long init may be silent, in milliseconds, where no hook makes it wait.
const SILENCE_MS: u64 = 60_000;

/// Whether a process may be made in a container that is paused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Paused {
    /// It may not.
    Refused,
    /// It may, and then waits until the container is resumed (`--ignore-paused`).
    Waits,
}

/// A container that has been created and waits to be started.
#[derive(Debug)]
pub struct Created {
    /// Its directory, locked.
    pub entry: Entry,
    /// Its record.
    pub record: Record,
    /// Its init, a child of this process.
    pub init: Spawned,
    /// Its terminal's master, where nobody else has got it.
    pub terminal: Option<OwnedFd>,
}

impl Created {
    /// Kills the process and waits for its end, where nothing but the process was made.
    pub fn abandon(self) {
        drop(Child::of(self.init));
    }
}

/// The parent, as far as it has come. What it holds is undone, from the top down, when it goes.
struct Parent<'plan> {
    plan: &'plan Plan,
    init: Option<Child>,
    made: Made,
    entry: Entry,
    record: Record,
    slots: Slots,
    /// What init is born with, until it is.
    kit: Option<Kit>,
    channel: OwnedFd,
    terminal: Option<OwnedFd>,
    /// The host's mounts as they are copied for a user namespace.
    locked_mounts: Option<LockedMountNs>,
    /// How long init may be silent, in milliseconds.
    limit_ms: Option<u64>,
}

/// Carries out `plan`: makes the container that `record` describes, in the directory `entry`. On any error all that was
/// made is undone before this returns.
///
/// # Errors
/// The step that failed, of either column, with its place in the configuration.
pub fn carry_out(plan: &Plan, record: Record, entry: Entry) -> Result<Created> {
    let made = Made::of(&record);
    Parent::new(plan, record, entry, made)?.walk()?.keep()
}

/// Carries out `plan`, which makes one more process of the container in `entry`, and waits until it executes its program.
/// On any error the process is gone before this returns; the container is as it was.
///
/// # Errors
/// The step that failed, of either column, with its place in the configuration.
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
        let kit = Some(Kit::new(plan, theirs, channel.as_raw_fd())?);
        let slots = Slots::new(plan.slots);
        let limit_ms = limit_ms(plan);
        Ok(Self {
            plan,
            init: None,
            made,
            entry,
            record,
            slots,
            kit,
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
            ParentStep::Await(signal) => return self.wait_for(*signal),
            ParentStep::Commit => return self.commit(),
            ParentStep::StartUnit(start) => return self.start_unit(start, planned.because),
            ParentStep::HandOver { slots } => self.hand_over(slots),
            ParentStep::Hooks(hooks) => self.hooks(&hooks.hooks, hooks.state),
            ParentStep::Spawn(spawn) => self.spawn(spawn),
            ParentStep::Send(signal) => self.send(*signal),
            ParentStep::MapIds(maps) => self.pid().and_then(|pid| id_mappings::write(pid, maps)),
            ParentStep::OomScore { adjustment } => self.pid().and_then(|pid| oom_score(pid, *adjustment)),
            ParentStep::FillState { slot, status } => self.fill_state(*slot, *status),
            ParentStep::SendConsole { socket } => self.send_console(socket),
            ParentStep::SendPidfd { socket } => self.send_pidfd(socket),
            ParentStep::Rlimit(limit) => self.pid().and_then(|pid| {
                tare_sys::rlimit::set(Some(pid), limit.resource.resource(), limit.soft, limit.hard)
                    .during(Call::Rlimit)
            }),
            ParentStep::Scheduler(scheduler) => {
                self.pid().and_then(|pid| crate::parent::scheduling::set(pid, scheduler))
            }
            ParentStep::MakeResctrlGroup(group) => {
                self.made.make_group(group).and_then(|directory| self.slots.put(group.slot, directory))
            }
            ParentStep::EnterResctrlGroup { group } => {
                self.pid().and_then(|pid| resctrl::enter(self.slots.get(*group)?, pid))
            }
            ParentStep::MoveNetDevice(device) => self.move_device(device),
            ParentStep::IoPriority(priority) => {
                self.pid().and_then(|pid| crate::parent::scheduling::set_io_priority(pid, priority))
            }
            step => self.open(step),
        };
        // Where init has failed meanwhile, that is why this step did.
        done.map_err(|fault| self.init_failure().unwrap_or_else(|| failed(planned, fault)))
    }

    /// Why init has ended, if it has.
    fn init_failure(&self) -> Option<Error> {
        self.init.as_ref()?;
        match channel::receive(self.channel.as_fd(), Some(0)) {
            Ok((Message::Failed(failure), _)) => Some(self.failed_in_init(&failure)),
            Err(fault) if fault.errno == Errno::PIPE => Some(Error::InitDied { how: self.how_init_ended() }),
            _ => None,
        }
    }

    /// Carries out a step that opens or makes something for later ones.
    fn open(&mut self, step: &ParentStep) -> std::result::Result<(), Fault> {
        let (slot, fd) = match step {
            ParentStep::OpenInit { slot } => (*slot, self.record.open_init()?),
            ParentStep::OpenRoot { slot } => (*slot, self.record.open_root()?),
            ParentStep::OpenNamespace { slot, kind, path } => (*slot, namespace::open(path, *kind)?),
            ParentStep::MakeIdMap { slot, maps } => (*slot, namespace::id_map::make(maps)?),
            ParentStep::MakeView => {
                self.locked_mounts = Some(locked::make()?);
                return Ok(());
            }
            ParentStep::CloneTree { slot, source } => (*slot, self.clone_tree(source)?),
            ParentStep::MakeNode { slot, device, attributes, nursery } => {
                (*slot, tree::make_node(device, *attributes, *nursery)?)
            }
            ParentStep::CloneCgroup { slot, cgroup, attributes } => {
                (*slot, tree::clone_directory(self.slots.get(*cgroup)?, *attributes)?)
            }
            ParentStep::Listen { slot } => (*slot, socket::listen(&self.entry.socket_path())?),
            ParentStep::MakeState { slot } => {
                (*slot, fs::memfd_create(c"state", MemfdFlags::CLOEXEC).during(Call::MakeFile)?)
            }
            step => {
                let unknown = Err(Fault::new(Call::Unexpected, Errno::NOSYS));
                return steps::act(step, &mut self.slots).unwrap_or(unknown);
            }
        };
        self.slots.put(slot, fd)
    }

    fn clone_tree(&self, source: &Source) -> std::result::Result<OwnedFd, Fault> {
        match (&self.locked_mounts, source.locks) {
            (Some(mounts), Locks::Kept { .. }) => tree::clone_locked(source, &self.slots, mounts),
            _ => tree::clone(source, &self.slots),
        }
    }

    fn spawn(&mut self, step: &tare_plan::step::Spawn) -> std::result::Result<(), Fault> {
        // Init is born without a way to who still sees the host.
        drop(self.locked_mounts.take());
        let kit = self.kit.take().ok_or(Fault::new(Call::Slot, Errno::EXIST))?;
        let birth = Birth { column: &self.plan.init, kit, slots: &mut self.slots };
        self.init = Some(spawn::init(step, birth)?);
        Ok(())
    }

    /// Lets systemd make the unit around init. What it has made from here on is to be undone.
    fn start_unit(&mut self, step: &StartUnit, because: Place) -> Result<()> {
        let init = self.pid().map_err(|fault| Error::step(&"start a unit", fault, because))?;
        self.made.start_unit(step, init).map_err(|refusal| {
            self.init_failure().unwrap_or_else(|| unit::refused("start", &step.unit, refusal, because))
        })
    }

    /// Gives init what was opened since its birth.
    fn hand_over(&self, slots: &[Slot]) -> std::result::Result<(), Fault> {
        let mut opened = slots.iter().map(|slot| self.slots.get(*slot));
        opened.try_for_each(|fd| channel::send_descriptor(self.channel.as_fd(), &[0], fd?))
    }

    fn pid(&self) -> std::result::Result<Pid, Fault> {
        self.init.as_ref().and_then(Child::pid).ok_or(Fault::new(Call::Slot, Errno::SRCH))
    }

    /// Moves a network device to the namespace that init was born in, or that it joins.
    fn move_device(&self, step: &MoveNetDevice) -> std::result::Result<(), Fault> {
        if let Some(slot) = step.namespace {
            return netdev::move_to(self.slots.get(slot)?, step);
        }
        let path = format!("/proc/{}/ns/net", self.pid()?.as_raw_nonzero());
        let flags = fs::OFlags::RDONLY | fs::OFlags::CLOEXEC;
        let namespace = fs::openat(fs::CWD, path, flags, Mode::empty()).during(Call::Open)?;
        netdev::move_to(namespace.as_fd(), step)
    }

    fn send(&self, signal: Signal) -> std::result::Result<(), Fault> {
        channel::send_signal(self.channel.as_fd(), signal)
    }

    /// Waits until init has come to `signal`, or has failed, or has died.
    fn wait_for(&mut self, signal: Signal) -> Result<()> {
        match channel::receive(self.channel.as_fd(), self.limit_ms) {
            Ok((Message::Reached(reached), fd)) if reached == signal => {
                self.terminal = fd.or(self.terminal.take());
                Ok(())
            }
            Ok((Message::Failed(failure), _)) => Err(self.failed_in_init(&failure)),
            Ok((Message::Reached(_), _)) => Err(Error::InitDied { how: "it spoke out of turn".to_owned() }),
            Err(fault) if fault.errno == Errno::TIMEDOUT => {
                Err(Error::act("wait for the container's init", fault))
            }
            Err(_) => Err(Error::InitDied { how: self.how_init_ended() }),
        }
    }

    fn how_init_ended(&self) -> String {
        let Some(init) = &self.init else { return "it was never made".to_owned() };
        let ending = init.ending();
        let starved = ending == Ending::Signal(9) && cgroup::was_oom_killed(&self.record.cgroups);
        let why = if starved { ", for want of memory: linux.resources.memory.limit is too low" } else { "" };
        format!("{ending}{why}")
    }

    fn failed_in_init(&self, failure: &Failure) -> Error {
        let Some(planned) = self.plan.init.get(failure.step) else {
            return Error::InitDied { how: "it failed in a step that is not in the plan".to_owned() };
        };
        if matches!(planned.step, InitStep::FindProgram | InitStep::Execute) {
            let name = self.plan.program.arguments.first().map(|name| name.to_string_lossy().into_owned());
            return Error::Program { name: name.unwrap_or_default(), errno: failure.fault.errno };
        }
        let text = match &planned.step {
            InitStep::Hooks(hooks) => hook::path_of(&hooks.hooks, &failure.fault),
            _ => failure.text.to_text(),
        };
        Error::acted(planned.step.to_string(), failure.fault, text, planned.because)
    }

    fn hooks(&self, hooks: &[tare_plan::step::Hook], state: Slot) -> std::result::Result<(), Fault> {
        let prepared: Vec<PreparedHook> = hooks.iter().map(PreparedHook::new).collect();
        hook::run_all(&prepared, self.slots.get(state)?, None)
    }

    fn fill_state(&mut self, slot: Slot, status: Status) -> std::result::Result<(), Fault> {
        self.know_init()?;
        let text = self.record.state(status);
        rustix::io::write(self.slots.get(slot)?, text.as_bytes()).during(Call::Write).map(drop)
    }

    /// Notes who init is.
    fn know_init(&mut self) -> std::result::Result<(), Fault> {
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

    /// Records the container as created. From here on it exists, whatever becomes of this process.
    fn commit(&mut self) -> Result<()> {
        self.know_init().map_err(|fault| Error::act("find out when the container's init started", fault))?;
        self.record.created = process::now();
        self.entry.commit(&self.record)
    }

    /// Undoes all that was made, because of `error`. What can't be removed stays recorded, so that `delete --force` finds it.
    fn undo(mut self, error: Error) -> Error {
        drop(self.init.take());
        if self.made.remove().is_err() {
            self.entry.keep();
        }
        if error.is_of_a_hook() {
            // A container that a hook has ended is deleted with all that belongs to it (runtime.md, "Lifecycle", steps 3 to
            // 5 and 13). What goes wrong with these hooks as well is less than what led here.
            let _less = run_hooks(&self.entry, &self.record, HookKind::Poststop);
        }
        error
    }

    /// Keeps all that was made.
    fn keep(mut self) -> Result<Created> {
        let nobody = || Error::InitDied { how: "the plan never made it".to_owned() };
        let init = self.init.take().and_then(Child::keep).ok_or_else(nobody)?;
        self.made.keep();
        self.entry.keep();
        Ok(Created { entry: self.entry, record: self.record, init, terminal: self.terminal })
    }
}

/// Hooks in init may take their time; each has a timeout of its own if it has one.
fn limit_ms(plan: &Plan) -> Option<u64> {
    let hooks = plan.init.iter().any(
        |planned| matches!(&planned.step, InitStep::Hooks(hooks) if hooks.kind == HookKind::CreateContainer),
    );
    (!hooks).then_some(SILENCE_MS)
}

fn failed(planned: &Planned<ParentStep>, fault: Fault) -> Error {
    let text = match &planned.step {
        ParentStep::Hooks(hooks) => hook::path_of(&hooks.hooks, &fault),
        ParentStep::Scheduler(scheduler) if fault.errno == Errno::PERM && is_real_time(scheduler.policy) => {
            "the cgroup has no real-time share, which linux.resources.cpu.realtimeRuntime gives it".to_owned()
        }
        ParentStep::MakeResctrlGroup(group) if fault.call == Call::Write => {
            resctrl::last_status(&group.mount)
        }
        _ => String::new(),
    };
    Error::acted(planned.step.to_string(), fault, text, planned.because)
}

/// Whether a policy needs a real-time share of the cgroup, where the kernel has such.
fn is_real_time(policy: SchedulerPolicy) -> bool {
    matches!(policy, SchedulerPolicy::Fifo | SchedulerPolicy::RoundRobin)
}

/// Sets the score by which the kernel chooses whom to kill when memory is short (proc_pid_oom_score_adj(5)).
fn oom_score(pid: Pid, adjustment: i32) -> std::result::Result<(), Fault> {
    let path = format!("/proc/{}/oom_score_adj", pid.as_raw_nonzero());
    let written = std::fs::write(path, adjustment.to_string());
    written.map_err(|error| Fault::new(Call::Write, Errno::from_io_error(&error).unwrap_or(Errno::IO)))
}
