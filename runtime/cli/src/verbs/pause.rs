//! `tare pause` and `tare resume`

use crate::arguments::Arguments;
use crate::log::Log;
use tare_engine::Result;

/// Stops every process of a container where it is.
pub(crate) fn pause(arguments: &Arguments, _: &mut Log) -> Result<u8> {
    tare_engine::pause::pause(&super::store(arguments), arguments.id()).map(|()| 0)
}

/// Lets a paused container go on.
pub(crate) fn resume(arguments: &Arguments, _: &mut Log) -> Result<u8> {
    tare_engine::pause::resume(&super::store(arguments), arguments.id()).map(|()| 0)
}
