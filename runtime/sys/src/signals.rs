//! Signal dispositions, the signal mask and signalfd(2).

use crate::{answer, last_errno};
use rustix::fd::{FromRawFd, OwnedFd};
use rustix::io::Result;

const LAST: libc::c_int = 64;

/// Gives every signal its default action and blocks none, as a program expects to be started.
///
/// What the caller had ignored or blocked (and what the language's own start-up ignores: SIGPIPE) would otherwise be inherited
/// across exec. Signals whose action can't be changed are passed over.
pub fn reset() {
    // SAFETY: sigaction is a struct of integers and a nullable pointer, for which all zeros is a value: SIG_DFL, no flags.
    let default: libc::sigaction = unsafe { std::mem::zeroed() };
    for signal in 1..=LAST {
        // SAFETY: the new action is a live struct and the old one is not asked for; SIG_DFL runs no code of ours.
        unsafe { libc::sigaction(signal, &raw const default, std::ptr::null_mut()) };
    }
    mask(libc::SIG_SETMASK, &[]);
}

/// Blocks every signal in `signals`, so that they wait for [`receiver`].
pub fn block(signals: &[i32]) {
    mask(libc::SIG_BLOCK, signals);
}

/// The signal mask of a thread.
#[derive(Clone, Copy)]
pub struct Mask(libc::sigset_t);

impl std::fmt::Debug for Mask {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Mask")
    }
}

/// Unblocks every signal in `signals`. Returns the previous mask.
pub fn unblock(signals: &[i32]) -> Mask {
    mask(libc::SIG_UNBLOCK, signals)
}

/// Sets the mask that [`unblock`] returned.
pub fn restore(previous: &Mask) {
    // SAFETY: the new mask is a live sigset_t and the old one is not asked for. It cannot fail: `how` is a valid constant.
    unsafe { libc::sigprocmask(libc::SIG_SETMASK, &raw const previous.0, std::ptr::null_mut()) };
}

fn mask(how: libc::c_int, signals: &[i32]) -> Mask {
    let set = set_of(signals);
    let mut previous = Mask(set_of(&[]));
    // SAFETY: both masks are live sigset_t. It cannot fail: `how` is one of ours.
    unsafe { libc::sigprocmask(how, &raw const set, &raw mut previous.0) };
    previous
}

/// A descriptor from which the blocked `signals` are read, non-blocking and close-on-exec.
///
/// # Errors
/// `EMFILE`, `ENFILE` or `ENOMEM`.
pub fn receiver(signals: &[i32]) -> Result<OwnedFd> {
    let set = set_of(signals);
    // SAFETY: -1 asks for a new descriptor; the mask is a live sigset_t.
    let fd = unsafe { libc::signalfd(-1, &raw const set, libc::SFD_CLOEXEC | libc::SFD_NONBLOCK) };
    answer(fd.into())?;
    // SAFETY: the kernel has just made this descriptor for us.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// The number of the next signal that `receiver` holds, or nothing when it holds none now.
///
/// # Errors
/// The errno of read(2), but `EAGAIN`.
pub fn next(receiver: &OwnedFd) -> Result<Option<i32>> {
    use rustix::fd::AsRawFd;
    // SAFETY: signalfd_siginfo is a struct of integers, for which all zeros is a value.
    let mut info: libc::signalfd_siginfo = unsafe { std::mem::zeroed() };
    // SAFETY: the buffer is a live struct of the size given; signalfd writes whole structs of that layout.
    let got = unsafe {
        libc::read(receiver.as_raw_fd(), (&raw mut info).cast(), size_of::<libc::signalfd_siginfo>())
    };
    match got {
        1.. => Ok(Some(info.ssi_signo as i32)),
        0 => Ok(None),
        _ => match last_errno() {
            rustix::io::Errno::AGAIN => Ok(None),
            errno => Err(errno),
        },
    }
}

fn set_of(signals: &[i32]) -> libc::sigset_t {
    // SAFETY: sigset_t is an array of integers, for which all zeros is the empty set.
    let mut set: libc::sigset_t = unsafe { std::mem::zeroed() };
    for signal in signals {
        // SAFETY: the set is live; a number that is no signal is refused with EINVAL and changes nothing.
        unsafe { libc::sigaddset(&raw mut set, *signal) };
    }
    set
}

/// The real-time signal with this number, 32 to 64, for sending it to other processes.
pub fn realtime(number: i32) -> Option<rustix::process::Signal> {
    if !(32..=LAST).contains(&number) {
        return None;
    }
    // SAFETY: the number is that of a signal. Those that a C library keeps for itself are harmful only to a process that
    // handles them, and this value is for signalling other processes.
    Some(unsafe { rustix::process::Signal::from_raw_unchecked(number) })
}
