//! Runs a command under ptrace(2), and kills it at a system call of choice or makes that call fail.
//!
//! Only calls that change something count: between two of them, a death makes no difference. The command is stopped at
//! the entry of the call, so that the call itself never happens; a death after the last one is a death before the exit.

use std::collections::HashSet;
use std::fs::File;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::time::Duration;

use nix::errno::Errno;
use nix::libc;
use nix::sys::ptrace::{self, Options};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

/// What happens at the chosen call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attack {
    /// The first process dies, as when an engine's patience ends.
    KillFirst,
    /// The process that makes the call dies, as when the kernel is out of memory.
    KillCaller,
    /// The call does not happen and gives this error.
    Fail(Errno),
}

/// What became of the command.
#[derive(Clone, Debug)]
pub struct Death {
    /// The name or number of the system call at which a process was killed; none when the command ended first.
    pub at: Option<String>,
    /// The exit code of the first process; 137 when it was killed.
    pub code: i32,
    /// How many calls that change something there were until then.
    pub calls: usize,
}

/// How long one run may take: a runtime that waits for a dead process forever is killed then, and its run fails.
const DEADLINE: Duration = Duration::from_secs(20);

/// Runs the command and attacks it at the entry of the call of that number, counted from 0, among those that change
/// something. What the command and its container print goes to the file.
///
/// # Panics
/// The kernel allows no tracing, or the command does not end in time.
#[must_use]
pub fn attack_at(words: &[String], attack: Attack, at: usize, output: &Path) -> Death {
    // A tracer is a thread: when this one ends, whatever still runs is let go.
    std::thread::scope(|scope| scope.spawn(|| trace(words, attack, at, output)).join().expect("the tracer"))
}

fn trace(words: &[String], attack: Attack, at: usize, output: &Path) -> Death {
    let first = spawn_stopped(words, output);
    let (done, watchdog) = watch(first);
    let options = Options::PTRACE_O_TRACESYSGOOD
        | Options::PTRACE_O_TRACEFORK
        | Options::PTRACE_O_TRACEVFORK
        | Options::PTRACE_O_TRACECLONE
        | Options::PTRACE_O_TRACEEXEC;
    ptrace::seize(first, options).expect("tracing");
    kill(first, Signal::SIGCONT).unwrap();
    let mut tracer = Tracer {
        first,
        attack,
        at,
        calls: 0,
        executed: false,
        struck: None,
        failing: None,
        inside: HashSet::new(),
    };
    let code = loop {
        if let Some(code) = tracer.step() {
            break code;
        }
    };
    drop(done);
    let overdue = watchdog.join().expect("the watchdog");
    assert!(!overdue, "not done after {DEADLINE:?}: {words:?}, {tracer:?}");
    Death { at: tracer.struck, code, calls: tracer.calls }
}

/// A shell that waits to be traced before it becomes the command.
#[expect(clippy::zombie_processes, reason = "the tracer waits for it")]
fn spawn_stopped(words: &[String], output: &Path) -> Pid {
    let file = File::create(output).unwrap();
    let child = Command::new("/bin/sh")
        .args(["-c", "kill -STOP $$; exec \"$@\"", "sh"])
        .args(words)
        .stdin(Stdio::null())
        .stdout(file.try_clone().unwrap())
        .stderr(file)
        .spawn()
        .expect("a shell");
    let pid = Pid::from_raw(i32::try_from(child.id()).unwrap());
    waitpid(pid, Some(WaitPidFlag::WUNTRACED)).unwrap();
    pid
}

/// Kills the process when the time is over; the thread returns whether it had to.
fn watch(first: Pid) -> (Sender<()>, std::thread::JoinHandle<bool>) {
    let (done, ended) = channel();
    let thread = std::thread::spawn(move || {
        let overdue = matches!(ended.recv_timeout(DEADLINE), Err(RecvTimeoutError::Timeout));
        if overdue {
            // It may have ended in this very moment.
            let _ = kill(first, Signal::SIGKILL);
        }
        overdue
    });
    (done, thread)
}

