//! `tare debug`

use crate::arguments::Arguments;
use crate::log::Log;
use crate::output;
use serde_json::{Map, Value, json};
use tare_engine::debug::{Section, examine};
use tare_engine::{Error, Result};

/// Tells what a puzzled operator wants to know of a container.
pub(crate) fn debug(arguments: &Arguments, _: &mut Log) -> Result<u8> {
    let form = arguments.value("format").unwrap_or("text");
    if !matches!(form, "text" | "json") {
        return Err(Error::Usage(format!("invalid format option: {form:?}, it is text or json")));
    }
    let sections = examine(&super::store(arguments), arguments.id())?;
    let text = match form {
        "json" => format!("{:#}\n", to_json(&sections)),
        _ => sections.iter().map(to_text).collect::<Vec<_>>().join("\n"),
    };
    output::print(&text);
    Ok(0)
}

/// The title, and below it names and what is known, in two columns.
fn to_text(section: &Section) -> String {
    let width = section.lines.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
    let lines = section.lines.iter().map(|(name, value)| format!("  {name:<width$}  {value}\n"));
    std::iter::once(format!("{}\n", section.title)).chain(lines).collect()
}

/// An object for each section. A name may come twice, as where one mount lies over another: so they are lists of pairs.
fn to_json(sections: &[Section]) -> Value {
    let pair = |(name, value): &(String, String)| json!({ "name": name, "value": value });
    let object: Map<String, Value> = sections
        .iter()
        .map(|section| (section.title.to_owned(), section.lines.iter().map(pair).collect()))
        .collect();
    Value::Object(object)
}
