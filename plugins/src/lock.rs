//! Locks between plugin processes.

use crate::error::{Code, Error, Result};
use std::os::fd::AsFd;
use std::time::Duration;
use tare_sys::lock::{LockError, lock_exclusive};

/// A plugin holds a lock for some milliseconds. A process that holds it for this long hangs, and the container runtime that
/// waits for this plugin must not hang with it.
const LIMIT: Duration = Duration::from_secs(60);

/// Locks a file exclusively; `what` is its name in errors.
///
/// # Errors
/// Code 11 after [`LIMIT`]; the kernel's.
pub(crate) fn exclusive(file: impl AsFd, what: &str) -> Result<()> {
    lock_exclusive(file, LIMIT).map_err(|error| worded(error, what))
}

fn worded(error: LockError, what: &str) -> Error {
    match error {
        LockError::Timeout(limit) => Error::new(Code::TryAgain, LockError::timeout_message(limit, what)),
        LockError::Kernel(why) => Error::kernel(format!("lock {what}"), why),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_that_is_never_released_is_an_error_to_try_again() {
        let error = worded(LockError::Timeout(LIMIT), "/run/it");
        assert_eq!((error.code, error.msg.as_str()), (11, "waited 60 seconds for lock /run/it"));
    }
}
