//! The verb `state` (runtime.md, "Query State").

use crate::container::status::status;
use crate::container::store::Store;
use crate::error::Result;
use serde_json::{Value, json};

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
