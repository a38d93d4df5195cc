//! `tare run`

use super::create::{make, publish_pid};
use crate::arguments::Arguments;
use crate::log::Log;
use tare_engine::run::{AfterEnd, hold_signals, run as run_to_the_end, start_detached};
use tare_engine::{Result, self_exe};
use tare_plan::context::Detach;

/// Creates and starts a container and, unless detached, waits for its end and returns its exit code.
pub(crate) fn run(arguments: &Arguments, log: &mut Log) -> Result<u8> {
    self_exe::protect()?;
    if arguments.is_set("detach") {
        let created = publish_pid(arguments, make(arguments, log, Detach::Yes)?, log)?;
        return start_detached(created, &mut |warning| log.warn(warning)).map(|()| 0);
    }
    hold_signals();
    if !arguments.is_set("no-subreaper") {
        tare_engine::run::adopt_orphans()?;
    }
    let created = publish_pid(arguments, make(arguments, log, Detach::No)?, log)?;
    let after = if arguments.is_set("keep") { AfterEnd::Keep } else { AfterEnd::Delete };
    let code = run_to_the_end(created, after, &mut |warning| log.warn(warning))?;
    Ok(u8::try_from(code).unwrap_or(u8::MAX))
}
