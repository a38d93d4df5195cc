//! `tare check`

use crate::arguments::Arguments;
use crate::output;
use serde::Serialize;
use std::path::Path;
use tare_engine::create::read;
use tare_engine::probe::missing;
use tare_engine::{Error, Result};
use tare_plan::context::{Keyring, Request};
use tare_plan::create::examine;
use tare_plan::spec::{Examined, Mistake};
use tare_plan::step::EnterRoot;

/// Reports every mistake in a bundle's configuration, and warnings. It changes nothing and needs no privileges. The exit code
/// is 1 when there are mistakes.
pub(crate) fn check(arguments: &Arguments) -> Result<u8> {
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
    let found = examine(&bytes, &tare_engine::create::host(&request)?, &request, &missing);
    let text = match arguments.value("format") {
        None | Some("text") => lines(&found),
        Some("json") => output::pretty_json(&answer(&found)),
        Some(other) => {
            return Err(Error::Usage(format!("invalid format option: {other:?}, it is text or json")));
        }
    };
    output::print(&text);
    Ok(u8::from(!found.mistakes.is_empty()))
}

/// One line for each problem: mistakes first, then warnings.
fn lines(found: &Examined) -> String {
    let line = |kind: &str, mistake: &Mistake| {
        let place = if mistake.place.is_empty() { "config.json" } else { &mistake.place };
        format!("{kind}: {place}: {}\n", mistake.what)
    };
    let mistakes = found.mistakes.iter().map(|mistake| line("mistake", mistake));
    mistakes.chain(found.warnings.iter().map(|warning| line("warning", warning))).collect()
}

/// The answer as JSON.
#[derive(Serialize)]
struct Answer<'a> {
    mistakes: Vec<Object<'a>>,
    warnings: Vec<Object<'a>>,
}

/// One problem: its place, what is wrong, and what is expected there as far as the message says so.
#[derive(Serialize)]
struct Object<'a> {
    place: &'a str,
    what: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    expected: Option<&'a str>,
}

fn answer(found: &Examined) -> Answer<'_> {
    Answer {
        mistakes: found.mistakes.iter().map(object).collect(),
        warnings: found.warnings.iter().map(object).collect(),
    }
}

fn object(mistake: &Mistake) -> Object<'_> {
    let (what, expected) = match mistake.what.split_once(": expected ") {
        Some((what, expected)) => (what, Some(expected)),
        None => (mistake.what.as_str(), None),
    };
    Object { place: &mistake.place, what, expected }
}
