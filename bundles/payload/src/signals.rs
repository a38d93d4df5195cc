//! Commands that wait for signals, as process 1 must.

use std::io::Write as _;
use std::os::fd::AsFd as _;
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal, kill};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

use crate::behaviour::signal;

/// The time that `trap` waits for another signal.
const PATIENCE: Duration = Duration::from_secs(60);

/// Blocks the signals and returns a signalfd for them.
pub(crate) fn listen(signals: &[Signal]) -> Result<SignalFd> {
    let mut set = SigSet::empty();
    for signal in signals {
        set.add(*signal);
    }
    set.thread_block()?;
    Ok(SignalFd::with_flags(&set, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC)?)
}

/// The next signal; `None` after the timeout, or if this process was stopped meanwhile.
fn next(signals: &SignalFd, wait: Duration) -> Result<Option<Signal>> {
    let timeout = PollTimeout::try_from(wait).unwrap_or(PollTimeout::MAX);
    match poll(&mut [PollFd::new(signals.as_fd(), PollFlags::POLLIN)], timeout) {
        Ok(_) | Err(Errno::EINTR) => pending(signals),
        Err(error) => Err(error.into()),
    }
}

/// A pending signal.
pub(crate) fn pending(signals: &SignalFd) -> Result<Option<Signal>> {
    let Some(info) = signals.read_signal()? else { return Ok(None) };
    Ok(Some(Signal::try_from(i32::try_from(info.ssi_signo)?)?))
}

/// Reaps every child that has ended, and returns the status of the wanted one.
fn reap(wanted: Option<Pid>) -> Option<WaitStatus> {
    let mut found = None;
    while let Ok(status) = waitpid(None, Some(WaitPidFlag::WNOHANG)) {
        if status == WaitStatus::StillAlive {
            break;
        }
        if status.pid() == wanted && wanted.is_some() {
            found = Some(status);
        }
    }
    found
}

/// The exit code of a shell for a signal.
pub(crate) fn code_of(signal: Signal) -> ExitCode {
    ExitCode::from(128_u8.saturating_add(signal as u8))
}

/// Sleeps for some seconds; SIGTERM and SIGINT end it early.
pub(crate) fn sleep(arguments: &[String]) -> Result<ExitCode> {
    let [seconds] = arguments else { bail!("needs SECONDS") };
    let end = Instant::now() + Duration::from_secs_f64(seconds.parse().context("the seconds")?);
    let signals = listen(&[Signal::SIGTERM, Signal::SIGINT, Signal::SIGCHLD])?;
    loop {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(ExitCode::SUCCESS);
        }
        match next(&signals, left)? {
            Some(Signal::SIGCHLD) => drop(reap(None)),
            Some(signal) => return Ok(code_of(signal)),
            None => {}
        }
    }
}

/// Prints `ready`, then each signal as it arrives (SIGWINCH with the window size), until none arrives for a minute.
pub(crate) fn trap(arguments: &[String]) -> Result<ExitCode> {
    let wanted = arguments.iter().map(|name| signal(name)).collect::<Result<Vec<_>>>()?;
    let signals = listen(&wanted)?;
    writeln!(std::io::stdout(), "ready")?;
    let mut end = Instant::now() + PATIENCE;
    while Instant::now() < end {
        let Some(signal) = next(&signals, end.saturating_duration_since(Instant::now()))? else { continue };
        end = Instant::now() + PATIENCE;
        let size = match signal {
            Signal::SIGWINCH => crate::report::window().map(|(rows, columns)| format!(" {rows}x{columns}")),
            _ => None,
        };
        writeln!(std::io::stdout(), "{signal}{}", size.unwrap_or_default())?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Runs a program as its child, forwards signals, reaps orphans, and exits with the child's exit code.
pub(crate) fn init(arguments: &[String]) -> Result<ExitCode> {
    let [program, rest @ ..] = arguments else { bail!("needs COMMAND") };
    let child = Command::new(program).args(rest).spawn().with_context(|| format!("cannot run {program}"))?;
    let pid = Pid::from_raw(i32::try_from(child.id())?);
    let signals = listen(&[
        Signal::SIGTERM,
        Signal::SIGINT,
        Signal::SIGHUP,
        Signal::SIGUSR1,
        Signal::SIGUSR2,
        Signal::SIGCHLD,
    ])?;
    loop {
        match next(&signals, Duration::from_secs(1))? {
            Some(Signal::SIGCHLD) | None => match reap(Some(pid)) {
                Some(WaitStatus::Exited(_, code)) => {
                    return Ok(ExitCode::from(u8::try_from(code).unwrap_or(u8::MAX)));
                }
                Some(WaitStatus::Signaled(_, signal, _)) => return Ok(code_of(signal)),
                _ => {}
            },
            Some(signal) => kill(pid, signal)?,
        }
    }
}
