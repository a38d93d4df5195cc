//! `tare features`

use crate::output;
use tare_engine::Result;

/// Prints what this runtime can do (features.md), and nothing else: engines read standard output and error as one.
pub(crate) fn features() -> Result<u8> {
    output::print(&format!("{:#}\n", tare_plan::features::features()));
    Ok(0)
}
