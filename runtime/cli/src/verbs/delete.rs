//! `tare delete`

use crate::arguments::Arguments;
use crate::log::Log;
use tare_engine::Result;
use tare_engine::delete::Force;

/// Deletes a container.
pub(crate) fn delete(arguments: &Arguments, log: &mut Log) -> Result<u8> {
    let force = if arguments.is_set("force") { Force::Any } else { Force::Stopped };
    let store = super::store(arguments);
    tare_engine::delete::delete(&store, arguments.id(), force, &mut |warning| log.warn(warning)).map(|()| 0)
}
