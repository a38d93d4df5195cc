//! Resource limits (getrlimit(2)).

use super::vocabulary;

vocabulary! {
    /// A resource of getrlimit(2).
    pub enum RlimitKind: "rlimit type" {
        /// Bytes of address space.
        As = "RLIMIT_AS",
        /// Bytes of a core dump.
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
        /// The lowest nice value that a process may set, as 20 minus that value.
        Nice = "RLIMIT_NICE",
        /// File descriptors.
        Nofile = "RLIMIT_NOFILE",
        /// Processes and threads of the user.
        Nproc = "RLIMIT_NPROC",
        /// Bytes of resident memory. The kernel ignores it.
        Rss = "RLIMIT_RSS",
        /// The highest real-time priority that a process may set.
        Rtprio = "RLIMIT_RTPRIO",
        /// Microseconds of CPU time under a real-time policy without a blocking system call.
        Rttime = "RLIMIT_RTTIME",
        /// Queued signals of the user.
        Sigpending = "RLIMIT_SIGPENDING",
        /// Bytes of stack.
        Stack = "RLIMIT_STACK",
    }
}

impl RlimitKind {
    /// Returns the kernel's number of the resource.
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

#[cfg(test)]
mod tests {
    use super::RlimitKind;

    // asm-generic/resource.h.
    #[test]
    fn numbers_are_the_kernels() {
        let numbers = |kinds: &[RlimitKind]| kinds.iter().map(|kind| kind.resource()).collect::<Vec<_>>();
        use RlimitKind::{
            As, Core, Cpu, Data, Fsize, Locks, Memlock, Msgqueue, Nice, Nofile, Nproc, Rss, Rtprio, Rttime,
            Sigpending, Stack,
        };
        let in_order = [
            Cpu, Fsize, Data, Stack, Core, Rss, Nproc, Nofile, Memlock, As, Locks, Sigpending, Msgqueue,
            Nice, Rtprio, Rttime,
        ];
        assert_eq!(numbers(&in_order), (0..16).collect::<Vec<_>>());
    }
}
