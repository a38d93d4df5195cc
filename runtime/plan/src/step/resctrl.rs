//! Steps on resctrl groups (Documentation/filesystems/resctrl.rst).

use super::Slot;
use std::ffi::CString;

/// What is done to resctrl groups.
#[derive(Debug)]
pub enum ResctrlStep {
    /// Makes a group if it does not exist, and opens it.
    Make(MakeResctrlGroup),
    /// Moves init into a group.
    Enter(Slot),
}

/// A resctrl group: a class of service, or a monitoring group.
#[derive(Debug)]
pub struct MakeResctrlGroup {
    /// The slot of the open directory.
    pub slot: Slot,
    /// Where the file system is mounted.
    pub mount: CString,
    /// The directory, relative to the mount; empty for the topmost group.
    pub path: CString,
    /// Whether it must exist already.
    pub presence: Presence,
    /// Lines of `schemata` that a new group gets and an existing one must have.
    pub expected: String,
    /// Lines of `schemata` that are written after those, to new and existing groups.
    pub written: String,
}

/// Whether a group must exist before the container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    /// It is made if it does not exist.
    Optional,
    /// It must exist: another program made it.
    Required,
}
