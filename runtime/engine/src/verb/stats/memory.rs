//! Memory, and huge pages.

use super::{add, object, pressure};
use crate::cgroup::values::Values;
use serde_json::{Map, Value, json};

/// Bytes used and allowed, and the kernel's own statistics as they are (`raw`).
pub(super) fn usage(values: &Values) -> Value {
    let raw = raw(values);
    let of = |key: &str| raw.get(key).and_then(Value::as_u64);
    let v2 = values.number("memory", "memory.current").is_some();
    let mut memory = object([("cache", of(if v2 { "file" } else { "cache" }))]);
    let (used, swap) =
        if v2 { v2_entries(values) } else { (v1_entry(values, "memory"), v1_entry(values, "memory.memsw")) };
    add(&mut memory, "usage", Some(used));
    add(&mut memory, "swap", Some(swap));
    for (key, prefix) in [("kernel", "memory.kmem"), ("kernelTCP", "memory.kmem.tcp")] {
        add(&mut memory, key, Some(v1_entry(values, prefix)));
    }
    add(&mut memory, "raw", Some(Value::Object(raw)));
    add(&mut memory, "psi", pressure(values.text("memory", "memory.pressure")));
    memory
}

/// A limit counts even if it is 0; everything else is left out then.
fn entry(limit: Option<u64>, usage: Option<u64>, max: Option<u64>, failed: Option<u64>) -> Value {
    let mut entry = object([("usage", usage), ("max", max)]);
    add(&mut entry, "limit", Some(json!(limit.unwrap_or(0))));
    add(&mut entry, "failcnt", Some(json!(failed.unwrap_or(0))));
    entry
}

fn v1_entry(values: &Values, prefix: &str) -> Value {
    let of = |name: &str| values.number("memory", &format!("{prefix}.{name}"));
    entry(of("limit_in_bytes"), of("usage_in_bytes"), of("max_usage_in_bytes"), of("failcnt"))
}

/// The memory, and, as v1 counts it, memory and swap together.
fn v2_entries(values: &Values) -> (Value, Value) {
    let limit = values.limit("memory", "memory.max");
    let used = values.number("memory", "memory.current");
    let peak = values.number("memory", "memory.peak");
    let failed = values.keyed("memory", "memory.events", "max");
    let swap_limit = values.limit("memory", "memory.swap.max");
    let swap_used = values.number("memory", "memory.swap.current");
    let both =
        |one: Option<u64>, other: Option<u64>| one.zip(other).map(|(one, other)| one.saturating_add(other));
    (entry(limit, used, peak, failed), entry(both(limit, swap_limit), both(used, swap_used), None, None))
}

/// `memory.stat`, line by line.
fn raw(values: &Values) -> Map<String, Value> {
    let text = values.text("memory", "memory.stat").unwrap_or_default();
    let pair = |line: &str| {
        let (key, value) = line.split_once(' ')?;
        Some((key.to_owned(), json!(value.trim().parse::<u64>().ok()?)))
    };
    text.lines().filter_map(pair).collect()
}

/// Huge pages of each size, in bytes.
pub(super) fn huge_pages(values: &Values) -> Value {
    let sizes = std::fs::read_dir("/sys/kernel/mm/hugepages").into_iter().flatten().flatten();
    let names = sizes.filter_map(|entry| size_name(entry.file_name().to_str()?));
    let of = |name: String| {
        let file = |field: &str| values.number("hugetlb", &format!("hugetlb.{name}.{field}"));
        let used = file("usage_in_bytes").or_else(|| file("current"))?;
        let failed =
            file("failcnt").or_else(|| values.keyed("hugetlb", &format!("hugetlb.{name}.events"), "max"));
        let mut entry = object([("usage", Some(used)), ("max", file("max_usage_in_bytes"))]);
        add(&mut entry, "failcnt", Some(json!(failed.unwrap_or(0))));
        Some((name, entry))
    };
    Value::Object(names.filter_map(of).collect())
}

/// The name in a cgroup file for a directory such as `hugepages-2048kB`.
fn size_name(directory: &str) -> Option<String> {
    let kib: u64 = directory.strip_prefix("hugepages-")?.strip_suffix("kB")?.parse().ok()?;
    let (mut size, mut unit) = (kib, "KB");
    for larger in ["MB", "GB"] {
        if size >= 1024 {
            (size, unit) = (size / 1024, larger);
        }
    }
    Some(format!("{size}{unit}"))
}

#[cfg(test)]
mod tests {
    use super::size_name;

    #[test]
    fn sizes_have_the_names_of_cgroup_files() {
        assert_eq!(size_name("hugepages-2048kB").as_deref(), Some("2MB"));
        assert_eq!(size_name("hugepages-1048576kB").as_deref(), Some("1GB"));
        assert_eq!(size_name("hugepages-64kB").as_deref(), Some("64KB"));
    }
}
