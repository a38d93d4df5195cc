//! Processor time, and on which processors.

use super::{add, object, pressure};
use crate::cgroup::values::{Values, keyed};
use serde_json::{Value, json};

/// Nanoseconds in a clock tick of `cpuacct.stat`: the kernel counts 100 in a second, whatever it counts inside.
const TICK_NS: u64 = 10_000_000;

/// Time used, and time for which processes were held back.
pub(super) fn usage(values: &Values) -> Value {
    let mut cpu = json!({ "usage": used(values), "throttling": throttling(values) });
    add(&mut cpu, "psi", pressure(values.text("cpu", "cpu.pressure")));
    cpu
}

fn used(values: &Values) -> Value {
    // v2 counts in microseconds, in one file.
    let v2 = |key: &str| values.keyed("cpu", "cpu.stat", key).and_then(|us| us.checked_mul(1000));
    if let Some(total) = v2("usage_usec") {
        let (user, kernel) = (v2("user_usec").unwrap_or(0), v2("system_usec").unwrap_or(0));
        let mut usage = object([("total", Some(total))]);
        add(&mut usage, "kernel", Some(json!(kernel)));
        add(&mut usage, "user", Some(json!(user)));
        return usage;
    }
    let stat = values.text("cpuacct", "cpuacct.stat").unwrap_or_default();
    let ticks = |key: &str| keyed(&stat, key).unwrap_or(0).saturating_mul(TICK_NS);
    let mut usage = object([("total", values.number("cpuacct", "cpuacct.usage"))]);
    add(&mut usage, "percpu", each(values, "cpuacct.usage_percpu"));
    add(&mut usage, "percpu_kernel", each(values, "cpuacct.usage_percpu_sys"));
    add(&mut usage, "percpu_user", each(values, "cpuacct.usage_percpu_user"));
    add(&mut usage, "kernel", Some(json!(ticks("system"))));
    add(&mut usage, "user", Some(json!(ticks("user"))));
    usage
}

/// A number for each processor, on one line.
fn each(values: &Values, file: &str) -> Option<Value> {
    let text = values.text("cpuacct", file)?;
    let numbers: Vec<u64> = text.split_ascii_whitespace().filter_map(|word| word.parse().ok()).collect();
    (!numbers.is_empty()).then(|| json!(numbers))
}

fn throttling(values: &Values) -> Value {
    let stat = values.text("cpu", "cpu.stat").unwrap_or_default();
    let held = keyed(&stat, "throttled_time")
        .or_else(|| keyed(&stat, "throttled_usec").and_then(|us| us.checked_mul(1000)));
    object([
        ("periods", keyed(&stat, "nr_periods")),
        ("throttledPeriods", keyed(&stat, "nr_throttled")),
        ("throttledTime", held),
    ])
}

/// The processors and memory nodes that the container may use.
pub(super) fn set(values: &Values) -> Value {
    let number = |file: &str| values.number("cpuset", file).unwrap_or(0);
    let relax = values.text("cpuset", "cpuset.sched_relax_domain_level");
    json!({
        "cpus": list(values.text("cpuset", "cpuset.cpus")),
        "cpu_exclusive": number("cpuset.cpu_exclusive"),
        "mems": list(values.text("cpuset", "cpuset.mems")),
        "mem_hardwall": number("cpuset.mem_hardwall"),
        "mem_exclusive": number("cpuset.mem_exclusive"),
        "memory_migrate": number("cpuset.memory_migrate"),
        "memory_spread_page": number("cpuset.memory_spread_page"),
        "memory_spread_slab": number("cpuset.memory_spread_slab"),
        "memory_pressure": number("cpuset.memory_pressure"),
        "sched_load_balance": number("cpuset.sched_load_balance"),
        "sched_relax_domain_level": relax.and_then(|text| text.trim().parse::<i64>().ok()).unwrap_or(0),
    })
}

/// The numbers of a list such as `0-2,7`; none is `null`.
fn list(text: Option<String>) -> Value {
    let mut numbers: Vec<u16> = Vec::new();
    for part in text.unwrap_or_default().trim().split(',') {
        let (low, high) = part.split_once('-').unwrap_or((part, part));
        if let (Ok(low), Ok(high)) = (low.parse::<u16>(), high.parse::<u16>()) {
            numbers.extend(low..=high);
        }
    }
    if numbers.is_empty() { Value::Null } else { json!(numbers) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_of_processors_is_written_out() {
        assert_eq!(list(Some("0-2,7\n".to_owned())), json!([0, 1, 2, 7]));
        assert_eq!(list(None), Value::Null);
    }
}
