//! Signal actions, the signal mask and signalfd(2).

use crate::{answer, last_errno};
use rustix::fd::{FromRawFd, OwnedFd};
use rustix::io::Result;

/// The highest signal number (`_NSIG` is one more).
const LAST: libc::c_int = 64;

/// Sets every signal to its default action and unblocks all, as programs expect at their start.
///
/// exec keeps ignored and blocked signals (signal(7)). The caller may have some, and Rust's start-up code
/// ignores SIGPIPE. SIGKILL, SIGSTOP and the signals that glibc uses itself are skipped.
pub fn reset() {
    // SAFETY: sigaction is a struct of integers and a nullable pointer, for which all zeros is a value:
    // SIG_DFL, no flags.
    let default: libc::sigaction = unsafe { std::mem::zeroed() };
    for signal in 1..=LAST {
        // SAFETY: the new action is a live struct, and the pointer for the old one may be null. SIG_DFL is no
        // handler.
        unsafe { libc::sigaction(signal, &raw const default, std::ptr::null_mut()) };
    }
    mask(libc::SIG_SETMASK, &[]);
}

/// Blocks signals, so that they stay pending for [`receiver`].
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
    // SAFETY: the new mask is a live sigset_t, and the pointer for the old one may be null. It can't fail:
    // `how` is valid.
    unsafe { libc::sigprocmask(libc::SIG_SETMASK, &raw const previous.0, std::ptr::null_mut()) };
}

fn mask(how: libc::c_int, signals: &[i32]) -> Mask {
    let set = set_of(signals);
    let mut previous = Mask(set_of(&[]));
    // SAFETY: both masks are live and distinct. It can't fail: the callers above pass valid values of `how`.
    unsafe { libc::sigprocmask(how, &raw const set, &raw mut previous.0) };
    previous
}

/// Opens a signalfd for blocked signals, non-blocking and close-on-exec.
///
/// # Errors
/// `EMFILE`, `ENFILE` or `ENOMEM`.
pub fn receiver(signals: &[i32]) -> Result<OwnedFd> {
    let set = set_of(signals);
    // SAFETY: -1 creates a new descriptor; the mask is a live sigset_t.
    let fd = unsafe { libc::signalfd(-1, &raw const set, libc::SFD_CLOEXEC | libc::SFD_NONBLOCK) };
    answer(fd.into())?;
    // SAFETY: the kernel has just made this descriptor for us, and no other code knows its number.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Reads the next pending signal; `None` if no signal is pending.
///
/// # Errors
/// The errno of read(2), except `EAGAIN`.
pub fn next(receiver: &OwnedFd) -> Result<Option<i32>> {
    use rustix::fd::AsRawFd;
    // SAFETY: signalfd_siginfo is a struct of integers, for which all zeros is a value.
    let mut info: libc::signalfd_siginfo = unsafe { std::mem::zeroed() };
    // SAFETY: the buffer is a live struct, and its size is given. A signalfd writes whole structs of that
    // layout.
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
        // SAFETY: the set is live. With a number that is no signal, the call fails and changes nothing.
        unsafe { libc::sigaddset(&raw mut set, *signal) };
    }
    set
}

/// Returns the real-time signal with a number from 32 to 64, to send it to other processes.
pub fn realtime(number: i32) -> Option<rustix::process::Signal> {
    if !(32..=LAST).contains(&number) {
        return None;
    }
    // SAFETY: the number is that of a signal. The C library uses 32 and 33 itself, and a process must not
    // install handlers for them. Sending them is harmless, and rustix only uses a `Signal` for that.
    Some(unsafe { rustix::process::Signal::from_raw_unchecked(number) })
}
