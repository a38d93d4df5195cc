//! The program: makes bundles, and plays the demo.

mod demo;

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap::{Parser, Subcommand};
use tare_bundle::bundle::Bundle;
use tare_bundle::config::Config;
use tare_bundle::example::{EXAMPLES, Example};

/// Makes bundles that any OCI runtime can run.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// List the ready examples.
    Examples,
    /// Make a ready example in a directory.
    Example {
        /// Which one.
        name: String,
        /// Where.
        directory: PathBuf,
        /// The program to put inside, by default the one beside this.
        #[arg(long)]
        payload: Option<PathBuf>,
    },
    /// Play the demo: two containers on one bridge, a published port, and nothing left. Needs root.
    Demo(demo::Options),
    /// Make a bundle of a root file system.
    New {
        /// Where.
        directory: PathBuf,
        /// The root file system.
        #[arg(long)]
        root: PathBuf,
        /// The program to run and its arguments.
        #[arg(last = true, required = true)]
        args: Vec<String>,
    },
}

fn main() -> ExitCode {
    match run(Arguments::parse().verb) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nobody is left to tell when standard error is closed.
            let _ = writeln!(std::io::stderr(), "tare-bundle: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(verb: Verb) -> Result<()> {
    match verb {
        Verb::Examples => list(),
        Verb::Example { name, directory, payload } => {
            let payload = payload.map_or_else(beside, Ok)?;
            Example::named(&name)?.make(&directory, &payload).map(drop)
        }
        Verb::Demo(options) => demo::play(&options),
        Verb::New { directory, root, args } => {
            let root = root.canonicalize().with_context(|| format!("cannot use {}", root.display()))?;
            let config = Config::docker()?.set("/root/path", root.to_string_lossy().into_owned()).args(&args);
            Bundle::create(&directory)?.write(&config)
        }
    }
}

fn list() -> Result<()> {
    let mut out = std::io::stdout().lock();
    for example in EXAMPLES {
        writeln!(out, "{:18} {}", example.name, example.shows)?;
    }
    Ok(())
}

/// The payload as it is built and installed: next to this program.
fn beside() -> Result<PathBuf> {
    Ok(std::env::current_exe()?.with_file_name("tare-payload"))
}
