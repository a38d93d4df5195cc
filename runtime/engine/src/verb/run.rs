//! The verb `run`: create, start and, unless detached, wait for the exit of the program.

use crate::container::record::Record;
use crate::container::store::Entry;
use crate::error::{Error, Result};
use crate::fault::{Call, During, Fault};
use crate::parent::Created;
use crate::parent::activation::Notice;
use crate::parent::relay::Relay;
use crate::verb::delete::discard;
use crate::verb::start::{release, release_and_await_notice};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::process::{Signal, WaitId, WaitIdOptions, pidfd_send_signal, waitid};
use tare_sys::clone::Spawned;
use tare_sys::signals;

/// The signals that are forwarded to the container: those that a program may catch, without SIGCHLD and the faults of its own code.
const PASSED_ON: &[i32] = &[
    libc::SIGHUP,
    libc::SIGINT,
    libc::SIGQUIT,
    libc::SIGUSR1,
    libc::SIGUSR2,
    libc::SIGPIPE,
    libc::SIGALRM,
    libc::SIGTERM,
    libc::SIGCONT,
    libc::SIGTSTP,
    libc::SIGTTIN,
    libc::SIGTTOU,
    libc::SIGWINCH,
];

/// What to do with the container after its program has exited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AfterEnd {
    /// Delete it.
    Delete,
    /// Keep it stopped (`--keep`).
    Keep,
}

/// Blocks the forwarded signals, so that none is lost before the wait reads them (signalfd(2)). Init unblocks them again.
pub fn hold_signals() {
    signals::block(PASSED_ON);
}

/// Starts a new container and returns (`--detach`).
///
/// # Errors
/// As for `start`. The container is deleted then.
pub fn start_detached(created: Created, warn: &mut dyn FnMut(&Error)) -> Result<()> {
    match release_and_await_notice(&created.entry, &created.record) {
        Ok(()) => Ok(()),
        Err(error) => {
            discard(created, warn)?;
            Err(error)
        }
    }
}

/// Starts a new container, waits until its program has exited, and returns the exit code: that of the program, or 128 plus the
/// number of the signal that killed it.
///
/// Call [`hold_signals`] before the container is created.
///
/// # Errors
/// As for `start`, and when the wait fails. The container is deleted in both cases.
pub fn run(created: Created, after: AfterEnd, warn: &mut dyn FnMut(&Error)) -> Result<i32> {
    follow(created, after, warn, release)
}

/// Starts the program of an existing container. A restored container runs already.
type Start = fn(&Entry, &Record) -> Result<()>;

/// Starts a container, waits, and deletes or keeps it.
fn follow(mut created: Created, after: AfterEnd, warn: &mut dyn FnMut(&Error), start: Start) -> Result<i32> {
    let ended = start_and_wait(&mut created, start);
    match created.entry.relock() {
        // Another process has deleted it meanwhile (`delete --force`).
        Err(Error::NotFound(_)) => return ended,
        answer => answer?,
    }
    if after == AfterEnd::Delete || ended.is_err() {
        discard(created, warn)?;
    } else if let Ok(code) = ended {
        keep_exit(&created.entry, &mut created.record, code)?;
    }
    ended
}

/// Records the exit code of init. Only its parent knows the code, and the kept container has no parent after this process.
fn keep_exit(entry: &Entry, record: &mut Record, code: i32) -> Result<()> {
    record.exit = Some(code);
    entry.commit(record)
}

/// Waits until a process of `exec` has exited, and returns its exit code as [`run`] does.
///
/// Call [`hold_signals`] before the process is created.
///
/// # Errors
/// When the wait fails.
pub fn wait_for(executed: Created) -> Result<i32> {
    let Created { entry, init, terminal, .. } = executed;
    let relay = terminal.map(Relay::new).transpose();
    let waited = relay.and_then(|relay| {
        let signals = signals::receiver(PASSED_ON).during(Call::Wait)?;
        wait(&init, &signals, Watched { relay, notice: None })
    });
    waited.map_err(|fault| entry.error("wait for the process in", fault))
}

/// Waits until the program of a restored container has exited, and returns its exit code as [`run`] does.
///
/// Call [`hold_signals`] before the restore.
///
/// # Errors
/// As [`run`].
pub fn wait_for_restored(created: Created, after: AfterEnd, warn: &mut dyn FnMut(&Error)) -> Result<i32> {
    follow(created, after, warn, |_, _| Ok(()))
}

