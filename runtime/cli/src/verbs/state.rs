//! `tare state`

use crate::arguments::Arguments;
use crate::log::Log;
use crate::output;
use tare_engine::Result;

/// Prints the state of a container.
pub(crate) fn state(arguments: &Arguments, _: &mut Log) -> Result<u8> {
    let state = tare_engine::state::state(&super::store(arguments), arguments.id())?;
    output::print(&format!("{state:#}\n"));
    Ok(0)
}
