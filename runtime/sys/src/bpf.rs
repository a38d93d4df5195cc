//! Programs of the kernel's that decide about devices of a cgroup: bpf(2).

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

/// One instruction, as the kernel's `struct bpf_insn` has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Instruction {
    /// The operation.
    pub code: u8,
    /// The register that is changed in the lower half, the one that is read in the upper one.
    pub registers: u8,
    /// Instructions to skip, or bytes from where a register points.
    pub offset: i16,
    /// The operand.
    pub immediate: i32,
}

/// The part of `union bpf_attr` that loading reads.
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

/// The part of `union bpf_attr` that attaching reads.
#[repr(C)]
#[derive(Default)]
struct Attach {
    target: u32,
    program: u32,
    kind: u32,
    flags: u32,
    replaced: u32,
}

/// The part of `union bpf_attr` that a query reads and writes.
#[repr(C)]
#[derive(Default)]
struct Query {
    target: u32,
    kind: u32,
    query_flags: u32,
    attach_flags: u32,
    ids: u64,
    count: u32,
    // The kernel's structure has no hole here.
    unused: u32,
}

/// The part of `union bpf_attr` that asking by id reads.
#[repr(C)]
#[derive(Default)]
struct ById {
    id: u32,
    next: u32,
    flags: u32,
}

/// Loads a program that decides about devices; the kernel checks it first.
///
/// # Errors
/// `EPERM` without the right to, `EINVAL` or `EACCES` for a program that the kernel does not accept.
pub fn load(instructions: &[Instruction]) -> Result<OwnedFd> {
    let mut attributes = Load {
        kind: TYPE,
        count: u32::try_from(instructions.len()).map_err(|_| Errno::TOOBIG)?,
        instructions: instructions.as_ptr() as u64,
        // A program that calls nothing of the kernel's needs no licence in particular.
        license: c"Apache-2.0".as_ptr() as u64,
        ..Load::default()
    };
    // SAFETY: Instruction has the layout of bpf_insn and the count is that of the live slice, which the kernel only reads, as it
    // does the text, which ends with a zero byte and lives for ever.
    let descriptor = unsafe { call(PROG_LOAD, &mut attributes) }?;
    // SAFETY: the kernel has just made this descriptor for us (close-on-exec), and nobody else knows it.
    Ok(unsafe { OwnedFd::from_raw_fd(descriptor) })
}

/// Lets `program` decide about the devices of a v2 cgroup, in the place of `replaced` where that is given, beside others else.
///
/// # Errors
/// `EPERM` without the right to, or where a program above wants no others.
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
    // SAFETY: attaching reads numbers alone.
    unsafe { call(PROG_ATTACH, &mut attributes) }.map(drop)
}

/// The programs that are attached to a cgroup itself, as many as fit; how many there are.
///
/// # Errors
/// `EPERM` without the right to; `ENOSPC` when there are more than fit.
pub fn attached(cgroup: BorrowedFd<'_>, ids: &mut [u32]) -> Result<usize> {
    let mut attributes = Query {
        target: number(cgroup),
        kind: DEVICE,
        ids: ids.as_mut_ptr() as u64,
        count: u32::try_from(ids.len()).map_err(|_| Errno::TOOBIG)?,
        ..Query::default()
    };
    // SAFETY: the kernel writes at most `count` numbers, which is as many as the live and exclusive slice holds.
    unsafe { call(PROG_QUERY, &mut attributes) }?;
    Ok(attributes.count as usize)
}

/// A descriptor of a program.
///
/// # Errors
/// `ENOENT` when it is gone, `EPERM` without the right to.
pub fn by_id(id: u32) -> Result<OwnedFd> {
    let mut attributes = ById { id, ..ById::default() };
    // SAFETY: this reads a number alone.
    let descriptor = unsafe { call(PROG_GET_FD_BY_ID, &mut attributes) }?;
    // SAFETY: the kernel has just made this descriptor for us (close-on-exec), and nobody else knows it.
    Ok(unsafe { OwnedFd::from_raw_fd(descriptor) })
}

fn number(descriptor: BorrowedFd<'_>) -> u32 {
    descriptor.as_raw_fd().cast_unsigned()
}

/// Calls the kernel.
///
/// # Safety
/// `attributes` is the beginning of `union bpf_attr` for `command`, and what it points to is as the command needs it.
unsafe fn call<T>(command: u32, attributes: &mut T) -> Result<RawFd> {
    // SAFETY: the size is that of the live and exclusive structure; the rest is the caller's promise.
    let returned =
        unsafe { libc::syscall(libc::SYS_bpf, command, std::ptr::from_mut(attributes), size_of::<T>()) };
    answer(returned).map(|descriptor| descriptor as RawFd)
}
