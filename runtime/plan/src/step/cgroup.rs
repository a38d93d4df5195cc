//! What steps say of cgroups.

use super::Slot;
use std::ffi::CString;

/// A directory of the container in one cgroup hierarchy.
#[derive(Debug)]
pub struct MakeCgroup {
    /// Where the open directory is put.
    pub slot: Slot,
    /// Where the hierarchy is mounted.
    pub mount: CString,
    /// The directory, relative to the mount.
    pub path: CString,
    /// What new directories need before a process may enter them.
    pub prepare: PrepareCgroup,
    /// Who may be there already.
    pub tenant: Tenant,
}

/// Who may be in a cgroup when it is made ready for a container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tenant {
    /// Nobody: whoever is there is somebody else.
    Nobody,
    /// Init, which systemd has put there, where the hierarchy is one of its own.
    Init,
    /// Whoever systemd has made the directory for: it must be there.
    Systemds,
}

/// A directory of a container that exists, in one cgroup hierarchy.
#[derive(Debug)]
pub struct OpenCgroup {
    /// Where the open directory is put.
    pub slot: Slot,
    /// Where the hierarchy is mounted.
    pub mount: CString,
    /// The directory, relative to the mount.
    pub path: CString,
    /// The container's init, whose own directory is taken where this one is gone or can hold no process any more.
    pub or_that_of: Option<i32>,
}

/// What the directories on the way to a container's cgroup need.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PrepareCgroup {
    /// Nothing.
    Plain,
    /// cpuset on v1: each new directory starts empty and takes its parent's processors and memory nodes.
    InheritCpuset,
    /// v2: each directory above the last hands the controllers it has on to the next.
    EnableControllers,
}

/// The program that decides which devices the processes of a v2 cgroup may use (bpf(2), `BPF_PROG_TYPE_CGROUP_DEVICE`).
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

/// A limit that must not be below what is in use: v2 would take it, and kill.
#[derive(Debug)]
pub struct CheckUse {
    /// The cgroup.
    pub cgroup: Slot,
    /// The file that says how much is in use.
    pub file: CString,
    /// The limit.
    pub limit: u64,
}

/// One value of one cgroup file.
#[derive(Debug)]
pub struct WriteCgroup {
    /// The cgroup.
    pub cgroup: Slot,
    /// The file in it.
    pub file: CString,
    /// What is written, in one write(2).
    pub value: CString,
}
