//! CPU limits and CPU sets (config-linux.md, "CPU"). Zero means unset: Docker writes it so.

use super::limit::{Cgroups, Limit, Line, is_v2, set};
use crate::draft::Draft;
use crate::place::Place;
use crate::spec::Cpu;

/// The kernel's default period of a quota, in microseconds.
pub(super) const DEFAULT_PERIOD: u64 = 100_000;

/// Plans the shares, the bandwidth and the CPU sets. The real-time period comes before the real-time runtime,
/// which must be smaller.
pub(super) fn plan(draft: &mut Draft, cgroups: &Cgroups<'_>, cpu: &Cpu) {
    let place = Place::of;
    let (shares, burst, idle) = (nonzero(cpu.shares), cpu.burst, cpu.idle);
    let (period, runtime) = (nonzero(cpu.realtime_period), nonzero_signed(cpu.realtime_runtime));
    let limits = [
        (
            shares.map(|shares| Line::new("cpu.shares", shares)),
            shares.map(|shares| Line::new("cpu.weight", weight_of(shares))),
            place("linux.resources.cpu.shares"),
        ),
        (
            burst.map(|burst| Line::new("cpu.cfs_burst_us", burst)),
            burst.map(|burst| Line::new("cpu.max.burst", burst)),
            place("linux.resources.cpu.burst"),
        ),
        (
            idle.map(|idle| Line::new("cpu.idle", idle)),
            idle.map(|idle| Line::new("cpu.idle", idle)),
            place("linux.resources.cpu.idle"),
        ),
        (
            period.map(|period| Line::new("cpu.rt_period_us", period)),
            None,
            place("linux.resources.cpu.realtimePeriod"),
        ),
        (
            runtime.map(|runtime| Line::new("cpu.rt_runtime_us", runtime)),
            None,
            place("linux.resources.cpu.realtimeRuntime"),
        ),
    ];
    for (v1, v2, place) in limits.into_iter().filter(|(v1, ..)| v1.is_some()) {
        set(draft, cgroups, Limit { controller: "cpu", v1, v2, place });
    }
    bandwidth(draft, cgroups, cpu);
    sets(draft, cgroups, cpu);
}

/// Plans the quota and its period. v1 takes the period first, since the kernel limits the ratio of both. v2
/// has one file for both.
fn bandwidth(draft: &mut Draft, cgroups: &Cgroups<'_>, cpu: &Cpu) {
    let (period, quota) = (nonzero(cpu.period), nonzero_signed(cpu.quota));
    let quota_at = Place::of("linux.resources.cpu.quota");
    let period_at = Place::of("linux.resources.cpu.period");
    if is_v2(cgroups, "cpu") {
        // Both values are in one write, so the one that is not given gets the kernel's default.
        if period.is_some() || quota.is_some() {
            let time =
                quota.filter(|quota| *quota > 0).map_or_else(|| "max".to_owned(), |quota| quota.to_string());
            let v2 = Some(Line::new("cpu.max", format!("{time} {}", period.unwrap_or(DEFAULT_PERIOD))));
            let place = if quota.is_some() { quota_at } else { period_at };
            set(draft, cgroups, Limit { controller: "cpu", v1: None, v2, place });
        }
        return;
    }
    let period = period.map(|period| Line::new("cpu.cfs_period_us", period));
    let quota = quota.map(|quota| Line::new("cpu.cfs_quota_us", quota));
    for (v1, place) in [(period, period_at), (quota, quota_at)].into_iter().filter(|(v1, _)| v1.is_some()) {
        set(draft, cgroups, Limit { controller: "cpu", v1, v2: None, place });
    }
}

/// Plans the CPUs and memory nodes that the container may use.
fn sets(draft: &mut Draft, cgroups: &Cgroups<'_>, cpu: &Cpu) {
    for (value, file, place) in [
        (&cpu.cpus, "cpuset.cpus", "linux.resources.cpu.cpus"),
        (&cpu.mems, "cpuset.mems", "linux.resources.cpu.mems"),
    ] {
        if let Some(value) = value.as_ref().filter(|value| !value.is_empty()) {
            let line = Some(Line::new(file, value));
            let (v1, v2, place) = (line.clone(), line, Place::of(place));
            set(draft, cgroups, Limit { controller: "cpuset", v1, v2, place });
        }
    }
}

/// Drops a 0: it means unset.
fn nonzero(number: Option<u64>) -> Option<u64> {
    number.filter(|number| *number != 0)
}

/// Drops a 0: it means unset. Negative quotas mean no limit, so they stay.
fn nonzero_signed(number: Option<i64>) -> Option<i64> {
    number.filter(|number| *number != 0)
}

/// Converts shares of v1 (2 to 262144) to a weight of v2 (1 to 10000). Both ends are mapped to each other,
/// and the default 1024 to the default 100.
///
/// The curve is the one that runc, crun and Kubernetes use since 2025: a parabola of the logarithms.
pub(super) fn weight_of(shares: u64) -> u64 {
    let exponent = (shares.clamp(2, 262_144) as f64).log2();
    let power = (exponent * exponent + 125.0 * exponent) / 612.0 - 7.0 / 34.0;
    (10_f64.powf(power).ceil() as u64).clamp(1, 10_000)
}

#[cfg(test)]
mod tests {
    use super::weight_of;

    #[test]
    fn shares_and_weights_agree_at_both_ends_and_at_the_default() {
        assert_eq!((weight_of(2), weight_of(1024), weight_of(262_144)), (1, 100, 10_000));
        assert_eq!((weight_of(0), weight_of(1_000_000)), (1, 10_000));
        // Kubernetes writes 102 shares for a request of 100m CPU.
        assert_eq!(weight_of(102), 17);
    }
}
