//! The log: lines in runc's two forms, on standard error or in a file.
//!
//! Podman reads a whole log file as one JSON object, and containerd looks for the last error in it. So warnings are held
//! back until the verb has done its work, and an error is the only thing that a failed verb writes.

use crate::arguments::Arguments;
use serde_json::json;
use std::fs::File;
use std::io::Write;
use std::time::{SystemTime, UNIX_EPOCH};
use tare_engine::{Error, Result};

/// Where lines go, and those that are held back.
#[derive(Debug)]
pub(crate) struct Log {
    file: Option<File>,
    form: Form,
    debug: bool,
    held: Vec<(&'static str, String)>,
}

/// The form of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// `time="…" level=error msg="…"`
    Text,
    /// `{"level":"error","msg":"…","time":"…"}`
    Json,
}

impl Log {
    /// The log that the options ask for.
    pub(crate) fn open(arguments: &Arguments) -> Result<Self> {
        let form = match arguments.global("log-format") {
            None | Some("text") => Form::Text,
            Some("json") => Form::Json,
            Some(other) => {
                return Err(Error::Usage(format!("invalid log-format: {other:?}, it is text or json")));
            }
        };
        let open = |path: &str| {
            let file = File::options().append(true).create(true).open(path);
            file.map_err(|error| Error::Usage(format!("cannot open the log {path}: {error}")))
        };
        let file = arguments.global("log").map(open).transpose()?;
        Ok(Self { file, form, debug: arguments.is_global_set("debug"), held: Vec::new() })
    }

    /// A log on standard error, for what goes wrong before another one is open.
    pub(crate) fn to_stderr() -> Self {
        Self { file: None, form: Form::Text, debug: false, held: Vec::new() }
    }

    /// Notes what is odd without being wrong.
    pub(crate) fn warn(&mut self, message: impl ToString) {
        self.held.push(("warning", message.to_string()));
    }

    /// Whether what is done is to be logged.
    pub(crate) fn is_debug(&self) -> bool {
        self.debug
    }

    /// Notes what is done, for `--debug`.
    pub(crate) fn debug(&mut self, message: impl ToString) {
        self.held.push(("debug", message.to_string()));
    }

    /// Writes what was held back.
    pub(crate) fn finish(&mut self) {
        for (level, message) in std::mem::take(&mut self.held) {
            self.write(level, &message);
        }
    }

    /// Writes an error. With a log file, standard error gets the plain message as well.
    pub(crate) fn fail(mut self, error: &Error) {
        if self.debug {
            self.finish();
        }
        let message = error.to_string();
        self.write("error", &message);
        if self.file.is_some() {
            stderr(&format!("{message}\n"));
        }
    }

    /// Writes one line with one call, so that lines of several processes do not mix.
    fn write(&mut self, level: &str, message: &str) {
        let time = now();
        let line = match self.form {
            Form::Text => format!("time=\"{time}\" level={level} msg={message:?}\n"),
            Form::Json => format!("{}\n", json!({ "level": level, "msg": message, "time": time })),
        };
        match &mut self.file {
            // A log that can't be written has nobody left to be told.
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
