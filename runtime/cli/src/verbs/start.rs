//! `tare start`

use crate::arguments::Arguments;
use crate::state_directory;
use tare_engine::Result;

/// Starts the program of a created container.
pub(crate) fn start(arguments: &Arguments) -> Result<u8> {
    tare_engine::start::start(&state_directory::open(arguments), arguments.id()).map(|()| 0)
}
