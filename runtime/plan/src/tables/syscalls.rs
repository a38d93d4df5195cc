//! System calls by name, and their numbers in each ABI.

use super::syscall_rows::{COUNT, NONE, PRIVATE, ROWS};

/// The length of the longest name in bytes.
pub(super) const LONGEST_NAME: usize = 28;

/// The number of ABIs in the table.
pub(super) const ABIS: usize = 6;

/// An ABI of system calls: a calling convention and its system call numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Abi {
    /// x86, 64 bits.
    X86_64,
    /// x86, 32 bits.
    X86,
    /// x86, 64 bits with 32-bit pointers. The numbers have bit 30 set.
    X32,
    /// Arm, 64 bits.
    Aarch64,
    /// Arm, 32 bits (EABI).
    Arm,
    /// RISC-V, 64 bits.
    Riscv64,
}

impl Abi {
    /// Every ABI, in the order of the table's columns.
    pub const ALL: [Self; ABIS] =
        [Self::X86_64, Self::X86, Self::X32, Self::Aarch64, Self::Arm, Self::Riscv64];

    /// The bit that distinguishes x32 numbers from those of x86_64 (`__X32_SYSCALL_BIT`).
    pub const X32_BIT: u32 = 0x4000_0000;

    /// The first of Arm's private system call numbers (`__ARM_NR_BASE`).
    pub const ARM_PRIVATE: u32 = 0x000f_0000;
}

/// A system call: a row of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Syscall(u16);

impl Syscall {
    /// Looks up a name.
    pub fn parse(name: &str) -> Option<Self> {
        let mut slot = hash(name.as_bytes());
        loop {
            let row = INDEX.get(slot % SLOTS).copied().filter(|row| *row != NONE)?;
            if Self(row).bytes() == name.as_bytes() {
                return Some(Self(row));
            }
            slot += 1;
        }
    }

    /// Returns the name.
    pub fn name(self) -> &'static str {
        std::str::from_utf8(self.bytes()).unwrap_or("")
    }

    fn bytes(self) -> &'static [u8] {
        let row = ROWS.get(usize::from(self.0));
        row.and_then(|row| row.name.get(..usize::from(row.length))).unwrap_or(&[])
    }

    /// Returns the number; `None` if the ABI lacks the call.
    pub fn number(self, abi: Abi) -> Option<u32> {
        let number = ROWS.get(usize::from(self.0))?.numbers.get(abi as usize).copied()?;
        match number {
            NONE => None,
            number if abi == Abi::X32 => Some(u32::from(number) | Abi::X32_BIT),
            number if number >= PRIVATE => Some(Abi::ARM_PRIVATE + u32::from(number - PRIVATE)),
            number => Some(u32::from(number)),
        }
    }

    /// Returns the multiplexer of the call on 32-bit x86, socketcall(2) or ipc(2), and the number of the call
    /// as the first argument of that. `None` for most calls.
    pub fn multiplexer(self) -> Option<(Self, u64)> {
        let (multiplexer, number) =
            BY_ROW.get(usize::from(self.0)).copied().filter(|(_, number)| *number != 0)?;
        let multiplexer = match multiplexer {
            Multiplexer::Socketcall => Self::parse("socketcall"),
            Multiplexer::Ipc => Self::parse("ipc"),
        };
        Some((multiplexer?, u64::from(number)))
    }

    /// Returns every system call, sorted by name.
    pub fn all() -> impl Iterator<Item = Self> {
        (0..).take(COUNT).map(Self)
    }
}

/// The slots of the hash table: a power of two, and four times the number of names, so most lookups take one
/// step.
const SLOTS: usize = 2048;

/// A hash table with linear probing: row numbers by name. The compiler builds it.
static INDEX: [u16; SLOTS] = index();

#[allow(
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "evaluated by the compiler alone"
)]
const fn index() -> [u16; SLOTS] {
    let mut index = [NONE; SLOTS];
    let mut row = 0;
    while row < COUNT {
        let (name, _) = ROWS[row].name.split_at(ROWS[row].length as usize);
        let mut slot = hash(name) % SLOTS;
        while index[slot] != NONE {
            slot = (slot + 1) % SLOTS;
        }
        index[slot] = row as u16;
        row += 1;
    }
    index
}

/// A system call of 32-bit x86 that makes others. Most of these also exist directly: those of sockets since
/// Linux 4.3, those of System V IPC since 5.1.
#[derive(Debug, Clone, Copy)]
enum Multiplexer {
    Socketcall,
    Ipc,
}

