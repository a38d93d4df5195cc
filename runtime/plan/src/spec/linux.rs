//! The Linux-specific part of config.json, except resources and seccomp.

use std::collections::BTreeMap;

use super::ids::{Gid, Uid};
use super::object::object;
use super::resources::Resources;
use super::seccomp::Seccomp;
use crate::tables::vocabulary;

object! {
    /// The Linux-specific configuration (config-linux.md).
    pub struct Linux {
        /// The namespaces to create or to join. Of a type that is not listed, the container shares the
        /// runtime's.
        namespaces: Vec<Namespace> = "namespaces",
        /// The uid mappings of a new user namespace.
        uid_mappings: Vec<IdMapping> = "uidMappings",
        /// The gid mappings of a new user namespace.
        gid_mappings: Vec<IdMapping> = "gidMappings",
        /// The offsets of a new time namespace by clock, `monotonic` or `boottime`.
        time_offsets: BTreeMap<String, TimeOffset> = "timeOffsets",
        /// The device files in addition to the default ones.
        devices: Vec<Device> = "devices",
        /// The network devices to move into the container, by name on the host.
        net_devices: BTreeMap<String, NetDevice> = "netDevices",
        /// The path of the cgroup: a path for cgroupfs, `slice:prefix:name` for systemd.
        cgroups_path: Option<String> = "cgroupsPath",
        /// The limits of the cgroup.
        resources: Resources = "resources",
        /// The allocation of cache and memory bandwidth (resctrl).
        intel_rdt: Option<IntelRdt> = "intelRdt",
        /// The NUMA memory policy.
        memory_policy: Option<MemoryPolicy> = "memoryPolicy",
        /// Kernel parameters by name (sysctl(8)).
        sysctl: BTreeMap<String, String> = "sysctl",
        /// The seccomp profile.
        seccomp: Option<Seccomp> = "seccomp",
        /// The mount propagation of the root filesystem.
        rootfs_propagation: Option<Propagation> = "rootfsPropagation",
        /// The paths that are masked in the container.
        masked_paths: Vec<String> = "maskedPaths",
        /// The paths that are read-only in the container.
        readonly_paths: Vec<String> = "readonlyPaths",
        /// The SELinux context of the mounts.
        mount_label: Option<String> = "mountLabel",
        /// The execution domain.
        personality: Option<Personality> = "personality",
    }
}

impl Linux {
    /// Returns the namespace of a type; `None` where the container shares the runtime's.
    pub fn namespace(&self, kind: NamespaceKind) -> Option<&Namespace> {
        self.namespaces.iter().find(|namespace| namespace.kind == kind)
    }

    /// Whether the container has its own namespace of a type, new or joined.
    pub fn has(&self, kind: NamespaceKind) -> bool {
        self.namespace(kind).is_some()
    }
}

object! {
    /// A namespace to create or to join (config-linux.md, Namespaces).
    pub struct Namespace {
        /// The type.
        kind: NamespaceKind = "type",
        /// The file of a namespace to join. Default: a new namespace.
        path: Option<String> = "path",
    }
}

vocabulary! {
    /// A type of namespace (namespaces(7)).
    pub enum NamespaceKind: "namespace type" {
        /// The root of the cgroup hierarchies.
        Cgroup = "cgroup",
        /// System V IPC and POSIX message queues.
        Ipc = "ipc",
        /// Mount points.
        Mount = "mount",
        /// Network devices, stacks and ports.
        Network = "network",
        /// Process ids.
        Pid = "pid",
        /// Boot and monotonic clocks.
        Time = "time",
        /// User and group ids.
        User = "user",
        /// Hostname and NIS domain name.
        Uts = "uts",
    }
}

impl NamespaceKind {
    /// Returns the flag of clone(2), unshare(2) and setns(2).
    pub const fn clone_flag(self) -> i32 {
        match self {
            Self::Cgroup => libc::CLONE_NEWCGROUP,
            Self::Ipc => libc::CLONE_NEWIPC,
            Self::Mount => libc::CLONE_NEWNS,
            Self::Network => libc::CLONE_NEWNET,
            Self::Pid => libc::CLONE_NEWPID,
            Self::Time => libc::CLONE_NEWTIME,
            Self::User => libc::CLONE_NEWUSER,
            Self::Uts => libc::CLONE_NEWUTS,
        }
    }
}

object! {
    /// A mapping of a range of ids (config-linux.md, User namespace mappings).
    pub struct IdMapping {
        /// The first id in the container.
        container_id: u32 = "containerID",
        /// The first id on the host.
        host_id: u32 = "hostID",
        /// The number of ids.
        size: u32 = "size",
    }
}

object! {
    /// The offset of a clock (config-linux.md, Offset for Time Namespace).
    pub struct TimeOffset {
        /// Seconds. Default: 0.
        secs: Option<i64> = "secs",
        /// Nanoseconds in addition. Default: 0.
        nanosecs: Option<u32> = "nanosecs",
    }
}

