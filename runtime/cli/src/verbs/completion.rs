//! `tare completion` and `tare man`

use crate::arguments::Arguments;
use crate::completion::{SHELLS, script};
use crate::table::find;
use crate::{manual, output};
use tare_engine::{Error, Result};

/// Prints the completion script for a shell.
pub(crate) fn completion(arguments: &Arguments) -> Result<u8> {
    let shell = arguments.operands.first().map_or("", String::as_str);
    let text = script(shell)
        .ok_or_else(|| Error::Usage(format!("there is no completion for {shell:?}: expected {SHELLS}")))?;
    output::print(&text);
    Ok(0)
}

/// Prints a man page: of the program, or of a verb.
pub(crate) fn man(arguments: &Arguments) -> Result<u8> {
    let page = match arguments.operands.first() {
        None => manual::program(),
        Some(name) => {
            find(name).map(manual::verb).ok_or_else(|| Error::Usage(format!("No help topic for '{name}'")))?
        }
    };
    output::print(&page);
    Ok(0)
}
