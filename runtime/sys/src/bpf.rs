//! eBPF programs that control the access of a cgroup to devices: bpf(2).

use crate::answer;
use rustix::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use rustix::io::{Errno, Result};

/// `enum bpf_cmd`.
const PROG_LOAD: u32 = 5;
const PROG_ATTACH: u32 = 8;
const PROG_GET_FD_BY_ID: u32 = 13;
const PROG_QUERY: u32 = 16;
/// `BPF_PROG_TYPE_CGROUP_DEVICE`.
const TYPE: u32 = 15;
/// `BPF_CGROUP_DEVICE`.
const DEVICE: u32 = 6;
const ALLOW_MULTI: u32 = 2;
const REPLACE: u32 = 4;

/// An eBPF instruction, with the layout of the kernel's `struct bpf_insn`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Instruction {
    /// The operation.
    pub code: u8,
    /// The destination register in the low half, the source register in the high half.
    pub registers: u8,
    /// The number of instructions to skip, or an offset in bytes from the address in a register.
    pub offset: i16,
    /// The operand.
    pub immediate: i32,
}

/// The fields of `union bpf_attr` for `BPF_PROG_LOAD`.
#[repr(C)]
#[derive(Default)]
struct Load {
    kind: u32,
    count: u32,
    instructions: u64,
    license: u64,
    log_level: u32,
    log_size: u32,
    log: u64,
}

/// The fields of `union bpf_attr` for `BPF_PROG_ATTACH`.
#[repr(C)]
#[derive(Default)]
struct Attach {
    target: u32,
    program: u32,
    kind: u32,
    flags: u32,
    replaced: u32,
}

/// The fields of `union bpf_attr` for `BPF_PROG_QUERY`.
#[repr(C)]
#[derive(Default)]
struct Query {
    target: u32,
    kind: u32,
    query_flags: u32,
    attach_flags: u32,
    ids: u64,
    count: u32,
    // An explicit field where Rust would have padding, whose bytes are not initialized.
    unused: u32,
}

/// The fields of `union bpf_attr` for `BPF_PROG_GET_FD_BY_ID`.
#[repr(C)]
#[derive(Default)]
struct ById {
    id: u32,
    next: u32,
    flags: u32,
}

/// Loads a device program. The kernel's verifier checks it.
///
/// # Errors
/// `EPERM` without `CAP_BPF` and `CAP_NET_ADMIN` or `CAP_SYS_ADMIN`, `EINVAL` or `EACCES` for a program that
/// the verifier refuses.
pub fn load(instructions: &[Instruction]) -> Result<OwnedFd> {
    let mut attributes = Load {
        kind: TYPE,
        count: u32::try_from(instructions.len()).map_err(|_| Errno::TOOBIG)?,
        instructions: instructions.as_ptr() as u64,
        // Only helpers that are marked GPL-only need a particular license. These programs call no helper.
        license: c"Apache-2.0".as_ptr() as u64,
        ..Load::default()
    };
    // SAFETY: Instruction has the layout of bpf_insn, and the count is that of the live slice. The license is
    // a static C string. The kernel only reads both.
    let descriptor = unsafe { call(PROG_LOAD, &mut attributes) }?;
    // SAFETY: the kernel has just made this descriptor for us, close-on-exec, and no other code knows its
    // number.
    Ok(unsafe { OwnedFd::from_raw_fd(descriptor) })
}

/// Attaches a program to a cgroup v2 directory: in place of `replaced` if given, else in addition to other
/// programs.
///
/// # Errors
/// `EPERM` without the capabilities, or if a program of an ancestor cgroup allows no others.
pub fn attach(
    cgroup: BorrowedFd<'_>,
    program: BorrowedFd<'_>,
    replaced: Option<BorrowedFd<'_>>,
) -> Result<()> {
    let mut attributes = Attach {
        target: number(cgroup),
        program: number(program),
        kind: DEVICE,
        flags: if replaced.is_some() { ALLOW_MULTI | REPLACE } else { ALLOW_MULTI },
        replaced: replaced.map_or(0, number),
    };
    // SAFETY: the fields of this command are integers, not pointers.
    unsafe { call(PROG_ATTACH, &mut attributes) }.map(drop)
}

/// Writes the ids of the programs that are attached to the cgroup itself. Returns their number.
///
/// # Errors
/// `EPERM` without the capabilities; `ENOSPC` if there are more than `ids` has room for.
pub fn attached(cgroup: BorrowedFd<'_>, ids: &mut [u32]) -> Result<usize> {
    let mut attributes = Query {
        target: number(cgroup),
        kind: DEVICE,
        ids: ids.as_mut_ptr() as u64,
        count: u32::try_from(ids.len()).map_err(|_| Errno::TOOBIG)?,
        ..Query::default()
    };
    // SAFETY: the kernel writes at most `count` ids, and that is the length of the live and exclusive slice.
    unsafe { call(PROG_QUERY, &mut attributes) }?;
    Ok(attributes.count as usize)
}

/// Opens a program.
///
/// # Errors
/// `ENOENT` if it is gone, `EPERM` without `CAP_SYS_ADMIN`.
pub fn by_id(id: u32) -> Result<OwnedFd> {
    let mut attributes = ById { id, ..ById::default() };
    // SAFETY: the fields of this command are integers, not pointers.
    let descriptor = unsafe { call(PROG_GET_FD_BY_ID, &mut attributes) }?;
    // SAFETY: the kernel has just made this descriptor for us, close-on-exec, and no other code knows its
    // number.
    Ok(unsafe { OwnedFd::from_raw_fd(descriptor) })
}

fn number(descriptor: BorrowedFd<'_>) -> u32 {
    descriptor.as_raw_fd().cast_unsigned()
}

/// Calls bpf(2).
///
/// # Safety
/// `attributes` is the start of `union bpf_attr` for `command`. Pointers in it are valid for what the command
/// reads and writes there.
unsafe fn call<T>(command: u32, attributes: &mut T) -> Result<RawFd> {
    // SAFETY: the size is that of the live and exclusive struct. The rest is the caller's contract.
    let returned =
        unsafe { libc::syscall(libc::SYS_bpf, command, std::ptr::from_mut(attributes), size_of::<T>()) };
    answer(returned).map(|descriptor| descriptor as RawFd)
}
