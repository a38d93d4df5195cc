//! The calls that 32-bit x86 makes through one number, with the call as first argument: socketcall(2) and ipc(2).

use crate::tables::syscalls::{Abi, Syscall};

/// The number of the door, and the first argument that names the call behind it; `None` if it has no such older form.
pub(super) fn door(call: Syscall, abi: Abi) -> Option<(u32, u64)> {
    if abi != Abi::X86 {
        return None;
    }
    let name = call.name();
    let behind = |door: &str, calls: &[(&str, u64)]| {
        let (_, number) = calls.iter().find(|(behind, _)| *behind == name)?;
        Some((Syscall::parse(door)?.number(abi)?, *number))
    };
    behind("socketcall", &SOCKETCALL).or_else(|| behind("ipc", &IPC))
}

/// linux/net.h, SYS_*.
const SOCKETCALL: [(&str, u64); 20] = [
    ("socket", 1),
    ("bind", 2),
    ("connect", 3),
    ("listen", 4),
    ("accept", 5),
    ("getsockname", 6),
    ("getpeername", 7),
    ("socketpair", 8),
    ("send", 9),
    ("recv", 10),
    ("sendto", 11),
    ("recvfrom", 12),
    ("shutdown", 13),
    ("setsockopt", 14),
    ("getsockopt", 15),
    ("sendmsg", 16),
    ("recvmsg", 17),
    ("accept4", 18),
    ("recvmmsg", 19),
    ("sendmmsg", 20),
];

/// linux/ipc.h, the calls of ipc(2).
const IPC: [(&str, u64); 12] = [
    ("semop", 1),
    ("semget", 2),
    ("semctl", 3),
    ("semtimedop", 4),
    ("msgsnd", 11),
    ("msgrcv", 12),
    ("msgget", 13),
    ("msgctl", 14),
    ("shmat", 21),
    ("shmdt", 22),
    ("shmget", 23),
    ("shmctl", 24),
];
