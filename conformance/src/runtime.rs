//! Checks of runtimes, by the OCI runtime specification.

use std::path::Path;
use std::process::Command;

use anyhow::{Result, ensure};

use crate::Check;

pub(crate) const CHECKS: &[Check] = &[
    Check {
        place: "runtime.md, Query State",
        sentence: "This operation MUST generate an error if it is not provided the ID of a container.",
        run: |runtime| refused(runtime, &["state"]),
    },
    Check {
        place: "runtime.md, Query State",
        sentence: "Attempting to query a container that does not exist MUST generate an error.",
        run: |runtime| refused(runtime, &["state", "no-such-container"]),
    },
    Check {
        place: "runtime.md, Start",
        sentence: "This operation MUST generate an error if it is not provided the container ID.",
        run: |runtime| refused(runtime, &["start"]),
    },
];

fn refused(runtime: &Path, words: &[&str]) -> Result<()> {
    let output = Command::new(runtime).args(words).output()?;
    ensure!(!output.status.success(), "{} succeeded", words.join(" "));
    Ok(())
}
