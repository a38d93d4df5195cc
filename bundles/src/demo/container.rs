//! One container of the demo, run through the runtime's command line. `Drop` deletes it with --force.

use std::fs::File;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;
use tare_bundle::bundle::Bundle;
use tare_bundle::network::inside;

use super::host::Host;

/// How long the demo waits for anything.
const PATIENCE: Duration = Duration::from_secs(10);

pub(crate) struct Container<'h> {
    pub(crate) id: String,
    host: &'h Host,
    bundle: Bundle,
    runtime: Runtime,
    pid: i64,
    deleted: bool,
}

/// A runtime: its program and its state directory.
pub(crate) struct Runtime {
    pub(crate) program: PathBuf,
    pub(crate) root: PathBuf,
}

impl<'h> Container<'h> {
    /// Describes a container. Only the runtime's state directory is created.
    pub(crate) fn new(host: &'h Host, id: String, bundle: Bundle, runtime: Runtime) -> Result<Self> {
        std::fs::create_dir_all(&runtime.root)?;
        Ok(Self { id, host, bundle, runtime, pid: 0, deleted: false })
    }

    fn call(&self, words: &[&str]) -> Result<String> {
        let namespace = self.host.namespace()?;
        let out = self.bundle.path().join("out");
        let err = self.bundle.path().join("err");
        let mut command = Command::new(&self.runtime.program);
        command.arg("--root").arg(&self.runtime.root).args(words).arg(&self.id).stdin(Stdio::null());
        if words.first() == Some(&"create") {
            // The container keeps these open: a pipe would end only with the container.
            command.stdout(File::create(&out)?).stderr(File::create(&err)?);
        }
        let output = inside(Some(&namespace), || command.output())?
            .with_context(|| format!("cannot run {}", self.runtime.program.display()))?;
        if !output.status.success() {
            let said = std::fs::read_to_string(&err).unwrap_or_default();
            bail!("{} {}: {}{said}", words.join(" "), self.id, String::from_utf8_lossy(&output.stderr));
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    pub(crate) fn create(&mut self) -> Result<()> {
        let bundle = self.bundle.path().to_string_lossy().into_owned();
        self.call(&["create", "--bundle", &bundle])?;
        self.pid = self.state()?.get("pid").and_then(Value::as_i64).context("the state has no pid")?;
        Ok(())
    }

    pub(crate) fn start(&self) -> Result<()> {
        self.call(&["start"]).map(drop)
    }

    pub(crate) fn state(&self) -> Result<Value> {
        serde_json::from_str(&self.call(&["state"])?).context("the state is not JSON")
    }

    pub(crate) fn network_namespace(&self) -> String {
        format!("/proc/{}/ns/net", self.pid)
    }

    /// Waits until the container has printed the text, and returns its line.
    pub(crate) fn printed(&self, text: &str) -> Result<String> {
        let out = self.bundle.path().join("out");
        wait(&format!("{} prints {text:?}", self.id), || {
            let all = std::fs::read_to_string(&out).unwrap_or_default();
            all.lines().find(|line| line.contains(text)).map(String::from)
        })
    }

    /// Sends SIGTERM to the container and waits until it has stopped.
    pub(crate) fn stop(&self) -> Result<()> {
        // `call` appends the ID, and the signal comes after it.
        let output = Command::new(&self.runtime.program)
            .arg("--root")
            .arg(&self.runtime.root)
            .args(["kill", &self.id, "TERM"])
            .output()?;
        if !output.status.success() {
            bail!("kill {}: {}", self.id, String::from_utf8_lossy(&output.stderr));
        }
        wait(&format!("{} stops", self.id), || {
            let state = self.state().ok()?;
            (state.get("status").and_then(Value::as_str) == Some("stopped")).then_some(())
        })
    }

    pub(crate) fn delete(&mut self) -> Result<()> {
        self.call(&["delete"])?;
        self.deleted = true;
        Ok(())
    }

    fn proc(&self, file: &str) -> Result<String> {
        let path = format!("/proc/{}/{file}", self.pid);
        std::fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))
    }

    /// The limits of memory and processes in the kernel, on either version of cgroups.
    pub(crate) fn limits(&self) -> Result<(String, String)> {
        let groups = self.proc("cgroup")?;
        let path = |controller: &str| {
            groups.lines().find_map(|line| {
                let (_, rest) = line.split_once(':')?;
                let (controllers, path) = rest.split_once(':')?;
                controllers.split(',').any(|one| one == controller).then(|| path.to_string())
            })
        };
        let read = |controller: &str, v1: &str, v2: &str| -> Result<String> {
            let file = match (path(controller), path("")) {
                (Some(path), _) => format!("/sys/fs/cgroup/{controller}{path}/{v1}"),
                (None, Some(path)) => format!("/sys/fs/cgroup{path}/{v2}"),
                (None, None) => bail!("no cgroup: {groups}"),
            };
            Ok(std::fs::read_to_string(&file)
                .with_context(|| format!("cannot read {file}"))?
                .trim()
                .to_string())
        };
        Ok((read("memory", "memory.limit_in_bytes", "memory.max")?, read("pids", "pids.max", "pids.max")?))
    }

    /// Whether it has a seccomp filter.
    pub(crate) fn filtered(&self) -> Result<&'static str> {
        let status = self.proc("status")?;
        let mode = status.lines().find_map(|line| line.strip_prefix("Seccomp:")).map(str::trim);
        Ok(if mode == Some("2") { "yes" } else { "no" })
    }

    /// Its own namespaces, those that this process does not share.
    pub(crate) fn namespaces(&self) -> Result<Vec<&'static str>> {
        let mut own = Vec::new();
        for kind in ["mnt", "pid", "net", "ipc", "uts", "user", "cgroup", "time"] {
            let inside = std::fs::read_link(format!("/proc/{}/ns/{kind}", self.pid))?;
            if inside != std::fs::read_link(format!("/proc/self/ns/{kind}"))? {
                own.push(kind);
            }
        }
        Ok(own)
    }

    /// The type of its root file system.
    pub(crate) fn root_kind(&self) -> Result<String> {
        let mounts = self.proc("mountinfo")?;
        let line =
            mounts.lines().find(|line| line.split(' ').nth(4) == Some("/")).context("no root is mounted")?;
        Ok(line.split(" - ").nth(1).and_then(|rest| rest.split(' ').next()).unwrap_or("?").to_string())
    }

    /// The addresses of its interfaces.
    pub(crate) fn addresses(&self) -> Result<String> {
        let namespace = File::open(self.network_namespace())?;
        let output =
            inside(Some(&namespace), || Command::new("ip").args(["-oneline", "address", "show"]).output())??;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let one = |line: &str| {
            let words: Vec<&str> = line.split_whitespace().collect();
            Some(format!("{} {}", words.get(1)?, words.get(3)?))
        };
        Ok(text.lines().filter_map(one).collect::<Vec<_>>().join(", "))
    }
}

impl Drop for Container<'_> {
    fn drop(&mut self) {
        if !self.deleted {
            // The demo reports its first error.
            let _ = self.call(&["delete", "--force"]);
        }
    }
}

fn wait<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> Result<T> {
    let end = Instant::now() + PATIENCE;
    loop {
        if let Some(answer) = ask() {
            return Ok(answer);
        }
        if Instant::now() > end {
            bail!("not within {PATIENCE:?}: {what}");
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}
