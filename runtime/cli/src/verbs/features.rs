//! `tare features`

use crate::output;
use tare_engine::Result;

/// Prints the features (features.md) and nothing else: engines read standard output and standard error as one stream.
pub(crate) fn features() -> Result<u8> {
    output::print(&format!("{:#}\n", tare_plan::features::features()));
    Ok(0)
}
