//! Checks of plugins, by the CNI specification.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use crate::Check;

pub(crate) const CHECKS: &[Check] = &[Check {
    place: "SPEC.md, VERSION: probe plugin version support",
    sentence: "The plugin should output via standard-out a json-serialized version result object.",
    run: |directory| each(directory, versions),
}];

/// Tries every program in the directory.
fn each(directory: &Path, check: fn(&Path) -> Result<()>) -> Result<()> {
    let names = ["bridge", "host-local", "loopback", "portmap"];
    let programs: Vec<_> =
        names.iter().map(|name| directory.join(name)).filter(|program| program.is_file()).collect();
    ensure!(!programs.is_empty(), "no plugin in {}", directory.display());
    programs.iter().try_for_each(|program| check(program).with_context(|| program.display().to_string()))
}

fn versions(plugin: &Path) -> Result<()> {
    let output = Command::new(plugin).env("CNI_COMMAND", "VERSION").stdin(Stdio::null()).output()?;
    ensure!(output.status.success(), "it failed: {}", String::from_utf8_lossy(&output.stdout));
    let answer: Value = serde_json::from_slice(&output.stdout).context("no JSON")?;
    let supported = answer.get("supportedVersions").and_then(Value::as_array);
    ensure!(supported.is_some_and(|all| !all.is_empty()), "no supportedVersions in {answer}");
    Ok(())
}
