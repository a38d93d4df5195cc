//! The status of a container, found out anew each time (runtime.md, "State").

use super::record::Record;
use super::store::Entry;
use crate::cgroup::freezer;
use crate::socket::connect_datagram;
use tare_plan::step::Status;

/// What a container is doing now. Nothing is written down of it that could be out of date: who waits to be started answers
/// on its socket, who has ended is gone.
pub fn status(entry: &Entry, record: &Record) -> Status {
    let Some(init) = &record.init else { return Status::Creating };
    if !init.is_alive() {
        Status::Stopped
    } else if freezer::is_frozen(&record.cgroups) {
        Status::Paused
    } else if connect_datagram(&entry.socket_path()).is_ok() {
        Status::Created
    } else {
        Status::Running
    }
}
