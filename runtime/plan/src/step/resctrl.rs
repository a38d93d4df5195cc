//! What steps say of resctrl groups.

use super::Slot;
use std::ffi::CString;

/// A group of resctrl: a class of service, or one whose use is monitored apart.
#[derive(Debug)]
pub struct MakeResctrlGroup {
    /// Where the open directory is put.
    pub slot: Slot,
    /// Where the file system is mounted.
    pub mount: CString,
    /// The directory, relative to the mount; empty for the topmost group.
    pub path: CString,
    /// Whether it may, or must, be there already.
    pub presence: Presence,
    /// Lines of `schemata` that a new group gets, and that one that is there must have.
    pub expected: String,
    /// Lines of `schemata` that are written after those, whether the group is new or not.
    pub written: String,
}

/// Whether a group is there before the container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    /// It is made where it is missing.
    Optional,
    /// It has been made by somebody else.
    Required,
}
