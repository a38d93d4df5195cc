//! Hooks (config.md, "POSIX-platform Hooks"): programs that get the container's state on standard input.
//!
//! The parent and init run hooks. Init may not allocate, so everything a hook needs is prepared before init is spawned.

use crate::channel::retry;
use crate::fault::{Call, During, Fault};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::SeekFrom;
use rustix::io::Errno;
use rustix::process::{Signal, WaitId, WaitIdOptions, kill_process_group, waitid};
use std::ffi::CString;
use std::os::unix::ffi::OsStringExt;
use tare_plan::step::{Hook, HookEnvironment};
use tare_sys::clone::{Clone, Program, Spawned, spawn_program};
use tare_sys::exec::Strings;

/// A hook with its arguments and environment in the form that execve(2) takes.
pub(crate) struct PreparedHook {
    path: CString,
    arguments: Strings,
    /// `None` for the environment of the container's process.
    environment: Option<Strings>,
    timeout_seconds: Option<u32>,
}

impl PreparedHook {
    /// Prepares a hook. Without `args` in the configuration, the program's only argument is its path.
    pub(crate) fn new(hook: &Hook) -> Self {
        let named = if hook.arguments.is_empty() { vec![hook.path.clone()] } else { hook.arguments.clone() };
        Self {
            path: hook.path.clone(),
            arguments: Strings::new(named),
            environment: match &hook.environment {
                HookEnvironment::Given(given) => Some(Strings::new(given.clone())),
                HookEnvironment::Runtime => Some(Strings::new(own_environment())),
                HookEnvironment::Container => None,
            },
            timeout_seconds: hook.timeout_seconds,
        }
    }
}

/// Returns the environment of the runtime itself.
pub(crate) fn own_environment() -> Vec<CString> {
    let variable = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
        CString::new([name.into_vec(), value.into_vec()].join(&b'=')).unwrap_or_default()
    };
    std::env::vars_os().map(variable).collect()
}

/// Writes a container's state to a file in memory (memfd_create(2)). A pipe would block the runtime as soon as a hook does not
/// read its standard input.
pub(crate) fn state_file(text: &str) -> std::result::Result<OwnedFd, Fault> {
    let file = rustix::fs::memfd_create(c"state", rustix::fs::MemfdFlags::CLOEXEC).during(Call::MakeFile)?;
    rustix::io::write(&file, text.as_bytes()).during(Call::Write)?;
    Ok(file)
}

/// Returns the path of the failed hook. The upper 16 bits of the fault's detail are the index of the hook.
pub(crate) fn path_of(hooks: &[Hook], fault: &Fault) -> String {
    let hook = hooks.get((fault.detail >> 16) as usize);
    hook.map(|hook| hook.path.to_string_lossy().into_owned()).unwrap_or_default()
}

/// Runs hooks in order and stops at the first that fails (runtime.md, "Lifecycle"). `container` is the container's environment.
pub(crate) fn run_all(
    hooks: &[PreparedHook],
    state: BorrowedFd<'_>,
    container: Option<&Strings>,
) -> Result<(), Fault> {
    for (index, hook) in hooks.iter().enumerate() {
        run(hook, state, container).map_err(|fault| fault.detail((index as u32) << 16 | fault.detail))?;
    }
    Ok(())
}

/// Runs one hook and waits for its exit. The detail of the fault has the exit code in bits 8 to 15 and the signal that killed the
/// hook in bits 0 to 7, as in wait(2).
pub(crate) fn run(
    hook: &PreparedHook,
    state: BorrowedFd<'_>,
    container: Option<&Strings>,
) -> Result<(), Fault> {
    let environment = hook.environment.as_ref().or(container).ok_or(Fault::new(Call::Hook, Errno::INVAL))?;
    rustix::fs::seek(state, SeekFrom::Start(0)).during(Call::Hook)?;
    let program = Program { path: &hook.path, arguments: &hook.arguments, environment, stdin: state };
    let child = spawn_program(Clone::default(), program).during(Call::Clone)?;
    if !ends_in_time(&child, hook.timeout_seconds)? {
        // The hook leads a process group of its own. The signal also reaches the children of a shell script.
        let _ = kill_process_group(child.pid, Signal::KILL);
        reap(&child)?;
        return Err(Fault::new(Call::HookTimeout, Errno::TIMEDOUT));
    }
    match reap(&child)? {
        0 => Ok(()),
        status => Err(Fault::new(Call::Hook, Errno::IO).detail(status)),
    }
}

/// Waits until `child` has exited, at most `limit` seconds. Without a limit in the configuration the wait has none: the
/// specification lets a hook run as long as it likes.
fn ends_in_time(child: &Spawned, limit: Option<u32>) -> Result<bool, Fault> {
    let limit = limit.map(|seconds| Timespec { tv_sec: seconds.into(), tv_nsec: 0 });
    let mut waiting = [PollFd::from_borrowed_fd(child.pidfd.as_fd(), PollFlags::IN)];
    Ok(retry(|| poll(&mut waiting, limit.as_ref())).during(Call::Wait)? > 0)
}

/// Reaps `child` and returns its exit code in bits 8 to 15, or the signal that killed it in bits 0 to 7.
///
/// The wait has no limit: the child has exited already, or has got a SIGKILL.
fn reap(child: &Spawned) -> Result<u32, Fault> {
    let status =
        retry(|| waitid(WaitId::PidFd(child.pidfd.as_fd()), WaitIdOptions::EXITED)).during(Call::Wait)?;
    let Some(status) = status else { return Err(Fault::new(Call::Wait, Errno::CHILD)) };
    let code = status.exit_status().unwrap_or(0).cast_unsigned() & 0xff;
    Ok(code << 8 | status.terminating_signal().unwrap_or(0).cast_unsigned() & 0xff)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::fs::MemfdFlags;

    fn shell(script: &str, timeout_seconds: Option<u32>) -> PreparedHook {
        let arguments = [c"sh".to_owned(), c"-c".to_owned(), CString::new(script).unwrap()].into();
        PreparedHook::new(&Hook {
            path: c"/bin/sh".to_owned(),
            arguments,
            environment: HookEnvironment::Given(Vec::new()),
            timeout_seconds,
        })
    }

    fn state(text: &str) -> rustix::fd::OwnedFd {
        let file = rustix::fs::memfd_create(c"state", MemfdFlags::CLOEXEC).unwrap();
        rustix::io::write(&file, text.as_bytes()).unwrap();
        file
    }

    #[test]
    fn every_hook_reads_the_whole_state() {
        let state = state("{\"id\":\"a\"}");
        let reads = || shell("[ \"$(cat)\" = '{\"id\":\"a\"}' ]", None);
        assert_eq!(run_all(&[reads(), reads()], state.as_fd(), None), Ok(()));
    }

    #[test]
    fn a_failing_hook_stops_the_later_ones_and_is_named_by_its_index() {
        let hooks = [shell("exit 0", None), shell("exit 3", None), shell("exit 9", None)];
        let fault = run_all(&hooks, state("").as_fd(), None).unwrap_err();
        assert_eq!((fault.call, fault.detail), (Call::Hook, 1 << 16 | 3 << 8));
    }

    #[test]
    fn a_hook_is_killed_after_its_timeout() {
        let begun = std::time::Instant::now();
        let fault = run_all(&[shell("sleep 60 & sleep 60", Some(1))], state("").as_fd(), None).unwrap_err();
        assert_eq!(fault.call, Call::HookTimeout);
        assert!(begun.elapsed().as_secs() < 20);
    }
}