object! {
    /// A device file (config-linux.md, Devices).
    pub struct Device {
        /// The type.
        kind: DeviceKind = "type",
        /// The absolute path in the container.
        path: String = "path",
        /// The major number. Required except for FIFOs.
        major: Option<i64> = "major",
        /// The minor number. Required except for FIFOs.
        minor: Option<i64> = "minor",
        /// The permission bits. Docker copies st_mode, so bits of the file type may be set too.
        file_mode: Option<u32> = "fileMode",
        /// The owner, as a uid in the container.
        uid: Option<Uid> = "uid",
        /// The group, as a gid in the container.
        gid: Option<Gid> = "gid",
    }
}

vocabulary! {
    /// A type of device file (mknod(1)).
    pub enum DeviceKind: "device type" {
        /// A block device.
        Block = "b",
        /// A character device.
        Char = "c",
        /// An unbuffered character device, which is the same on Linux.
        Unbuffered = "u",
        /// A FIFO.
        Fifo = "p",
    }
}

object! {
    /// A network device to move into the container (config-linux.md, Network Devices).
    pub struct NetDevice {
        /// The name in the container, in which the kernel replaces `%d` by a free number. Default: the name
        /// on the host.
        name: Option<String> = "name",
    }
}

object! {
    /// Intel Resource Director Technology (config-linux.md, IntelRdt).
    pub struct IntelRdt ignoring("enableCMT" "enableMBM") {
        /// The class of service: a directory of the resctrl filesystem, or `/` for its root. Default: the
        /// container ID.
        clos_id: Option<String> = "closID",
        /// Lines for the schemata file, which follow the two below.
        schemata: Vec<String> = "schemata",
        /// The line for the L3 cache, `L3:…`.
        l3_cache_schema: Option<String> = "l3CacheSchema",
        /// The line for memory bandwidth, `MB:…`.
        mem_bw_schema: Option<String> = "memBwSchema",
        /// Whether the container gets its own monitoring group.
        enable_monitoring: bool = "enableMonitoring",
    }
}

object! {
    /// The NUMA memory policy (set_mempolicy(2); config-linux.md, Memory policy).
    pub struct MemoryPolicy {
        /// The mode.
        mode: MemoryPolicyMode = "mode",
        /// The nodes, as a list such as `0-3,7`.
        nodes: Option<String> = "nodes",
        /// The flags of the mode.
        flags: Vec<MemoryPolicyFlag> = "flags",
    }
}

vocabulary! {
    /// A mode of set_mempolicy(2).
    pub enum MemoryPolicyMode: "memory policy mode" {
        /// The default of the system.
        Default = "MPOL_DEFAULT",
        /// Allocate from these nodes only.
        Bind = "MPOL_BIND",
        /// Allocate from these nodes in turn.
        Interleave = "MPOL_INTERLEAVE",
        /// Allocate from these nodes in turn, by weight.
        WeightedInterleave = "MPOL_WEIGHTED_INTERLEAVE",
        /// Allocate from this node first.
        Preferred = "MPOL_PREFERRED",
        /// Allocate from these nodes first.
        PreferredMany = "MPOL_PREFERRED_MANY",
        /// Allocate from the node of the CPU.
        Local = "MPOL_LOCAL",
    }
}

vocabulary! {
    /// A flag of set_mempolicy(2).
    pub enum MemoryPolicyFlag: "memory policy flag" {
        /// Balance pages between the nodes.
        NumaBalancing = "MPOL_F_NUMA_BALANCING",
        /// The node numbers are relative to the allowed nodes.
        RelativeNodes = "MPOL_F_RELATIVE_NODES",
        /// The node numbers are physical.
        StaticNodes = "MPOL_F_STATIC_NODES",
    }
}

vocabulary! {
    /// A mount propagation (mount_namespaces(7); config-linux.md, Rootfs Mount Propagation).
    ///
    /// The specification has the first four. runc also takes the recursive forms, and callers write them.
    pub enum Propagation: "rootfs propagation" {
        /// Mount events propagate in both directions.
        Shared = "shared",
        /// Mount events propagate from the host only.
        Slave = "slave",
        /// Mount events do not propagate.
        Private = "private",
        /// Mount events do not propagate, and the mount can't be bind mounted.
        Unbindable = "unbindable",
        /// `shared`, submounts included.
        RecursiveShared = "rshared",
        /// `slave`, submounts included.
        RecursiveSlave = "rslave",
        /// `private`, submounts included.
        RecursivePrivate = "rprivate",
        /// `unbindable`, submounts included.
        RecursiveUnbindable = "runbindable",
    }
}

object! {
    /// The execution domain (personality(2); config-linux.md, Personality).
    pub struct Personality {
        /// The domain.
        domain: PersonalityDomain = "domain",
        /// Flags. The specification defines none.
        flags: Vec<String> = "flags",
    }
}

vocabulary! {
    /// An execution domain of personality(2).
    pub enum PersonalityDomain: "personality domain" {
        /// The default of the machine.
        Linux = "LINUX",
        /// uname(2) reports a 32-bit CPU.
        Linux32 = "LINUX32",
    }
}
