//! criu, where there is one that can dump on this kernel.

use std::path::PathBuf;
use std::process::{Command, Stdio};

/// criu, if it says of itself that it works here: `CRIU` names it; without that it is looked for in PATH.
#[must_use]
pub fn criu() -> Option<PathBuf> {
    let named = std::env::var_os("CRIU").map_or_else(|| PathBuf::from("criu"), PathBuf::from);
    let checked = Command::new(&named).arg("check").stdout(Stdio::null()).stderr(Stdio::null()).status();
    checked.is_ok_and(|status| status.success()).then_some(named)
}

/// What criu finds out of the kernel and keeps for the next time.
pub const KNOWLEDGE: &str = "/run/criu.kdat";
