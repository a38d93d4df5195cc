//! The Linux part of config.json, but for resources and seccomp.

use std::collections::BTreeMap;

use super::ids::{Gid, Uid};
use super::object::object;
use super::resources::Resources;
use super::seccomp::Seccomp;
use crate::tables::vocabulary;

object! {
    /// The properties that only Linux has (config-linux.md).
    pub struct Linux {
        /// The namespaces to make or to join; kinds that are not listed stay the runtime's.
        namespaces: Vec<Namespace> = "namespaces",
        /// The users of a new user namespace.
        uid_mappings: Vec<IdMapping> = "uidMappings",
        /// The groups of a new user namespace.
        gid_mappings: Vec<IdMapping> = "gidMappings",
        /// The offsets of a new time namespace's clocks, `monotonic` and `boottime`.
        time_offsets: BTreeMap<String, TimeOffset> = "timeOffsets",
        /// The device files that must be there besides the default ones.
        devices: Vec<Device> = "devices",
        /// The network devices to move in, by their name on the host.
        net_devices: BTreeMap<String, NetDevice> = "netDevices",
        /// The place in the cgroup hierarchy; the form is the cgroup manager's matter.
        cgroups_path: Option<String> = "cgroupsPath",
        /// Limits of the container's cgroup.
        resources: Resources = "resources",
        /// Cache and memory bandwidth allocation.
        intel_rdt: Option<IntelRdt> = "intelRdt",
        /// The NUMA memory policy.
        memory_policy: Option<MemoryPolicy> = "memoryPolicy",
        /// Kernel parameters, by their dotted name.
        sysctl: BTreeMap<String, String> = "sysctl",
        /// The system call filter.
        seccomp: Option<Seccomp> = "seccomp",
        /// The propagation of the root mount.
        rootfs_propagation: Option<Propagation> = "rootfsPropagation",
        /// Paths that can't be read inside.
        masked_paths: Vec<String> = "maskedPaths",
        /// Paths that can't be written inside.
        readonly_paths: Vec<String> = "readonlyPaths",
        /// The SELinux context of the mounts.
        mount_label: Option<String> = "mountLabel",
        /// The execution domain.
        personality: Option<Personality> = "personality",
    }
}

impl Linux {
    /// The entry of a kind of namespace; `None` where the container stays in the runtime's.
    pub fn namespace(&self, kind: NamespaceKind) -> Option<&Namespace> {
        self.namespaces.iter().find(|namespace| namespace.kind == kind)
    }

    /// Whether a kind of namespace is listed, to be made or to be joined.
    pub fn has(&self, kind: NamespaceKind) -> bool {
        self.namespace(kind).is_some()
    }
}

object! {
    /// A namespace to make or to join (config-linux.md, Namespaces).
    pub struct Namespace {
        /// Its kind.
        kind: NamespaceKind = "type",
        /// The file of an existing one; `None` for a new one.
        path: Option<String> = "path",
    }
}

vocabulary! {
    /// A kind of namespace, see namespaces(7).
    pub enum NamespaceKind: "namespace type" {
        /// Cgroup root.
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
        /// Host name and NIS domain name.
        Uts = "uts",
    }
}

impl NamespaceKind {
    /// The flag of clone(2), unshare(2) and setns(2).
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
    /// A range of ids and what they are outside (config-linux.md, User namespace mappings).
    pub struct IdMapping {
        /// The first id inside.
        container_id: u32 = "containerID",
        /// The first id outside.
        host_id: u32 = "hostID",
        /// How many.
        size: u32 = "size",
    }
}

object! {
    /// How far a clock inside is ahead (config-linux.md, Offset for Time Namespace).
    pub struct TimeOffset {
        /// Seconds; absent they are 0.
        secs: Option<i64> = "secs",
        /// Nanoseconds more; absent they are 0.
        nanosecs: Option<u32> = "nanosecs",
    }
}

object! {
    /// A device file (config-linux.md, Devices).
    pub struct Device {
        /// Its kind.
        kind: DeviceKind = "type",
        /// Its absolute path inside.
        path: String = "path",
        /// The major number; needed but for fifos.
        major: Option<i64> = "major",
        /// The minor number; needed but for fifos.
        minor: Option<i64> = "minor",
        /// The mode; callers copy whole st_mode words, so the file type bits may be set.
        file_mode: Option<u32> = "fileMode",
        /// Its owner inside.
        uid: Option<Uid> = "uid",
        /// Its group inside.
        gid: Option<Gid> = "gid",
    }
}

