//! `tare start`

use crate::arguments::Arguments;
use crate::log::Log;
use tare_engine::Result;

/// Starts the program of a created container.
pub(crate) fn start(arguments: &Arguments, _: &mut Log) -> Result<u8> {
    tare_engine::start::start(&super::store(arguments), arguments.id()).map(|()| 0)
}
