//! A file lock with a time limit (flock(2)).

use crate::alarm::Alarm;
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

/// Why a file could not be locked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LockError {
    /// Another process has held the lock for this time.
    Timeout(Duration),
    /// The error of flock(2) or timer_create(2).
    Kernel(Errno),
}

impl LockError {
    /// Returns the message for a lock that was not released in time; `lock` names it.
    pub fn timeout_message(limit: Duration, lock: &str) -> String {
        format!("waited {} seconds for lock {lock}", limit.as_secs())
    }
}

/// Locks a file exclusively and waits for the holder of the lock, but not longer than `limit`.
///
/// flock(2) has no time limit of its own, so that a timer's signal interrupts it. Waiting in the kernel keeps
/// the order of the waiting processes, which repeated attempts would not.
///
/// # Errors
/// [`LockError::Timeout`] after `limit`; else the kernel's error.
pub fn lock_exclusive(file: impl AsFd, limit: Duration) -> Result<(), LockError> {
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Err(Errno::WOULDBLOCK) => {}
        other => return other.map_err(LockError::Kernel),
    }
    let begin = Instant::now();
    let _alarm = Alarm::after(limit).map_err(LockError::Kernel)?;
    loop {
        match flock(&file, FlockOperation::LockExclusive) {
            Err(Errno::INTR) if begin.elapsed() < limit => {}
            Err(Errno::INTR) => return Err(LockError::Timeout(limit)),
            other => return other.map_err(LockError::Kernel),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;

    #[test]
    fn waiting_for_a_lock_ends_at_the_limit() {
        let path = std::env::temp_dir().join(format!("tare-lock-{}", std::process::id()));
        let (holder, other) = (File::create(&path).unwrap(), File::open(&path).unwrap());
        let limit = Duration::from_millis(20);
        lock_exclusive(&holder, limit).unwrap();
        assert_eq!(lock_exclusive(&other, limit), Err(LockError::Timeout(limit)));
        drop(holder);
        lock_exclusive(&other, limit).unwrap();
        std::fs::remove_file(&path).unwrap();
    }
}