vocabulary! {
    /// A kind of device file, see mknod(1).
    pub enum DeviceKind: "device type" {
        /// A block device.
        Block = "b",
        /// A character device.
        Char = "c",
        /// A character device, unbuffered: the same on Linux.
        Unbuffered = "u",
        /// A fifo.
        Fifo = "p",
    }
}

object! {
    /// A network device to move into the container (config-linux.md, Network Devices).
    pub struct NetDevice {
        /// Its name inside, in which `%d` stands for a free number; `None` keeps the host's.
        name: Option<String> = "name",
    }
}

object! {
    /// Resource Director Technology (config-linux.md, IntelRdt).
    pub struct IntelRdt ignoring("enableCMT" "enableMBM") {
        /// The class of service: a directory of resctrl, `/` for its root; `None` for one of the container's name.
        clos_id: Option<String> = "closID",
        /// Lines of the schemata file, written after the two below.
        schemata: Vec<String> = "schemata",
        /// The cache schema, `L3:…`.
        l3_cache_schema: Option<String> = "l3CacheSchema",
        /// The memory bandwidth schema, `MB:…`.
        mem_bw_schema: Option<String> = "memBwSchema",
        /// Whether the container gets a monitoring group of its own.
        enable_monitoring: bool = "enableMonitoring",
    }
}

object! {
    /// The NUMA memory policy, see set_mempolicy(2) (config-linux.md, Memory policy).
    pub struct MemoryPolicy {
        /// The mode.
        mode: MemoryPolicyMode = "mode",
        /// The nodes, as a list such as `0-3,7`.
        nodes: Option<String> = "nodes",
        /// Flags of the mode.
        flags: Vec<MemoryPolicyFlag> = "flags",
    }
}

vocabulary! {
    /// A mode of set_mempolicy(2).
    pub enum MemoryPolicyMode: "memory policy mode" {
        /// The system's.
        Default = "MPOL_DEFAULT",
        /// Only from these nodes.
        Bind = "MPOL_BIND",
        /// From these nodes in turn.
        Interleave = "MPOL_INTERLEAVE",
        /// From these nodes in turn, by weight.
        WeightedInterleave = "MPOL_WEIGHTED_INTERLEAVE",
        /// From this node first.
        Preferred = "MPOL_PREFERRED",
        /// From these nodes first.
        PreferredMany = "MPOL_PREFERRED_MANY",
        /// From the node of the CPU.
        Local = "MPOL_LOCAL",
    }
}

vocabulary! {
    /// A flag of set_mempolicy(2).
    pub enum MemoryPolicyFlag: "memory policy flag" {
        /// The kernel may move pages between the nodes.
        NumaBalancing = "MPOL_F_NUMA_BALANCING",
        /// Nodes count within those that are allowed.
        RelativeNodes = "MPOL_F_RELATIVE_NODES",
        /// Nodes are physical.
        StaticNodes = "MPOL_F_STATIC_NODES",
    }
}

vocabulary! {
    /// A propagation of mount events, see mount_namespaces(7) (config-linux.md, Rootfs Mount Propagation).
    ///
    /// The specification names four; callers also write their recursive forms.
    pub enum Propagation: "rootfs propagation" {
        /// Both ways, in a peer group.
        Shared = "shared",
        /// From the host only.
        Slave = "slave",
        /// Neither way.
        Private = "private",
        /// Neither way, and not to be bind mounted.
        Unbindable = "unbindable",
        /// Both ways, submounts too.
        RecursiveShared = "rshared",
        /// From the host only, submounts too.
        RecursiveSlave = "rslave",
        /// Neither way, submounts too.
        RecursivePrivate = "rprivate",
        /// Not to be bind mounted, submounts too.
        RecursiveUnbindable = "runbindable",
    }
}

object! {
    /// The execution domain, see personality(2) (config-linux.md, Personality).
    pub struct Personality {
        /// The domain.
        domain: PersonalityDomain = "domain",
        /// Flags; the specification knows none yet.
        flags: Vec<String> = "flags",
    }
}

vocabulary! {
    /// An execution domain of personality(2).
    pub enum PersonalityDomain: "personality domain" {
        /// The machine's own.
        Linux = "LINUX",
        /// uname(2) shows a 32-bit CPU.
        Linux32 = "LINUX32",
    }
}
