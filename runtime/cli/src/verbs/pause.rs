//! `tare pause` and `tare resume`

use crate::arguments::Arguments;
use crate::state_directory;
use tare_engine::Result;

/// Freezes every process of a container.
pub(crate) fn pause(arguments: &Arguments) -> Result<u8> {
    tare_engine::pause::pause(&state_directory::open(arguments), arguments.id()).map(|()| 0)
}

/// Thaws every process of a paused container.
pub(crate) fn resume(arguments: &Arguments) -> Result<u8> {
    tare_engine::pause::resume(&state_directory::open(arguments), arguments.id()).map(|()| 0)
}
