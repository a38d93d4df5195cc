//! Memory and huge pages.

use super::omit::{is_none, is_zero};
use super::pressure::Pressure;
use crate::cgroup::values::Values;
use serde::Serialize;
use std::collections::BTreeMap;

/// Memory of a container, in bytes.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Memory {
    /// Page cache.
    #[serde(skip_serializing_if = "is_zero")]
    pub cache: u64,
    /// Memory.
    pub usage: MemoryEntry,
    /// Memory and swap together.
    pub swap: MemoryEntry,
    /// Kernel memory (cgroup v1).
    pub kernel: MemoryEntry,
    /// Memory of TCP buffers (cgroup v1).
    #[serde(rename = "kernelTCP")]
    pub kernel_tcp: MemoryEntry,
    /// The lines of `memory.stat`.
    pub raw: BTreeMap<String, u64>,
    /// Time that tasks waited for memory (cgroup v2).
    #[serde(skip_serializing_if = "is_none")]
    pub psi: Option<Pressure>,
}

/// One kind of memory.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct MemoryEntry {
    /// The limit.
    pub limit: u64,
    /// Bytes in use.
    #[serde(skip_serializing_if = "is_zero")]
    pub usage: u64,
    /// The most bytes that were in use.
    #[serde(skip_serializing_if = "is_zero")]
    pub max: u64,
    /// How often the limit was hit.
    pub failcnt: u64,
}

/// Huge pages of one size, in bytes.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct HugePages {
    /// Bytes in use.
    #[serde(skip_serializing_if = "is_zero")]
    pub usage: u64,
    /// The most bytes that were in use.
    #[serde(skip_serializing_if = "is_zero")]
    pub max: u64,
    /// How often the limit was hit.
    pub failcnt: u64,
}

impl Memory {
    /// Reads the files of either version of cgroups.
    pub(super) fn read(values: &Values) -> Self {
        let raw = raw(values);
        let v2 = values.number("memory", "memory.current").is_some();
        let cache = raw.get(if v2 { "file" } else { "cache" }).copied();
        let v1 = |prefix: &str| MemoryEntry::v1(values, prefix);
        Self {
            cache: cache.unwrap_or(0),
            usage: if v2 { MemoryEntry::v2(values) } else { v1("memory") },
            swap: if v2 { MemoryEntry::v2_with_swap(values) } else { v1("memory.memsw") },
            kernel: v1("memory.kmem"),
            kernel_tcp: v1("memory.kmem.tcp"),
            raw,
            psi: Pressure::read(values, "memory", "memory.pressure"),
        }
    }
}

impl MemoryEntry {
    fn v1(values: &Values, prefix: &str) -> Self {
        let of = |name: &str| values.number("memory", &format!("{prefix}.{name}")).unwrap_or(0);
        Self {
            limit: of("limit_in_bytes"),
            usage: of("usage_in_bytes"),
            max: of("max_usage_in_bytes"),
            failcnt: of("failcnt"),
        }
    }

    fn v2(values: &Values) -> Self {
        Self {
            limit: values.limit("memory", "memory.max").unwrap_or(0),
            usage: values.number("memory", "memory.current").unwrap_or(0),
            max: values.number("memory", "memory.peak").unwrap_or(0),
            failcnt: values.keyed("memory", "memory.events", "max").unwrap_or(0),
        }
    }

    /// Memory and swap together: v2 counts swap apart, and runc's format has the sum, as v1.
    fn v2_with_swap(values: &Values) -> Self {
        let sum = |memory: Option<u64>, swap: Option<u64>| {
            memory.zip(swap).map_or(0, |(memory, swap)| memory.saturating_add(swap))
        };
        let limit = |file: &str| values.limit("memory", file);
        let number = |file: &str| values.number("memory", file);
        Self {
            limit: sum(limit("memory.max"), limit("memory.swap.max")),
            usage: sum(number("memory.current"), number("memory.swap.current")),
            ..Self::default()
        }
    }
}

/// Parses `memory.stat`.
fn raw(values: &Values) -> BTreeMap<String, u64> {
    let text = values.text("memory", "memory.stat").unwrap_or_default();
    let pair = |line: &str| {
        let (key, value) = line.split_once(' ')?;
        Some((key.to_owned(), value.trim().parse().ok()?))
    };
    text.lines().filter_map(pair).collect()
}

/// Reads huge pages by size, such as `2MB`. A size without files of its own in the cgroup is left out.
pub(super) fn huge_pages(values: &Values) -> BTreeMap<String, HugePages> {
    let sizes = std::fs::read_dir("/sys/kernel/mm/hugepages").into_iter().flatten().flatten();
    let names = sizes.filter_map(|entry| size_name(entry.file_name().to_str()?));
    let of = |name: String| {
        let file = |field: &str| values.number("hugetlb", &format!("hugetlb.{name}.{field}"));
        let failed =
            file("failcnt").or_else(|| values.keyed("hugetlb", &format!("hugetlb.{name}.events"), "max"));
        let pages = HugePages {
            usage: file("usage_in_bytes").or_else(|| file("current"))?,
            max: file("max_usage_in_bytes").unwrap_or(0),
            failcnt: failed.unwrap_or(0),
        };
        Some((name, pages))
    };
    names.filter_map(of).collect()
}

/// Converts a directory such as `hugepages-2048kB` to the size in the name of a cgroup file.
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
    fn huge_page_sizes_have_the_names_of_cgroup_files() {
        assert_eq!(size_name("hugepages-2048kB").as_deref(), Some("2MB"));
        assert_eq!(size_name("hugepages-1048576kB").as_deref(), Some("1GB"));
        assert_eq!(size_name("hugepages-64kB").as_deref(), Some("64KB"));
    }
}
