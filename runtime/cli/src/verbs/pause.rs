//! `tare pause` and `tare resume`

use crate::arguments::Arguments;
use crate::state_directory;
use tare_engine::Result;

/// Stops every process of a container where it is.
pub(crate) fn pause(arguments: &Arguments) -> Result<u8> {
    tare_engine::pause::pause(&state_directory::open(arguments), arguments.id()).map(|()| 0)
}

/// Lets a paused container go on.
pub(crate) fn resume(arguments: &Arguments) -> Result<u8> {
    tare_engine::pause::resume(&state_directory::open(arguments), arguments.id()).map(|()| 0)
}
