//! The verb `state` (runtime.md, "Query State"), and how a container's state is found out.

use crate::error::Result;
use crate::freezer;
use crate::record::Record;
use crate::socket::connect_datagram;
use crate::store::{Entry, Store};
use serde_json::{Value, json};
use tare_plan::step::Status;

/// The state of one container in runc's form: that of the specification, and `rootfs`, `created` and `owner` besides.
///
/// # Errors
/// When there is no such container.
pub fn state(store: &Store, id: &str) -> Result<Value> {
    let entry = store.look(id)?;
    let record = entry.record()?;
    let status = status(&entry, &record);
    let mut state = record.state(status);
    if let Some(fields) = state.as_object_mut() {
        fields.insert("rootfs".to_owned(), json!(record.rootfs));
        fields.insert("created".to_owned(), json!(record.created));
        fields.insert("owner".to_owned(), json!(""));
    }
    Ok(state)
}

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
