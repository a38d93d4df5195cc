//! Processes: starting one with its output in files, and waiting for it no longer than a deadline.
//!
//! Output goes to files and not to pipes, since a container keeps the standard streams of `create` open.

use std::ffi::OsStr;
use std::fs::File;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;

/// How long any one command may take; generous, because CI shares its CPUs.
const DEADLINE: Duration = Duration::from_secs(30);
static NEXT: AtomicU32 = AtomicU32::new(0);

/// A command about to be run.
#[derive(Debug)]
pub struct Call {
    command: Command,
    files: PathBuf,
    streams: Streams,
}

/// Where output goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Streams {
    Files,
    Nowhere,
}

/// A command that runs. Dropping it kills its process group.
#[derive(Debug)]
pub struct Running {
    child: Child,
    files: PathBuf,
    shown: String,
    done: bool,
}

/// What a command came to.
#[derive(Clone, Debug)]
pub struct Output {
    /// The exit code; 128 plus the signal when one killed it.
    pub code: i32,
    /// Standard output so far.
    pub out: String,
    /// Standard error so far.
    pub err: String,
    /// The command, for messages.
    pub shown: String,
}

impl Call {
    /// A command whose output will lie in the directory.
    pub fn new(program: impl AsRef<OsStr>, directory: &Path) -> Self {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let files = directory.join(format!("call-{number}"));
        let mut command = Command::new(program);
        command.stdin(Stdio::null()).process_group(0);
        Self { command, files, streams: Streams::Files }
    }

    /// Adds arguments.
    #[must_use]
    pub fn args<S: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = S>) -> Self {
        self.command.args(args);
        self
    }

    /// Changes the command in whatever way [`Command`] allows.
    #[must_use]
    pub fn with(mut self, change: impl FnOnce(&mut Command)) -> Self {
        change(&mut self.command);
        self
    }

    /// Runs it in the directory.
    #[must_use]
    pub fn within(self, directory: impl AsRef<Path>) -> Self {
        self.with(|command| {
            command.current_dir(directory);
        })
    }

    /// Gives it text to read.
    #[must_use]
    pub fn input(mut self, text: &str) -> Self {
        let path = self.files.with_extension("in");
        std::fs::write(&path, text).unwrap();
        self.command.stdin(File::open(path).unwrap());
        self
    }

    /// Lets it, and a container that keeps its streams, write to nowhere.
    #[must_use]
    pub fn silent(mut self) -> Self {
        self.streams = Streams::Nowhere;
        self
    }

    /// The same on a terminal of its own, into which the text is typed.
    ///
    /// # Panics
    /// It has words that are not text.
    #[must_use]
    pub fn typed(self, text: &str) -> Self {
        let words = std::iter::once(self.command.get_program()).chain(self.command.get_args());
        let quoted: Vec<String> = words.map(|word| format!("'{}'", word.to_str().unwrap())).collect();
        let mut command = Command::new("script");
        command.args(["-qec", &quoted.join(" "), "/dev/null"]).process_group(0);
        for (name, value) in self.command.get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        if let Some(directory) = self.command.get_current_dir() {
            command.current_dir(directory);
        }
        Self { command, files: self.files, streams: self.streams }.input(text)
    }

    /// Starts it.
    #[must_use]
    pub fn spawn(mut self) -> Running {
        let out = File::create(self.files.with_extension("out")).unwrap();
        let err = File::create(self.files.with_extension("err")).unwrap();
        match self.streams {
            Streams::Files => self.command.stdout(out).stderr(err),
            Streams::Nowhere => self.command.stdout(Stdio::null()).stderr(Stdio::null()),
        };
        let shown = format!("{:?}", self.command);
        let child = self.command.spawn().unwrap_or_else(|error| panic!("cannot run {shown}: {error}"));
        Running { child, files: self.files, shown, done: false }
    }

    /// Runs it to its end, which must come before the deadline.
    #[must_use]
    pub fn run(self) -> Output {
        self.spawn().wait()
    }
}

impl Running {
    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> Pid {
        Pid::from_raw(i32::try_from(self.child.id()).unwrap())
    }

