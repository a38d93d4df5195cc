//! Block I/O by device and operation.

use super::omit::{is_none, is_zero};
use super::pressure::Pressure;
use crate::cgroup::values::Values;
use serde::Serialize;

/// Block I/O of a container. The lists are runc's, with the names of the v1 files. cgroup v2 has the first two only.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BlockIo {
    /// Bytes transferred.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub io_service_bytes_recursive: Vec<Entry>,
    /// Completed requests.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub io_serviced_recursive: Vec<Entry>,
    /// Queued requests.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub io_queue_recursive: Vec<Entry>,
    /// Nanoseconds between dispatch and completion of requests.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub io_service_time_recursive: Vec<Entry>,
    /// Nanoseconds that requests waited in the queue.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub io_wait_time_recursive: Vec<Entry>,
    /// Merged requests.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub io_merged_recursive: Vec<Entry>,
    /// Milliseconds in which the device served the container.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub io_time_recursive: Vec<Entry>,
    /// Sectors transferred.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sectors_recursive: Vec<Entry>,
    /// Time that tasks waited for block I/O (cgroup v2).
    #[serde(skip_serializing_if = "is_none")]
    pub psi: Option<Pressure>,
}

/// A count of one device.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Entry {
    /// The device's major number.
    #[serde(skip_serializing_if = "is_zero")]
    pub major: u64,
    /// The device's minor number.
    #[serde(skip_serializing_if = "is_zero")]
    pub minor: u64,
    /// The operation, such as `Read`; empty in files without operations.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub op: String,
    /// The count.
    #[serde(skip_serializing_if = "is_zero")]
    pub value: u64,
}

impl BlockIo {
    /// Reads the files of either version of cgroups.
    pub(super) fn read(values: &Values) -> Self {
        let counted = match values.text("blkio", "io.stat") {
            Some(text) => Self::v2(&text),
            None => Self::v1(values),
        };
        Self { psi: Pressure::read(values, "blkio", "io.pressure"), ..counted }
    }

    /// Reads the counters of the BFQ scheduler, or those of throttling if the device has another scheduler.
    fn v1(values: &Values) -> Self {
        let bfq = |name: &str| v1_entries(values, &format!("blkio.bfq.{name}"));
        let either = |name: &str| {
            Some(bfq(name))
                .filter(|entries| !entries.is_empty())
                .unwrap_or_else(|| v1_entries(values, &format!("blkio.throttle.{name}")))
        };
        Self {
            io_service_bytes_recursive: either("io_service_bytes_recursive"),
            io_serviced_recursive: either("io_serviced_recursive"),
            io_queue_recursive: bfq("io_queued_recursive"),
            io_service_time_recursive: bfq("io_service_time_recursive"),
            io_wait_time_recursive: bfq("io_wait_time_recursive"),
            io_merged_recursive: bfq("io_merged_recursive"),
            io_time_recursive: bfq("time_recursive"),
            sectors_recursive: bfq("sectors_recursive"),
            psi: None,
        }
    }

    /// Parses `io.stat`, with lines such as `8:0 rbytes=4096 wbytes=0 …` (cgroup-v2.rst of the kernel).
    fn v2(text: &str) -> Self {
        let mut counted = Self::default();
        for line in text.lines() {
            let mut words = line.split_ascii_whitespace();
            let Some(device) = words.next().and_then(Device::parse) else { continue };
            for (key, value) in words.filter_map(|word| word.split_once('=')) {
                let (list, op) = match key {
                    "rbytes" => (&mut counted.io_service_bytes_recursive, "Read"),
                    "wbytes" => (&mut counted.io_service_bytes_recursive, "Write"),
                    "dbytes" => (&mut counted.io_service_bytes_recursive, "Discard"),
                    "rios" => (&mut counted.io_serviced_recursive, "Read"),
                    "wios" => (&mut counted.io_serviced_recursive, "Write"),
                    "dios" => (&mut counted.io_serviced_recursive, "Discard"),
                    _ => continue,
                };
                list.extend(value.parse().ok().map(|value| device.entry(op, value)));
            }
        }
        counted
    }
}

fn v1_entries(values: &Values, file: &str) -> Vec<Entry> {
    let text = values.text("blkio", file).unwrap_or_default();
    text.lines().filter_map(v1_entry).collect()
}

/// Parses `8:0 Read 4096`, or `8:0 4096` in files without operations. The line `Total` has no device and is skipped.
fn v1_entry(line: &str) -> Option<Entry> {
    let mut words = line.split_ascii_whitespace();
    let device = Device::parse(words.next()?)?;
    let rest: Vec<&str> = words.collect();
    match rest.as_slice() {
        [value] => Some(device.entry("", value.parse().ok()?)),
        [op, value] => Some(device.entry(op, value.parse().ok()?)),
        _ => None,
    }
}

/// A device by its numbers.
#[derive(Clone, Copy)]
struct Device {
    major: u64,
    minor: u64,
}

impl Device {
    /// Parses `8:0`.
    fn parse(text: &str) -> Option<Self> {
        let (major, minor) = text.split_once(':')?;
        Some(Self { major: major.parse().ok()?, minor: minor.parse().ok()? })
    }

    fn entry(self, op: &str, value: u64) -> Entry {
        Entry { major: self.major, minor: self.minor, op: op.to_owned(), value }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_both_versions_give_the_same_entries() {
        let read = Entry { major: 8, minor: 16, op: "Read".to_owned(), value: 4096 };
        assert_eq!(v1_entry("8:16 Read 4096"), Some(read.clone()));
        assert_eq!(v1_entry("Total 4096"), None);
        let v2 = BlockIo::v2("8:16 rbytes=4096 wbytes=0 rios=2\n");
        assert_eq!(v2.io_service_bytes_recursive.first(), Some(&read));
        assert_eq!(v2.io_serviced_recursive.first().map(|entry| entry.value), Some(2));
    }
}
