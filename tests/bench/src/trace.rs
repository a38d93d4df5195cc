//! The trace: one run under ptrace(2), which counts system calls and reads the peak of memory of each process.

use std::collections::HashSet;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use nix::errno::Errno;
use nix::libc;
use nix::sys::ptrace::{self, Options};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

/// What one run came to.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Trace {
    /// System calls of all processes, from the runtime's first to the end of the payload's.
    pub(crate) calls: f64,
    /// The largest resident memory of any one process of the runtime, in KiB; the payload's own is not counted.
    pub(crate) peak_kib: f64,
    /// Programs that were executed, the first among them.
    pub(crate) programs: f64,
}

/// Runs the command, which must succeed, and follows every process it starts.
pub(crate) fn trace(words: &[String]) -> Result<Trace> {
    trace_from(words, None)
}

/// The same; what happens before the first process becomes the program is not counted.
pub(crate) fn trace_from(words: &[String], program: Option<&Path>) -> Result<Trace> {
    let first = spawn_stopped(words)?;
    let options = Options::PTRACE_O_TRACESYSGOOD
        | Options::PTRACE_O_TRACEFORK
        | Options::PTRACE_O_TRACEVFORK
        | Options::PTRACE_O_TRACECLONE
        | Options::PTRACE_O_TRACEEXEC
        | Options::PTRACE_O_TRACEEXIT;
    ptrace::seize(first, options)?;
    kill(first, Signal::SIGCONT)?;
    let mut tracer = Tracer {
        first,
        program,
        executed: false,
        inside: HashSet::new(),
        trace: Trace::default(),
        code: None,
    };
    while tracer.step()? {}
    ensure!(tracer.code == Some(0), "{}: it ended with {:?}", words.join(" "), tracer.code);
    Ok(tracer.trace)
}

/// A shell that waits to be traced before it becomes the command.
fn spawn_stopped(words: &[String]) -> Result<Pid> {
    let mut command = Command::new("/bin/sh");
    command.args(["-c", "kill -STOP $$; exec \"$@\"", "sh"]).args(words).process_group(0);
    let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
    let pid = Pid::from_raw(i32::try_from(child.id())?);
    waitpid(pid, Some(WaitPidFlag::WUNTRACED))?;
    Ok(pid)
}

struct Tracer<'a> {
    first: Pid,
    program: Option<&'a Path>,
    executed: bool,
    inside: HashSet<Pid>,
    trace: Trace,
    code: Option<i32>,
}

impl Tracer<'_> {
    /// Handles the next event; whether there will be another.
    fn step(&mut self) -> Result<bool> {
        let status = match waitpid(None, Some(WaitPidFlag::__WALL)) {
            Ok(status) => status,
            Err(Errno::EINTR) => return Ok(true),
            Err(Errno::ECHILD) => return Ok(false),
            Err(error) => return Err(error).context("cannot wait"),
        };
        match status {
            WaitStatus::Exited(pid, code) if pid == self.first => self.code = Some(code),
            WaitStatus::PtraceSyscall(pid) => self.call(pid),
            WaitStatus::PtraceEvent(pid, _, event) => {
                if event == libc::PTRACE_EVENT_EXEC {
                    self.execute(pid);
                }
                if event == libc::PTRACE_EVENT_EXIT {
                    self.peak(pid);
                }
                resume(pid, None)?;
            }
            WaitStatus::Stopped(pid, signal) => resume(pid, Some(signal))?,
            _ => {}
        }
        Ok(true)
    }

    fn execute(&mut self, pid: Pid) {
        let found = std::fs::read_link(format!("/proc/{pid}/exe")).unwrap_or_default();
        self.executed |= pid == self.first && self.program.is_none_or(|program| found == program);
        if self.executed {
            self.trace.programs += 1.0;
        }
    }

    fn call(&mut self, pid: Pid) {
        let entered = self.inside.insert(pid);
        if !entered {
            self.inside.remove(&pid);
        }
        if entered && self.executed {
            self.trace.calls += 1.0;
            // What a process has used before it becomes another program is known only now.
            let number = ptrace::getregs(pid).map(|registers| registers.orig_rax).unwrap_or_default();
            if [libc::SYS_execve, libc::SYS_execveat].iter().any(|exec| u64::try_from(*exec) == Ok(number)) {
                self.peak(pid);
            }
        }
        // One that has been killed is gone from under us; its end is reported next.
        let _ = resume(pid, None);
    }

    fn peak(&mut self, pid: Pid) {
        let program = std::fs::read_link(format!("/proc/{pid}/exe")).unwrap_or_default();
        if !self.executed || program.ends_with("bin/payload") {
            return;
        }
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib = peak.and_then(|text| text.trim().trim_end_matches("kB").trim().parse::<f64>().ok());
        self.trace.peak_kib = self.trace.peak_kib.max(kib.unwrap_or_default());
    }
}

fn resume(pid: Pid, signal: Option<Signal>) -> Result<()> {
    match ptrace::syscall(pid, signal) {
        Ok(()) | Err(Errno::ESRCH) => Ok(()),
        Err(error) => Err(error).with_context(|| format!("cannot resume {pid}")),
    }
}
