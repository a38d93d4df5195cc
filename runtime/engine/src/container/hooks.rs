//! The hooks after `create`: poststart and poststop. They are planned again from the configuration in the state directory.

use super::bundle;
use super::record::Record;
use super::store::Entry;
use crate::error::{Error, Result};
use crate::hook::{self, PreparedHook};
use rustix::fd::AsFd;
use tare_plan::hooks::late_hooks;
use tare_plan::step::{HookKind, Status};

/// Runs the poststart or poststop hooks and returns the errors. A failed poststart hook stops the later ones, a failed poststop
/// hook does not (runtime.md, "Lifecycle", steps 9 and 13).
pub(crate) fn run_hooks(entry: &Entry, record: &Record, kind: HookKind) -> Vec<Error> {
    if !record.late_hooks {
        return Vec::new();
    }
    try_hooks(entry, record, kind).unwrap_or_else(|error| vec![error])
}

fn try_hooks(entry: &Entry, record: &Record, kind: HookKind) -> Result<Vec<Error>> {
    let config = bundle::check(&entry.config()?)?;
    let hooks = late_hooks(&config, kind).map_err(Error::Config)?;
    let status = if kind == HookKind::Poststop { Status::Stopped } else { Status::Running };
    let state = hook::state_file(&record.state(status));
    let state = state.map_err(|fault| entry.error("write the state of", fault))?;
    let mut failed = Vec::new();
    for (index, planned) in hooks.iter().enumerate() {
        if let Err(fault) = hook::run(&PreparedHook::new(planned), state.as_fd(), None) {
            let fault = fault.detail((index as u32) << 16 | fault.detail);
            let (act, text) = (format!("run {} hooks", kind.name()), hook::path_of(&hooks, &fault));
            failed.push(Error::acted(act, fault, text, kind.place()));
            if kind == HookKind::Poststart {
                break;
            }
        }
    }
    Ok(failed)
}