#[derive(Debug)]
struct Tracer {
    first: Pid,
    attack: Attack,
    at: usize,
    calls: usize,
    executed: bool,
    struck: Option<String>,
    failing: Option<Pid>,
    inside: HashSet<Pid>,
}

impl Tracer {
    /// Waits for the next thing to happen; the exit code when the first process has ended.
    fn step(&mut self) -> Option<i32> {
        // Other tests' children are none of this thread's.
        let flags = WaitPidFlag::__WALL | WaitPidFlag::__WNOTHREAD;
        let status = match waitpid(None, Some(flags)) {
            Ok(status) => status,
            Err(Errno::EINTR) => return None,
            Err(error) => panic!("cannot wait: {error}"),
        };
        match status {
            WaitStatus::Exited(pid, code) if pid == self.first => return Some(code),
            WaitStatus::Signaled(pid, signal, _) if pid == self.first => return Some(128 + signal as i32),
            WaitStatus::PtraceSyscall(pid) => self.call(pid),
            WaitStatus::PtraceEvent(pid, _, event) => {
                self.executed |= event == libc::PTRACE_EVENT_EXEC && pid == self.first;
                resume(pid, None);
            }
            WaitStatus::Stopped(pid, signal) => resume(pid, Some(signal)),
            _ => {}
        }
        None
    }

    fn call(&mut self, pid: Pid) {
        let entered = self.inside.insert(pid);
        if !entered {
            self.inside.remove(&pid);
        }
        if !entered && self.failing == Some(pid) {
            self.failing = None;
            self.answer(pid);
        }
        let name = if entered && self.executed { self.counted(pid) } else { None };
        if let Some(name) = name {
            if self.calls == self.at && self.struck.is_none() {
                self.struck = Some(name);
                self.strike(pid);
            }
            self.calls += 1;
        }
        resume(pid, None);
    }

    /// The name of the call that a process is about to make, when it counts.
    fn counted(&self, pid: Pid) -> Option<String> {
        let name = changing(pid)?;
        // An end cannot fail.
        let unfailing = matches!(self.attack, Attack::Fail(_)) && name == "exit_group";
        (!unfailing).then_some(name)
    }

    fn strike(&mut self, caller: Pid) {
        match self.attack {
            Attack::KillFirst => kill(self.first, Signal::SIGKILL).unwrap(),
            Attack::KillCaller => kill(caller, Signal::SIGKILL).unwrap(),
            Attack::Fail(_) => {
                self.failing = Some(caller);
                let mut registers = ptrace::getregs(caller).unwrap();
                // No call has this number, so nothing happens.
                registers.orig_rax = u64::MAX;
                ptrace::setregs(caller, registers).unwrap();
            }
        }
    }

    /// Puts the error in the place of the answer.
    fn answer(&self, pid: Pid) {
        let Attack::Fail(error) = self.attack else { return };
        let mut registers = ptrace::getregs(pid).unwrap();
        registers.rax = i64::from(-(error as i32)).cast_unsigned();
        ptrace::setregs(pid, registers).unwrap();
    }
}

/// Lets it go on to its next call. A process that has been killed is gone from under us.
fn resume(pid: Pid, signal: Option<Signal>) {
    match ptrace::syscall(pid, signal) {
        Ok(()) | Err(Errno::ESRCH) => {}
        Err(error) => panic!("cannot resume {pid}: {error}"),
    }
}

/// The name of the call that a process is about to make, when it changes something.
fn changing(pid: Pid) -> Option<String> {
    let registers = ptrace::getregs(pid).ok()?;
    let number = i64::try_from(registers.orig_rax).ok()?;
    let flags = match number {
        libc::SYS_open => registers.rsi,
        libc::SYS_openat => registers.rdx,
        _ => u64::MAX,
    };
    let writes = libc::O_WRONLY | libc::O_RDWR | libc::O_CREAT | libc::O_TRUNC;
    if flags & u64::try_from(writes).ok()? == 0 {
        return None;
    }
    CHANGING.iter().find(|(known, _)| *known == number).map(|(_, name)| (*name).to_string())
}

