//! The command: a program that a check runs, with its output in files and an end to every wait.
//!
//! Output goes to files and not to pipes, since a container keeps the standard streams of `create` open.

use std::ffi::OsStr;
use std::fs::File;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;

/// How long a command may take.
const DEADLINE: Duration = Duration::from_secs(10);
static NEXT: AtomicU32 = AtomicU32::new(0);

/// A command about to be run.
pub(crate) struct Command {
    inner: std::process::Command,
    files: PathBuf,
}

/// A command that runs.
pub(crate) struct Running {
    child: Child,
    files: PathBuf,
    shown: String,
}

/// What a command came to.
#[derive(Clone, Debug)]
pub(crate) struct Output {
    /// The exit code; 128 plus the signal when one killed it.
    pub(crate) code: i32,
    /// Standard output so far.
    pub(crate) out: String,
    /// Standard error so far.
    pub(crate) err: String,
    shown: String,
}

impl Command {
    /// A command whose output will lie in the directory.
    pub(crate) fn new(program: impl AsRef<OsStr>, files: &Path) -> Self {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let mut inner = std::process::Command::new(program);
        inner.stdin(Stdio::null());
        Self { inner, files: files.join(format!("call-{number}")) }
    }

    /// Changes it in whatever way the standard library allows.
    pub(crate) fn with(mut self, change: impl FnOnce(&mut std::process::Command)) -> Self {
        change(&mut self.inner);
        self
    }

    /// Adds arguments.
    pub(crate) fn args<S: AsRef<OsStr>>(self, words: impl IntoIterator<Item = S>) -> Self {
        self.with(|command| {
            command.args(words);
        })
    }

    /// Starts it.
    pub(crate) fn spawn(mut self) -> Result<Running> {
        let out = File::create(self.files.with_extension("out"))?;
        let err = File::create(self.files.with_extension("err"))?;
        self.inner.stdout(out).stderr(err);
        let words: Vec<_> = self.inner.get_args().map(OsStr::to_string_lossy).collect();
        let name = Path::new(self.inner.get_program()).file_name().unwrap_or_default().to_string_lossy();
        let shown = format!("{name} {}", words.join(" "));
        let child = self.inner.spawn().with_context(|| format!("cannot run {shown}"))?;
        Ok(Running { child, files: self.files, shown })
    }

    /// Runs it to its end, which must come in time.
    pub(crate) fn run(self) -> Result<Output> {
        self.spawn()?.wait()
    }
}

impl Running {
    /// Waits for its end, which must come in time.
    pub(crate) fn wait(&mut self) -> Result<Output> {
        let child = &mut self.child;
        let status = until(DEADLINE, || child.try_wait().map_err(Into::into))?;
        let Some(status) = status else { bail!("{}: not done after {DEADLINE:?}", self.shown) };
        let code = status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or_default());
        Ok(Output {
            code,
            out: self.printed(),
            err: read(&self.files.with_extension("err")),
            shown: self.shown.clone(),
        })
    }

    /// The output so far, of the process and of others that share its streams.
    pub(crate) fn printed(&self) -> String {
        read(&self.files.with_extension("out"))
    }
}

impl Output {
    /// The same, for a command that has to succeed.
    pub(crate) fn succeeds(self) -> Result<Self> {
        ensure!(self.code == 0, "{} failed with {}: {}", self.shown, self.code, self.err.trim());
        Ok(self)
    }

    /// The same, for a command that has to fail by an error of its own.
    pub(crate) fn fails(self) -> Result<Self> {
        ensure!(self.code != 0, "{} succeeded: {}{}", self.shown, self.out.trim(), self.err.trim());
        ensure!(self.code < 128 || self.code == 255, "{} was killed: {}", self.shown, self.code);
        Ok(self)
    }

    /// Standard output as JSON.
    pub(crate) fn json(&self) -> Result<Value> {
        serde_json::from_str(&self.out).with_context(|| format!("{}: no JSON: {:.200}", self.shown, self.out))
    }
}

fn read(path: &Path) -> String {
    String::from_utf8_lossy(&std::fs::read(path).unwrap_or_default()).into_owned()
}

/// Asks again and again, with growing pauses, until there is an answer or the time is over.
pub(crate) fn until<T>(limit: Duration, mut ask: impl FnMut() -> Result<Option<T>>) -> Result<Option<T>> {
    let end = Instant::now() + limit;
    let mut pause = Duration::from_micros(200);
    loop {
        if let Some(answer) = ask()? {
            return Ok(Some(answer));
        }
        if Instant::now() > end {
            return Ok(None);
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(10));
    }
}

/// Waits until something holds, five seconds at most.
pub(crate) fn eventually(what: &str, mut holds: impl FnMut() -> Result<bool>) -> Result<()> {
    let held = until(Duration::from_secs(5), || Ok(holds()?.then_some(())))?;
    held.with_context(|| format!("not within five seconds: {what}"))
}
