//! Limits as the files of a cgroup: one line of the table below for each property, with its file on v1 and on v2.

use super::write;
use crate::draft::Draft;
use crate::host::{CgroupVersion, Hierarchy};
use crate::place::Place;
use crate::spec::{BlockIo, Cpu, Memory, Resources};
use crate::step::Slot;

/// The container's directories, with their hierarchies.
type Cgroups<'host> = [(Slot, &'host Hierarchy)];

/// A limit: the controller it belongs to, and what to write where on each version; no file means that this version has none.
struct Limit<'text> {
    controller: &'text str,
    v1: Option<(&'text str, String)>,
    v2: Option<(&'text str, String)>,
    place: Place,
}

/// Plans every limit that is set.
pub(super) fn plan(draft: &mut Draft, cgroups: &Cgroups<'_>, resources: &Resources) {
    memory(draft, cgroups, &resources.memory);
    cpu(draft, cgroups, &resources.cpu);
    pids(draft, cgroups, resources);
    block_io(draft, cgroups, &resources.block_io);
    huge_pages(draft, cgroups, resources);
    network(draft, cgroups, resources);
    rdma(draft, cgroups, resources);
    unified(draft, cgroups, resources);
}

/// A container without a cgroup can have no limits: each that is set is told, none is dropped silently.
pub(super) fn refuse_all(draft: &mut Draft, resources: &Resources) {
    let mut wanted = Draft::default();
    plan(&mut wanted, &[], resources);
    draft.mistakes.append(&mut wanted.mistakes);
}

fn set(draft: &mut Draft, cgroups: &Cgroups<'_>, limit: Limit<'_>) {
    let found = cgroups.iter().find(|(_, hierarchy)| super::has(hierarchy, limit.controller));
    let Some((slot, hierarchy)) = found else {
        let what =
            format!("the {} controller is not there, so that this limit can't be set", limit.controller);
        return draft.refuse(limit.place, what);
    };
    let file = match hierarchy.version {
        CgroupVersion::V1 => limit.v1,
        CgroupVersion::V2 => limit.v2,
    };
    match file {
        Some((file, value)) => write(draft, *slot, (file, &value), limit.place),
        None => draft.warn(limit.place, "this cgroup version has no such limit"),
    }
}

/// Memory (config-linux.md, "Memory"). Zero means unset, as Docker writes it.
fn memory(draft: &mut Draft, cgroups: &Cgroups<'_>, memory: &Memory) {
    let mut put = |value: Option<i64>, v1, v2: Option<(&'static str, String)>, place| {
        if let Some(value) = value.filter(|value| *value != 0) {
            let v1 = Some((v1, value.to_string()));
            set(draft, cgroups, Limit { controller: "memory", v1, v2, place });
        }
    };
    let limit = memory.limit.unwrap_or(0);
    put(
        memory.limit,
        "memory.limit_in_bytes",
        Some(("memory.max", or_max(limit))),
        Place::of("linux.resources.memory.limit"),
    );
    let swap = Some(("memory.swap.max", swap_alone(limit, memory.swap.unwrap_or(0))));
    put(memory.swap, "memory.memsw.limit_in_bytes", swap, Place::of("linux.resources.memory.swap"));
    let low = Some(("memory.low", or_max(memory.reservation.unwrap_or(0))));
    put(
        memory.reservation,
        "memory.soft_limit_in_bytes",
        low,
        Place::of("linux.resources.memory.reservation"),
    );
    put(
        memory.kernel_tcp,
        "memory.kmem.tcp.limit_in_bytes",
        None,
        Place::of("linux.resources.memory.kernelTCP"),
    );
    if memory.kernel.is_some_and(|value| value != 0) {
        draft.warn(
            Place::of("linux.resources.memory.kernel"),
            "the limit of kernel memory is obsolete and ignored",
        );
    }
    if let Some(value) = memory.swappiness {
        let place = Place::of("linux.resources.memory.swappiness");
        let v1 = Some(("memory.swappiness", value.to_string()));
        set(draft, cgroups, Limit { controller: "memory", v1, v2: None, place });
    }
    if memory.disable_oom_killer == Some(true) {
        let place = Place::of("linux.resources.memory.disableOOMKiller");
        let v1 = Some(("memory.oom_control", "1".to_owned()));
        set(draft, cgroups, Limit { controller: "memory", v1, v2: None, place });
    }
}

/// v2 counts swap alone, where the configuration counts memory and swap together.
fn swap_alone(limit: i64, both: i64) -> String {
    if both < 0 || limit < 0 { "max".to_owned() } else { (both - limit).max(0).to_string() }
}

fn or_max(value: i64) -> String {
    if value < 0 { "max".to_owned() } else { value.to_string() }
}

/// CPU time and sets (config-linux.md, "CPU"). The period is written before the quota, which has to fit into it.
fn cpu(draft: &mut Draft, cgroups: &Cgroups<'_>, cpu: &Cpu) {
    let shares = cpu.shares.filter(|shares| *shares != 0);
    let period = cpu.period.filter(|period| *period != 0);
    let quota = cpu.quota.filter(|quota| *quota != 0);
    let realtime_period = cpu.realtime_period.filter(|period| *period != 0);
    let realtime = cpu.realtime_runtime.filter(|runtime| *runtime != 0);
    let max = format!("{} {}", or_max(quota.unwrap_or(-1)), period.unwrap_or(100_000));
    let burst = cpu.burst.map(|burst| burst.to_string());
    let idle = cpu.idle.map(|idle| idle.to_string());
    let weight = shares.map(|shares| weight_of(shares).to_string());
    // On v2 one file takes both quota and period: it is written with whichever of them comes first.
    let v2_max = if period.is_some() { (Some(max), None) } else { (None, Some(max)) };
    let text = |number: Option<u64>| number.map(|number| number.to_string());
    let table = [
        (text(shares), "cpu.shares", Some("cpu.weight"), weight, "linux.resources.cpu.shares"),
        (text(period), "cpu.cfs_period_us", Some("cpu.max"), v2_max.0, "linux.resources.cpu.period"),
        (
            quota.map(|quota| quota.to_string()),
            "cpu.cfs_quota_us",
            Some("cpu.max"),
            v2_max.1,
            "linux.resources.cpu.quota",
        ),
        (burst.clone(), "cpu.cfs_burst_us", Some("cpu.max.burst"), burst, "linux.resources.cpu.burst"),
        (idle.clone(), "cpu.idle", Some("cpu.idle"), idle, "linux.resources.cpu.idle"),
        (text(realtime_period), "cpu.rt_period_us", None, None, "linux.resources.cpu.realtimePeriod"),
        (
            realtime.map(|value| value.to_string()),
            "cpu.rt_runtime_us",
            None,
            None,
            "linux.resources.cpu.realtimeRuntime",
        ),
    ];
    for (value, v1, v2_file, v2_value, place) in table {
        let Some(value) = value else { continue };
        // A quota whose period was written before has gone with it.
        if v2_value.is_none() && v2_file == Some("cpu.max") && is_v2(cgroups, "cpu") {
            continue;
        }
        let v2 = v2_file.zip(v2_value);
        set(draft, cgroups, Limit { controller: "cpu", v1: Some((v1, value)), v2, place: Place::of(place) });
    }
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

fn is_v2(cgroups: &Cgroups<'_>, controller: &str) -> bool {
    let found = cgroups.iter().find(|(_, hierarchy)| super::has(hierarchy, controller));
    found.is_some_and(|(_, hierarchy)| hierarchy.version == CgroupVersion::V2)
}

/// The weight of v2 (1 to 10000) for shares of v1 (2 to 262144), so that the ends, and the default 1024 as 100, agree.
///
/// The curve is the one runc, crun and systemd agreed on in 2025: a parabola of the logarithms.
fn weight_of(shares: u64) -> u64 {
    let exponent = (shares.clamp(2, 262_144) as f64).log2();
    let power = (exponent * exponent + 125.0 * exponent) / 612.0 - 7.0 / 34.0;
    (10_f64.powf(power).ceil() as u64).clamp(1, 10_000)
}

/// Tasks (config-linux.md, "PIDs"): below 0 without limit; 0, of which no container could start, is taken as 1 by all runtimes.
fn pids(draft: &mut Draft, cgroups: &Cgroups<'_>, resources: &Resources) {
    let Some(limit) = resources.pids.limit else { return };
    let value = if limit < 0 { "max".to_owned() } else { limit.max(1).to_string() };
    let file = Some(("pids.max", value));
    let place = Place::of("linux.resources.pids.limit");
    set(draft, cgroups, Limit { controller: "pids", v1: file.clone(), v2: file, place });
}

/// Block devices (config-linux.md, "Block IO").
fn block_io(draft: &mut Draft, cgroups: &Cgroups<'_>, io: &BlockIo) {
    let controller = if is_v2(cgroups, "io") { "io" } else { "blkio" };
    if let Some(weight) = io.weight.filter(|weight| *weight != 0) {
        let place = Place::of("linux.resources.blockIO.weight");
        let v1 = Some(("blkio.bfq.weight", weight.to_string()));
        let v2 = Some(("io.weight", format!("default {}", io_weight(weight))));
        set(draft, cgroups, Limit { controller, v1, v2, place });
    }
    if io.leaf_weight.is_some_and(|weight| weight != 0) {
        let place = Place::of("linux.resources.blockIO.leafWeight");
        draft.warn(place, "no scheduler since Linux 5.0 knows leaf weights, they are ignored");
    }
    for (index, device) in io.weight_device.iter().enumerate() {
        let Some(weight) = device.weight.filter(|weight| *weight != 0) else { continue };
        let place = Place::at("linux.resources.blockIO.weightDevice[#]", index);
        let line = |weight: u64| format!("{}:{} {weight}", device.major, device.minor);
        let v1 = Some(("blkio.bfq.weight_device", line(weight.into())));
        let v2 = Some(("io.weight", line(io_weight(weight))));
        set(draft, cgroups, Limit { controller, v1, v2, place });
    }
    for (devices, v1, key, pattern) in [
        (
            &io.throttle_read_bps_device,
            "blkio.throttle.read_bps_device",
            "rbps",
            "linux.resources.blockIO.throttleReadBpsDevice[#]",
        ),
        (
            &io.throttle_write_bps_device,
            "blkio.throttle.write_bps_device",
            "wbps",
            "linux.resources.blockIO.throttleWriteBpsDevice[#]",
        ),
        (
            &io.throttle_read_iops_device,
            "blkio.throttle.read_iops_device",
            "riops",
            "linux.resources.blockIO.throttleReadIOPSDevice[#]",
        ),
        (
            &io.throttle_write_iops_device,
            "blkio.throttle.write_iops_device",
            "wiops",
            "linux.resources.blockIO.throttleWriteIOPSDevice[#]",
        ),
    ] {
        for (index, device) in devices.iter().enumerate() {
            let number = format!("{}:{}", device.major, device.minor);
            let v2 = Some(("io.max", format!("{number} {key}={}", device.rate)));
            let v1 = Some((v1, format!("{number} {}", device.rate)));
            set(draft, cgroups, Limit { controller, v1, v2, place: Place::at(pattern, index) });
        }
    }
}

/// The weight of v2 (1 to 10000) for one of v1 (10 to 1000).
fn io_weight(weight: u16) -> u64 {
    1 + (u64::from(weight).max(10) - 10) * 9999 / 990
}

/// Huge pages (config-linux.md, "Huge page limits").
fn huge_pages(draft: &mut Draft, cgroups: &Cgroups<'_>, resources: &Resources) {
    for (index, limit) in resources.hugepage_limits.iter().enumerate() {
        let place = Place::at("linux.resources.hugepageLimits[#]", index);
        if limit.page_size.contains('/') {
            draft.refuse(place, format!("{:?} is no page size", limit.page_size));
            continue;
        }
        let (v1, v2) = (
            format!("hugetlb.{}.limit_in_bytes", limit.page_size),
            format!("hugetlb.{}.max", limit.page_size),
        );
        let value = limit.limit.to_string();
        let (v1, v2) = (Some((v1.as_str(), value.clone())), Some((v2.as_str(), value)));
        set(draft, cgroups, Limit { controller: "hugetlb", v1, v2, place });
    }
}

/// Tags of packets (config-linux.md, "Network"), on v1 alone.
fn network(draft: &mut Draft, cgroups: &Cgroups<'_>, resources: &Resources) {
    if let Some(class) = resources.network.class_id.filter(|class| *class != 0) {
        let place = Place::of("linux.resources.network.classID");
        let v1 = Some(("net_cls.classid", class.to_string()));
        set(draft, cgroups, Limit { controller: "net_cls", v1, v2: None, place });
    }
    for (index, priority) in resources.network.priorities.iter().enumerate() {
        let place = Place::at("linux.resources.network.priorities[#]", index);
        let v1 = Some(("net_prio.ifpriomap", format!("{} {}", priority.name, priority.priority)));
        set(draft, cgroups, Limit { controller: "net_prio", v1, v2: None, place });
    }
}

/// RDMA devices (config-linux.md, "RDMA").
fn rdma(draft: &mut Draft, cgroups: &Cgroups<'_>, resources: &Resources) {
    for (device, limit) in &resources.rdma {
        let handles = limit.hca_handles.map(|count| format!(" hca_handle={count}")).unwrap_or_default();
        let objects = limit.hca_objects.map(|count| format!(" hca_object={count}")).unwrap_or_default();
        let both = Some(("rdma.max", format!("{device}{handles}{objects}")));
        let place = Place::of("linux.resources.rdma");
        set(draft, cgroups, Limit { controller: "rdma", v1: both.clone(), v2: both, place });
    }
}

/// Files of v2 by their own names (config-linux.md, "Unified"); a value of several lines is written line by line.
fn unified(draft: &mut Draft, cgroups: &Cgroups<'_>, resources: &Resources) {
    let place = Place::of("linux.resources.unified");
    let only = cgroups.iter().all(|(_, hierarchy)| hierarchy.version == CgroupVersion::V2);
    for (file, value) in &resources.unified {
        if file.contains('/') || file.starts_with('.') {
            draft.refuse(place, format!("{file:?} is no file of a cgroup"));
            continue;
        }
        match cgroups.first() {
            Some((slot, _)) if only => {
                value.lines().for_each(|line| write(draft, *slot, (file, line), place));
            }
            _ => draft
                .refuse(place, format!("invalid configuration: cannot use unified {file:?} on cgroup v1")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_become_weights_that_agree_at_both_ends_and_at_the_default() {
        assert_eq!((weight_of(2), weight_of(1024), weight_of(262_144)), (1, 100, 10_000));
    }

    #[test]
    fn swap_is_counted_without_memory_on_v2() {
        assert_eq!(swap_alone(100, 250), "150");
        assert_eq!(swap_alone(100, 100), "0");
        assert_eq!(swap_alone(100, -1), "max");
    }
}
