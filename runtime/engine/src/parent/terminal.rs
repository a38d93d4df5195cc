//! Who takes a container's terminal.

use crate::error::{Error, Result};
use tare_plan::spec::Process;

/// Whether the caller stays with the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stay {
    /// Until its end: a terminal is the caller's own.
    Attached,
    /// No longer than it takes to make it: a terminal needs somebody who takes it.
    Detached,
}

/// A terminal needs somebody who takes it, and a console socket needs a terminal.
///
/// # Errors
/// When one is there without the other, in the words of runc.
pub fn check_terminal(process: &Process, stay: Stay, console_socket: Option<&str>) -> Result<()> {
    let handed = process.terminal && stay == Stay::Detached;
    match (handed, console_socket) {
        (true, None) => Err(Error::Usage(
            "cannot allocate tty if runc will detach without setting console socket".to_owned(),
        )),
        (false, Some(_)) => {
            Err(Error::Usage("cannot use console socket if runc will not detach or allocate tty".to_owned()))
        }
        _ => Ok(()),
    }
}
