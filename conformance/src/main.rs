//! Conformance: checks any OCI runtime and any CNI plugin directory, one check per sentence of the specifications.
//!
//! Just begun: the shape is here, with the first checks of each side. Output is in the Test Anything Protocol.

mod plugins;
mod runtime;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;

/// One sentence of a specification, and how it is tried.
struct Check {
    /// Where the sentence stands.
    place: &'static str,
    /// The sentence.
    sentence: &'static str,
    /// Tries it on a runtime's program or a directory of plugins; an error says what was seen instead.
    run: fn(&Path) -> Result<()>,
}

/// Checks a runtime, a directory of plugins, or both.
#[derive(Parser)]
struct Arguments {
    /// The runtime's program.
    #[arg(long)]
    runtime: Option<PathBuf>,
    /// The directory of plugins.
    #[arg(long)]
    plugins: Option<PathBuf>,
}

fn main() -> Result<ExitCode> {
    let arguments = Arguments::parse();
    let sides = [(arguments.runtime, runtime::CHECKS), (arguments.plugins, plugins::CHECKS)];
    let wanted: Vec<(PathBuf, &Check)> = sides
        .into_iter()
        .filter_map(|(subject, checks)| Some((subject?, checks)))
        .flat_map(|(subject, checks)| checks.iter().map(move |check| (subject.clone(), check)))
        .collect();
    let mut out = std::io::stdout().lock();
    writeln!(out, "1..{}", wanted.len())?;
    let mut code = ExitCode::SUCCESS;
    for (number, (subject, check)) in wanted.iter().enumerate() {
        let outcome = (check.run)(subject);
        let word = if outcome.is_ok() { "ok" } else { "not ok" };
        writeln!(out, "{word} {} - {} ({})", number + 1, check.sentence, check.place)?;
        if let Err(error) = outcome {
            writeln!(out, "# {error:#}")?;
            code = ExitCode::FAILURE;
        }
    }
    Ok(code)
}
