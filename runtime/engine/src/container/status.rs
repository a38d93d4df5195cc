//! The status of a container (runtime.md, "State").

use super::record::Record;
use super::store::Entry;
use crate::cgroup::freezer;
use crate::socket::connect_datagram;
use tare_plan::step::Status;

/// Finds the current status of a container.
///
/// The status is not in the record, because the container changes it by itself. The init of a created container still has the
/// start socket open; the connection is closed at once and sends nothing.
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
