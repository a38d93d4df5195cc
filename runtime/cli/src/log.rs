//! The log, in runc's two formats, on standard error or in a file.
//!
//! Warnings are held back until the verb has ended. They come before the error of a verb that fails. containerd looks for the
//! last error of the file. Podman reads a whole JSON log file as one object: there the error is alone, and the warnings go to
//! standard error.

use crate::arguments::Arguments;
use serde_json::json;
use std::fs::File;
use std::io::Write;
use std::time::{SystemTime, UNIX_EPOCH};
use tare_engine::create::Observer;
use tare_engine::{Error, Result};
use tare_plan::plan::Plan;
use tare_plan::spec::Mistake;

/// The log, and the lines that are held back.
#[derive(Debug)]
pub(crate) struct Log {
    file: Option<File>,
    format: Format,
    debug: bool,
    held: Vec<(&'static str, String)>,
}

/// The format of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    /// `time="…" level=error msg="…"`
    Text,
    /// `{"level":"error","msg":"…","time":"…"}`
    Json,
}

impl Log {
    /// Opens the log that the options name.
    pub(crate) fn open(arguments: &Arguments) -> Result<Self> {
        let format = match arguments.global("log-format") {
            None | Some("text") => Format::Text,
            Some("json") => Format::Json,
            Some(other) => {
                return Err(Error::Usage(format!("invalid log-format: {other:?}, it is text or json")));
            }
        };
        let open = |path: &str| {
            let file = File::options().append(true).create(true).open(path);
            file.map_err(|error| Error::Usage(format!("cannot open the log {path}: {error}")))
        };
        let file = arguments.global("log").map(open).transpose()?;
        Ok(Self { file, format, debug: arguments.is_global_set("debug"), held: Vec::new() })
    }

    /// A log on standard error, for errors before the options are known.
    pub(crate) fn to_stderr() -> Self {
        Self { file: None, format: Format::Text, debug: false, held: Vec::new() }
    }

    /// Adds a warning.
    pub(crate) fn warn(&mut self, message: impl ToString) {
        self.held.push(("warning", message.to_string()));
    }

    /// Whether `--debug` is set.
    pub(crate) fn is_debug(&self) -> bool {
        self.debug
    }

    /// Adds a line for `--debug`.
    pub(crate) fn debug(&mut self, message: impl ToString) {
        self.held.push(("debug", message.to_string()));
    }

    /// Writes the lines that were held back.
    pub(crate) fn finish(&mut self) {
        for (level, message) in std::mem::take(&mut self.held) {
            self.write(level, &message);
        }
    }

    /// Writes an error. With a log file, the plain message also goes to standard error.
    pub(crate) fn fail(mut self, error: &Error) {
        if self.debug || self.file.is_none() || self.format == Format::Text {
            self.finish();
        }
        for (level, message) in std::mem::take(&mut self.held) {
            stderr(&format!("{level}: {message}\n"));
        }
        let message = error.to_string();
        self.write("error", &message);
        if self.file.is_some() {
            stderr(&format!("{message}\n"));
        }
    }

    /// Writes one line with one write(2), so that lines of several processes do not mix.
    fn write(&mut self, level: &str, message: &str) {
        let time = now();
        let line = match self.format {
            Format::Text => format!("time=\"{time}\" level={level} msg={message:?}\n"),
            Format::Json => format!("{}\n", json!({ "level": level, "msg": message, "time": time })),
        };
        match &mut self.file {
            // If the log cannot be written, there is no other place to report that.
            Some(file) => drop(file.write_all(line.as_bytes())),
            None => stderr(&line),
        }
    }
}

fn stderr(text: &str) {
    let _ = std::io::stderr().write_all(text.as_bytes());
}

fn now() -> String {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    tare_engine::time::rfc3339(std::time::Duration::from_secs(since.as_secs()))
}

impl Observer for Log {
    fn warn(&mut self, warning: &Mistake) {
        Self::warn(self, warning);
    }

    fn plan(&mut self, plan: &Plan) {
        if self.debug {
            plan.to_string().lines().for_each(|line| self.debug(line.trim()));
        }
    }
}
