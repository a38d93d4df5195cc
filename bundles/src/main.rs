//! The program `tare-bundle`: makes bundles and runs the demo.

mod demo;
mod manual;

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap::{CommandFactory as _, Parser, Subcommand};
use tare_bundle::bundle::Bundle;
use tare_bundle::config::Config;
use tare_bundle::example::{EXAMPLES, Example};

/// Make bundles for any OCI runtime
#[derive(Parser)]
#[command(name = "tare-bundle", version)]
struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// List the examples
    Examples,
    /// Make the bundle of an example
    Example {
        /// Name of the example
        name: String,
        /// Directory of the bundle; created if missing
        directory: PathBuf,
        /// Program inside the container. Default: tare-payload next to this program
        #[arg(long)]
        payload: Option<PathBuf>,
    },
    /// Run the demo: two containers on one bridge and a published port; needs root
    Demo(demo::Options),
    /// Make a bundle from a root file system
    New {
        /// Directory of the bundle; created if missing
        directory: PathBuf,
        /// Root file system
        #[arg(long)]
        root: PathBuf,
        /// Program and its arguments
        #[arg(last = true, required = true)]
        args: Vec<String>,
    },
    /// Print the man page
    #[command(hide = true)]
    Man,
}

fn main() -> ExitCode {
    match run(Arguments::parse().verb) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // When standard error is closed, the exit code has to do.
            let _ = writeln!(std::io::stderr(), "tare-bundle: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(verb: Verb) -> Result<()> {
    match verb {
        Verb::Examples => list(),
        Verb::Example { name, directory, payload } => {
            let payload = payload.map_or_else(installed_payload, Ok)?;
            Example::named(&name)?.make(&directory, &payload).map(drop)
        }
        Verb::Demo(options) => demo::play(&options),
        Verb::New { directory, root, args } => {
            let root = root.canonicalize().with_context(|| format!("cannot use {}", root.display()))?;
            let config = Config::docker()?.set("/root/path", root.to_string_lossy().into_owned()).args(&args);
            Bundle::create(&directory)?.write(&config)
        }
        Verb::Man => manual::print(Arguments::command()),
    }
}

fn list() -> Result<()> {
    let mut out = std::io::stdout().lock();
    for example in EXAMPLES {
        writeln!(out, "{:18} {}", example.name, example.shows)?;
    }
    Ok(())
}

/// The payload next to this program, where it is built and installed.
fn installed_payload() -> Result<PathBuf> {
    Ok(std::env::current_exe()?.with_file_name("tare-payload"))
}
