//! `tare plan`

use super::create::{open_bundle, request};
use crate::arguments::Arguments;
use crate::log::Log;
use crate::output;
use std::path::Path;
use tare_engine::create::{Bundle, plan as plan_bundle};
use tare_engine::{Error, Result};

/// Prints every step of `create`. It changes nothing and needs no privileges.
pub(crate) fn plan(arguments: &Arguments, log: &mut Log) -> Result<u8> {
    let bundle = match arguments.operands.first() {
        Some(path) => Bundle::open(Path::new(path))?,
        None => open_bundle(arguments)?,
    };
    let name = Path::new(&bundle.path).file_name().unwrap_or_default().to_string_lossy().into_owned();
    let request = tare_plan::context::Request { id: &name, ..request(arguments, &bundle)? };
    let plan = plan_bundle(&bundle, &tare_engine::create::host(&request)?, &request)?;
    let text = match arguments.value("format") {
        None | Some("text") => plan.to_string(),
        Some("json") => format!("{:#}\n", plan.to_json()),
        Some(other) => {
            return Err(Error::Usage(format!("invalid format option: {other:?}, it is text or json")));
        }
    };
    bundle.config.warnings().iter().chain(&plan.warnings).for_each(|warning| log.warn(warning));
    output::print(&text);
    Ok(0)
}
