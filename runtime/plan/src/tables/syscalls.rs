//! The system calls by name, and their numbers in each ABI.

use super::syscall_rows::{COUNT, NONE, PRIVATE, ROWS};

/// The longest name of a system call, in bytes.
pub(super) const LONGEST_NAME: usize = 28;

/// How many ABIs the table has.
pub(super) const ABIS: usize = 6;

/// A way to make system calls: the calling convention and the numbers that go with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Abi {
    /// x86, 64 bits.
    X86_64,
    /// x86, 32 bits.
    X86,
    /// x86, 64 bits with 32-bit pointers: the numbers have bit 30 set.
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

    /// The bit that tells x32 numbers from those of x86_64.
    pub const X32_BIT: u32 = 0x4000_0000;

    /// Arm's private system calls count from here.
    pub const ARM_PRIVATE: u32 = 0x000f_0000;
}

/// A system call that the table has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Syscall(u16);

impl Syscall {
    /// The system call of this name.
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

    /// Its name.
    pub fn name(self) -> &'static str {
        std::str::from_utf8(self.bytes()).unwrap_or("")
    }

    fn bytes(self) -> &'static [u8] {
        let row = ROWS.get(usize::from(self.0));
        row.and_then(|row| row.name.get(..usize::from(row.length))).unwrap_or(&[])
    }

    /// Its number; `None` where the ABI has no such call.
    pub fn number(self, abi: Abi) -> Option<u32> {
        let number = ROWS.get(usize::from(self.0))?.numbers.get(abi as usize).copied()?;
        match number {
            NONE => None,
            number if abi == Abi::X32 => Some(u32::from(number) | Abi::X32_BIT),
            number if number >= PRIVATE => Some(Abi::ARM_PRIVATE + u32::from(number - PRIVATE)),
            number => Some(u32::from(number)),
        }
    }

    /// The older form of the call on 32-bit x86: the call that it is made through, and the number that names it there
    /// as first argument. `None` for most.
    pub fn door(self) -> Option<(Self, u64)> {
        let (list, number) = DOORS.get(usize::from(self.0)).copied().filter(|(_, number)| *number != 0)?;
        let door = match list {
            Door::Socketcall => Self::parse("socketcall"),
            Door::Ipc => Self::parse("ipc"),
        };
        Some((door?, u64::from(number)))
    }

    /// Every system call, sorted by name.
    pub fn all() -> impl Iterator<Item = Self> {
        (0..).take(COUNT).map(Self)
    }
}

/// The slots of the index: a power of two, four times as many as there are names, so that most are found at once.
const SLOTS: usize = 2048;

/// Row numbers by the hash of their name, the next free slot where two collide. Made by the compiler.
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

/// A call of 32-bit x86 through which others are made.
#[derive(Debug, Clone, Copy)]
enum Door {
    Socketcall,
    Ipc,
}

/// Calls that 32-bit x86 also makes through another, with the number that it knows them by (linux/net.h, linux/ipc.h).
const BEHIND: [(&str, Door, u8); 32] = [
    ("socket", Door::Socketcall, 1),
    ("bind", Door::Socketcall, 2),
    ("connect", Door::Socketcall, 3),
    ("listen", Door::Socketcall, 4),
    ("accept", Door::Socketcall, 5),
    ("getsockname", Door::Socketcall, 6),
    ("getpeername", Door::Socketcall, 7),
    ("socketpair", Door::Socketcall, 8),
    ("send", Door::Socketcall, 9),
    ("recv", Door::Socketcall, 10),
    ("sendto", Door::Socketcall, 11),
    ("recvfrom", Door::Socketcall, 12),
    ("shutdown", Door::Socketcall, 13),
    ("setsockopt", Door::Socketcall, 14),
    ("getsockopt", Door::Socketcall, 15),
    ("sendmsg", Door::Socketcall, 16),
    ("recvmsg", Door::Socketcall, 17),
    ("accept4", Door::Socketcall, 18),
    ("recvmmsg", Door::Socketcall, 19),
    ("sendmmsg", Door::Socketcall, 20),
    ("semop", Door::Ipc, 1),
    ("semget", Door::Ipc, 2),
    ("semctl", Door::Ipc, 3),
    ("semtimedop", Door::Ipc, 4),
    ("msgsnd", Door::Ipc, 11),
    ("msgrcv", Door::Ipc, 12),
    ("msgget", Door::Ipc, 13),
    ("msgctl", Door::Ipc, 14),
    ("shmat", Door::Ipc, 21),
    ("shmdt", Door::Ipc, 22),
    ("shmget", Door::Ipc, 23),
    ("shmctl", Door::Ipc, 24),
];

/// The same by row, 0 for calls without; made by the compiler.
static DOORS: [(Door, u8); COUNT] = doors();

#[allow(clippy::indexing_slicing, reason = "evaluated by the compiler alone")]
const fn doors() -> [(Door, u8); COUNT] {
    let mut doors = [(Door::Ipc, 0); COUNT];
    let mut at = 0;
    while at < BEHIND.len() {
        let (name, door, number) = BEHIND[at];
        doors[row_of(name.as_bytes())] = (door, number);
        at += 1;
    }
    doors
}

/// The row of a name that the table has; the compiler stops at one that it lacks.
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

/// FNV-1a, folded: good enough for short names, and the compiler can run it.
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
