//! The stage: containers of the runtime that is checked, and how its verbs are called.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use tare_bundle::bundle::{Bundle, PAYLOAD};
use tare_bundle::config::Config;

use crate::bed::Bed;
use crate::command::{Command, Output, Running, eventually};
use crate::subject::next_to_this;

static NEXT: AtomicU32 = AtomicU32::new(0);

/// The runtime, with a root directory of its own.
pub(super) struct Stage<'a> {
    bed: &'a Bed,
}

/// A container, or what will be one.
pub(super) struct Container<'a> {
    stage: &'a Stage<'a>,
    /// Its id.
    pub(super) id: String,
    /// The bundle's directory.
    pub(super) bundle: PathBuf,
    created: Option<Running>,
}

impl<'a> Stage<'a> {
    /// The stage in a bed.
    pub(super) fn new(bed: &'a Bed) -> Result<Self> {
        std::fs::create_dir_all("/run/runtime")?;
        Ok(Self { bed })
    }

    /// A directory for the check's own files.
    pub(super) fn files(&self) -> &'static Path {
        self.bed.files()
    }

    /// A call of the runtime with its root directory and these words.
    pub(super) fn call(&self, words: &[&str]) -> Command {
        let call = Command::new(&self.bed.subject.path, self.files());
        call.args(["--root", "/run/runtime"]).args(words).with(|command| {
            command.env_remove("XDG_RUNTIME_DIR").env_remove("NOTIFY_SOCKET").current_dir(self.files());
        })
    }

    /// Calls and waits.
    pub(super) fn run(&self, words: &[&str]) -> Result<Output> {
        self.call(words).run()
    }

    /// Calls what has to fail.
    pub(super) fn refuses(&self, words: &[&str]) -> Result<()> {
        self.run(words)?.fails().map(drop)
    }

    /// An id that no other check uses.
    pub(super) fn id(&self) -> String {
        format!("{}-{}", self.bed.marker, NEXT.fetch_add(1, Ordering::Relaxed))
    }

    /// The least configuration, to run the payload with these words: all namespaces, no capability.
    pub(super) fn config(&self, words: &[&str]) -> Result<Config> {
        // Peers as old as Debian's refuse newer versions of the specification; one check tries those.
        let config = Config::plain()?.set("/ociVersion", "1.0.2");
        Ok(config.args(&[&[PAYLOAD], words].concat()))
    }

    /// A container of that configuration in a bundle of its own; nothing is created yet.
    pub(super) fn container(&'a self, config: Config) -> Result<Container<'a>> {
        let id = self.id();
        let bundle = Bundle::create(&self.files().join(&id))?;
        let payload = next_to_this("tare-payload")?;
        ensure!(payload.is_file(), "no {}: cargo build --bins makes it", payload.display());
        bundle.payload_root("rootfs", &payload)?;
        let config = match config.value().pointer("/linux/cgroupsPath") {
            Some(_) => config,
            None => config.cgroup(&format!("/{id}")),
        };
        bundle.write(&config)?;
        Ok(Container { stage: self, id, bundle: bundle.path().into(), created: None })
    }

    /// Runs the configuration to its end, which has to be good.
    pub(super) fn runs(&self, config: Config) -> Result<Output> {
        self.try_run(config)?.succeeds()
    }

    /// Runs the configuration to its end.
    pub(super) fn try_run(&self, config: Config) -> Result<Output> {
        let container = self.container(config)?;
        let bundle = container.bundle.to_string_lossy().into_owned();
        self.run(&["run", "--bundle", &bundle, &container.id])
    }

    /// Runs the payload's report under the configuration; `paths` are what it probes besides.
    pub(super) fn report(&self, config: Config, paths: &[&str]) -> Result<Value> {
        self.runs(config.args(&[&[PAYLOAD, "report"], paths].concat()))?.json()
    }

    /// Checks that a configuration is refused by create, and that nothing exists afterwards.
    pub(super) fn refuses_config(&self, config: Config) -> Result<()> {
        let mut container = self.container(config)?;
        container.try_create(&[])?.fails()?;
        ensure!(container.try_state()?.code != 0, "create failed and left the container");
        Ok(())
    }

    /// Checks that a container without a process is not started. A runtime that needs it for create already says so there.
    pub(super) fn needs_a_process(&self) -> Result<()> {
        let mut container = self.container(self.config(&[])?.remove("/process"))?;
        if container.try_create(&[])?.code == 0 {
            container.verb(&["start"])?.fails()?;
        }
        Ok(())
    }
}

