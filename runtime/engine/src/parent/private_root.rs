//! The root file system of a container that criu restores, mounted in a mount namespace of this process. No other process
//! sees the mount, and it ends with this process.

use crate::channel::KernelText;
use crate::error::{Error, Result};
use crate::fault::{Call, During, Fault};
use crate::mounts::overlay;
use crate::mounts::root_dir::open_host;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{self, CWD, Mode, OFlags};
use rustix::mount::{
    MountPropagationFlags, MoveMountFlags, OpenTreeFlags, mount_change, move_mount, open_tree,
};
use std::ffi::CString;
use tare_plan::restore::RestoredRoot;
use tare_plan::step::Planned;

/// The mounted root file system.
pub(crate) struct PrivateRoot {
    /// Its path.
    pub(crate) path: String,
    directory: OwnedFd,
    home: OriginalMountNs,
}

/// The mount namespace that this process started in. Dropping this value returns to it.
struct OriginalMountNs(OwnedFd);

impl OriginalMountNs {
    /// Moves this process into a new mount namespace.
    fn leave() -> Result<Self> {
        let act = |fault| Error::act("change the mount namespace", fault);
        let home = own_namespace()?;
        tare_sys::namespace::unshare(libc::CLONE_NEWNS).during(Call::Unshare).map_err(act)?;
        let home = Self(home);
        let slave = MountPropagationFlags::DOWNSTREAM | MountPropagationFlags::REC;
        mount_change(c"/", slave).during(Call::Mount).map_err(act)?;
        Ok(home)
    }
}

impl Drop for OriginalMountNs {
    fn drop(&mut self) {
        // The clean-up that follows needs the host's mount namespace. `leave` reports an error of the return.
        let _ = go(self.0.as_fd());
    }
}

impl PrivateRoot {
    /// Mounts the root file system: a directory at its own path, an overlay at the directory `spare`.
    pub(crate) fn mount(root: &Planned<RestoredRoot>, spare: &str) -> Result<Self> {
        let act = |fault| Error::act("mount the root file system", fault);
        let home = OriginalMountNs::leave()?;
        let (path, tree) = make(root, spare)?;
        let put = || {
            let place = open_host(&path, OFlags::PATH | OFlags::DIRECTORY)?;
            let both = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
            move_mount(&tree, c"", &place, c"", both).during(Call::MoveMount)
        };
        put().map_err(act)?;
        Ok(Self { path: path.to_string_lossy().into_owned(), directory: tree, home })
    }

    /// The root directory.
    pub(crate) fn directory(&self) -> BorrowedFd<'_> {
        self.directory.as_fd()
    }

    /// Runs `act` in the mount namespace that this process started in.
    pub(crate) fn outside(&self, act: impl FnOnce() -> Result<()>) -> Result<()> {
        let here = own_namespace()?;
        go(self.home.0.as_fd())?;
        let done = act();
        go(here.as_fd())?;
        done
    }

    /// Returns to that mount namespace for good.
    pub(crate) fn leave(self) -> Result<()> {
        go(self.home.0.as_fd())
    }
}

/// Makes the root file system as a detached mount. Returns it with its mount point.
fn make(planned: &Planned<RestoredRoot>, spare: &str) -> Result<(CString, OwnedFd)> {
    let error = |fault, text| Error::acted(planned.step.to_string(), fault, text, planned.because);
    match &planned.step {
        RestoredRoot::Tree(path) => {
            let tree = copy(path).map_err(|fault| error(fault, String::new()))?;
            Ok((path.clone(), tree))
        }
        RestoredRoot::Overlay(overlay) => {
            let mut text = KernelText::EMPTY;
            let tree = overlay::make(overlay, &mut text).map_err(|fault| error(fault, text.to_text()))?;
            Ok((CString::new(spare).unwrap_or_default(), tree))
        }
    }
}

fn copy(path: &CString) -> std::result::Result<OwnedFd, Fault> {
    let place = open_host(path, OFlags::PATH | OFlags::DIRECTORY)?;
    let flags = OpenTreeFlags::OPEN_TREE_CLONE
        | OpenTreeFlags::OPEN_TREE_CLOEXEC
        | OpenTreeFlags::AT_EMPTY_PATH
        | OpenTreeFlags::AT_RECURSIVE;
    open_tree(&place, c"", flags).during(Call::OpenTree)
}

fn own_namespace() -> Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    let file = fs::openat(CWD, c"/proc/self/ns/mnt", flags, Mode::empty()).during(Call::Open);
    file.map_err(|fault| Error::act("change the mount namespace", fault))
}

fn go(namespace: BorrowedFd<'_>) -> Result<()> {
    let gone = tare_sys::namespace::enter(namespace, libc::CLONE_NEWNS).during(Call::SetNamespace);
    gone.map_err(|fault| Error::act("change the mount namespace", fault))
}
