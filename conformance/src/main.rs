//! Conformance: checks any OCI runtime and any CNI plugin directory, one check per sentence of the specifications.
//!
//! Each check runs in namespaces of its own ([`bed`]), so that nothing of it is left however it ends. The parts:
//! [`runtime`] and [`cni`] hold the checks, `sentences/` the lists they answer, [`report`] the three forms of output.
//! Checks of security and of behaviour under faults will be suites of their own next to those two.

mod bed;
mod check;
mod cni;
mod command;
mod known;
mod manual;
mod report;
mod runner;
mod runtime;
mod sentences;
mod subject;

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, Result, ensure};
use clap::{CommandFactory as _, Parser, ValueEnum};

use crate::bed::{Bed, Stage};
use crate::check::Suite;
use crate::known::Known;
use crate::subject::Subject;

/// Every suite, in the order of the report.
const SUITES: &[&Suite] = &[&runtime::SUITE, &cni::SUITE];

/// Check OCI runtimes and CNI plugins against the sentences of their specifications
#[derive(Parser)]
#[command(name = "conformance", version)]
struct Arguments {
    /// Runtime, by its path or its name (looked up next to this program, then along PATH); repeatable
    #[arg(long, value_name = "PROGRAM")]
    runtime: Vec<String>,
    /// Directory of CNI plugins; repeatable
    #[arg(long, value_name = "DIR")]
    cni: Vec<String>,
    /// Format of the results
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
    /// Run only checks with this text in their name, place or sentence
    #[arg(long, value_name = "PATTERN", default_value = "")]
    only: String,
    /// File of known failures with their reasons; other failures, and known ones that pass, fail the run
    #[arg(long, value_name = "FILE")]
    known: Option<PathBuf>,
    /// Number of checks at a time
    #[arg(long, default_value_t = 2)]
    jobs: usize,
    /// Print the man page
    #[arg(long, hide = true)]
    man: bool,
    /// The stage of this process within a check; for internal use
    #[arg(long, hide = true)]
    inside: Option<Stage>,
    /// The check's marker.
    #[arg(long, hide = true, default_value = "")]
    marker: String,
    /// The one subject of the check.
    #[arg(long, hide = true, default_value = "")]
    subject: String,
    /// Its name.
    #[arg(long, hide = true, default_value = "")]
    called: String,
}

/// The forms of output.
#[derive(Clone, Copy, ValueEnum)]
enum Format {
    /// One line a check, one column a subject, and the failures below.
    Table,
    /// The Test Anything Protocol.
    Tap,
    /// One JSON object.
    Json,
}

fn main() -> Result<ExitCode> {
    let arguments = Arguments::parse();
    if arguments.man {
        return manual::print(Arguments::command()).map(|()| ExitCode::SUCCESS);
    }
    match arguments.inside {
        Some(stage) => inside(stage, arguments),
        None => outside(&arguments),
    }
}

/// Takes the next step towards one check, or runs it.
fn inside(stage: Stage, arguments: Arguments) -> Result<ExitCode> {
    let Arguments { only, marker, subject, called, .. } = arguments;
    let subject = Subject { name: called, path: subject.into() };
    let words = |next| runner::words(next, &only, &subject, &marker);
    match stage {
        Stage::Namespaces => bed::namespaces(&words(Stage::First)),
        Stage::First => bed::first(&words(Stage::Check), &subject),
        Stage::Check => {
            let check = SUITES.iter().flat_map(|suite| suite.checks()).find(|check| check.name == only);
            let check = check.with_context(|| format!("no check {only}"))?;
            let outcome = (check.run)(&Bed { subject, marker }).into();
            writeln!(std::io::stdout(), "{}", runner::told(&outcome))?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// Runs the chosen checks and prints the report.
fn outside(arguments: &Arguments) -> Result<ExitCode> {
    let sides = [
        (&runtime::SUITE, subject::runtimes(&arguments.runtime)?),
        (&cni::SUITE, subject::directories(&arguments.cni)?),
    ];
    ensure!(
        sides.iter().any(|(_, subjects)| !subjects.is_empty()),
        "nothing to check: give --runtime or --cni"
    );
    let known = match &arguments.known {
        Some(path) => {
            Known::read(&std::fs::read_to_string(path).with_context(|| path.display().to_string())?)?
        }
        None => Known::default(),
    };
    bed::sweep_old();
    let mut parts = Vec::new();
    for (suite, subjects) in sides.into_iter().filter(|(_, subjects)| !subjects.is_empty()) {
        parts.push(runner::run(suite, subjects, &arguments.only, arguments.jobs)?);
    }
    let text = match arguments.format {
        Format::Table => report::table(&parts, &known),
        Format::Tap => report::tap(&parts, &known),
        Format::Json => report::json(&parts, &known),
    };
    write!(std::io::stdout(), "{text}")?;
    let good = parts.iter().all(|part| known.surprises(part).is_empty());
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
