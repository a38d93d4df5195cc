//! The payload: a static program that runs in the containers of examples, tests and the demo.
//!
//! It runs as process 1, so each long-running command ends on SIGTERM and reaps orphans.

mod behaviour;
mod files;
mod network;
mod probe;
mod report;
mod signals;

use std::io::Write as _;
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};

/// A command: takes its arguments and returns the exit code.
type Command = fn(&[String]) -> Result<ExitCode>;

/// Every command: its name, its arguments as help shows them, and its function.
const COMMANDS: &[(&str, &str, Command)] = &[
    ("serve", "PORT [TEXT]", network::serve),
    ("serve-udp", "PORT [TEXT]", network::serve_udp),
    ("notify", "LINE", network::notify),
    ("fetch", "http://HOST:PORT/PATH | udp://HOST:PORT", network::fetch),
    ("report", "[PATH...]", report::report),
    ("hook", "FILE NAME [EXIT-CODE]", report::hook),
    ("sleep", "SECONDS", signals::sleep),
    ("trap", "SIGNAL...", signals::trap),
    ("init", "COMMAND [ARG...]", signals::init),
    ("true", "", behaviour::succeed),
    ("fail", "CODE", behaviour::fail),
    ("die", "SIGNAL", behaviour::die),
    ("alloc", "BYTES", behaviour::alloc),
    ("fork", "N", behaviour::fork),
    ("leave", "SECONDS", behaviour::leave),
    ("burn", "MILLISECONDS", behaviour::burn),
    ("syscall", "NAME...", probe::syscall),
    ("cat", "[PATH...]", files::cat),
    ("write", "PATH TEXT", files::write),
    ("list", "PATH", files::list),
    ("echo", "[WORD...]", files::echo),
    ("do", "'COMMAND ARG...'...", several),
];

/// Runs several commands in order, each from one argument with space-separated words, up to the first that fails.
fn several(lines: &[String]) -> Result<ExitCode> {
    for line in lines {
        let words: Vec<String> = line.split_whitespace().map(String::from).collect();
        let code = dispatch(&words)?;
        if code != ExitCode::SUCCESS {
            return Ok(code);
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn dispatch(words: &[String]) -> Result<ExitCode> {
    let Some((name, arguments)) = words.split_first() else { bail!("no command: {}", usage()) };
    let (_, _, command) = COMMANDS
        .iter()
        .find(|(known, _, _)| known == name)
        .with_context(|| format!("no command '{name}': {}", usage()))?;
    command(arguments).with_context(|| name.clone())
}

fn usage() -> String {
    let each: Vec<String> =
        COMMANDS.iter().map(|(name, arguments, _)| format!("{name} {arguments}")).collect();
    format!("one of {}", each.join(", "))
}

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match dispatch(&words) {
        Ok(code) => code,
        Err(error) => {
            // When standard error is closed, the exit code has to do.
            let _ = writeln!(std::io::stderr(), "payload: {error:#}");
            ExitCode::FAILURE
        }
    }
}
