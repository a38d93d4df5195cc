//! Capabilities (capabilities(7)) and sets of them.

use super::vocabulary;

vocabulary! {
    /// A capability. The order is that of linux/capability.h: the first one is bit 0.
    pub enum Capability: "capability" {
        /// Change the owner of any file.
        Chown = "CAP_CHOWN",
        /// Bypass permission checks of files.
        DacOverride = "CAP_DAC_OVERRIDE",
        /// Bypass read checks of files and search checks of directories.
        DacReadSearch = "CAP_DAC_READ_SEARCH",
        /// Act as the owner of any file.
        Fowner = "CAP_FOWNER",
        /// Keep the set-user-ID and set-group-ID bits of modified files.
        Fsetid = "CAP_FSETID",
        /// Signal any process.
        Kill = "CAP_KILL",
        /// Set any group ids and supplementary groups.
        Setgid = "CAP_SETGID",
        /// Set any user ids.
        Setuid = "CAP_SETUID",
        /// Drop capabilities from the bounding set, add inheritable ones.
        Setpcap = "CAP_SETPCAP",
        /// Change immutable and append-only flags.
        LinuxImmutable = "CAP_LINUX_IMMUTABLE",
        /// Bind ports below 1024.
        NetBindService = "CAP_NET_BIND_SERVICE",
        /// Send broadcasts, listen to multicasts.
        NetBroadcast = "CAP_NET_BROADCAST",
        /// Configure the network.
        NetAdmin = "CAP_NET_ADMIN",
        /// Open raw and packet sockets.
        NetRaw = "CAP_NET_RAW",
        /// Lock memory.
        IpcLock = "CAP_IPC_LOCK",
        /// Bypass permission checks of System V IPC.
        IpcOwner = "CAP_IPC_OWNER",
        /// Load kernel modules.
        SysModule = "CAP_SYS_MODULE",
        /// Use I/O ports.
        SysRawio = "CAP_SYS_RAWIO",
        /// Use chroot(2) and join mount namespaces.
        SysChroot = "CAP_SYS_CHROOT",
        /// Trace any process.
        SysPtrace = "CAP_SYS_PTRACE",
        /// Configure process accounting.
        SysPacct = "CAP_SYS_PACCT",
        /// Administer the system.
        SysAdmin = "CAP_SYS_ADMIN",
        /// Reboot.
        SysBoot = "CAP_SYS_BOOT",
        /// Raise priorities.
        SysNice = "CAP_SYS_NICE",
        /// Override resource limits.
        SysResource = "CAP_SYS_RESOURCE",
        /// Set clocks.
        SysTime = "CAP_SYS_TIME",
        /// Configure terminals.
        SysTtyConfig = "CAP_SYS_TTY_CONFIG",
        /// Create device files.
        Mknod = "CAP_MKNOD",
        /// Take leases on any file.
        Lease = "CAP_LEASE",
        /// Write to the audit log.
        AuditWrite = "CAP_AUDIT_WRITE",
        /// Configure auditing.
        AuditControl = "CAP_AUDIT_CONTROL",
        /// Set capabilities of files.
        Setfcap = "CAP_SETFCAP",
        /// Override mandatory access control.
        MacOverride = "CAP_MAC_OVERRIDE",
        /// Configure mandatory access control.
        MacAdmin = "CAP_MAC_ADMIN",
        /// Read and configure the kernel log.
        Syslog = "CAP_SYSLOG",
        /// Set wake-up alarms.
        WakeAlarm = "CAP_WAKE_ALARM",
        /// Block suspension.
        BlockSuspend = "CAP_BLOCK_SUSPEND",
        /// Read the audit log.
        AuditRead = "CAP_AUDIT_READ",
        /// Monitor performance.
        Perfmon = "CAP_PERFMON",
        /// Use BPF.
        Bpf = "CAP_BPF",
        /// Checkpoint and restore.
        CheckpointRestore = "CAP_CHECKPOINT_RESTORE",
    }
}

impl Capability {
    /// Returns the kernel's number of the capability.
    pub const fn number(self) -> u8 {
        self as u8
    }

    /// Looks up a capability by the kernel's number.
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.get(usize::from(number)).copied()
    }
}

/// A set of capabilities: the bits of capset(2).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct CapabilitySet(u64);

impl CapabilitySet {
    /// The empty set.
    pub const EMPTY: Self = Self(0);

    /// Returns the set of all capabilities in the table.
    pub const fn all() -> Self {
        Self((1 << Capability::ALL.len()) - 1)
    }

    /// Makes a set of bits. Keeps those of capabilities that the table lacks, which a newer kernel may have.
    pub const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    /// Returns the bits; capability 0 is the lowest.
    pub const fn bits(self) -> u64 {
        self.0
    }

    /// Whether the set is empty.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether the set has a capability.
    pub const fn contains(self, capability: Capability) -> bool {
        self.0 & (1 << capability.number()) != 0
    }

    /// Returns the set with one more capability.
    #[must_use]
    pub const fn with(self, capability: Capability) -> Self {
        Self(self.0 | (1 << capability.number()))
    }

    /// Returns the capabilities of both sets.
    #[must_use]
    pub const fn intersection(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Returns the capabilities of this set that the other one lacks.
    #[must_use]
    pub const fn difference(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Returns the capabilities in the kernel's order.
    pub fn iter(self) -> impl Iterator<Item = Capability> {
        Capability::ALL.iter().copied().filter(move |capability| self.contains(*capability))
    }
}

impl FromIterator<Capability> for CapabilitySet {
    fn from_iter<I: IntoIterator<Item = Capability>>(capabilities: I) -> Self {
        capabilities.into_iter().fold(Self::EMPTY, Self::with)
    }
}

impl serde::Serialize for CapabilitySet {
    fn serialize<S: serde::Serializer>(&self, writer: S) -> Result<S::Ok, S::Error> {
        writer.collect_seq(self.iter())
    }
}

impl std::fmt::Debug for CapabilitySet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.iter().map(Capability::name)).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_the_kernels() {
        for (name, number) in [("CAP_CHOWN", 0), ("CAP_SYS_ADMIN", 21), ("CAP_CHECKPOINT_RESTORE", 40)] {
            assert_eq!(Capability::parse(name).map(Capability::number), Some(number), "{name}");
        }
        for capability in Capability::ALL {
            assert_eq!(Capability::from_number(capability.number()), Some(*capability));
        }
    }

    #[test]
    fn sets_have_the_bits_of_their_capabilities() {
        let set: CapabilitySet = [Capability::Chown, Capability::Bpf].into_iter().collect();
        assert_eq!(set.bits(), 1 | 1 << 39);
        assert_eq!(set.iter().collect::<Vec<_>>(), [Capability::Chown, Capability::Bpf]);
        assert!(set.contains(Capability::Bpf) && !set.contains(Capability::Kill));
        assert_eq!(CapabilitySet::all().difference(set).iter().count(), 39);
    }
}
