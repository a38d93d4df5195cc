//! A timer that interrupts a blocking system call (timer_create(2)).

use crate::{answer, signals};
use rustix::io::Result;
use std::time::Duration;

/// Interrupts blocking system calls of its thread, which then fail with `EINTR`, until it is dropped.
#[derive(Debug)]
pub struct Alarm {
    timer: libc::timer_t,
    mask: signals::Mask,
}

/// Does nothing: a system call fails with `EINTR` if there is any handler.
extern "C" fn handle(_: libc::c_int) {}

impl Alarm {
    /// Interrupts after a time and then every second, so that a call that starts just after the first signal
    /// is interrupted too.
    ///
    /// SIGALRM keeps the handler in the whole process; the signal mask of the thread is restored on drop.
    ///
    /// # Errors
    /// `EAGAIN`: the kernel has no memory for a timer.
    pub fn after(time: Duration) -> Result<Alarm> {
        // SAFETY: sigaction is a struct of integers and a nullable pointer, for which all zeros is a value.
        let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
        action.sa_sigaction = handle as extern "C" fn(libc::c_int) as libc::sighandler_t;
        // SAFETY: the new action is a live struct, and the pointer for the old one may be null. The handler
        // is a function of this program with the signature of handlers without SA_SIGINFO. It does nothing
        // that signal-safety(7) forbids.
        let installed = unsafe { libc::sigaction(libc::SIGALRM, &raw const action, std::ptr::null_mut()) };
        answer(installed.into())?;
        let alarm = Alarm { timer: timer_of_this_thread()?, mask: signals::unblock(&[libc::SIGALRM]) };
        alarm.set(time)?;
        Ok(alarm)
    }

    fn set(&self, time: Duration) -> Result<()> {
        let seconds = |seconds: u64| libc::time_t::try_from(seconds).unwrap_or(libc::time_t::MAX);
        let span = |time: Duration| libc::timespec {
            tv_sec: seconds(time.as_secs()),
            tv_nsec: time.subsec_nanos().into(),
        };
        let when = libc::itimerspec { it_interval: span(Duration::from_secs(1)), it_value: span(time) };
        // SAFETY: the timer is ours until this is dropped. The new time is a live struct, and the pointer for
        // the old one may be null.
        let set = unsafe { libc::timer_settime(self.timer, 0, &raw const when, std::ptr::null_mut()) };
        answer(set.into()).map(drop)
    }
}

fn timer_of_this_thread() -> Result<libc::timer_t> {
    // SAFETY: sigevent is a struct of integers and a union of integers and pointers, for which all zeros is a
    // value.
    let mut event: libc::sigevent = unsafe { std::mem::zeroed() };
    event.sigev_notify = libc::SIGEV_THREAD_ID;
    event.sigev_signo = libc::SIGALRM;
    event.sigev_notify_thread_id = rustix::thread::gettid().as_raw_pid();
    let mut timer: libc::timer_t = std::ptr::null_mut();
    // SAFETY: the event is a live struct with a thread of this process, as SIGEV_THREAD_ID needs it. The
    // kernel writes the id of the timer to a live variable of its type.
    let made = unsafe { libc::timer_create(libc::CLOCK_MONOTONIC, &raw mut event, &raw mut timer) };
    answer(made.into())?;
    Ok(timer)
}

impl Drop for Alarm {
    fn drop(&mut self) {
        // SAFETY: the timer is ours, and no code can use it after this.
        unsafe { libc::timer_delete(self.timer) };
        signals::restore(&self.mask);
    }
}
