//! Delegation to IPAM plugins: found in `CNI_PATH`, run with the same environment and input.

use crate::error::{Error, Result};
use crate::json::Section;
use crate::request::{Command, Request};
use crate::result::AddResult;
use crate::version::Version;
use rustix::fs::{CWD, FileType, Mode, OFlags, fstat, openat};
use rustix::io::pread;
use serde_json::Value;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};

/// The build ID that `build.rs` links into our host-local, near the start of the file.
const MARK: &[u8] = b"tare host-local 1";

/// Searches `CNI_PATH` for a plugin (CNI specification, section 4).
///
/// # Errors
/// The name contains a slash, which could name any program of the host; the plugin does not exist.
pub(super) fn find(name: &str, path: &str) -> Result<PathBuf> {
    if name.contains('/') || name == "." || name == ".." {
        return Err(Error::config(format!("invalid plugin name: {name}")).about("ipam.type"));
    }
    let candidates =
        path.split(':').filter(|directory| !directory.is_empty()).map(|dir| Path::new(dir).join(name));
    candidates.into_iter().find(|candidate| candidate.is_file()).ok_or_else(|| {
        let directories: Vec<&str> = path.split(':').collect();
        let msg = format!("failed to find plugin \"{name}\" in path [{}]", directories.join(" "));
        Error::config(msg).about("ipam.type")
    })
}

/// Whether a program is our host-local of a release with the same lease format.
pub(super) fn is_ours(program: &Path) -> bool {
    let Ok(file) = openat(CWD, program, OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK, Mode::empty())
    else {
        return false;
    };
    let regular =
        fstat(&file).is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile);
    let mut head = [0; 4096];
    let length = if regular { pread(&file, &mut head, 0).unwrap_or(0) } else { 0 };
    head.get(..length).is_some_and(|head| head.windows(MARK.len()).any(|window| window == MARK))
}

/// An IPAM plugin that is run as a program.
#[derive(Debug)]
pub struct Program {
    /// The path.
    pub(super) path: PathBuf,
}

impl Program {
    /// Runs `ADD`, and `DEL` if the answer can't be used.
    pub(super) fn add(&self, request: &Request) -> Result<AddResult> {
        let answer = self.run(request, Command::Add).and_then(|answer| parse(&answer, request.version));
        if answer.is_err() {
            // The first error is the one to report. The specification demands the `DEL` ("run DEL on the delegate").
            let _ = self.run(request, Command::Del);
        }
        answer
    }

    /// Runs the program and returns its output.
    pub(super) fn run(&self, request: &Request, command: Command) -> Result<Vec<u8>> {
        let failed = |why: std::io::Error| Error::io(format!("run {}", self.path.display()), &why);
        let mut child = self.spawn(request, command).map_err(failed)?;
        feed(&mut child, &request.input);
        let output = child.wait_with_output().map_err(failed)?;
        match output.status.success() {
            true => Ok(output.stdout),
            false => Err(self.refusal(&output.stdout, &output.status.to_string())),
        }
    }

    fn spawn(&self, request: &Request, command: Command) -> std::io::Result<Child> {
        std::process::Command::new(&self.path)
            .env("CNI_COMMAND", command.text())
            .env("CNI_ARGS", tolerant(&request.environment.args))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
    }

    fn refusal(&self, printed: &[u8], status: &str) -> Error {
        let value = serde_json::from_slice::<Value>(printed).unwrap_or(Value::Null);
        let printed_error = Section::root(&value).and_then(|root| {
            let code = root.number("code")?.and_then(|code| u32::try_from(code).ok()).unwrap_or(999);
            Ok(Error { code, msg: root.text("msg")?.to_owned(), details: root.text("details")?.to_owned() })
        });
        printed_error.unwrap_or_else(|_| {
            let text = String::from_utf8_lossy(printed);
            Error::new(
                crate::error::Code::Io,
                format!("{} failed, {status}: {}", self.path.display(), text.trim()),
            )
        })
    }
}

/// A program may exit without reading all of its input. The write then fails, and the program's output has the reason.
fn feed(child: &mut Child, input: &[u8]) {
    if let Some(mut pipe) = child.stdin.take() {
        let _ = pipe.write_all(input);
    }
}

/// Returns `CNI_ARGS` with `IgnoreUnknown`, because some arguments are for this plugin.
fn tolerant(args: &str) -> String {
    match args {
        "" => String::new(),
        args if args.contains("IgnoreUnknown=") => args.to_owned(),
        args => format!("IgnoreUnknown=1;{args}"),
    }
}

fn parse(printed: &[u8], version: Version) -> Result<AddResult> {
    let value: Value = serde_json::from_slice(printed)
        .map_err(|why| Error::new(crate::error::Code::Decode, format!("IPAM result is not JSON: {why}")))?;
    match value {
        Value::Null => Ok(AddResult::default()),
        value => AddResult::read(&Section::root(&value)?, version),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_with_a_path_runs_nothing() {
        for name in ["../../bin/true", "/bin/true", "..", "."] {
            assert!(find(name, "/bin").unwrap_err().msg.starts_with("invalid plugin name"), "{name}");
        }
    }

    #[test]
    fn a_missing_type_names_the_searched_directories() {
        let error = find("no-such-plugin", "/a:/b").unwrap_err();
        assert_eq!(error.msg, "failed to find plugin \"no-such-plugin\" in path [/a /b]");
    }

    #[test]
    fn other_programs_are_not_identified_as_ours() {
        assert!(!is_ours(Path::new("/bin/sh")));
        assert!(!is_ours(Path::new("/no/such/file")));
        assert!(!is_ours(Path::new("/dev/zero")));
    }

    #[test]
    fn arguments_for_this_plugin_do_not_break_a_delegate() {
        assert_eq!(tolerant("MAC=x"), "IgnoreUnknown=1;MAC=x");
        assert_eq!(tolerant("A=b;IgnoreUnknown=0"), "A=b;IgnoreUnknown=0");
        assert_eq!(tolerant(""), "");
    }
}
