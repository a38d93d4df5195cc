//! The limits of a container's cgroup: `linux.resources` of config.json, and the document that update takes.

use std::collections::BTreeMap;

use super::decode::{Decode, Parsed, Scalar, Unexpected, mismatch};
use super::mistake::{Place, Report};
use super::object::object;

object! {
    /// Limits of the container's cgroup (config-linux.md, Control groups). An absent limit stays as the
    /// kernel or a former update set it.
    pub struct Resources {
        /// The device rules. The last one that matches a device counts.
        devices: Vec<DeviceRule> = "devices",
        /// Memory.
        memory: Memory = "memory",
        /// CPU time and CPU sets.
        cpu: Cpu = "cpu",
        /// The number of processes and threads.
        pids: Pids = "pids",
        /// Block devices.
        block_io: BlockIo = "blockIO",
        /// Huge pages.
        hugepage_limits: Vec<HugepageLimit> = "hugepageLimits",
        /// Tags of network packets.
        network: Network = "network",
        /// RDMA devices, by name.
        rdma: BTreeMap<String, Rdma> = "rdma",
        /// cgroup v2: values by file name, such as `memory.high`.
        unified: BTreeMap<String, String> = "unified",
    }
}

object! {
    /// A rule about devices (config-linux.md, Allowed Device list).
    pub struct DeviceRule {
        /// Whether the devices are allowed. Required.
        allow: Verdict = "allow",
        /// `c`, `b`, or `a` for both. Default: `a`.
        kind: Option<String> = "type",
        /// The major number. Default: all.
        major: Option<i64> = "major",
        /// The minor number. Default: all.
        minor: Option<i64> = "minor",
        /// Letters of `rwm`: read, write, mknod(2).
        access: Option<String> = "access",
    }
}

/// The verdict of a device rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The devices may be used.
    Allow,
    /// The devices may not be used.
    Deny,
}

impl Decode for Verdict {
    const EXPECTED: &'static str = "true or false";

    fn scalar(value: Scalar<'_>, at: &Place<'_>, report: &mut Report) -> Parsed<Self> {
        match value {
            Scalar::Boolean(true) => Parsed::Value(Self::Allow),
            Scalar::Boolean(false) => Parsed::Value(Self::Deny),
            other => mismatch(Self::EXPECTED, Unexpected::Scalar(other), at, report),
        }
    }
}

impl serde::Serialize for Verdict {
    fn serialize<S: serde::Serializer>(&self, writer: S) -> Result<S::Ok, S::Error> {
        writer.serialize_bool(*self == Self::Allow)
    }
}

object! {
    /// The memory controller (config-linux.md, Memory). Limits are in bytes; -1 is no limit.
    pub struct Memory {
        /// The limit of memory.
        limit: Option<i64> = "limit",
        /// The soft limit of memory.
        reservation: Option<i64> = "reservation",
        /// The limit of memory and swap together.
        swap: Option<i64> = "swap",
        /// The limit of kernel memory. Obsolete: ignored.
        kernel: Option<i64> = "kernel",
        /// The limit of TCP buffers. Obsolete: cgroup v1 only.
        kernel_tcp: Option<i64> = "kernelTCP",
        /// The swappiness, 0 to 100. cgroup v1 only.
        swappiness: Option<u64> = "swappiness",
        /// Whether processes above the limit wait instead of meeting the OOM killer. cgroup v1 only.
        disable_oom_killer: Option<bool> = "disableOOMKiller",
        /// Whether a cgroup's use counts for its parent. Ignored: always so on cgroup v2 and on current
        /// kernels.
        use_hierarchy: Option<bool> = "useHierarchy",
        /// Whether to refuse a limit below the current use.
        check_before_update: Option<bool> = "checkBeforeUpdate",
    }
}

object! {
    /// The cpu and cpuset controllers (config-linux.md, CPU). Times are in microseconds.
    pub struct Cpu {
        /// The weight on the scale of cgroup v1, on which the kernel's default is 1024.
        shares: Option<u64> = "shares",
        /// The CPU time in each period; -1 is no limit.
        quota: Option<i64> = "quota",
        /// The CPU time that a period may take from earlier ones.
        burst: Option<u64> = "burst",
        /// The period of the quota.
        period: Option<u64> = "period",
        /// The CPU time of real-time processes in each real-time period.
        realtime_runtime: Option<i64> = "realtimeRuntime",
        /// The real-time period.
        realtime_period: Option<u64> = "realtimePeriod",
        /// The CPUs, as a list such as `0-3,7`.
        cpus: Option<String> = "cpus",
        /// The memory nodes, as a list such as `0-3,7`.
        mems: Option<String> = "mems",
        /// 1 for the weight of SCHED_IDLE, else 0.
        idle: Option<i64> = "idle",
    }
}

object! {
    /// The pids controller (config-linux.md, PIDs).
    pub struct Pids {
        /// The number of processes and threads; -1 is no limit.
        limit: Option<i64> = "limit",
    }
}

object! {
    /// The blkio and io controllers (config-linux.md, Block IO).
    pub struct BlockIo {
        /// The weight, 10 to 1000.
        weight: Option<u16> = "weight",
        /// The weight of the cgroup's processes against its child cgroups. Of the CFQ scheduler, which the
        /// kernel no longer has.
        leaf_weight: Option<u16> = "leafWeight",
        /// The weights by device.
        weight_device: Vec<WeightDevice> = "weightDevice",
        /// The bytes read per second, by device.
        throttle_read_bps_device: Vec<ThrottleDevice> = "throttleReadBpsDevice",
        /// The bytes written per second, by device.
        throttle_write_bps_device: Vec<ThrottleDevice> = "throttleWriteBpsDevice",
        /// The reads per second, by device.
        throttle_read_iops_device: Vec<ThrottleDevice> = "throttleReadIOPSDevice",
        /// The writes per second, by device.
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
        /// The weight, 10 to 1000.
        weight: Option<u16> = "weight",
        /// The weight of the cgroup's processes against its child cgroups. Of the CFQ scheduler, which the
        /// kernel no longer has.
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
        /// Bytes or operations per second; 0 is no limit.
        rate: u64 = "rate",
    }
}

object! {
    /// The limit of huge pages of one size (config-linux.md, Huge page limits).
    pub struct HugepageLimit {
        /// The size, such as `2MB`.
        page_size: String = "pageSize",
        /// The limit in bytes.
        limit: u64 = "limit",
    }
}

object! {
    /// The net_cls and net_prio controllers of cgroup v1 (config-linux.md, Network).
    pub struct Network {
        /// The class identifier of packets, for tc(8).
        class_id: Option<u32> = "classID",
        /// The priority of packets by interface.
        priorities: Vec<InterfacePriority> = "priorities",
    }
}

object! {
    /// The priority of packets on one interface (config-linux.md, Network).
    pub struct InterfacePriority {
        /// The interface in the runtime's network namespace.
        name: String = "name",
        /// Its priority.
        priority: u32 = "priority",
    }
}

object! {
    /// The limits of one RDMA device (config-linux.md, RDMA).
    pub struct Rdma {
        /// The number of HCA handles.
        hca_handles: Option<u32> = "hcaHandles",
        /// The number of HCA objects.
        hca_objects: Option<u32> = "hcaObjects",
    }
}
