//! The verb `state` (runtime.md, "Query State").

use crate::container::record::Record;
use crate::container::status::status;
use crate::container::store::Store;
use crate::error::Result;
use serde::Serialize;
use std::collections::BTreeMap;
use tare_plan::step::Status;

/// The state of a container in runc's format and order: the fields of the specification, and `rootfs`, `created` and `owner`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct State {
    /// The version of the specification that the configuration names.
    pub oci_version: String,
    /// The container ID.
    pub id: String,
    /// The pid of init on the host; 0 for a stopped container.
    pub pid: i32,
    /// `creating`, `created`, `running`, `paused` or `stopped`.
    pub status: &'static str,
    /// The bundle's absolute path.
    pub bundle: String,
    /// The root file system's absolute path.
    pub rootfs: String,
    /// The time of the creation as in RFC 3339.
    pub created: String,
    /// The configuration's annotations.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// The name of the user who created the container. `state` leaves it empty, as runc does. `list` fills it in.
    pub owner: String,
}

/// Returns the state of a container.
///
/// # Errors
/// When the container does not exist.
pub fn state(store: &Store, id: &str) -> Result<State> {
    let entry = store.open_unlocked(id)?;
    let record = entry.record()?;
    let status = status(&entry, &record);
    Ok(describe(record, status))
}

/// Converts a record to a state.
pub(crate) fn describe(record: Record, status: Status) -> State {
    State {
        pid: record.pid(status),
        oci_version: record.oci_version,
        id: record.id,
        status: status.name(),
        bundle: record.bundle,
        rootfs: record.rootfs,
        created: record.created,
        annotations: record.annotations,
        owner: String::new(),
    }
}
