//! The status of a container, found out anew each time (runtime.md, "State").

use super::record::Record;
use super::store::Entry;
use crate::cgroup::freezer;
use crate::socket::connect_datagram;
use tare_plan::step::Status;

/// The status of a container now. It is never recorded, so it cannot be out of date: an init that waits for `start` answers on
/// its socket, and an init that has ended is gone.
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
