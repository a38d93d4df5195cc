//! The limits of a container's cgroup: linux.resources of config.json, and the document that update reads.

use std::collections::BTreeMap;

use super::decode::{Decode, Slot};
use super::mistake::{Place, Report};
use super::object::object;

object! {
    /// Limits of the container's cgroup (config-linux.md, Control groups). What is absent is left as it is.
    pub struct Resources {
        /// Which devices may be used; the rules apply in this order.
        devices: Vec<DeviceRule> = "devices",
        /// Memory.
        memory: Memory = "memory",
        /// CPU time and sets.
        cpu: Cpu = "cpu",
        /// The number of tasks.
        pids: Pids = "pids",
        /// Block devices.
        block_io: BlockIo = "blockIO",
        /// Huge pages.
        hugepage_limits: Vec<HugepageLimit> = "hugepageLimits",
        /// Tags of network packets.
        network: Network = "network",
        /// RDMA devices, by name.
        rdma: BTreeMap<String, Rdma> = "rdma",
        /// Files of cgroup v2 and what to write to them.
        unified: BTreeMap<String, String> = "unified",
    }
}

object! {
    /// Whether some devices may be used (config-linux.md, Allowed Device list).
    pub struct DeviceRule {
        /// Allowed, or else denied: it has to be said.
        allow: Verdict = "allow",
        /// `a` (all, as when absent), `c` or `b`.
        kind: Option<String> = "type",
        /// The major number; `None` for all.
        major: Option<i64> = "major",
        /// The minor number; `None` for all.
        minor: Option<i64> = "minor",
        /// A composition of `r`, `w` and `m`.
        access: Option<String> = "access",
    }
}

/// What a rule about devices says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// They may be used.
    Allow,
    /// They may not.
    Deny,
}

impl Decode for Verdict {
    const WANTED: &'static str = "true or false";

    fn boolean(value: bool, _: &Place<'_>, _: &mut Report) -> Slot<Self> {
        Slot::Given(if value { Self::Allow } else { Self::Deny })
    }
}

impl serde::Serialize for Verdict {
    fn serialize<S: serde::Serializer>(&self, writer: S) -> Result<S::Ok, S::Error> {
        writer.serialize_bool(*self == Self::Allow)
    }
}

object! {
    /// The memory controller; limits in bytes, -1 for none (config-linux.md, Memory).
    pub struct Memory {
        /// Memory.
        limit: Option<i64> = "limit",
        /// Soft limit.
        reservation: Option<i64> = "reservation",
        /// Memory and swap together.
        swap: Option<i64> = "swap",
        /// Kernel memory; obsolete.
        kernel: Option<i64> = "kernel",
        /// TCP buffers; obsolete.
        kernel_tcp: Option<i64> = "kernelTCP",
        /// How eagerly pages are swapped, 0 to 100.
        swappiness: Option<u64> = "swappiness",
        /// Whether tasks wait rather than being killed.
        disable_oom_killer: Option<bool> = "disableOOMKiller",
        /// Whether children share the limits; always so on cgroup v2.
        use_hierarchy: Option<bool> = "useHierarchy",
        /// Whether a limit below the present use is refused.
        check_before_update: Option<bool> = "checkBeforeUpdate",
    }
}

object! {
    /// The cpu and cpuset controllers; times in microseconds (config-linux.md, CPU).
    pub struct Cpu {
        /// The relative weight, on the scale of cgroup v1 (1024 by default).
        shares: Option<u64> = "shares",
        /// Time in each period; -1 for no limit.
        quota: Option<i64> = "quota",
        /// Unused time that may be saved up.
        burst: Option<u64> = "burst",
        /// The period of the quota.
        period: Option<u64> = "period",
        /// Real-time scheduling: time in each of its periods.
        realtime_runtime: Option<i64> = "realtimeRuntime",
        /// Real-time scheduling: its period.
        realtime_period: Option<u64> = "realtimePeriod",
        /// The CPUs, as a list such as `0-3,7`.
        cpus: Option<String> = "cpus",
        /// The memory nodes, as such a list.
        mems: Option<String> = "mems",
        /// 1: only when nothing else runs.
        idle: Option<i64> = "idle",
    }
}

object! {
    /// The pids controller (config-linux.md, PIDs).
    pub struct Pids {
        /// The most tasks; -1 for no limit, and 0 is a limit.
        limit: Option<i64> = "limit",
    }
}

object! {
    /// The blkio and io controllers (config-linux.md, Block IO).
    pub struct BlockIo {
        /// The relative weight, 10 to 1000.
        weight: Option<u16> = "weight",
        /// The weight of own tasks against child cgroups.
        leaf_weight: Option<u16> = "leafWeight",
        /// Weights by device.
        weight_device: Vec<WeightDevice> = "weightDevice",
        /// Most bytes read in a second, by device.
        throttle_read_bps_device: Vec<ThrottleDevice> = "throttleReadBpsDevice",
        /// Most bytes written in a second, by device.
        throttle_write_bps_device: Vec<ThrottleDevice> = "throttleWriteBpsDevice",
        /// Most reads in a second, by device.
        throttle_read_iops_device: Vec<ThrottleDevice> = "throttleReadIOPSDevice",
        /// Most writes in a second, by device.
        throttle_write_iops_device: Vec<ThrottleDevice> = "throttleWriteIOPSDevice",
    }
}

object! {
    /// The weight on one block device (config-linux.md, Block IO).
    pub struct WeightDevice {
        /// The major number.
        major: i64 = "major",
        /// The minor number.
        minor: i64 = "minor",
        /// The relative weight.
        weight: Option<u16> = "weight",
        /// The weight of own tasks against child cgroups.
        leaf_weight: Option<u16> = "leafWeight",
    }
}

object! {
    /// The rate limit of one block device (config-linux.md, Block IO).
    pub struct ThrottleDevice {
        /// The major number.
        major: i64 = "major",
        /// The minor number.
        minor: i64 = "minor",
        /// Bytes or operations in a second.
        rate: u64 = "rate",
    }
}

object! {
    /// The limit of one size of huge pages (config-linux.md, Huge page limits).
    pub struct HugepageLimit {
        /// The size, such as `2MB`.
        page_size: String = "pageSize",
        /// Bytes.
        limit: u64 = "limit",
    }
}

object! {
    /// The net_cls and net_prio controllers of cgroup v1 (config-linux.md, Network).
    pub struct Network {
        /// The class that packets are tagged with.
        class_id: Option<u32> = "classID",
        /// The priority of packets, by interface.
        priorities: Vec<InterfacePriority> = "priorities",
    }
}

object! {
    /// The priority of packets on one interface (config-linux.md, Network).
    pub struct InterfacePriority {
        /// The interface, in the runtime's network namespace.
        name: String = "name",
        /// Its priority.
        priority: u32 = "priority",
    }
}

object! {
    /// The limits of one RDMA device (config-linux.md, RDMA).
    pub struct Rdma {
        /// The most handles.
        hca_handles: Option<u32> = "hcaHandles",
        /// The most objects.
        hca_objects: Option<u32> = "hcaObjects",
    }
}
