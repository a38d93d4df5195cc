//! `tare debug`

use crate::arguments::Arguments;
use crate::{output, state_directory};
use serde::{Serialize, Serializer};
use tare_engine::debug::{Section, examine};
use tare_engine::{Error, Result};

/// Shows a container's namespaces, mounts, capabilities and limits.
pub(crate) fn debug(arguments: &Arguments) -> Result<u8> {
    let form = arguments.value("format").unwrap_or("text");
    if !matches!(form, "text" | "json") {
        return Err(Error::Usage(format!("invalid format option: {form:?}, it is text or json")));
    }
    let sections = examine(&state_directory::open(arguments), arguments.id())?;
    let text = match form {
        "json" => output::pretty_json(&Sections(&sections)),
        _ => sections.iter().map(to_text).collect::<Vec<_>>().join("\n"),
    };
    output::print(&text);
    Ok(0)
}

/// The title, and below it names and values in two columns.
fn to_text(section: &Section) -> String {
    let width = section.lines.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
    let lines = section.lines.iter().map(|(name, value)| format!("  {name:<width$}  {value}\n"));
    std::iter::once(format!("{}\n", section.title)).chain(lines).collect()
}

/// The sections as an object of lists. A list, because a name may occur twice: one mount may cover another.
struct Sections<'a>(&'a [Section]);

/// One line of a section.
#[derive(Serialize)]
struct Line<'a> {
    name: &'a str,
    value: &'a str,
}

impl Serialize for Sections<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> std::result::Result<S::Ok, S::Error> {
        to.collect_map(self.0.iter().map(|section| (section.title, lines(section))))
    }
}

fn lines(section: &Section) -> Vec<Line<'_>> {
    section.lines.iter().map(|(name, value)| Line { name, value }).collect()
}
