//! Block I/O limits (config-linux.md, "Block IO").

use super::limit::{Cgroups, Limit, Line, is_v2, set};
use crate::draft::Draft;
use crate::place::Place;
use crate::spec::{BlockIo, ThrottleDevice};
use crate::step::{LimitStep, LimitWrite, WriteCgroup};

/// Plans the weights and throttles.
pub(super) fn plan(draft: &mut Draft, cgroups: &Cgroups<'_>, io: &BlockIo) {
    weights(draft, cgroups, io);
    for throttle in throttles(io) {
        throttle.plan(draft, cgroups);
    }
    warn_of_leaf_weights(draft, io);
}

/// The name of the controller: `blkio` on v1.
fn controller(cgroups: &Cgroups<'_>) -> &'static str {
    if is_v2(cgroups, "io") { "io" } else { "blkio" }
}

/// Leaf weights were for the CFQ scheduler, which Linux 5.0 removed.
fn warn_of_leaf_weights(draft: &mut Draft, io: &BlockIo) {
    let place = |index| Place::at("linux.resources.blockIO.weightDevice[#].leafWeight", index);
    let devices = io.weight_device.iter().enumerate().map(|(index, one)| (one.leaf_weight, place(index)));
    let cgroup = (io.leaf_weight, Place::of("linux.resources.blockIO.leafWeight"));
    for (weight, place) in std::iter::once(cgroup).chain(devices) {
        if weight.is_some_and(|weight| weight != 0) {
            draft.warn(place, "no I/O scheduler since Linux 5.0 supports leaf weights: they are ignored");
        }
    }
}

/// Plans the weight of the cgroup and of single devices.
///
/// The BFQ scheduler has files of its own. Without it, v1 has the files of the former scheduler CFQ, and v2
/// those of the cost model (iocost), with another scale.
fn weights(draft: &mut Draft, cgroups: &Cgroups<'_>, io: &BlockIo) {
    if let Some(weight) = io.weight.filter(|weight| *weight != 0) {
        let files = WeightFiles {
            bfq_v1: Line::new("blkio.bfq.weight", weight),
            bfq_v2: Line::new("io.bfq.weight", weight),
            cfq: Line::new("blkio.weight", weight),
            iocost: Line::new("io.weight", format!("default {}", io_weight(weight))),
        };
        files.plan(draft, cgroups, Place::of("linux.resources.blockIO.weight"));
    }
    for (index, device) in io.weight_device.iter().enumerate() {
        let Some(weight) = device.weight.filter(|weight| *weight != 0) else { continue };
        let of_device = |weight: u64| format!("{}:{} {weight}", device.major, device.minor);
        let files = WeightFiles {
            bfq_v1: Line::new("blkio.bfq.weight_device", of_device(weight.into())),
            bfq_v2: Line::new("io.bfq.weight", of_device(weight.into())),
            cfq: Line::new("blkio.weight_device", of_device(weight.into())),
            iocost: Line::new("io.weight", of_device(io_weight(weight))),
        };
        files.plan(draft, cgroups, Place::at("linux.resources.blockIO.weightDevice[#]", index));
    }
}

/// A weight in the files of each scheduler.
struct WeightFiles<'text> {
    bfq_v1: Line<'text>,
    bfq_v2: Line<'text>,
    cfq: Line<'text>,
    iocost: Line<'text>,
}

impl WeightFiles<'_> {
    /// Plans the weight: in the file of BFQ if the cgroup has it, otherwise in the other file of this cgroup
    /// version.
    fn plan(self, draft: &mut Draft, cgroups: &Cgroups<'_>, place: Place) {
        let controller = controller(cgroups);
        let found = cgroups.iter().find(|(_, hierarchy)| super::has(hierarchy, controller));
        let Some((cgroup, _)) = found else {
            let (v1, v2) = (Some(self.bfq_v1), Some(self.bfq_v2));
            return set(draft, cgroups, Limit { controller, v1, v2, place });
        };
        let (first, second) =
            if controller == "io" { (self.bfq_v2, self.iocost) } else { (self.bfq_v1, self.cfq) };
        let mut write = |line: Line<'_>| WriteCgroup {
            cgroup: *cgroup,
            file: draft.text(line.file, place),
            value: draft.text(&line.value, place),
        };
        let (first, second) = (write(first), write(second));
        draft.limit(LimitStep::Write(LimitWrite::Either { first, second }), place);
    }
}

/// One of the four rates: bytes or operations per second, for reading or writing.
struct Throttle<'spec> {
    devices: &'spec [ThrottleDevice],
    v1_file: &'static str,
    /// The key in `io.max` of v2.
    v2_key: &'static str,
    place: &'static str,
}

fn throttles(io: &BlockIo) -> [Throttle<'_>; 4] {
    [
        Throttle {
            devices: &io.throttle_read_bps_device,
            v1_file: "blkio.throttle.read_bps_device",
            v2_key: "rbps",
            place: "linux.resources.blockIO.throttleReadBpsDevice[#]",
        },
        Throttle {
            devices: &io.throttle_write_bps_device,
            v1_file: "blkio.throttle.write_bps_device",
            v2_key: "wbps",
            place: "linux.resources.blockIO.throttleWriteBpsDevice[#]",
        },
        Throttle {
            devices: &io.throttle_read_iops_device,
            v1_file: "blkio.throttle.read_iops_device",
            v2_key: "riops",
            place: "linux.resources.blockIO.throttleReadIOPSDevice[#]",
        },
        Throttle {
            devices: &io.throttle_write_iops_device,
            v1_file: "blkio.throttle.write_iops_device",
            v2_key: "wiops",
            place: "linux.resources.blockIO.throttleWriteIOPSDevice[#]",
        },
    ]
}

impl Throttle<'_> {
    fn plan(&self, draft: &mut Draft, cgroups: &Cgroups<'_>) {
        for (index, device) in self.devices.iter().enumerate() {
            let number = format!("{}:{}", device.major, device.minor);
            // A rate of 0 lifts the limit. v2 writes `max` for that.
            let rate = if device.rate == 0 { "max".to_owned() } else { device.rate.to_string() };
            let v2 = Some(Line::new("io.max", format!("{number} {}={rate}", self.v2_key)));
            let v1 = Some(Line::new(self.v1_file, format!("{number} {}", device.rate)));
            let limit =
                Limit { controller: controller(cgroups), v1, v2, place: Place::at(self.place, index) };
            set(draft, cgroups, limit);
        }
    }
}

/// Converts a weight of v1 (10 to 1000) to one of v2 (1 to 10000), as runc does.
pub(super) fn io_weight(weight: u16) -> u64 {
    1 + (u64::from(weight).max(10) - 10) * 9999 / 990
}

#[cfg(test)]
mod tests {
    use super::io_weight;

    /// config-linux.md, "Block IO": 10 to 1000. Documentation/admin-guide/cgroup-v2.rst, io.weight: 1 to
    /// 10000. runc's ConvertBlkIOToIOWeightValue is 1 + (weight - 10) * 9999 / 990.
    #[test]
    fn the_ends_of_the_v1_scale_are_those_of_v2() {
        assert_eq!((io_weight(10), io_weight(1000)), (1, 10_000));
        assert_eq!(io_weight(500), 4950);
        assert_eq!(io_weight(1), 1);
    }
}
