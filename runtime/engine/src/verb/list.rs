//! The verb `list`: all containers of a store.

use crate::container::record::Record;
use crate::container::status::status;
use crate::container::store::Store;
use crate::error::Result;
use tare_plan::step::Status;

/// A container as `list` shows it.
#[derive(Debug)]
pub struct Listed {
    /// Its record.
    pub record: Record,
    /// What it is doing.
    pub status: Status,
}

/// All containers, in the order of their ids. One that is deleted meanwhile, or half made, is left out.
///
/// # Errors
/// When the store can't be read.
pub fn list(store: &Store) -> Result<Vec<Listed>> {
    let of = |id: String| {
        let entry = store.look(&id).ok()?;
        let record = entry.record().ok()?;
        Some(Listed { status: status(&entry, &record), record })
    };
    Ok(store.ids()?.into_iter().filter_map(of).collect())
}
