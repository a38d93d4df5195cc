//! Disk requests, by device and by what they did.

use super::{add, pressure};
use crate::cgroup::values::Values;
use serde_json::{Map, Value, json};

/// runc's names, and the v1 files they are read from: those of the scheduler where it counts, those of throttling else.
const V1: &[(&str, &[&str])] = &[
    (
        "ioServiceBytesRecursive",
        &["blkio.bfq.io_service_bytes_recursive", "blkio.throttle.io_service_bytes_recursive"],
    ),
    ("ioServicedRecursive", &["blkio.bfq.io_serviced_recursive", "blkio.throttle.io_serviced_recursive"]),
    ("ioQueueRecursive", &["blkio.bfq.io_queued_recursive"]),
    ("ioServiceTimeRecursive", &["blkio.bfq.io_service_time_recursive"]),
    ("ioWaitTimeRecursive", &["blkio.bfq.io_wait_time_recursive"]),
    ("ioMergedRecursive", &["blkio.bfq.io_merged_recursive"]),
    ("ioTimeRecursive", &["blkio.bfq.time_recursive"]),
    ("sectorsRecursive", &["blkio.bfq.sectors_recursive"]),
];

/// What `io.stat` of v2 counts: runc's name for the list, and for what was done.
const V2: &[(&str, &str, &str)] = &[
    ("rbytes", "ioServiceBytesRecursive", "Read"),
    ("wbytes", "ioServiceBytesRecursive", "Write"),
    ("dbytes", "ioServiceBytesRecursive", "Discard"),
    ("rios", "ioServicedRecursive", "Read"),
    ("wios", "ioServicedRecursive", "Write"),
    ("dios", "ioServicedRecursive", "Discard"),
];

/// Bytes and requests.
pub(super) fn usage(values: &Values) -> Value {
    let mut usage = match values.text("blkio", "io.stat") {
        Some(text) => v2(&text),
        None => v1(values),
    };
    add(&mut usage, "psi", pressure(values.text("blkio", "io.pressure")));
    usage
}

fn v1(values: &Values) -> Value {
    let mut usage = Map::new();
    for (name, files) in V1 {
        let lists = files.iter().filter_map(|file| values.text("blkio", file));
        let found = lists.map(|text| text.lines().filter_map(v1_entry).collect::<Vec<_>>());
        if let Some(entries) = found.into_iter().find(|entries| !entries.is_empty()) {
            usage.insert((*name).to_owned(), json!(entries));
        }
    }
    Value::Object(usage)
}

/// `8:0 Read 4096`, or `8:0 4096` in files that don't tell reads from writes; the line of totals belongs to no device.
fn v1_entry(line: &str) -> Option<Value> {
    let mut words = line.split_ascii_whitespace();
    let (major, minor) = device(words.next()?)?;
    let rest: Vec<&str> = words.collect();
    let (done, value) = match rest.as_slice() {
        [value] => ("", value),
        [done, value] => (*done, value),
        _ => return None,
    };
    Some(entry((major, minor), done, value.parse().ok()?))
}

fn v2(text: &str) -> Value {
    let mut usage = Map::new();
    for line in text.lines() {
        let mut words = line.split_ascii_whitespace();
        let Some(device) = words.next().and_then(device) else { continue };
        for (list, done, value) in words.filter_map(v2_value) {
            let entries = usage.entry(list).or_insert_with(|| json!([]));
            entries.as_array_mut().into_iter().for_each(|all| all.push(entry(device, done, value)));
        }
    }
    Value::Object(usage)
}

/// The list that a word like `rbytes=4096` belongs to, what was done, and how much of it.
fn v2_value(word: &str) -> Option<(&'static str, &'static str, u64)> {
    let (key, value) = word.split_once('=')?;
    let (_, list, done) = V2.iter().find(|(name, ..)| *name == key)?;
    Some((list, done, value.parse().ok()?))
}

fn device(text: &str) -> Option<(u64, u64)> {
    let (major, minor) = text.split_once(':')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

/// Numbers that are 0 and words that are empty are left out.
fn entry((major, minor): (u64, u64), done: &str, value: u64) -> Value {
    let mut entry = super::object([("major", Some(major)), ("minor", Some(minor)), ("value", Some(value))]);
    add(&mut entry, "op", (!done.is_empty()).then(|| json!(done)));
    entry
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_both_versions_come_to_the_same() {
        let v1 = v1_entry("8:16 Read 4096").unwrap();
        assert_eq!(v1, json!({ "major": 8, "minor": 16, "op": "Read", "value": 4096 }));
        assert_eq!(v1_entry("Total 4096"), None);
        let v2 = v2("8:16 rbytes=4096 wbytes=0 rios=2\n");
        assert_eq!(v2["ioServiceBytesRecursive"][0], v1);
        assert_eq!(v2["ioServicedRecursive"][0]["value"], 2);
    }
}
