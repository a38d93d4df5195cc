//! The verb `list`: all containers of a state directory.

use crate::container::status::status;
use crate::container::store::Store;
use crate::error::Result;
use crate::verb::state::{State, describe};
use tare_plan::step::Status;

/// A container as `list` shows it.
#[derive(Debug)]
pub struct Listed {
    /// Its state, with an empty name of the owner.
    pub state: State,
    /// The status, which `state` has as text only.
    pub status: Status,
    /// The uid of the user who created it.
    pub owner: u32,
}

/// Returns all containers, sorted by ID. Containers that are deleted meanwhile or have no record yet are left out.
///
/// # Errors
/// When the state directory can't be read.
pub fn list(store: &Store) -> Result<Vec<Listed>> {
    let of = |id: String| {
        let entry = store.open_unlocked(&id).ok()?;
        let record = entry.record().ok()?;
        let (status, owner) = (status(&entry, &record), record.owner);
        Some(Listed { state: describe(record, status), status, owner })
    };
    Ok(store.ids()?.into_iter().filter_map(of).collect())
}