/// Calls that change something that outlives them or that another process can see. Not close(2): a death closes as well,
/// so that it makes no difference on which side of a close it comes, and a close that fails has closed all the same.
const CHANGING: &[(i64, &str)] = &[
    (libc::SYS_write, "write"),
    (libc::SYS_pwrite64, "pwrite64"),
    (libc::SYS_writev, "writev"),
    (libc::SYS_open, "open"),
    (libc::SYS_openat, "openat"),
    (libc::SYS_openat2, "openat2"),
    (libc::SYS_ioctl, "ioctl"),
    (libc::SYS_connect, "connect"),
    (libc::SYS_bind, "bind"),
    (libc::SYS_sendto, "sendto"),
    (libc::SYS_sendmsg, "sendmsg"),
    (libc::SYS_shutdown, "shutdown"),
    (libc::SYS_clone, "clone"),
    (libc::SYS_clone3, "clone3"),
    (libc::SYS_fork, "fork"),
    (libc::SYS_vfork, "vfork"),
    (libc::SYS_execve, "execve"),
    (libc::SYS_execveat, "execveat"),
    (libc::SYS_exit_group, "exit_group"),
    (libc::SYS_kill, "kill"),
    (libc::SYS_tgkill, "tgkill"),
    (libc::SYS_pidfd_send_signal, "pidfd_send_signal"),
    (libc::SYS_rename, "rename"),
    (libc::SYS_renameat, "renameat"),
    (libc::SYS_renameat2, "renameat2"),
    (libc::SYS_mkdir, "mkdir"),
    (libc::SYS_mkdirat, "mkdirat"),
    (libc::SYS_rmdir, "rmdir"),
    (libc::SYS_unlink, "unlink"),
    (libc::SYS_unlinkat, "unlinkat"),
    (libc::SYS_link, "link"),
    (libc::SYS_linkat, "linkat"),
    (libc::SYS_symlink, "symlink"),
    (libc::SYS_symlinkat, "symlinkat"),
    (libc::SYS_mknod, "mknod"),
    (libc::SYS_mknodat, "mknodat"),
    (libc::SYS_chmod, "chmod"),
    (libc::SYS_fchmod, "fchmod"),
    (libc::SYS_fchmodat, "fchmodat"),
    (libc::SYS_chown, "chown"),
    (libc::SYS_fchown, "fchown"),
    (libc::SYS_fchownat, "fchownat"),
    (libc::SYS_ftruncate, "ftruncate"),
    (libc::SYS_flock, "flock"),
    (libc::SYS_mount, "mount"),
    (libc::SYS_umount2, "umount2"),
    (libc::SYS_pivot_root, "pivot_root"),
    (libc::SYS_chroot, "chroot"),
    (libc::SYS_open_tree, "open_tree"),
    (libc::SYS_move_mount, "move_mount"),
    (libc::SYS_fsopen, "fsopen"),
    (libc::SYS_fsconfig, "fsconfig"),
    (libc::SYS_fsmount, "fsmount"),
    (libc::SYS_mount_setattr, "mount_setattr"),
    (libc::SYS_unshare, "unshare"),
    (libc::SYS_setns, "setns"),
    (libc::SYS_setsid, "setsid"),
    (libc::SYS_sethostname, "sethostname"),
    (libc::SYS_setdomainname, "setdomainname"),
    (libc::SYS_setgroups, "setgroups"),
    (libc::SYS_setuid, "setuid"),
    (libc::SYS_setgid, "setgid"),
    (libc::SYS_setresuid, "setresuid"),
    (libc::SYS_setresgid, "setresgid"),
    (libc::SYS_prlimit64, "prlimit64"),
    (libc::SYS_prctl, "prctl"),
    (libc::SYS_capset, "capset"),
    (libc::SYS_seccomp, "seccomp"),
    (libc::SYS_keyctl, "keyctl"),
    (libc::SYS_bpf, "bpf"),
    (libc::SYS_memfd_create, "memfd_create"),
    (libc::SYS_pidfd_open, "pidfd_open"),
];

/// The arguments of a command that runs the program with these arguments.
#[must_use]
pub fn command(program: &Path, args: &[&str]) -> Vec<String> {
    std::iter::once(program.to_string_lossy().into_owned())
        .chain(args.iter().map(|arg| (*arg).to_string()))
        .collect()
}
