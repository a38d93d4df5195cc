//! Sysctls: files below `/proc/sys`.

use crate::error::{Error, Result};
use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::io::{Errno, pread, pwrite};
use rustix::mount::{FsMountFlags, FsOpenFlags, MountAttrFlags, fsconfig_create, fsmount, fsopen};
use std::os::fd::OwnedFd;

/// What to do if the kernel does not have a sysctl.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IfMissing {
    /// Skip it. The kernel lacks the feature that the sysctl controls.
    Skip,
    /// Fail. The configuration needs the sysctl.
    Refuse,
}

/// A sysctl and its wanted value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sysctl {
    path: String,
    value: &'static str,
    if_missing: IfMissing,
}

impl Sysctl {
    /// Creates a sysctl from a path below `/proc/sys`, with slashes, and a value.
    pub fn new(path: impl Into<String>, value: &'static str, if_missing: IfMissing) -> Self {
        Self { path: path.into(), value, if_missing }
    }
}

/// A procfs, through which each network namespace sees its own sysctls.
///
/// It is a private, detached mount. In the shared `/proc` the kernel keeps one dentry `sys/net` for every namespace
/// that ever looked it up, all in one hash chain, and walks the chain at each lookup. With 1,000 containers this takes
/// most of a millisecond, and each lookup in a new container makes the chain longer.
#[derive(Debug)]
pub struct Sysctls(OwnedFd);

impl Sysctls {
    /// Mounts a private procfs. Falls back to `/proc` if the process may not mount, or if the kernel has no fsopen(2)
    /// (before 5.2).
    ///
    /// # Errors
    /// The kernel's error: `/proc` is not mounted.
    pub fn open() -> Result<Sysctls> {
        private_tree()
            .or_else(|_| {
                openat(CWD, "/proc", OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
            })
            .map(Sysctls)
            .map_err(|why| Error::kernel("open /proc", why))
    }

    /// Sets a sysctl if its value differs. Reading is cheaper than writing, and some writes flush caches of the kernel.
    ///
    /// # Errors
    /// The kernel's error. `IfMissing` decides about a missing sysctl.
    pub fn set(&self, sysctl: &Sysctl) -> Result<()> {
        let failed = |why| Error::kernel(format!("set sysctl {} to {}", sysctl.path, sysctl.value), why);
        let path = format!("sys/{}", sysctl.path);
        let file = match openat(&self.0, path, OFlags::RDWR | OFlags::CLOEXEC, Mode::empty()) {
            Err(Errno::NOENT) if sysctl.if_missing == IfMissing::Skip => return Ok(()),
            other => other.map_err(failed)?,
        };
        let mut now = [0; 64];
        let length = pread(&file, &mut now, 0).map_err(failed)?;
        if now.get(..length).is_some_and(|now| now.trim_ascii() == sysctl.value.as_bytes()) {
            return Ok(());
        }
        pwrite(&file, sysctl.value.as_bytes(), 0).map(drop).map_err(failed)
    }
}

fn private_tree() -> rustix::io::Result<OwnedFd> {
    let context = fsopen("proc", FsOpenFlags::FSOPEN_CLOEXEC)?;
    fsconfig_create(&context)?;
    let attributes = MountAttrFlags::MOUNT_ATTR_NOSUID
        | MountAttrFlags::MOUNT_ATTR_NODEV
        | MountAttrFlags::MOUNT_ATTR_NOEXEC;
    fsmount(&context, FsMountFlags::FSMOUNT_CLOEXEC, attributes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::fs::fstat;

    /// A process that may mount uses a private procfs, others use the shared one.
    #[test]
    fn sysctls_are_looked_up_in_a_private_procfs() {
        let shared = std::fs::File::open("/proc").unwrap();
        let tree = Sysctls::open().unwrap();
        let is_shared = fstat(&tree.0).unwrap().st_dev == fstat(&shared).unwrap().st_dev;
        assert_eq!(is_shared, private_tree().is_err());
        let kind = Sysctl::new("kernel/ostype", "Linux", IfMissing::Refuse);
        assert_eq!(tree.set(&kind), Err(Error::kernel("set sysctl kernel/ostype to Linux", Errno::ACCESS)));
    }

    #[test]
    fn a_missing_sysctl_is_skipped_or_refused() {
        let tree = Sysctls::open().unwrap();
        let missing = |if_missing| Sysctl::new("net/none", "1", if_missing);
        assert_eq!(tree.set(&missing(IfMissing::Skip)), Ok(()));
        let error = tree.set(&missing(IfMissing::Refuse)).unwrap_err();
        assert!(error.msg.contains("net/none"), "{error}");
    }
}
