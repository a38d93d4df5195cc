//! Limits of processor time, and the processors themselves (config-linux.md, "CPU"). Zero means unset, as Docker writes it.

use super::limit::{Cgroups, Limit, is_v2, set};
use crate::draft::Draft;
use crate::place::Place;
use crate::spec::Cpu;

/// The period of a quota for which none is given, in microseconds: the kernel's own.
pub(super) const DEFAULT_PERIOD: u64 = 100_000;

/// Plans what is set.
pub(super) fn plan(draft: &mut Draft, cgroups: &Cgroups<'_>, cpu: &Cpu) {
    let shares = cpu.shares.filter(|shares| *shares != 0);
    let weight = shares.map(|shares| ("cpu.weight", weight_of(shares).to_string()));
    let table = [
        (shares.map(|shares| shares.to_string()), "cpu.shares", weight, "linux.resources.cpu.shares"),
        (
            text(cpu.burst),
            "cpu.cfs_burst_us",
            text(cpu.burst).map(|burst| ("cpu.max.burst", burst)),
            "linux.resources.cpu.burst",
        ),
        (
            cpu.idle.map(|idle| idle.to_string()),
            "cpu.idle",
            cpu.idle.map(|idle| ("cpu.idle", idle.to_string())),
            "linux.resources.cpu.idle",
        ),
        (text(nonzero(cpu.realtime_period)), "cpu.rt_period_us", None, "linux.resources.cpu.realtimePeriod"),
        (runtime(cpu.realtime_runtime), "cpu.rt_runtime_us", None, "linux.resources.cpu.realtimeRuntime"),
    ];
    for (value, file, v2, place) in table {
        if let Some(value) = value {
            let v1 = Some((file, value));
            set(draft, cgroups, Limit { controller: "cpu", v1, v2, place: Place::of(place) });
        }
    }
    bandwidth(draft, cgroups, cpu);
    sets(draft, cgroups, cpu);
}

/// The period is written before the quota, which has to fit into it; on v2 one file takes both.
fn bandwidth(draft: &mut Draft, cgroups: &Cgroups<'_>, cpu: &Cpu) {
    let (period, quota) = (nonzero(cpu.period), cpu.quota.filter(|quota| *quota != 0));
    let quota_at = Place::of("linux.resources.cpu.quota");
    let period_at = Place::of("linux.resources.cpu.period");
    if is_v2(cgroups, "cpu") {
        if period.is_some() || quota.is_some() {
            let time =
                quota.filter(|quota| *quota > 0).map_or_else(|| "max".to_owned(), |quota| quota.to_string());
            let v2 = Some(("cpu.max", format!("{time} {}", period.unwrap_or(DEFAULT_PERIOD))));
            let place = if quota.is_some() { quota_at } else { period_at };
            set(draft, cgroups, Limit { controller: "cpu", v1: None, v2, place });
        }
        return;
    }
    for (value, file, place) in
        [(text(period), "cpu.cfs_period_us", period_at), (runtime(quota), "cpu.cfs_quota_us", quota_at)]
    {
        if let Some(value) = value {
            set(draft, cgroups, Limit { controller: "cpu", v1: Some((file, value)), v2: None, place });
        }
    }
}

/// Which processors and memory nodes may be used.
fn sets(draft: &mut Draft, cgroups: &Cgroups<'_>, cpu: &Cpu) {
    for (value, file, place) in [
        (&cpu.cpus, "cpuset.cpus", "linux.resources.cpu.cpus"),
        (&cpu.mems, "cpuset.mems", "linux.resources.cpu.mems"),
    ] {
        if let Some(value) = value.as_ref().filter(|value| !value.is_empty()) {
            let both = Some((file, value.clone()));
            set(
                draft,
                cgroups,
                Limit { controller: "cpuset", v1: both.clone(), v2: both, place: Place::of(place) },
            );
        }
    }
}

fn nonzero(number: Option<u64>) -> Option<u64> {
    number.filter(|number| *number != 0)
}

fn text(number: Option<u64>) -> Option<String> {
    number.map(|number| number.to_string())
}

fn runtime(number: Option<i64>) -> Option<String> {
    number.filter(|number| *number != 0).map(|number| number.to_string())
}

/// The weight of v2 (1 to 10000) for shares of v1 (2 to 262144), so that the ends, and the default 1024 as 100, agree.
///
/// The curve is the one runc, crun and systemd agreed on in 2025: a parabola of the logarithms.
pub(super) fn weight_of(shares: u64) -> u64 {
    let exponent = (shares.clamp(2, 262_144) as f64).log2();
    let power = (exponent * exponent + 125.0 * exponent) / 612.0 - 7.0 / 34.0;
    (10_f64.powf(power).ceil() as u64).clamp(1, 10_000)
}

#[cfg(test)]
mod tests {
    use super::weight_of;

    #[test]
    fn shares_become_weights_that_agree_at_both_ends_and_at_the_default() {
        assert_eq!((weight_of(2), weight_of(1024), weight_of(262_144)), (1, 100, 10_000));
    }
}
