//! `tare features`

use crate::arguments::Arguments;
use crate::log::Log;
use tare_engine::{Error, Result};

/// Prints what this runtime can do (features.md).
pub(crate) fn features(_: &Arguments, _: &mut Log) -> Result<u8> {
    Err(Error::Usage("features: being merged".to_owned()))
}
