//! The resources that getrlimit(2) limits.

use super::vocabulary;

vocabulary! {
    /// A resource of getrlimit(2).
    pub enum RlimitKind: "rlimit type" {
        /// Bytes of address space.
        As = "RLIMIT_AS",
        /// Bytes of a core file.
        Core = "RLIMIT_CORE",
        /// Seconds of CPU time.
        Cpu = "RLIMIT_CPU",
        /// Bytes of the data segment.
        Data = "RLIMIT_DATA",
        /// Bytes of a file.
        Fsize = "RLIMIT_FSIZE",
        /// File locks.
        Locks = "RLIMIT_LOCKS",
        /// Bytes of locked memory.
        Memlock = "RLIMIT_MEMLOCK",
        /// Bytes of POSIX message queues.
        Msgqueue = "RLIMIT_MSGQUEUE",
        /// Ceiling of the nice value, as 20 minus nice.
        Nice = "RLIMIT_NICE",
        /// File descriptors.
        Nofile = "RLIMIT_NOFILE",
        /// Processes of the user.
        Nproc = "RLIMIT_NPROC",
        /// Bytes of resident memory; without effect.
        Rss = "RLIMIT_RSS",
        /// Ceiling of the real-time priority.
        Rtprio = "RLIMIT_RTPRIO",
        /// Microseconds of real-time CPU without a blocking call.
        Rttime = "RLIMIT_RTTIME",
        /// Queued signals of the user.
        Sigpending = "RLIMIT_SIGPENDING",
        /// Bytes of stack.
        Stack = "RLIMIT_STACK",
    }
}

impl RlimitKind {
    /// The kernel's number of the resource.
    pub const fn resource(self) -> u32 {
        match self {
            Self::As => libc::RLIMIT_AS,
            Self::Core => libc::RLIMIT_CORE,
            Self::Cpu => libc::RLIMIT_CPU,
            Self::Data => libc::RLIMIT_DATA,
            Self::Fsize => libc::RLIMIT_FSIZE,
            Self::Locks => libc::RLIMIT_LOCKS,
            Self::Memlock => libc::RLIMIT_MEMLOCK,
            Self::Msgqueue => libc::RLIMIT_MSGQUEUE,
            Self::Nice => libc::RLIMIT_NICE,
            Self::Nofile => libc::RLIMIT_NOFILE,
            Self::Nproc => libc::RLIMIT_NPROC,
            Self::Rss => libc::RLIMIT_RSS,
            Self::Rtprio => libc::RLIMIT_RTPRIO,
            Self::Rttime => libc::RLIMIT_RTTIME,
            Self::Sigpending => libc::RLIMIT_SIGPENDING,
            Self::Stack => libc::RLIMIT_STACK,
        }
    }
}
