//! The verbs `pause` and `resume`, by the freezer.

use crate::cgroup::freezer;
use crate::container::status::status;
use crate::container::store::Store;
use crate::error::{Error, Result};
use tare_plan::step::Status;

/// Suspends every process of a container.
///
/// # Errors
/// When the container does not exist, is stopped or already paused, or when a process does not freeze in time.
pub fn pause(store: &Store, id: &str) -> Result<()> {
    let entry = store.open(id)?;
    let record = entry.record()?;
    match status(&entry, &record) {
        Status::Running | Status::Created => {
            freezer::freeze(&record.cgroups).map_err(|fault| entry.error("pause", fault))
        }
        _ => Err(Error::NotRunning),
    }
}

/// Resumes every process of a paused container.
///
/// # Errors
/// When the container does not exist or is not paused.
pub fn resume(store: &Store, id: &str) -> Result<()> {
    let entry = store.open(id)?;
    let record = entry.record()?;
    match status(&entry, &record) {
        Status::Paused => freezer::thaw(&record.cgroups).map_err(|fault| entry.error("resume", fault)),
        _ => Err(Error::NotPaused),
    }
}
