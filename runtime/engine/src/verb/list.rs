//! The verb `list`: all containers of a store.

use crate::container::status::status;
use crate::container::store::Store;
use crate::error::Result;
use crate::verb::state::{State, describe};
use tare_plan::step::Status;

/// A container as `list` shows it.
#[derive(Debug)]
pub struct Listed {
    /// Its state; the owner's name is left empty.
    pub state: State,
    /// The status, which `state` has as text.
    pub status: Status,
    /// The uid of the user who created it.
    pub owner: u32,
}

/// All containers, in the order of their ids, without those that are deleted meanwhile or only half made.
///
/// # Errors
/// When the store can't be read.
pub fn list(store: &Store) -> Result<Vec<Listed>> {
    let of = |id: String| {
        let entry = store.look(&id).ok()?;
        let record = entry.record().ok()?;
        let (status, owner) = (status(&entry, &record), record.owner);
        Some(Listed { state: describe(record, status), status, owner })
    };
    Ok(store.ids()?.into_iter().filter_map(of).collect())
}
