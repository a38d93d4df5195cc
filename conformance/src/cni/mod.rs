//! Checks of plugins, by the CNI specification.

use std::path::PathBuf;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use crate::bed::Bed;
use crate::check::{Check, Suite};
use crate::command::Command;

/// The suite.
pub(crate) static SUITE: Suite = Suite {
    title: "CNI specification 1.1.0",
    sentences: include_str!("../../sentences/cni.txt"),
    groups: &[PROTOCOL],
    peers: &[],
};

const PROTOCOL: &[Check] = &[Check {
    name: "version-is-an-object",
    place: "SPEC.md#version-probe-plugin-version-support",
    sentence: "The plugin should output via standard-out a json-serialized version result object.",
    run: |bed| each(bed, versions),
}];

/// Tries every program in the directory.
fn each(bed: &Bed, check: fn(&Bed, PathBuf) -> Result<()>) -> Result<()> {
    let names = ["bridge", "host-local", "loopback", "portmap"];
    let programs: Vec<_> =
        names.iter().map(|name| bed.subject.path.join(name)).filter(|program| program.is_file()).collect();
    ensure!(!programs.is_empty(), "no plugin in {}", bed.subject.path.display());
    programs.into_iter().try_for_each(|program| {
        let name = program.display().to_string();
        check(bed, program).context(name)
    })
}

fn versions(bed: &Bed, plugin: PathBuf) -> Result<()> {
    let call = Command::new(plugin, bed.files()).with(|command| {
        command.env("CNI_COMMAND", "VERSION");
    });
    let answer = call.run()?.succeeds()?.json()?;
    let supported = answer.get("supportedVersions").and_then(Value::as_array);
    ensure!(supported.is_some_and(|all| !all.is_empty()), "no supportedVersions in {answer}");
    Ok(())
}
