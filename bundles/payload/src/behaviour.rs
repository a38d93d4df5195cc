//! Commands that end, fail, or use resources.

use std::io::Write as _;
use std::process::{Command, ExitCode, Stdio};
use std::str::FromStr as _;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use nix::sys::signal::{Signal, raise};
use serde_json::json;

/// Exits with 0 at once.
pub(crate) fn succeed(_: &[String]) -> Result<ExitCode> {
    Ok(ExitCode::SUCCESS)
}

/// Exits with the given code, 0 to 255.
pub(crate) fn fail(arguments: &[String]) -> Result<ExitCode> {
    let [code] = arguments else { bail!("needs CODE") };
    Ok(ExitCode::from(code.parse::<u8>().context("the code")?))
}

/// Sends itself a signal. Process 1 of a pid namespace survives a signal without a handler, and reports that.
pub(crate) fn die(arguments: &[String]) -> Result<ExitCode> {
    let [name] = arguments else { bail!("needs SIGNAL") };
    let signal = signal(name)?;
    raise(signal)?;
    // Rust's standard library handles the first SIGSEGV or SIGBUS to report a stack overflow; the next one kills.
    raise(signal)?;
    bail!("still alive after {name}")
}

/// Parses the name of a signal, with or without SIG.
pub(crate) fn signal(name: &str) -> Result<Signal> {
    let full = if name.starts_with("SIG") { name.to_string() } else { format!("SIG{name}") };
    Signal::from_str(&full).with_context(|| format!("no signal {name}"))
}

/// Allocates memory and touches every page of it.
pub(crate) fn alloc(arguments: &[String]) -> Result<ExitCode> {
    let [bytes] = arguments else { bail!("needs BYTES") };
    let bytes: usize = bytes.parse().context("the number of bytes")?;
    let mut memory = vec![0_u8; bytes];
    for page in memory.chunks_mut(4096) {
        if let Some(first) = page.first_mut() {
            *first = 1;
        }
    }
    let touched = memory.iter().step_by(4096).map(|byte| usize::from(*byte)).sum::<usize>();
    writeln!(std::io::stdout(), "touched {touched} pages")?;
    Ok(ExitCode::SUCCESS)
}

/// Starts N sleeping children, prints as JSON how many it could start, and kills them.
pub(crate) fn fork(arguments: &[String]) -> Result<ExitCode> {
    let [count] = arguments else { bail!("needs N") };
    let count: usize = count.parse().context("the number of children")?;
    let mut children = Vec::new();
    let mut error = None;
    for _ in 0..count {
        match sleeper("60").spawn() {
            Ok(child) => children.push(child),
            Err(refused) => {
                error = Some(refused);
                break;
            }
        }
    }
    let code = error.and_then(|error| error.raw_os_error());
    let answer = json!({"spawned": children.len(), "error": code.map(errno_name)});
    writeln!(std::io::stdout(), "{answer}")?;
    for mut child in children {
        child.kill()?;
        child.wait()?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The kernel's name of an error number, such as EAGAIN.
pub(crate) fn errno_name(number: i32) -> String {
    format!("{:?}", nix::errno::Errno::from_raw(number))
}

/// Leaves a sleeping child behind and ends.
pub(crate) fn leave(arguments: &[String]) -> Result<ExitCode> {
    let [seconds] = arguments else { bail!("needs SECONDS") };
    let child = sleeper(seconds).spawn()?;
    writeln!(std::io::stdout(), "{}", child.id())?;
    Ok(ExitCode::SUCCESS)
}

/// Uses one CPU for a time, and prints the CPU time that it got, in milliseconds.
pub(crate) fn burn(arguments: &[String]) -> Result<ExitCode> {
    let [milliseconds] = arguments else { bail!("needs MILLISECONDS") };
    let wanted = Duration::from_millis(milliseconds.parse().context("the milliseconds")?);
    let start = Instant::now();
    let mut turns = 0_u64;
    while start.elapsed() < wanted {
        turns = turns.wrapping_add(1);
    }
    let usage = nix::sys::resource::getrusage(nix::sys::resource::UsageWho::RUSAGE_SELF)?;
    let used = usage.user_time().tv_sec() * 1000 + usage.user_time().tv_usec() / 1000;
    writeln!(std::io::stdout(), "{}", json!({"user_ms": used, "turns": turns}))?;
    Ok(ExitCode::SUCCESS)
}

fn sleeper(seconds: &str) -> Command {
    let mut command = Command::new("/proc/self/exe");
    command.args(["sleep", seconds]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}
