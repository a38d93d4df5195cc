//! `tare check`

use crate::arguments::Arguments;
use crate::log::Log;
use crate::output;
use serde_json::{Value, json};
use std::path::Path;
use tare_engine::create::read;
use tare_engine::{Error, Result};
use tare_plan::context::{Keyring, Request};
use tare_plan::create::examine;
use tare_plan::spec::{Examined, Mistake};
use tare_plan::step::EnterRoot;

/// Tells everything that is wrong with a bundle's configuration and what is odd about it. Nothing is done, and no rights are
/// needed. The exit code is 1 when something is wrong.
pub(crate) fn check(arguments: &Arguments, _: &mut Log) -> Result<u8> {
    let given = arguments.operands.first().map(String::as_str).or(arguments.value("bundle")).unwrap_or(".");
    let (bundle, bytes) = read(Path::new(given))?;
    let name = Path::new(&bundle).file_name().unwrap_or_default().to_string_lossy().into_owned();
    let request = Request {
        id: &name,
        bundle: &bundle,
        console_socket: None,
        pivot: EnterRoot::Pivot,
        keyring: Keyring::New,
        preserve_fds: 0,
        pidfd_socket: None,
        cgroup_manager: super::create::cgroup_manager(arguments)?,
    };
    let found = examine(&bytes, &tare_engine::create::host(&request)?, &request);
    let answer = match arguments.value("format") {
        None | Some("text") => text(&found),
        Some("json") => format!("{:#}\n", to_json(&found)),
        Some(other) => {
            return Err(Error::Usage(format!("invalid format option: {other:?}, it is text or json")));
        }
    };
    output::print(&answer);
    Ok(u8::from(!found.mistakes.is_empty()))
}

/// A line for each: mistakes first, then warnings.
fn text(found: &Examined) -> String {
    let line = |kind: &str, mistake: &Mistake| {
        let place = if mistake.place.is_empty() { "config.json" } else { &mistake.place };
        format!("{kind}: {place}: {}\n", mistake.what)
    };
    let mistakes = found.mistakes.iter().map(|mistake| line("mistake", mistake));
    mistakes.chain(found.warnings.iter().map(|warning| line("warning", warning))).collect()
}

fn to_json(found: &Examined) -> Value {
    let list = |mistakes: &[Mistake]| mistakes.iter().map(object).collect::<Value>();
    json!({ "mistakes": list(&found.mistakes), "warnings": list(&found.warnings) })
}

/// What is wrong, where, and what would be right as far as the sentence says so.
fn object(mistake: &Mistake) -> Value {
    match mistake.what.split_once(": expected ") {
        Some((what, expected)) => json!({ "place": mistake.place, "what": what, "expected": expected }),
        None => json!({ "place": mistake.place, "what": mistake.what }),
    }
}