/// The multiplexed calls, with the number of each (SYS_* of linux/net.h, SEMOP and others of linux/ipc.h).
const MULTIPLEXED: [(&str, Multiplexer, u8); 32] = [
    ("socket", Multiplexer::Socketcall, 1),
    ("bind", Multiplexer::Socketcall, 2),
    ("connect", Multiplexer::Socketcall, 3),
    ("listen", Multiplexer::Socketcall, 4),
    ("accept", Multiplexer::Socketcall, 5),
    ("getsockname", Multiplexer::Socketcall, 6),
    ("getpeername", Multiplexer::Socketcall, 7),
    ("socketpair", Multiplexer::Socketcall, 8),
    ("send", Multiplexer::Socketcall, 9),
    ("recv", Multiplexer::Socketcall, 10),
    ("sendto", Multiplexer::Socketcall, 11),
    ("recvfrom", Multiplexer::Socketcall, 12),
    ("shutdown", Multiplexer::Socketcall, 13),
    ("setsockopt", Multiplexer::Socketcall, 14),
    ("getsockopt", Multiplexer::Socketcall, 15),
    ("sendmsg", Multiplexer::Socketcall, 16),
    ("recvmsg", Multiplexer::Socketcall, 17),
    ("accept4", Multiplexer::Socketcall, 18),
    ("recvmmsg", Multiplexer::Socketcall, 19),
    ("sendmmsg", Multiplexer::Socketcall, 20),
    ("semop", Multiplexer::Ipc, 1),
    ("semget", Multiplexer::Ipc, 2),
    ("semctl", Multiplexer::Ipc, 3),
    ("semtimedop", Multiplexer::Ipc, 4),
    ("msgsnd", Multiplexer::Ipc, 11),
    ("msgrcv", Multiplexer::Ipc, 12),
    ("msgget", Multiplexer::Ipc, 13),
    ("msgctl", Multiplexer::Ipc, 14),
    ("shmat", Multiplexer::Ipc, 21),
    ("shmdt", Multiplexer::Ipc, 22),
    ("shmget", Multiplexer::Ipc, 23),
    ("shmctl", Multiplexer::Ipc, 24),
];

/// The same by row; number 0 for other calls. The compiler builds it.
static BY_ROW: [(Multiplexer, u8); COUNT] = by_row();

#[allow(clippy::indexing_slicing, reason = "evaluated by the compiler alone")]
const fn by_row() -> [(Multiplexer, u8); COUNT] {
    let mut rows = [(Multiplexer::Ipc, 0); COUNT];
    let mut at = 0;
    while at < MULTIPLEXED.len() {
        let (name, multiplexer, number) = MULTIPLEXED[at];
        rows[row_of(name.as_bytes())] = (multiplexer, number);
        at += 1;
    }
    rows
}

/// Returns the row of a name. The build fails for a name that the table lacks.
#[allow(clippy::indexing_slicing, reason = "evaluated by the compiler alone")]
const fn row_of(name: &[u8]) -> usize {
    let mut slot = hash(name);
    loop {
        let row = INDEX[slot % SLOTS] as usize;
        let (candidate, _) = ROWS[row].name.split_at(ROWS[row].length as usize);
        if same(candidate, name) {
            return row;
        }
        slot += 1;
    }
}

#[allow(clippy::indexing_slicing, reason = "evaluated by the compiler alone")]
const fn same(left: &[u8], right: &[u8]) -> bool {
    let mut at = 0;
    while at < left.len() && at < right.len() && left[at] == right[at] {
        at += 1;
    }
    at == left.len() && at == right.len()
}

/// FNV-1a, folded: it spreads short names well and works in a constant.
#[allow(clippy::indexing_slicing, clippy::cast_possible_truncation, reason = "the index is below the length")]
const fn hash(name: &[u8]) -> usize {
    let mut hash: u32 = 0x811c_9dc5;
    let mut at = 0;
    while at < name.len() {
        hash = (hash ^ name[at] as u32).wrapping_mul(0x0100_0193);
        at += 1;
    }
    (hash ^ (hash >> 15)) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_sorted_and_found() {
        let names: Vec<&str> = Syscall::all().map(Syscall::name).collect();
        assert!(names.is_sorted());
        for call in Syscall::all() {
            assert_eq!(Syscall::parse(call.name()), Some(call), "{}", call.name());
        }
        for unknown in ["", "opena", "Open", "no_such_call", "a name that is longer than every name there is"]
        {
            assert_eq!(Syscall::parse(unknown), None, "{unknown}");
        }
    }

    #[test]
    fn numbers_are_the_kernels() {
        let number = |name, abi| Syscall::parse(name).and_then(|call| call.number(abi));
        assert_eq!(number("read", Abi::X86_64), Some(0));
        assert_eq!(number("execve", Abi::X86), Some(11));
        assert_eq!(number("execve", Abi::X32), Some(520 | Abi::X32_BIT));
        assert_eq!(number("openat", Abi::Aarch64), Some(56));
        assert_eq!(number("open", Abi::Aarch64), None);
        assert_eq!(number("set_tls", Abi::Arm), Some(0x000f_0005));
        assert_eq!(number("clone3", Abi::Riscv64), Some(435));
    }

    // SYS_SOCKET and SYS_SENDMMSG of linux/net.h, SEMOP and SHMCTL of linux/ipc.h.
    #[test]
    fn multiplexed_calls_have_their_numbers() {
        let multiplexer = |name| {
            let (call, number) = Syscall::parse(name).and_then(Syscall::multiplexer)?;
            Some((call.name(), number))
        };
        assert_eq!(multiplexer("socket"), Some(("socketcall", 1)));
        assert_eq!(multiplexer("sendmmsg"), Some(("socketcall", 20)));
        assert_eq!(multiplexer("semop"), Some(("ipc", 1)));
        assert_eq!(multiplexer("shmctl"), Some(("ipc", 24)));
        assert_eq!(multiplexer("read"), None);
    }

    #[test]
    fn numbers_of_this_machine_are_those_of_libc() {
        let expected = [
            ("openat2", libc::SYS_openat2),
            ("clone3", libc::SYS_clone3),
            ("mount_setattr", libc::SYS_mount_setattr),
            ("kill", libc::SYS_kill),
        ];
        let abi = crate::seccomp::native().and_then(crate::seccomp::abi).unwrap();
        for (name, number) in expected {
            let ours = Syscall::parse(name).and_then(|call| call.number(abi)).map(i64::from);
            assert_eq!(ours, Some(number), "{name}");
        }
    }
}