    /// Waits for its end, which must come before the deadline.
    ///
    /// # Panics
    /// It does not end in time.
    #[must_use]
    pub fn wait(&mut self) -> Output {
        let status = until(DEADLINE, || self.child.try_wait().unwrap());
        let Some(status) = status else {
            let so_far = self.output(137);
            panic!("not done after {DEADLINE:?}: {so_far:#?}\n{}", self.where_it_hangs());
        };
        self.done = true;
        self.output(code_of(status))
    }

    /// Whether it has ended by now.
    pub fn ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Sends it alone a signal.
    pub fn signal(&self, signal: Signal) {
        kill(self.pid(), signal).unwrap();
    }

    /// The output so far, of the process and of others that share its streams.
    #[must_use]
    pub fn printed(&self) -> String {
        read(&self.files.with_extension("out"))
    }

    /// What it has written to standard error so far.
    #[must_use]
    pub fn complaints(&self) -> String {
        read(&self.files.with_extension("err"))
    }

    fn output(&self, code: i32) -> Output {
        Output {
            code,
            out: self.printed(),
            err: read(&self.files.with_extension("err")),
            shown: self.shown.clone(),
        }
    }

    fn where_it_hangs(&self) -> String {
        let pid = self.pid();
        let stack = std::fs::read_to_string(format!("/proc/{pid}/stack")).unwrap_or_default();
        let call = std::fs::read_to_string(format!("/proc/{pid}/syscall")).unwrap_or_default();
        format!("system call {call}{stack}")
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.done || self.ended() {
            return;
        }
        // The group may be gone already: then there is nothing to kill.
        let _ = killpg(self.pid(), Signal::SIGKILL);
        let _ = self.child.wait();
    }
}

impl Output {
    /// The same, for a command that had to succeed.
    ///
    /// # Panics
    /// It did not.
    #[track_caller]
    pub fn ok(self) -> Self {
        assert_eq!(self.code, 0, "it had to succeed: {self:#?}");
        self
    }

    /// The same, for a command that had to fail with an error of its own: one line, without a backtrace.
    ///
    /// # Panics
    /// It succeeded, was killed, or said nothing.
    #[track_caller]
    pub fn fails(self) -> Self {
        assert!(self.code != 0 && self.code != 101 && self.code != 134, "it had to fail: {self:#?}");
        assert!(!self.err.trim().is_empty() || !self.out.trim().is_empty(), "it said nothing: {self:#?}");
        self
    }

    /// Checks that standard error says each of the words, in any case.
    ///
    /// # Panics
    /// It does not.
    #[track_caller]
    pub fn says(self, words: &[&str]) -> Self {
        let text = self.err.to_lowercase();
        for word in words {
            assert!(text.contains(&word.to_lowercase()), "it does not say {word:?}: {self:#?}");
        }
        self
    }

    /// Standard output as JSON.
    ///
    /// # Panics
    /// It is not JSON.
    #[track_caller]
    #[must_use]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("no JSON ({error}): {self:#?}"))
    }
}

fn code_of(status: ExitStatus) -> i32 {
    status.code().unwrap_or_else(|| 128 + status.signal().unwrap())
}

fn read(path: &Path) -> String {
    String::from_utf8_lossy(&std::fs::read(path).unwrap_or_default()).into_owned()
}

/// Asks again and again, with growing pauses, until there is an answer or the time is over.
pub(crate) fn until<T>(limit: Duration, mut ask: impl FnMut() -> Option<T>) -> Option<T> {
    let end = Instant::now() + limit;
    let mut pause = Duration::from_micros(200);
    loop {
        if let Some(answer) = ask() {
            return Some(answer);
        }
        if Instant::now() > end {
            return None;
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(20));
    }
}

/// Waits until something holds, five seconds at most.
///
/// # Panics
/// It does not hold in time.
#[track_caller]
pub fn eventually(what: &str, holds: impl FnMut() -> bool) {
    eventually_within(Duration::from_secs(5), what, holds);
}

/// Waits until something holds that takes longer.
///
/// # Panics
/// It does not hold in time.
#[track_caller]
pub fn eventually_within(limit: Duration, what: &str, mut holds: impl FnMut() -> bool) {
    let held = until(limit, || holds().then_some(()));
    assert!(held.is_some(), "not within {limit:?}: {what}");
}