/// Starts the program with everything ready that the wait needs, so that no output, signal or notification is lost.
fn start_and_wait(created: &mut Created, start: Start) -> Result<i32> {
    let terminal = created.terminal.take();
    let Created { entry, record, init, .. } = created;
    let relay = terminal
        .map(Relay::new)
        .transpose()
        .map_err(|fault| entry.error("attach to the terminal of", fault))?;
    let signals =
        signals::receiver(PASSED_ON).during(Call::Wait).map_err(|fault| entry.error("wait for", fault))?;
    let notice = Notice::listen(entry, init.pid.as_raw_nonzero().get())?;
    start(entry, record)?;
    // Other verbs may change the container while this one waits.
    entry.unlock();
    wait(init, &signals, Watched { relay, notice }).map_err(|fault| entry.error("wait for", fault))
}

/// What a wait forwards besides signals.
struct Watched {
    /// Between the caller's terminal and the container's.
    relay: Option<Relay>,
    /// The notification `READY=1` for `NOTIFY_SOCKET` (sd_notify(3)).
    notice: Option<Notice>,
}

/// Waits for the exit of init, and forwards signals, the terminal's input and output, and the notification.
///
/// The wait has no limit: the program may run for years.
fn wait(init: &Spawned, signals: &OwnedFd, watched: Watched) -> std::result::Result<i32, Fault> {
    let Watched { mut relay, mut notice } = watched;
    loop {
        if notice.as_ref().is_some_and(|notice| is_readable(notice.socket())) {
            notice = notice.filter(|notice| !notice.pass_on().unwrap_or(true));
        }
        let mut waiting = vec![PollFd::new(&init.pidfd, PollFlags::IN), PollFd::new(signals, PollFlags::IN)];
        if let Some(relay) = &relay {
            waiting.extend(relay.waits());
        }
        if let Some(notice) = &notice {
            waiting.push(PollFd::from_borrowed_fd(notice.socket(), PollFlags::IN));
        }
        crate::channel::retry(|| poll(&mut waiting, None)).during(Call::Wait)?;
        let ready: Vec<bool> = waiting.iter().map(|fd| !fd.revents().is_empty()).collect();
        drop(waiting);
        if let Some(relay) = &mut relay {
            relay.transfer(ready.get(2..).unwrap_or_default());
        }
        pass_on(init, signals, relay.as_ref())?;
        if ready.first() == Some(&true) {
            if let Some(relay) = &mut relay {
                relay.drain();
            }
            return end_of(init);
        }
    }
}

fn is_readable(socket: BorrowedFd<'_>) -> bool {
    crate::channel::await_readable(socket, Some(0)).is_ok()
}

/// Forwards every pending signal to init. A SIGWINCH changes the size of the container's terminal instead.
fn pass_on(init: &Spawned, signals: &OwnedFd, relay: Option<&Relay>) -> std::result::Result<(), Fault> {
    while let Some(number) = signals::next(signals).during(Call::Read)? {
        match (number, relay) {
            (libc::SIGWINCH, Some(relay)) => relay.resize(),
            (libc::SIGWINCH, None) => {}
            _ => {
                if let Some(signal) = Signal::from_named_raw(number) {
                    // Init may have exited just now. The next poll(2) reports that.
                    let _ = pidfd_send_signal(&init.pidfd, signal);
                }
            }
        }
    }
    Ok(())
}

/// Reaps init and returns its exit code.
fn end_of(init: &Spawned) -> std::result::Result<i32, Fault> {
    let status = waitid(WaitId::PidFd(init.pidfd.as_fd()), WaitIdOptions::EXITED).during(Call::Wait)?;
    let Some(status) = status else { return Err(Fault::new(Call::Wait, rustix::io::Errno::CHILD)) };
    let signal = status.terminating_signal().map(|signal| 128 + signal);
    Ok(signal.or(status.exit_status()).unwrap_or(0))
}

/// Makes this process the subreaper of orphans of the container (prctl(2), `PR_SET_CHILD_SUBREAPER`), as runc does.
///
/// # Errors
/// The errno of prctl(2).
pub fn adopt_orphans() -> Result<()> {
    let me = Some(rustix::process::getpid());
    let adopted = rustix::process::set_child_subreaper(me).during(Call::Prctl);
    adopted.map_err(|fault| Error::act("adopt the container's orphans", fault))
}
