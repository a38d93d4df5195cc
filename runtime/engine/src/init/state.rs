//! The state of init between two steps.

use super::resources::InitResources;
use crate::channel::KernelText;
use crate::fault::{Call, Fault};
use crate::mounts::root_dir::RootDir;
use crate::slots::Slots;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::io::Errno;

/// The state of init. Steps change it; nothing else is global in this process.
pub(super) struct Init<'plan> {
    pub(super) resources: InitResources,
    /// The file descriptors that steps open and use.
    pub(super) slots: &'plan mut Slots,
    /// The root directory of the container, once a step has mounted or opened it.
    pub(super) root: Option<OwnedFd>,
    /// The master of the terminal, until it is passed to the parent.
    pub(super) terminal: Option<OwnedFd>,
    pub(super) masks: MaskMounts,
    /// The number of hook steps that have run.
    pub(super) hooks_done: usize,
    /// The number of seccomp filters that are installed.
    pub(super) filters_done: usize,
    /// The index of the program among its candidates along PATH.
    pub(super) program: usize,
    /// The socket that `start` has passed. Failures go there from then on.
    pub(super) starter: Option<OwnedFd>,
    /// The kernel's message about the last file system; empty without one.
    pub(super) text: KernelText,
}

/// The mounts that cover masked paths. Each is created once and copied for every later path.
#[derive(Default)]
pub(super) struct MaskMounts {
    /// An empty read-only directory, once a directory has been masked.
    pub(super) directory: Option<OwnedFd>,
    /// Whether the null device has been attached once.
    pub(super) null_used: bool,
}

impl<'plan> Init<'plan> {
    /// The state before the first step.
    pub(super) fn new(resources: InitResources, slots: &'plan mut Slots) -> Self {
        Self {
            resources,
            slots,
            root: None,
            terminal: None,
            masks: MaskMounts::default(),
            hooks_done: 0,
            filters_done: 0,
            program: 0,
            starter: None,
            text: KernelText::EMPTY,
        }
    }

    /// Returns the root directory of the container. It is an error of the plan if no step has opened it.
    pub(super) fn root(&self) -> Result<BorrowedFd<'_>, Fault> {
        self.root.as_ref().map(AsFd::as_fd).ok_or(Fault::new(Call::Slot, Errno::BADF))
    }

    /// Returns the root directory for path lookups.
    pub(super) fn root_dir(&self) -> Result<RootDir<'_>, Fault> {
        self.root().map(RootDir::new)
    }

    /// Returns the socket for a failure: that of `start` once it has connected, the channel to the parent before.
    pub(super) fn listener(&self) -> BorrowedFd<'_> {
        self.starter.as_ref().unwrap_or(&self.resources.channel).as_fd()
    }
}
