//! Steps on the container's cgroups.

use super::Slot;
use std::ffi::CString;

/// What is done to the container's cgroups.
#[derive(Debug)]
pub enum CgroupStep {
    /// Makes the container's directory in one hierarchy and opens it.
    Make(MakeCgroup),
    /// Opens the directory of an existing container in one hierarchy.
    Open(OpenCgroup),
    /// Sets a limit.
    Limit(LimitStep),
    /// Attaches a program that decides which devices the processes of a v2 cgroup may use.
    DeviceProgram(DeviceProgram),
    /// Changes the owner of a v2 cgroup, and of the files in it that may be delegated, to the container's
    /// user.
    Delegate {
        /// The cgroup.
        cgroup: Slot,
        /// The uid on the host.
        uid: u32,
    },
}

/// A directory of the container in one cgroup hierarchy.
#[derive(Debug)]
pub struct MakeCgroup {
    /// The slot of the open directory.
    pub slot: Slot,
    /// Where the hierarchy is mounted.
    pub mount: CString,
    /// The directory, relative to the mount.
    pub path: CString,
    /// What new directories need before a process may enter them.
    pub prepare: PrepareCgroup,
    /// What the directory may hold when it exists already.
    pub existing: ExistingCgroup,
}

/// What a directory that exists already may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExistingCgroup {
    /// No process: every process in it belongs to another container.
    Empty,
    /// Init, where systemd has put it and the hierarchy is one of systemd's own.
    MayHoldInit,
    /// Any process: systemd has made the directory, so it must exist.
    MadeBySystemd,
}

/// A directory of a container that exists, in one cgroup hierarchy.
#[derive(Clone, Debug)]
pub struct OpenCgroup {
    /// The slot of the open directory.
    pub slot: Slot,
    /// Where the hierarchy is mounted.
    pub mount: CString,
    /// The directory, relative to the mount.
    pub path: CString,
    /// The pid of the container's init. Its own directory is opened instead when this one is gone or can hold
    /// no process.
    pub fallback_init: Option<i32>,
}

/// What the directories on the way to a container's cgroup need.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PrepareCgroup {
    /// Nothing.
    Plain,
    /// cpuset on v1: a new directory starts empty and takes the CPUs and memory nodes of its parent.
    InheritCpuset,
    /// v2: each directory above the last enables its controllers for the next one.
    EnableControllers,
}

/// The program that decides which devices the processes of a v2 cgroup may use (bpf(2),
/// `BPF_PROG_TYPE_CGROUP_DEVICE`).
#[derive(Debug)]
pub struct DeviceProgram {
    /// The cgroup.
    pub cgroup: Slot,
    /// The instructions.
    pub instructions: Vec<ProgramInstruction>,
}

/// One instruction, as the kernel's `struct bpf_insn` has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProgramInstruction {
    /// The operation.
    pub code: u8,
    /// The register that is changed or compared, 0 to 10.
    pub to: u8,
    /// The register that is read, 0 to 10.
    pub from: u8,
    /// Instructions to skip, or bytes from where a register points.
    pub offset: i16,
    /// The operand.
    pub immediate: i32,
}

/// A limit that must not be below the current use: v2 accepts such a limit, and the OOM killer acts on it.
#[derive(Clone, Debug)]
pub struct CheckUse {
    /// The cgroup.
    pub cgroup: Slot,
    /// The files whose sum is the current use, in bytes.
    pub files: Vec<CString>,
    /// The limit, in bytes.
    pub limit: u64,
    /// What the limit is for.
    pub limited: LimitedMemory,
}

/// What a limit of memory is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LimitedMemory {
    /// Memory.
    Memory,
    /// Memory and swap together.
    MemoryAndSwap,
}

impl CheckUse {
    /// Why the limit is refused when `used` bytes are in use, with runc's wording.
    pub fn refusal(&self, used: u64) -> Option<String> {
        let limit = self.limit;
        match self.limited {
            LimitedMemory::Memory if limit < used => {
                Some(format!("rejecting memory limit {limit} < usage {used}"))
            }
            LimitedMemory::MemoryAndSwap if limit <= used => {
                Some(format!("rejecting memory+swap limit {limit} <= usage {used}"))
            }
            _ => None,
        }
    }
}

/// One value of one cgroup file.
#[derive(Clone, Debug)]
pub struct WriteCgroup {
    /// The cgroup.
    pub cgroup: Slot,
    /// The file in it.
    pub file: CString,
    /// What is written, in one write(2).
    pub value: CString,
}

/// What is done to set a limit.
#[derive(Clone, Debug)]
pub enum LimitStep {
    /// Refuses a limit below the current use.
    CheckUse(CheckUse),
    /// Writes the limit.
    Write(LimitWrite),
}

/// A limit, as the file that takes it.
#[derive(Clone, Debug)]
pub enum LimitWrite {
    /// One file.
    File(WriteCgroup),
    /// The first file if the cgroup has it, otherwise the second: I/O schedulers differ in the names of their
    /// files.
    Either {
        /// Written where it exists.
        first: WriteCgroup,
        /// Written where the first does not exist.
        second: WriteCgroup,
    },
}
