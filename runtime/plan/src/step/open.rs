//! Steps of the parent that open or make something for a later step.

use super::{Attributes, Device, MapIds, NodeFs, Slot, Source};
use crate::spec::NamespaceKind;
use std::ffi::CString;

/// Opens or makes something; all but [`OpenStep::LockedMounts`] put a file descriptor into a slot.
#[derive(Debug)]
#[allow(missing_docs, reason = "the sentence above a variant says what its fields are")]
pub enum OpenStep {
    /// Opens a pidfd of the init of an existing container.
    Init { slot: Slot },
    /// Opens the root directory of that init.
    Root { slot: Slot },
    /// Opens a namespace to join, and refuses one of another kind.
    Namespace { slot: Slot, kind: NamespaceKind, path: CString },
    /// Makes a user namespace that only holds id mappings, for id-mapped mounts.
    IdMap { slot: Slot, maps: MapIds },
    /// Makes a mount namespace that another user namespace owns: copies made there keep their flags locked.
    LockedMounts,
    /// Makes a detached copy of a mount of the host, or of a directory or file in it.
    Tree { slot: Slot, source: Source },
    /// Makes a device node on a file system of its own, and a detached copy of it.
    DeviceNode { slot: Slot, device: Device, attributes: Attributes, fs: NodeFs },
    /// Makes a detached copy of the container's own directory in a cgroup hierarchy; `hierarchy` is its mount
    /// point.
    CgroupMount { slot: Slot, cgroup: Slot, hierarchy: CString, attributes: Attributes },
    /// Makes the socket on which init waits for `start`.
    StartSocket { slot: Slot },
    /// Makes the memory file that holds the container's state for hooks that init runs.
    StateFile { slot: Slot },
}

impl OpenStep {
    /// The slot that the step fills.
    pub fn slot(&self) -> Option<Slot> {
        match self {
            Self::Init { slot }
            | Self::Root { slot }
            | Self::Namespace { slot, .. }
            | Self::IdMap { slot, .. }
            | Self::Tree { slot, .. }
            | Self::DeviceNode { slot, .. }
            | Self::CgroupMount { slot, .. }
            | Self::StartSocket { slot }
            | Self::StateFile { slot } => Some(*slot),
            Self::LockedMounts => None,
        }
    }
}

/// What a copy of a mount of the host is for. It decides how an error about it reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SourceUse {
    /// The root file system.
    RootFs,
    /// A bind mount at this path of the container, without a leading slash.
    Bind(CString),
    /// A cover for masked paths.
    Mask,
}
