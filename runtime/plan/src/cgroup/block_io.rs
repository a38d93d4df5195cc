//! Limits of block devices (config-linux.md, "Block IO").

use super::limit::{Cgroups, Limit, is_v2, set};
use crate::draft::Draft;
use crate::place::Place;
use crate::spec::BlockIo;
use crate::step::{LimitStep, LimitWrite, WriteCgroup};

/// Plans what is set.
pub(super) fn plan(draft: &mut Draft, cgroups: &Cgroups<'_>, io: &BlockIo) {
    let controller = if is_v2(cgroups, "io") { "io" } else { "blkio" };
    weights(draft, cgroups, (io, controller));
    throttles(draft, cgroups, (io, controller));
    let leaf = |place: Place, weight: Option<u16>| {
        weight
            .filter(|weight| *weight != 0)
            .map(|_| (place, "no scheduler since Linux 5.0 knows leaf weights, they are ignored"))
    };
    let devices = io.weight_device.iter().enumerate().filter_map(|(index, device)| {
        leaf(Place::at("linux.resources.blockIO.weightDevice[#].leafWeight", index), device.leaf_weight)
    });
    for (place, what) in
        leaf(Place::of("linux.resources.blockIO.leafWeight"), io.leaf_weight).into_iter().chain(devices)
    {
        draft.warn(place, what);
    }
}

/// Weights, of the group and by device: of the BFQ scheduler, or where that is not there, of the one before it on v1, and of the
/// cost model on v2, which has a scale of its own.
fn weights(draft: &mut Draft, cgroups: &Cgroups<'_>, (io, controller): (&BlockIo, &str)) {
    if let Some(weight) = io.weight.filter(|weight| *weight != 0) {
        let place = Place::of("linux.resources.blockIO.weight");
        let first = (["blkio.bfq.weight", "io.bfq.weight"], weight.to_string());
        let other = match controller {
            "io" => ("io.weight", format!("default {}", io_weight(weight))),
            _ => ("blkio.weight", weight.to_string()),
        };
        either(draft, cgroups, (controller, first, other), place);
    }
    for (index, device) in io.weight_device.iter().enumerate() {
        let Some(weight) = device.weight.filter(|weight| *weight != 0) else { continue };
        let place = Place::at("linux.resources.blockIO.weightDevice[#]", index);
        let line = |weight: u64| format!("{}:{} {weight}", device.major, device.minor);
        let first = (["blkio.bfq.weight_device", "io.bfq.weight"], line(weight.into()));
        let other = match controller {
            "io" => ("io.weight", line(io_weight(weight))),
            _ => ("blkio.weight_device", line(weight.into())),
        };
        either(draft, cgroups, (controller, first, other), place);
    }
}

/// Plans a value of a file that only some schedulers bring (the v1 name, the v2 name), and what takes its place without it.
fn either(
    draft: &mut Draft,
    cgroups: &Cgroups<'_>,
    (controller, ([v1, v2], value), (file, other)): (&str, ([&str; 2], String), (&str, String)),
    place: Place,
) {
    let Some((slot, _)) = cgroups.iter().find(|(_, hierarchy)| super::has(hierarchy, controller)) else {
        let missing = Limit { controller, v1: Some((v1, value.clone())), v2: Some((v2, value)), place };
        return set(draft, cgroups, missing);
    };
    let name = if controller == "io" { v2 } else { v1 };
    let mut one = |file: &str, value: &str| WriteCgroup {
        cgroup: *slot,
        file: draft.text(file, place),
        value: draft.text(value, place),
    };
    let (first, second) = (one(name, &value), one(file, &other));
    draft.limit(LimitStep::Write(LimitWrite::Either { first, second }), place);
}

/// Most bytes and operations in a second, by device. On v2 all four are words of one file.
fn throttles(draft: &mut Draft, cgroups: &Cgroups<'_>, (io, controller): (&BlockIo, &str)) {
    let table = [
        (
            &io.throttle_read_bps_device,
            "read_bps",
            "rbps",
            "linux.resources.blockIO.throttleReadBpsDevice[#]",
        ),
        (
            &io.throttle_write_bps_device,
            "write_bps",
            "wbps",
            "linux.resources.blockIO.throttleWriteBpsDevice[#]",
        ),
        (
            &io.throttle_read_iops_device,
            "read_iops",
            "riops",
            "linux.resources.blockIO.throttleReadIOPSDevice[#]",
        ),
        (
            &io.throttle_write_iops_device,
            "write_iops",
            "wiops",
            "linux.resources.blockIO.throttleWriteIOPSDevice[#]",
        ),
    ];
    for (devices, v1, key, pattern) in table {
        let file = format!("blkio.throttle.{v1}_device");
        for (index, device) in devices.iter().enumerate() {
            let number = format!("{}:{}", device.major, device.minor);
            // 0 lifts the limit; v2 has a word for that.
            let rate = if device.rate == 0 { "max".to_owned() } else { device.rate.to_string() };
            let v2 = Some(("io.max", format!("{number} {key}={rate}")));
            let v1 = Some((file.as_str(), format!("{number} {}", device.rate)));
            set(draft, cgroups, Limit { controller, v1, v2, place: Place::at(pattern, index) });
        }
    }
}

/// The weight of v2 (1 to 10000) for one of v1 (10 to 1000).
pub(super) fn io_weight(weight: u16) -> u64 {
    1 + (u64::from(weight).max(10) - 10) * 9999 / 990
}
