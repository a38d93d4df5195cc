//! A bundle: a directory with a `config.json` (bundle.md).

use crate::error::{Error, Result};
use crate::fault::{Call, Fault};
use rustix::io::Errno;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use tare_plan::spec::{self, Checked};

/// A bundle with a valid configuration.
pub struct Bundle {
    /// Its absolute path.
    pub path: String,
    /// The bytes of `config.json`. The file is read once, so a later change of it has no effect.
    pub bytes: Vec<u8>,
    /// The checked configuration.
    pub config: Checked,
}

impl Bundle {
    /// Reads and checks the configuration of the bundle at `path`.
    ///
    /// # Errors
    /// When the file can't be read, or has mistakes: all of them.
    pub fn open(path: &Path) -> Result<Self> {
        let (path, bytes) = read(path)?;
        let config = check(&bytes)?;
        Ok(Self { path, bytes, config })
    }

    /// Returns a copy with additional environment variables and mounts after the configured ones.
    ///
    /// # Errors
    /// Every mistake in the new configuration.
    pub(crate) fn extended(&self, variables: &[String], mounts: &[Value]) -> Result<Self> {
        let mut value: Value = serde_json::from_slice(&self.bytes).unwrap_or_default();
        let variables = variables.iter().map(|text| json!(text));
        push(value.get_mut("process"), "env", variables);
        push(Some(&mut value), "mounts", mounts.iter().cloned());
        let bytes = value.to_string().into_bytes();
        let config = check(&bytes)?;
        Ok(Self { path: self.path.clone(), bytes, config })
    }
}

/// Appends to a list of an object. A missing list is created.
fn push(object: Option<&mut Value>, key: &str, more: impl Iterator<Item = Value>) {
    let Some(object) = object.and_then(Value::as_object_mut) else { return };
    let list = object.entry(key).or_insert_with(|| json!([]));
    if let Some(list) = list.as_array_mut() {
        list.extend(more);
    }
}

/// Returns the absolute path of a bundle and the bytes of its configuration, unchecked.
///
/// # Errors
/// When the file can't be read.
pub fn read(path: &Path) -> Result<(String, Vec<u8>)> {
    let fault =
        |error: &std::io::Error| Fault::new(Call::Open, Errno::from_io_error(error).unwrap_or(Errno::IO));
    let absolute: PathBuf = std::fs::canonicalize(path)
        .map_err(|error| Error::act(format!("open the bundle {}", path.display()), fault(&error)))?;
    let file = absolute.join("config.json");
    let bytes = std::fs::read(&file)
        .map_err(|error| Error::act(format!("read the configuration {}", file.display()), fault(&error)))?;
    Ok((absolute.to_string_lossy().into_owned(), bytes))
}

/// Reads and checks a configuration.
///
/// # Errors
/// Every mistake in the configuration.
pub(crate) fn check(bytes: &[u8]) -> Result<Checked> {
    spec::load(bytes).and_then(spec::check).map_err(Error::Config)
}
