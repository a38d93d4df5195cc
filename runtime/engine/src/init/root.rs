//! The root file system: attaching it over the old root, and entering it (pivot_root(2)).

use super::state::Init;
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

/// Makes every mount of this namespace a slave. Mounts of the host still propagate into it, its own do not propagate back
/// (mount_namespaces(7)).
fn detach_propagation() -> Result<(), Fault> {
    mount_change(c"/", MountPropagationFlags::DOWNSTREAM | MountPropagationFlags::REC).during(Call::Mount)
}

/// Mounts an overlay as the root. The mount is in this namespace only, and the kernel removes it with the namespace.
fn mount_overlay(init: &mut Init<'_>, overlay: &Overlay, at: &CStr) -> Result<(), Fault> {
    let mounted = mounts::overlay::make(overlay, &mut init.text)?;
    put(init, mounted, at)
}

/// Mounts the detached tree that the parent made.
fn mount_tree(init: &mut Init<'_>, tree: Slot, at: &CStr) -> Result<(), Fault> {
    let tree = init.slots.copy_of(tree)?;
    put(init, tree, at)
}

/// Attaches the container's root at `at`, usually `/`.
///
/// The new root covers the old one, and lookups still begin in the old one until [`enter`]. No path of the host is looked up to attach
/// the root, so no process can exchange a directory on the way.
fn put(init: &mut Init<'_>, tree: OwnedFd, at: &CStr) -> Result<(), Fault> {
    move_mount(&tree, c"", CWD, at, MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH).during(Call::MoveMount)?;
    init.root = Some(tree);
    Ok(())
}

/// Makes the container's root the root directory of this process, by pivot_root(2) or, with `--no-pivot`, by chroot(2).
fn enter(init: &mut Init<'_>, how: EnterRoot) -> Result<(), Fault> {
    rustix::process::fchdir(init.root()?).during(Call::ChangeDirectory)?;
    match how {
        EnterRoot::Pivot => pivot()?,
        EnterRoot::Cover => rustix::process::chroot(c".").during(Call::ChangeRoot)?,
    }
    rustix::process::chdir(c"/").during(Call::ChangeDirectory)
}

/// Returns to the mount namespace `namespace` with a detached copy of the root, and makes the copy this process's root. This is
/// for a container without a mount namespace.
///
/// Init has built the root in a temporary mount namespace, which ends here. The copy is attached nowhere, so nothing of it
/// stays on the host when the container is killed or deleted. After the file descriptor is closed, the kernel keeps the mounts
/// for the processes that have them as their root (`UMOUNT_CONNECTED` in the kernel's fs/namespace.c).
fn take_back(init: &mut Init<'_>, namespace: Slot) -> Result<(), Fault> {
    let copy = mounts::tree::clone_open(init.root()?, OpenTreeFlags::AT_RECURSIVE)?;
    crate::namespace::join(init.slots.get(namespace)?, NamespaceKind::Mount)?;
    rustix::process::fchdir(&copy).during(Call::ChangeDirectory)?;
    rustix::process::chroot(c".").during(Call::ChangeRoot)?;
    init.root = Some(copy);
    rustix::process::chdir(c"/").during(Call::ChangeDirectory)
}

/// Exchanges the two roots in place (pivot_root(2), `pivot_root(".", ".")`) and unmounts the old one, which lies on top then.
fn pivot() -> Result<(), Fault> {
    rustix::process::pivot_root(c".", c".").during(Call::PivotRoot)?;
    unmount(c".", UnmountFlags::DETACH).during(Call::Unmount)
}

/// Takes the root directory of this process as the container's root. `exec` has just entered it.
fn current(init: &mut Init<'_>) -> Result<(), Fault> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    init.root = Some(fs::openat(CWD, c"/", flags, Mode::empty()).during(Call::Open)?);
    Ok(())
}

/// Makes a directory that the parent has opened the root directory.
fn change(root: BorrowedFd<'_>) -> Result<(), Fault> {
    rustix::process::fchdir(root).during(Call::ChangeDirectory)?;
    rustix::process::chroot(c".").during(Call::ChangeRoot)
}
