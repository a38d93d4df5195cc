//! Locks that plugins take from each other, and how long they wait for one.

use crate::error::{Code, Error, Result};
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};
use tare_sys::alarm::Alarm;

/// A plugin holds a lock for some milliseconds; whoever holds it for so long hangs.
const PATIENCE: Duration = Duration::from_secs(60);

/// Locks a file that `what` names (flock(2)) and waits for whoever has it, but not without end: a runtime that waits for a
/// plugin waits for all that the plugin waits for.
///
/// # Errors
/// Code 11: somebody else has held it for a minute; the kernel's.
pub(crate) fn exclusive(file: impl AsFd, what: &str) -> Result<()> {
    exclusive_within(file, what, PATIENCE)
}

fn exclusive_within(file: impl AsFd, what: &str, patience: Duration) -> Result<()> {
    let failed = |why| Error::kernel(format!("lock {what}"), why);
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Err(Errno::WOULDBLOCK) => {}
        other => return other.map_err(failed),
    }
    let begin = Instant::now();
    // The kernel gives a lock to those who wait in their order, which looking again and again would not.
    let _alarm = Alarm::after(patience).map_err(failed)?;
    loop {
        match flock(&file, FlockOperation::LockExclusive) {
            Err(Errno::INTR) if begin.elapsed() < patience => {}
            Err(Errno::INTR) => return Err(given_up(what, patience)),
            other => return other.map_err(failed),
        }
    }
}

fn given_up(what: &str, patience: Duration) -> Error {
    let seconds = patience.as_secs();
    Error::new(Code::TryAgain, format!("{what} has been locked by somebody else for {seconds} seconds"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;

    #[test]
    fn a_lock_that_is_never_given_up_is_not_waited_for_without_end() {
        let path = std::env::temp_dir().join(format!("tare-lock-{}", std::process::id()));
        let (holder, other) = (File::create(&path).unwrap(), File::open(&path).unwrap());
        exclusive(&holder, "it").unwrap();
        let error = exclusive_within(&other, "the lock", Duration::from_millis(20)).unwrap_err();
        assert_eq!(
            (error.code, error.msg.as_str()),
            (11, "the lock has been locked by somebody else for 0 seconds")
        );
        drop(holder);
        exclusive(&other, "it").unwrap();
        std::fs::remove_file(&path).unwrap();
    }
}
