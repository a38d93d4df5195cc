//! Commands that read, write and list files.

use std::io::Write as _;
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};

/// Copies the named files, or standard input, to standard output.
pub(crate) fn cat(paths: &[String]) -> Result<ExitCode> {
    let mut out = std::io::stdout().lock();
    if paths.is_empty() {
        std::io::copy(&mut std::io::stdin().lock(), &mut out)?;
    }
    for path in paths {
        let bytes = std::fs::read(path).with_context(|| format!("cannot read {path}"))?;
        out.write_all(&bytes)?;
    }
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}

/// Writes the text to the file, and creates it if it is missing.
pub(crate) fn write(arguments: &[String]) -> Result<ExitCode> {
    let [path, text @ ..] = arguments else { bail!("needs PATH TEXT") };
    std::fs::write(path, text.join(" ")).with_context(|| format!("cannot write {path}"))?;
    Ok(ExitCode::SUCCESS)
}

/// Prints the names in a directory, sorted, one a line.
pub(crate) fn list(arguments: &[String]) -> Result<ExitCode> {
    let [path] = arguments else { bail!("needs PATH") };
    let mut names = Vec::new();
    for entry in std::fs::read_dir(path).with_context(|| format!("cannot list {path}"))? {
        names.push(entry?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    for name in names {
        writeln!(std::io::stdout(), "{name}")?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Prints its arguments on one line.
pub(crate) fn echo(words: &[String]) -> Result<ExitCode> {
    writeln!(std::io::stdout(), "{}", words.join(" "))?;
    Ok(ExitCode::SUCCESS)
}
