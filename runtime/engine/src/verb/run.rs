//! The verb `run`: create, start, and, unless detached, wait for the end.

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

/// Signals that are passed on to the container: all that a program may catch but those about its own children and terminal.
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

/// What becomes of the container when its program has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AfterEnd {
    /// It is deleted.
    Delete,
    /// It stays, stopped (`--keep`).
    Keep,
}

/// Blocks the signals that are passed on, so that none is lost between here and the wait. Init gives them back.
pub fn hold_signals() {
    signals::block(PASSED_ON);
}

/// Starts a container that has just been created, and returns.
///
/// # Errors
/// As for `start`; the container is deleted.
pub fn start_detached(created: Created, warn: &mut dyn FnMut(&Error)) -> Result<()> {
    match release_and_await_notice(&created.entry, &created.record) {
        Ok(()) => Ok(()),
        Err(error) => {
            discard(created, warn)?;
            Err(error)
        }
    }
}

/// Starts a container that has just been created, waits until its program has ended, and returns the exit code: the
/// program's own, or 128 and the signal that ended it.
///
/// [`hold_signals`] must have been called before the container was created.
///
/// # Errors
/// As for `start`, and when the wait fails; the container is deleted in both cases.
pub fn run(created: Created, after: AfterEnd, warn: &mut dyn FnMut(&Error)) -> Result<i32> {
    follow(created, after, warn, release)
}

/// How a container that is there comes to run.
type Start = fn(&Entry, &Record) -> Result<()>;

fn follow(mut created: Created, after: AfterEnd, warn: &mut dyn FnMut(&Error), start: Start) -> Result<i32> {
    let ended = start_and_wait(&mut created, start);
    match created.entry.relock() {
        // Somebody else has deleted it meanwhile.
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

/// Notes how a container's init has ended, for one that stays.
fn keep_exit(entry: &Entry, record: &mut Record, code: i32) -> Result<()> {
    record.exit = Some(code);
    entry.commit(record)
}

/// Waits until a process that `exec` has made has ended, and returns its exit code as [`run`] does.
///
/// [`hold_signals`] must have been called before it was made.
///
/// # Errors
/// When the wait fails.
pub fn wait_for(executed: Created) -> Result<i32> {
    let Created { entry, init, terminal, .. } = executed;
    let relay = terminal.map(Relay::new).transpose();
    let waited = relay.and_then(|relay| {
        let signals = signals::receiver(PASSED_ON).during(Call::Wait)?;
        wait(&init, &signals, (relay, None))
    });
    waited.map_err(|fault| entry.error("wait for the process in", fault))
}

/// Waits until a container that `restore` has brought back has ended, and returns its exit code as [`run`] does.
///
/// [`hold_signals`] must have been called before.
///
/// # Errors
/// As [`run`].
pub fn wait_for_restored(created: Created, after: AfterEnd, warn: &mut dyn FnMut(&Error)) -> Result<i32> {
    follow(created, after, warn, |_, _| Ok(()))
}

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
    wait(init, &signals, (relay, notice)).map_err(|fault| entry.error("wait for", fault))
}

/// Waits for init's end; passes signals on, with a terminal what is typed and printed, and the notice of being ready.
fn wait(
    init: &Spawned,
    signals: &OwnedFd,
    (mut relay, mut notice): (Option<Relay>, Option<Notice>),
) -> std::result::Result<i32, Fault> {
    loop {
        if notice.as_ref().is_some_and(|notice| has_come(notice.socket())) {
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

fn has_come(socket: BorrowedFd<'_>) -> bool {
    crate::channel::await_readable(socket, Some(0)).is_ok()
}

/// Passes every signal that has come on to init; a change of the window's size goes to the terminal instead.
fn pass_on(init: &Spawned, signals: &OwnedFd, relay: Option<&Relay>) -> std::result::Result<(), Fault> {
    while let Some(number) = signals::next(signals).during(Call::Read)? {
        match (number, relay) {
            (libc::SIGWINCH, Some(relay)) => relay.resize(),
            (libc::SIGWINCH, None) => {}
            _ => {
                if let Some(signal) = Signal::from_named_raw(number) {
                    // It may have ended just now, which the next turn finds out.
                    let _ = pidfd_send_signal(&init.pidfd, signal);
                }
            }
        }
    }
    Ok(())
}

/// Takes the exit status of init.
fn end_of(init: &Spawned) -> std::result::Result<i32, Fault> {
    let status = waitid(WaitId::PidFd(init.pidfd.as_fd()), WaitIdOptions::EXITED).during(Call::Wait)?;
    let Some(status) = status else { return Err(Fault::new(Call::Wait, rustix::io::Errno::CHILD)) };
    let signal = status.terminating_signal().map(|signal| 128 + signal);
    Ok(signal.or(status.exit_status()).unwrap_or(0))
}

/// Makes this process the parent of processes that the container leaves behind, so that they do not outlive it unseen.
///
/// # Errors
/// The errno of prctl(2).
pub fn adopt_orphans() -> Result<()> {
    let me = Some(rustix::process::getpid());
    let adopted = rustix::process::set_child_subreaper(me).during(Call::Prctl);
    adopted.map_err(|fault| Error::act("adopt the container's orphans", fault))
}
