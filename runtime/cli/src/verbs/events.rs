//! `tare events`

use crate::arguments::Arguments;
use crate::{output, state_directory};
use std::process::ExitCode;
use tare_engine::events::{Event, Reader, interval};
use tare_engine::{Error, Result};

/// Prints the resource usage of a container: once, or at an interval together with its OOM kills.
pub(crate) fn events(arguments: &Arguments) -> Result<u8> {
    let (store, id) = (state_directory::open(arguments), arguments.id());
    if arguments.is_set("stats") {
        let data = Box::new(tare_engine::stats::stats(&store, id)?);
        report(&Event::Stats { id, data });
        return Ok(0);
    }
    let text = arguments.value("interval").unwrap_or("5s");
    let interval = interval(text)
        .ok_or_else(|| Error::Usage(format!("invalid --interval {text:?}: expected a time such as 5s")))?;
    tare_engine::events::events(&store, id, interval, &mut report).map(|()| 0)
}

/// Prints one event on one line.
fn report(event: &Event<'_>) -> Reader {
    if output::print(&output::json(event)) == ExitCode::SUCCESS { Reader::Reads } else { Reader::Gone }
}
