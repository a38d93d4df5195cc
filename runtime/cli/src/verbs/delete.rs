//! `tare delete`

use crate::arguments::Arguments;
use crate::log::Log;
use crate::state_directory;
use tare_engine::Result;
use tare_engine::delete::Force;

/// Deletes a container.
pub(crate) fn delete(arguments: &Arguments, log: &mut Log) -> Result<u8> {
    let force = if arguments.is_set("force") { Force::Any } else { Force::Stopped };
    let store = state_directory::open(arguments);
    tare_engine::delete::delete(&store, arguments.id(), force, &mut |warning| log.warn(warning)).map(|()| 0)
}
