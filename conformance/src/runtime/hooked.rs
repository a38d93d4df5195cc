//! The hooks of a check, and what they have seen.

use std::path::PathBuf;

use anyhow::{Result, ensure};
use serde_json::Value;
use tare_bundle::config::Config;

use crate::bed::Bed;
use crate::command::eventually;
use crate::runtime::stage::{Stage, at};
use crate::subject::next_to_this;

/// The hooks of a check: the payload writes a line for each that runs, into a directory that both sides see.
pub(super) struct Hooks {
    /// Where the lines lie.
    pub(super) directory: PathBuf,
}

impl Hooks {
    /// No hook yet.
    pub(super) fn new(stage: &Stage) -> Result<Self> {
        let directory = stage.files().join("hooks");
        std::fs::create_dir_all(&directory)?;
        Ok(Self { directory })
    }

    /// Adds a hook that ends with the code.
    pub(super) fn add(&self, config: Config, kind: &str, (name, code): (&str, u8)) -> Result<Config> {
        let code = code.to_string();
        let config = match config.value().to_string().contains("\"/hooks\"") {
            true => config,
            false => config.bind(&self.directory.to_string_lossy(), "/hooks", &["rw"]),
        };
        if kind == "startContainer" {
            return Ok(config.hook(kind, &["/bin/payload", "hook", "/hooks/lines", name, &code]));
        }
        let program = next_to_this("tare-payload")?.to_string_lossy().into_owned();
        let file = self.directory.join("lines").to_string_lossy().into_owned();
        Ok(config.hook(kind, &[&program, "hook", &file, name, &code]))
    }

    /// What the hooks that ran have seen, in their order.
    pub(super) fn lines(&self) -> Result<Vec<Value>> {
        let text = std::fs::read_to_string(self.directory.join("lines")).unwrap_or_default();
        // The last line may be in the writing still.
        let whole = text.split_inclusive('\n').filter(|line| line.ends_with('\n'));
        whole.map(|line| Ok(serde_json::from_str(line)?)).collect()
    }

    /// The names of the hooks that ran, in their order.
    pub(super) fn names(&self) -> Result<Vec<String>> {
        let lines = self.lines()?;
        Ok(lines.iter().filter_map(|line| at(line, "/hook").as_str()).map(str::to_owned).collect())
    }

    /// Two hooks of the kind run in the container's life, in their order.
    pub(super) fn run(bed: &Bed, kind: &str) -> Result<()> {
        let stage = Stage::new(bed)?;
        let hooks = Self::new(&stage)?;
        let config = hooks.add(stage.config(&["sleep", "60"])?, kind, ("first", 0))?;
        let mut container = stage.container(hooks.add(config, kind, ("second", 0))?)?;
        container.create()?;
        container.start()?;
        container.removes()?;
        let names = hooks.names()?;
        ensure!(names == ["first", "second"], "these ran: {names:?}");
        Ok(())
    }

    /// A hook of the kind that fails makes create fail and leaves no container; poststop hooks run.
    pub(super) fn failing_at_create(bed: &Bed, kind: &str) -> Result<()> {
        let stage = Stage::new(bed)?;
        let hooks = Self::new(&stage)?;
        let config = hooks.add(stage.config(&["echo", "it", "runs"])?, kind, ("bad", 3))?;
        let mut container = stage.container(hooks.add(config, "poststop", ("after", 0))?)?;
        container.try_create(&[])?.fails()?;
        ensure!(container.printed().is_empty(), "the program ran");
        ensure!(container.try_state()?.code != 0, "the container is there");
        let names = hooks.names()?;
        ensure!(names == ["bad", "after"], "these hooks ran: {names:?}");
        Ok(())
    }

    /// A hook of the kind that fails makes start fail and stops the container, whose poststop hooks run.
    pub(super) fn failing_at_start(bed: &Bed, kind: &str) -> Result<()> {
        let stage = Stage::new(bed)?;
        let hooks = Self::new(&stage)?;
        let config = hooks.add(stage.config(&["sleep", "60"])?, kind, ("bad", 3))?;
        let mut container = stage.container(hooks.add(config, "poststop", ("after", 0))?)?;
        container.create()?;
        let pid = container.pid()?;
        container.verb(&["start"])?.fails()?;
        eventually("its process is dead", || Ok(is_dead(pid)))?;
        let names = hooks.names()?;
        ensure!(names == ["bad", "after"], "these hooks ran: {names:?}");
        Ok(())
    }
}

fn is_dead(pid: i64) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    status.is_empty() || status.contains("State:\tZ")
}
