//! Spawns init, in its namespaces and its v2 cgroup from birth, or through a joiner that enters existing namespaces first.

use crate::channel::{self, MESSAGE};
use crate::child::{self, Child};
use crate::fault::{Call, During, Fault};
use crate::init::{self, InitResources};
use crate::namespace;
use crate::slots::Slots;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{self, CWD, Mode, OFlags};
use rustix::io::Errno;
use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};
use tare_plan::spec::NamespaceKind;
use tare_plan::step::{InitStep, Planned, Spawn};
use tare_sys::clone::{Clone, Spawned, fork};

/// What init is spawned with.
pub(crate) struct SpawnArgs<'plan> {
    pub(crate) column: &'plan [Planned<InitStep>],
    pub(crate) resources: InitResources,
    pub(crate) slots: &'plan mut Slots,
}

/// Spawns init. The parent's copies of `args` are closed when this returns, so that only init holds its end of the channel.
pub(crate) fn init(step: &Spawn, args: SpawnArgs<'_>) -> Result<Child, Fault> {
    let cgroup = step.cgroup.map(|slot| args.slots.copy_of(slot)).transpose()?;
    let how = Clone { flags: step.namespaces, cgroup: cgroup.as_ref().map(AsFd::as_fd) };
    let spawned = if step.join.is_empty() && step.time.is_none() && step.enter.is_none() {
        fork(how, move || init::run(args.column, args.resources, args.slots)).during(Call::Clone)?
    } else {
        by_way_of_joiner(step, how, args)?
    };
    Ok(Child::of(spawned))
}

/// Spawns the joiner, a short-lived process that enters namespaces and spawns init as a child of this process
/// (CLONE_PARENT).
fn by_way_of_joiner(step: &Spawn, how: Clone<'_>, args: SpawnArgs<'_>) -> Result<Spawned, Fault> {
    let (here, there) = channel::pair()?;
    let joiner = fork(Clone::default(), move || join(step, how, args, there.as_fd())).during(Call::Clone)?;
    let told = receive_spawned(here.as_fd(), joiner.pidfd.as_fd());
    channel::retry(|| waitid(WaitId::PidFd(joiner.pidfd.as_fd()), WaitIdOptions::EXITED))
        .during(Call::Wait)?;
    told
}

/// In the joiner: enters the namespaces, spawns init and sends its pid.
fn join(step: &Spawn, how: Clone<'_>, args: SpawnArgs<'_>, parent: BorrowedFd<'_>) -> i32 {
    match spawn_init(step, how, args) {
        Ok(init) => {
            let pid = init.pid.as_raw_nonzero().get().to_ne_bytes();
            i32::from(channel::send_descriptor(parent, &pid, init.pidfd.as_fd()).is_err())
        }
        Err(fault) => {
            let text = channel::KernelText::EMPTY;
            channel::send_failed(parent, &channel::Failure { step: 0, fault, text });
            1
        }
    }
}

fn spawn_init(step: &Spawn, how: Clone<'_>, args: SpawnArgs<'_>) -> Result<Spawned, Fault> {
    child::die_with_parent()?;
    if let Some((slot, kinds)) = step.enter {
        // Processes in these namespaces see this one from its first moment on, so it hides first.
        child::hide()?;
        namespace::enter(args.slots.get(slot)?, kinds)?;
    }
    for (kind, slot) in &step.join {
        namespace::join(args.slots.get(*slot)?, *kind)?;
    }
    if let Some(offsets) = &step.time {
        tare_sys::namespace::unshare(NamespaceKind::Time.clone_flag()).during(Call::Unshare)?;
        let flags = OFlags::WRONLY | OFlags::CLOEXEC;
        let file = fs::openat(CWD, c"/proc/self/timens_offsets", flags, Mode::empty()).during(Call::Open)?;
        rustix::io::write(&file, offsets.as_bytes()).during(Call::Write)?;
    }
    let how = Clone { flags: how.flags | libc::CLONE_PARENT as u64, ..how };
    fork(how, move || init::run(args.column, args.resources, args.slots)).during(Call::Clone)
}

/// Receives the pid of init from the joiner. Init holds a copy of the joiner's end of the channel, so the channel does not
/// end when the joiner is killed: its pidfd is polled too.
fn receive_spawned(joiner: BorrowedFd<'_>, process: BorrowedFd<'_>) -> Result<Spawned, Fault> {
    let mut waiting =
        [PollFd::from_borrowed_fd(joiner, PollFlags::IN), PollFd::from_borrowed_fd(process, PollFlags::IN)];
    channel::retry(|| poll(&mut waiting, None)).during(Call::Wait)?;
    if waiting.first().is_none_or(|channel| channel.revents().is_empty()) {
        return Err(Fault::new(Call::Peer, Errno::PIPE));
    }
    let mut bytes = [0; MESSAGE];
    let (got, pidfd): (usize, Option<OwnedFd>) = channel::receive_bytes(joiner, &mut bytes)?;
    if let Some(failure) = channel::failure_in(&bytes).filter(|_| got == MESSAGE) {
        return Err(failure.fault);
    }
    let pid =
        bytes.first_chunk().copied().map(i32::from_ne_bytes).filter(|pid| *pid > 0).and_then(Pid::from_raw);
    match (pid, pidfd) {
        (Some(pid), Some(pidfd)) if got == 4 => Ok(Spawned { pid, pidfd }),
        _ => Err(Fault::new(Call::Peer, Errno::PIPE)),
    }
}
