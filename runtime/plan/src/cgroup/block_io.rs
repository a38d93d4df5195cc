//! Limits of block devices (config-linux.md, "Block IO").

use super::limits::{Cgroups, Limit, is_v2, set};
use crate::draft::Draft;
use crate::place::Place;
use crate::spec::BlockIo;

/// Plans what is set.
pub(super) fn plan(draft: &mut Draft, cgroups: &Cgroups<'_>, io: &BlockIo) {
    let controller = if is_v2(cgroups, "io") { "io" } else { "blkio" };
    weights(draft, cgroups, (io, controller));
    throttles(draft, cgroups, (io, controller));
    if io.leaf_weight.is_some_and(|weight| weight != 0) {
        let place = Place::of("linux.resources.blockIO.leafWeight");
        draft.warn(place, "no scheduler since Linux 5.0 knows leaf weights, they are ignored");
    }
}

/// Weights, of the group and by device: of the BFQ scheduler on v1, the only one that knows any.
fn weights(draft: &mut Draft, cgroups: &Cgroups<'_>, (io, controller): (&BlockIo, &str)) {
    if let Some(weight) = io.weight.filter(|weight| *weight != 0) {
        let place = Place::of("linux.resources.blockIO.weight");
        let v1 = Some(("blkio.bfq.weight", weight.to_string()));
        let v2 = Some(("io.weight", format!("default {}", io_weight(weight))));
        set(draft, cgroups, Limit { controller, v1, v2, place });
    }
    for (index, device) in io.weight_device.iter().enumerate() {
        let Some(weight) = device.weight.filter(|weight| *weight != 0) else { continue };
        let place = Place::at("linux.resources.blockIO.weightDevice[#]", index);
        let line = |weight: u64| format!("{}:{} {weight}", device.major, device.minor);
        let v1 = Some(("blkio.bfq.weight_device", line(weight.into())));
        let v2 = Some(("io.weight", line(io_weight(weight))));
        set(draft, cgroups, Limit { controller, v1, v2, place });
    }
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
            let v2 = Some(("io.max", format!("{number} {key}={}", device.rate)));
            let v1 = Some((file.as_str(), format!("{number} {}", device.rate)));
            set(draft, cgroups, Limit { controller, v1, v2, place: Place::at(pattern, index) });
        }
    }
}

/// The weight of v2 (1 to 10000) for one of v1 (10 to 1000).
fn io_weight(weight: u16) -> u64 {
    1 + (u64::from(weight).max(10) - 10) * 9999 / 990
}
