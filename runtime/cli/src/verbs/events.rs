//! `tare events`

use crate::arguments::Arguments;
use crate::log::Log;
use crate::output;
use serde_json::Value;
use std::process::ExitCode;
use tare_engine::events::{event, interval};
use tare_engine::{Error, Result};

/// Tells what a container uses: once, or whenever the interval has passed and when its memory has run out.
pub(crate) fn events(arguments: &Arguments, _: &mut Log) -> Result<u8> {
    let (store, id) = (super::store(arguments), arguments.id());
    if arguments.is_set("stats") {
        tell(&event(id, &tare_engine::stats::stats(&store, id)?));
        return Ok(0);
    }
    let text = arguments.value("interval").unwrap_or("5s");
    let interval = interval(text)
        .ok_or_else(|| Error::Usage(format!("invalid --interval {text:?}: expected a time such as 5s")))?;
    tare_engine::events::events(&store, id, interval, &mut tell).map(|()| 0)
}

/// Prints one event on one line; without a reader there is no reason to go on.
fn tell(event: &Value) -> bool {
    output::print(&format!("{event}\n")) == ExitCode::SUCCESS
}