impl Container<'_> {
    /// The root file system.
    pub(super) fn rootfs(&self) -> PathBuf {
        self.bundle.join("rootfs")
    }

    /// Calls `create` with further options.
    pub(super) fn try_create(&mut self, options: &[&str]) -> Result<Output> {
        let bundle = self.bundle.to_string_lossy().into_owned();
        let words = [&["create", "--bundle", &bundle], options, &[&self.id]].concat();
        let mut running = self.stage.call(&words).spawn()?;
        let output = running.wait()?;
        self.created = Some(running);
        Ok(output)
    }

    /// Calls `create`, which has to succeed.
    pub(super) fn create(&mut self) -> Result<()> {
        self.try_create(&[])?.succeeds().map(drop)
    }

    /// Calls a verb with options and the id last.
    pub(super) fn verb(&self, words: &[&str]) -> Result<Output> {
        self.stage.run(&[words, &[&self.id]].concat())
    }

    /// Calls `start`, which has to succeed.
    pub(super) fn start(&self) -> Result<()> {
        self.verb(&["start"])?.succeeds().map(drop)
    }

    /// Calls `kill` with the signal.
    pub(super) fn kill(&self, signal: &str) -> Result<Output> {
        self.stage.run(&["kill", &self.id, signal])
    }

    /// Calls `state`.
    pub(super) fn try_state(&self) -> Result<Output> {
        self.verb(&["state"])
    }

    /// The state, which has to be there.
    pub(super) fn state(&self) -> Result<Value> {
        self.try_state()?.succeeds()?.json()
    }

    /// The status in the state.
    pub(super) fn status(&self) -> Result<String> {
        let state = self.state()?;
        Ok(state.get("status").and_then(Value::as_str).context("no status")?.to_owned())
    }

    /// The process id in the state.
    pub(super) fn pid(&self) -> Result<i64> {
        self.state()?.get("pid").and_then(Value::as_i64).context("no pid")
    }

    /// Waits until the container has the status.
    pub(super) fn becomes(&self, status: &str) -> Result<()> {
        eventually(&format!("the container is {status}"), || Ok(self.status()? == status))
    }

    /// Checks the status.
    pub(super) fn is(&self, status: &str) -> Result<()> {
        let seen = self.status()?;
        ensure!(seen == status, "the container is {seen} and not {status}");
        Ok(())
    }

    /// What the container has printed since `create`.
    pub(super) fn printed(&self) -> String {
        self.created.as_ref().map(Running::printed).unwrap_or_default()
    }

    /// Waits until the container has printed the text.
    pub(super) fn prints(&self, text: &str) -> Result<()> {
        eventually(&format!("the container prints {text:?}"), || Ok(self.printed().contains(text)))
    }

    /// Ends the container and deletes it.
    pub(super) fn removes(&self) -> Result<()> {
        self.kill("KILL")?.succeeds()?;
        self.becomes("stopped")?;
        self.verb(&["delete"])?.succeeds().map(drop)
    }

    /// Where the kernel keeps the container's cgroup of that controller.
    pub(super) fn cgroup(&self, controller: &str) -> PathBuf {
        let top = Path::new("/sys/fs/cgroup");
        let v2 = top.join("cgroup.controllers").exists();
        if v2 { top.join(&self.id) } else { top.join(controller).join(&self.id) }
    }
}

/// A value of a report, by its JSON pointer.
pub(super) fn at<'v>(report: &'v Value, pointer: &str) -> &'v Value {
    report.pointer(pointer).unwrap_or(&Value::Null)
}

/// Checks that a value of a report is what it has to be.
pub(super) fn is(report: &Value, pointer: &str, wanted: impl Into<Value>) -> Result<()> {
    let wanted = wanted.into();
    let seen = at(report, pointer);
    ensure!(*seen == wanted, "{pointer} is {seen} and not {wanted}");
    Ok(())
}

/// A bind mount of the check's own file or directory.
pub(super) fn bind(source: &Path, destination: &str, options: &[&str]) -> Value {
    json!({"destination": destination, "type": "bind", "source": source, "options": options})
}
