//! criu, where there is one that can dump on this kernel.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// criu, if it says of itself that it works here: `CRIU` names it; without that it is looked for in PATH.
#[must_use]
pub fn criu() -> Option<PathBuf> {
    let named = std::env::var_os("CRIU").map_or_else(|| PathBuf::from("criu"), PathBuf::from);
    let checked = Command::new(&named).arg("check").stdout(Stdio::null()).stderr(Stdio::null()).status();
    checked.is_ok_and(|status| status.success()).then_some(named)
}

/// The PATH of an engine, which looks for a program called `criu` there: that of `CRIU` comes first, by a link below the
/// directory.
///
/// # Panics
/// The link can't be made.
#[must_use]
pub fn on_path(directory: &Path) -> OsString {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let Some(named) = std::env::var_os("CRIU") else { return path };
    let own = directory.join("criu-path");
    let link = own.join("criu");
    if !link.is_symlink() {
        std::fs::create_dir_all(&own).unwrap();
        std::os::unix::fs::symlink(named, link).unwrap();
    }
    let mut first = own.into_os_string();
    first.push(":");
    first.push(path);
    first
}

/// What criu finds out of the kernel and keeps for the next time.
pub const KNOWLEDGE: &str = "/run/criu.kdat";

/// criu, or the end of the test where there is none that works.
#[macro_export]
macro_rules! needs_criu {
    () => {
        match $crate::criu::criu() {
            Some(criu) => criu,
            None => $crate::skip!("there is no criu here that works on this kernel (CRIU names one)"),
        }
    };
}
