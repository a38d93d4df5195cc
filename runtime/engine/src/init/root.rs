//! The root file system: mounted over the old root, and entered.

use super::Init;
use crate::fault::{Call, During, Fault};
use crate::mounts;
use rustix::fd::{BorrowedFd, OwnedFd};
use rustix::fs::{self, CWD, Mode, OFlags};
use rustix::mount::{
    MountPropagationFlags, MoveMountFlags, OpenTreeFlags, UnmountFlags, mount_change, move_mount, unmount,
};
use std::ffi::CStr;
use tare_plan::spec::NamespaceKind;
use tare_plan::step::{EnterRoot, Overlay, RootStep, Slot};

/// Carries out a step on the root file system.
pub(super) fn act(init: &mut Init<'_>, step: &RootStep) -> Result<(), Fault> {
    match step {
        RootStep::DetachPropagation => detach_propagation(),
        RootStep::CloneTree { slot, source } => {
            let copy = mounts::tree::clone(source, init.slots)?;
            init.slots.put(*slot, copy)
        }
        RootStep::MountOverlay { overlay, at } => mount_overlay(init, overlay, at),
        RootStep::MountTree { tree, at } => mount_tree(init, *tree, at),
        RootStep::Enter(how) => enter(init, *how),
        RootStep::TakeBack { namespace } => take_back(init, *namespace),
        RootStep::SetAttributes { attributes, propagation } => {
            mounts::attributes::change(init.root()?, *attributes, *propagation)
        }
        RootStep::Current => current(init),
        RootStep::Change { slot } => change(init.slots.get(*slot)?),
    }
}

/// Makes every mount of this namespace a slave: what the host mounts still arrives, nothing goes back.
fn detach_propagation() -> Result<(), Fault> {
    mount_change(c"/", MountPropagationFlags::DOWNSTREAM | MountPropagationFlags::REC).during(Call::Mount)
}

/// Mounts an overlay. It exists in this namespace alone and goes with it.
fn mount_overlay(init: &mut Init<'_>, overlay: &Overlay, at: &CStr) -> Result<(), Fault> {
    let mounted = mounts::overlay::make(overlay, &mut init.text)?;
    put(init, mounted, at)
}

/// Mounts the detached tree that the parent made.
fn mount_tree(init: &mut Init<'_>, tree: Slot, at: &CStr) -> Result<(), Fault> {
    let tree = init.slots.copy_of(tree)?;
    put(init, tree, at)
}

/// Mounts the container's root at `at`: mostly over `/`. The old root stays below it, and is what paths are still looked up
/// from until it is left, so that no path of the host has to be resolved to attach the root, and there is none to race with.
fn put(init: &mut Init<'_>, tree: OwnedFd, at: &CStr) -> Result<(), Fault> {
    move_mount(&tree, c"", CWD, at, MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH).during(Call::MoveMount)?;
    init.root = Some(tree);
    Ok(())
}

/// Leaves the host's root behind.
fn enter(init: &mut Init<'_>, how: EnterRoot) -> Result<(), Fault> {
    rustix::process::fchdir(init.root()?).during(Call::ChangeDirectory)?;
    match how {
        EnterRoot::Pivot => pivot()?,
        EnterRoot::Cover => rustix::process::chroot(c".").during(Call::ChangeRoot)?,
    }
    rustix::process::chdir(c"/").during(Call::ChangeDirectory)
}

/// Goes back to the mount namespace `namespace` with a detached copy of the root, which becomes this process's root.
///
/// The namespace in which the root was built ends here, with everything in it. The copy has no place in any namespace: when its
/// descriptor is closed the kernel takes it apart for all but those who are in it (UMOUNT_CONNECTED), so that there is nothing
/// that a kill, or a deletion, could leave on the host.
fn take_back(init: &mut Init<'_>, namespace: Slot) -> Result<(), Fault> {
    let copy = super::mask::copy_of(init.root()?, OpenTreeFlags::AT_RECURSIVE)?;
    crate::namespace::join(init.slots.get(namespace)?, NamespaceKind::Mount)?;
    rustix::process::fchdir(&copy).during(Call::ChangeDirectory)?;
    rustix::process::chroot(c".").during(Call::ChangeRoot)?;
    init.root = Some(copy);
    rustix::process::chdir(c"/").during(Call::ChangeDirectory)
}

/// Exchanges the roots in place (pivot_root(2), "pivot_root(".", ".")") and unmounts the old one from this namespace.
fn pivot() -> Result<(), Fault> {
    rustix::process::pivot_root(c".", c".").during(Call::PivotRoot)?;
    unmount(c".", UnmountFlags::DETACH).during(Call::Unmount)
}

/// Takes what this process's own root is for the container's: in a container that exists, it has just been entered.
fn current(init: &mut Init<'_>) -> Result<(), Fault> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    init.root = Some(fs::openat(CWD, c"/", flags, Mode::empty()).during(Call::Open)?);
    Ok(())
}

/// Makes a directory that the parent has opened the root.
fn change(root: BorrowedFd<'_>) -> Result<(), Fault> {
    rustix::process::fchdir(root).during(Call::ChangeDirectory)?;
    rustix::process::chroot(c".").during(Call::ChangeRoot)
}
