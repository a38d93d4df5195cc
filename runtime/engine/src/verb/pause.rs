//! The verbs `pause` and `resume`.

use crate::cgroup::freezer;
use crate::container::status::status;
use crate::container::store::Store;
use crate::error::{Error, Result};
use tare_plan::step::Status;

/// Stops every process of a container where it is.
///
/// # Errors
/// When there is no such container, when it has ended or is paused already, or when its processes can't be stopped.
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

/// Lets every process of a paused container go on.
///
/// # Errors
/// When there is no such container, or when it is not paused.
pub fn resume(store: &Store, id: &str) -> Result<()> {
    let entry = store.open(id)?;
    let record = entry.record()?;
    match status(&entry, &record) {
        Status::Paused => freezer::thaw(&record.cgroups).map_err(|fault| entry.error("resume", fault)),
        _ => Err(Error::NotPaused),
    }
}
