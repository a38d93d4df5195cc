//! `tare spec`

use crate::arguments::Arguments;
use crate::log::Log;
use tare_engine::{Error, Result};

/// Writes a config.json to begin with; one that is there is left alone.
pub(crate) fn spec(arguments: &Arguments, _: &mut Log) -> Result<u8> {
    let _ = arguments;
    Err(Error::Usage("spec: being merged".to_owned()))
}
