//! `tare state`

use crate::arguments::Arguments;
use crate::{output, state_directory};
use tare_engine::Result;

/// Prints the state of a container.
pub(crate) fn state(arguments: &Arguments) -> Result<u8> {
    let state = tare_engine::state::state(&state_directory::open(arguments), arguments.id())?;
    output::print(&output::pretty_json(&state));
    Ok(0)
}
