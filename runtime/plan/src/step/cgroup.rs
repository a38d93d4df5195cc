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
