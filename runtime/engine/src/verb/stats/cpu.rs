//! CPU time, throttling, and the cpuset.

use super::omit::{is_none, is_zero};
use super::pressure::Pressure;
use crate::cgroup::values::{Values, keyed};
use serde::Serialize;

/// Nanoseconds in a tick of `cpuacct.stat`: `USER_HZ` is 100 on every architecture (time(7)).
const TICK_NS: u64 = 10_000_000;

/// CPU time used, and time for which the container was throttled.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Cpu {
    /// CPU time used.
    pub usage: CpuUsage,
    /// Throttling by the quota.
    pub throttling: Throttling,
    /// Time that tasks waited for a CPU (cgroup v2).
    #[serde(skip_serializing_if = "is_none")]
    pub psi: Option<Pressure>,
}

/// CPU time used, in nanoseconds.
#[derive(Clone, Debug, Default, Serialize)]
pub struct CpuUsage {
    /// By all tasks on all CPUs.
    #[serde(skip_serializing_if = "is_zero")]
    pub total: u64,
    /// On each CPU (cgroup v1).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub percpu: Vec<u64>,
    /// On each CPU in the kernel (cgroup v1).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub percpu_kernel: Vec<u64>,
    /// On each CPU in user space (cgroup v1).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub percpu_user: Vec<u64>,
    /// In the kernel.
    pub kernel: u64,
    /// In user space.
    pub user: u64,
}

/// Throttling by the CPU quota.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Throttling {
    /// Periods in which the container ran.
    #[serde(skip_serializing_if = "is_zero")]
    pub periods: u64,
    /// Periods in which it used up its quota.
    #[serde(skip_serializing_if = "is_zero")]
    pub throttled_periods: u64,
    /// Time for which it was throttled, in nanoseconds.
    #[serde(skip_serializing_if = "is_zero")]
    pub throttled_time: u64,
}

/// The CPUs and memory nodes of the container, and the other settings of the v1 controller `cpuset` (cpuset(7)).
#[derive(Clone, Debug, Default, Serialize)]
pub struct CpuSet {
    /// The CPUs; `None` without a cpuset.
    pub cpus: Option<Vec<u16>>,
    /// `cpuset.cpu_exclusive`
    pub cpu_exclusive: u64,
    /// The memory nodes; `None` without a cpuset.
    pub mems: Option<Vec<u16>>,
    /// `cpuset.mem_hardwall`
    pub mem_hardwall: u64,
    /// `cpuset.mem_exclusive`
    pub mem_exclusive: u64,
    /// `cpuset.memory_migrate`
    pub memory_migrate: u64,
    /// `cpuset.memory_spread_page`
    pub memory_spread_page: u64,
    /// `cpuset.memory_spread_slab`
    pub memory_spread_slab: u64,
    /// `cpuset.memory_pressure`
    pub memory_pressure: u64,
    /// `cpuset.sched_load_balance`
    pub sched_load_balance: u64,
    /// `cpuset.sched_relax_domain_level`
    pub sched_relax_domain_level: i64,
}

impl Cpu {
    /// Reads the files of either version of cgroups.
    pub(super) fn read(values: &Values) -> Self {
        Self {
            usage: CpuUsage::read(values),
            throttling: Throttling::read(values),
            psi: Pressure::read(values, "cpu", "cpu.pressure"),
        }
    }
}

impl CpuUsage {
    fn read(values: &Values) -> Self {
        // v2 counts in microseconds, in one file.
        let v2 = |key: &str| values.keyed("cpu", "cpu.stat", key).and_then(|us| us.checked_mul(1000));
        if let Some(total) = v2("usage_usec") {
            let (user, kernel) = (v2("user_usec").unwrap_or(0), v2("system_usec").unwrap_or(0));
            return Self { total, kernel, user, ..Self::default() };
        }
        let stat = values.text("cpuacct", "cpuacct.stat").unwrap_or_default();
        let ticks = |key: &str| keyed(&stat, key).unwrap_or(0).saturating_mul(TICK_NS);
        Self {
            total: values.number("cpuacct", "cpuacct.usage").unwrap_or(0),
            percpu: each(values, "cpuacct.usage_percpu"),
            percpu_kernel: each(values, "cpuacct.usage_percpu_sys"),
            percpu_user: each(values, "cpuacct.usage_percpu_user"),
            kernel: ticks("system"),
            user: ticks("user"),
        }
    }
}

/// Parses a file with a number for each CPU, on one line.
fn each(values: &Values, file: &str) -> Vec<u64> {
    let text = values.text("cpuacct", file).unwrap_or_default();
    text.split_ascii_whitespace().filter_map(|word| word.parse().ok()).collect()
}

impl Throttling {
    fn read(values: &Values) -> Self {
        let stat = values.text("cpu", "cpu.stat").unwrap_or_default();
        let time = keyed(&stat, "throttled_time")
            .or_else(|| keyed(&stat, "throttled_usec").and_then(|us| us.checked_mul(1000)));
        Self {
            periods: keyed(&stat, "nr_periods").unwrap_or(0),
            throttled_periods: keyed(&stat, "nr_throttled").unwrap_or(0),
            throttled_time: time.unwrap_or(0),
        }
    }
}

impl CpuSet {
    /// Reads the files of the controller `cpuset`.
    pub(super) fn read(values: &Values) -> Self {
        let number = |file: &str| values.number("cpuset", file).unwrap_or(0);
        let relax = values.text("cpuset", "cpuset.sched_relax_domain_level");
        Self {
            cpus: list(values.text("cpuset", "cpuset.cpus")),
            cpu_exclusive: number("cpuset.cpu_exclusive"),
            mems: list(values.text("cpuset", "cpuset.mems")),
            mem_hardwall: number("cpuset.mem_hardwall"),
            mem_exclusive: number("cpuset.mem_exclusive"),
            memory_migrate: number("cpuset.memory_migrate"),
            memory_spread_page: number("cpuset.memory_spread_page"),
            memory_spread_slab: number("cpuset.memory_spread_slab"),
            memory_pressure: number("cpuset.memory_pressure"),
            sched_load_balance: number("cpuset.sched_load_balance"),
            sched_relax_domain_level: relax.and_then(|text| text.trim().parse().ok()).unwrap_or(0),
        }
    }
}

/// Expands a list such as `0-2,7` (cpuset(7), "List format"); `None` for an empty one.
fn list(text: Option<String>) -> Option<Vec<u16>> {
    let mut numbers: Vec<u16> = Vec::new();
    for part in text?.trim().split(',') {
        let (low, high) = part.split_once('-').unwrap_or((part, part));
        if let (Ok(low), Ok(high)) = (low.parse::<u16>(), high.parse::<u16>()) {
            numbers.extend(low..=high);
        }
    }
    (!numbers.is_empty()).then_some(numbers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_of_cpus_is_expanded() {
        assert_eq!(list(Some("0-2,7\n".to_owned())), Some(vec![0, 1, 2, 7]));
        assert_eq!(list(Some("\n".to_owned())), None);
        assert_eq!(list(None), None);
    }
}
