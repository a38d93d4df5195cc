//! `tare kill`

use crate::arguments::Arguments;
use crate::state_directory;
use tare_engine::kill::KillTarget;
use tare_engine::{Error, Result};
use tare_plan::tables::signals;

/// Sends a signal to a container.
pub(crate) fn kill(arguments: &Arguments) -> Result<u8> {
    let name = arguments.operands.get(1).map_or("SIGTERM", String::as_str);
    let signal = signals::parse(name).and_then(tare_engine::kill::signal);
    let signal = signal.ok_or_else(|| Error::Usage(format!("unknown signal {name:?}")))?;
    let target = if arguments.is_set("all") { KillTarget::All } else { KillTarget::Init };
    tare_engine::kill::kill(&state_directory::open(arguments), arguments.id(), signal, target).map(|()| 0)
}
