//! `tare update`

use crate::arguments::Arguments;
use crate::log::Log;
use crate::state_directory;
use serde_json::{Map, Value, json};
use std::io::Read;
use tare_engine::{Error, Result};
use tare_plan::resctrl::Schemata;
use tare_plan::spec::{Resources, load_resources};

/// The unit of an option's value.
#[derive(Clone, Copy)]
enum Unit {
    /// A number.
    Number,
    /// Bytes, with an optional suffix.
    Bytes,
    /// A text as it is.
    Text,
}

/// The options, and the properties of a resources document that they set.
const OPTIONS: &[(&str, &str, &str, Unit)] = &[
    ("blkio-weight", "blockIO", "weight", Unit::Number),
    ("cpu-period", "cpu", "period", Unit::Number),
    ("cpu-quota", "cpu", "quota", Unit::Number),
    ("cpu-burst", "cpu", "burst", Unit::Number),
    ("cpu-rt-period", "cpu", "realtimePeriod", Unit::Number),
    ("cpu-rt-runtime", "cpu", "realtimeRuntime", Unit::Number),
    ("cpu-share", "cpu", "shares", Unit::Number),
    ("cpuset-cpus", "cpu", "cpus", Unit::Text),
    ("cpuset-mems", "cpu", "mems", Unit::Text),
    ("cpu-idle", "cpu", "idle", Unit::Number),
    ("memory", "memory", "limit", Unit::Bytes),
    ("memory-reservation", "memory", "reservation", Unit::Bytes),
    ("memory-swap", "memory", "swap", Unit::Bytes),
    ("pids-limit", "pids", "limit", Unit::Number),
];

/// Changes limits of a container's cgroups.
pub(crate) fn update(arguments: &Arguments, log: &mut Log) -> Result<u8> {
    let bytes = match arguments.value("resources") {
        Some("-") => read_all(&mut std::io::stdin(), "standard input")?,
        Some(path) => match std::fs::File::open(path) {
            Ok(mut file) => read_all(&mut file, path)?,
            Err(error) => return Err(Error::Usage(format!("cannot open the resources {path}: {error}"))),
        },
        None => document(arguments)?.to_string().into_bytes(),
    };
    let resources: Resources = load_resources(&bytes).map_err(Error::Config)?;
    let (store, id) = (state_directory::open(arguments), arguments.id());
    let schemata = Schemata {
        l3_cache: arguments.value("l3-cache-schema"),
        memory_bandwidth: arguments.value("mem-bw-schema"),
    };
    let limits = tare_engine::update::Limits { resources: &resources, schemata };
    tare_engine::update::update(&store, id, limits, &mut |warning| log.warn(warning)).map(|()| 0)
}

fn read_all(from: &mut dyn Read, name: &str) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let read = from.read_to_end(&mut bytes);
    read.map_err(|error| Error::Usage(format!("cannot read the resources from {name}: {error}")))?;
    Ok(bytes)
}

/// The options as a resources document, so that options and documents are handled alike.
fn document(arguments: &Arguments) -> Result<Value> {
    let mut document = Map::new();
    for (option, object, property, unit) in OPTIONS {
        let Some(text) = arguments.value(option).filter(|text| !text.is_empty()) else { continue };
        let value = value(text, *unit).ok_or_else(|| wrong(option, text, *unit))?;
        let object = document.entry(*object).or_insert_with(|| json!({}));
        if let Some(object) = object.as_object_mut() {
            object.insert((*property).to_owned(), value);
        }
    }
    Ok(Value::Object(document))
}

fn value(text: &str, unit: Unit) -> Option<Value> {
    match unit {
        Unit::Number => text.parse::<i64>().ok().map(Value::from),
        Unit::Bytes => bytes(text).map(Value::from),
        Unit::Text => Some(Value::from(text)),
    }
}

fn wrong(option: &str, text: &str, unit: Unit) -> Error {
    let expected = match unit {
        Unit::Bytes => "a size such as 512M, or -1 for no limit",
        _ => "a number",
    };
    Error::Usage(format!("invalid value for {option}: {text:?}: expected {expected}"))
}

/// Parses a size such as `512M`, `1.5g` or `64KiB`: suffixes are powers of 1024, as in Docker; -1 is no limit.
fn bytes(text: &str) -> Option<i64> {
    if text == "-1" {
        return Some(-1);
    }
    let text = text.trim().to_ascii_lowercase();
    let end = text.find(|letter: char| !letter.is_ascii_digit() && letter != '.').unwrap_or(text.len());
    let (number, suffix) = text.split_at_checked(end)?;
    let suffix = suffix.trim().trim_end_matches('b').trim_end_matches('i');
    let power = ["", "k", "m", "g", "t", "p"].iter().position(|name| *name == suffix)?;
    let size = number.parse::<f64>().ok()? * 1024_f64.powi(i32::try_from(power).ok()?);
    (size < i64::MAX as f64).then_some(size as i64)
}

#[cfg(test)]
mod tests {
    use super::bytes;

    #[test]
    fn sizes_are_read_as_docker_reads_them() {
        for (text, size) in [
            ("-1", Some(-1)),
            ("0", Some(0)),
            ("52428800", Some(52_428_800)),
            ("50M", Some(52_428_800)),
            ("50MiB", Some(52_428_800)),
            ("1.5k", Some(1536)),
            ("2gb", Some(2 << 30)),
            ("-2", None),
            ("12x", None),
            ("", None),
        ] {
            assert_eq!(bytes(text), size, "{text}");
        }
    }
}
