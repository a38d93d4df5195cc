//! What a container uses, read from its cgroups, in the form in which runc's `events` tells it.

mod cpu;
mod disk;
mod memory;

use crate::cgroup::Cgroup;
use crate::cgroup::values::Values;
use crate::container::status::status;
use crate::container::store::Store;
use crate::error::{Error, Result};
use serde_json::{Map, Value, json};
use tare_plan::step::Status;

/// What a container uses now: nanoseconds of processor time, bytes of memory, counts of processes and of disk requests.
///
/// Fields that are 0 are left out, as Go leaves them out and callers read them.
///
/// # Errors
/// When there is no such container, or when it does not run.
pub fn stats(store: &Store, id: &str) -> Result<Value> {
    let entry = store.look(id)?;
    let record = entry.record()?;
    match status(&entry, &record) {
        Status::Stopped | Status::Creating => {
            Err(Error::Usage(format!("container with id {id} is not running")))
        }
        _ => Ok(read(&record.cgroups)),
    }
}

/// Reads everything; a file that a kernel lacks is left out.
pub(crate) fn read(cgroups: &[Cgroup]) -> Value {
    let values = Values::open(cgroups);
    json!({
        "cpu": cpu::usage(&values),
        "cpuset": cpu::set(&values),
        "memory": memory::usage(&values),
        "pids": pids(&values),
        "blkio": disk::usage(&values),
        "hugetlb": memory::huge_pages(&values),
        "intel_rdt": {},
        "network_interfaces": null,
    })
}

fn pids(values: &Values) -> Value {
    let current = values.number("pids", "pids.current");
    // No limit is 0, as runc has it.
    let limit = values.number("pids", "pids.max");
    object([("current", current), ("limit", limit)])
}

/// An object of numbers, without those that are 0 or unknown.
fn object<const N: usize>(fields: [(&str, Option<u64>); N]) -> Value {
    let known = fields.into_iter().filter_map(|(key, value)| Some((key, value.filter(|value| *value != 0)?)));
    Value::Object(known.map(|(key, value)| (key.to_owned(), json!(value))).collect())
}

/// What processes waited for a resource (psi: `avg10`, `avg60` and `avg300` in percent, `total` in microseconds).
fn pressure(text: Option<String>) -> Option<Value> {
    let mut object = Map::new();
    for line in text?.lines() {
        let mut words = line.split_ascii_whitespace();
        let Some(kind) = words.next() else { continue };
        let pair = |word: &str| {
            let (key, value) = word.split_once('=')?;
            let value = if key == "total" {
                json!(value.parse::<u64>().ok()?)
            } else {
                json!(value.parse::<f64>().ok()?)
            };
            Some((key.to_owned(), value))
        };
        object.insert(kind.to_owned(), Value::Object(words.filter_map(pair).collect()));
    }
    Some(Value::Object(object))
}

/// Adds a value under `key` where there is one.
fn add(object: &mut Value, key: &str, value: Option<Value>) {
    if let (Some(object), Some(value)) = (object.as_object_mut(), value) {
        object.insert(key.to_owned(), value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pressure_is_read_by_kind() {
        let text = "some avg10=1.50 avg60=0.00 avg300=0.00 total=77\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=5\n";
        let value = pressure(Some(text.to_owned())).unwrap();
        assert_eq!((value["some"]["avg10"].as_f64(), value["full"]["total"].as_u64()), (Some(1.5), Some(5)));
    }

    #[test]
    fn what_is_nothing_is_left_out() {
        assert_eq!(object([("a", Some(0)), ("b", None), ("c", Some(3))]), json!({ "c": 3 }));
    }
}
