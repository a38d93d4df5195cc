//! The place of measuring: a mount namespace that is the same for all, and that every peer can run in.
//!
//! Debian's crun refuses a machine with both versions of cgroups; here only those of version 1 are shown, to all
//! runtimes alike. A machine with version 2 alone is left as it is.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};

/// The directory of bundles and states; gone when this is dropped.
pub(crate) struct Place {
    /// Its path.
    pub(crate) directory: PathBuf,
    /// Where this program and the others of its build lie.
    pub(crate) programs: PathBuf,
}

impl Place {
    /// Enters the place: this process, which has one thread, and all that it starts.
    pub(crate) fn enter() -> Result<Self> {
        // Below a changed root the kernel returns another path once the namespace has changed.
        let programs = std::env::current_exe()?.with_file_name("");
        unshare(CloneFlags::CLONE_NEWNS).context("a mount namespace needs root")?;
        mount(None::<&str>, "/", None::<&str>, MsFlags::MS_REC | MsFlags::MS_PRIVATE, None::<&str>)?;
        let directory = std::env::temp_dir().join(format!("tare-bench-{}", std::process::id()));
        std::fs::create_dir_all(&directory)
            .with_context(|| format!("cannot make {}", directory.display()))?;
        if Path::new("/sys/fs/cgroup/memory/cgroup.procs").exists() {
            only_v1(&directory.join("groups"))?;
        }
        // Orphans of a runtime become ours, so that their use of the CPU is counted.
        nix::sys::prctl::set_child_subreaper(true)?;
        Ok(Self { directory, programs })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // No caller is left for an error.
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

fn only_v1(real: &Path) -> Result<()> {
    std::fs::create_dir(real)?;
    mount(Some("/sys/fs/cgroup"), real, None::<&str>, MsFlags::MS_BIND | MsFlags::MS_REC, None::<&str>)?;
    mount(Some("bench"), "/sys/fs/cgroup", Some("tmpfs"), MsFlags::empty(), Some("mode=755"))?;
    for entry in std::fs::read_dir(real)? {
        let entry = entry?;
        // Version 2 has this file at its root, version 1 does not.
        if !entry.file_type()?.is_dir() || entry.path().join("cgroup.controllers").exists() {
            continue;
        }
        let target = Path::new("/sys/fs/cgroup").join(entry.file_name());
        std::fs::create_dir(&target)?;
        mount(Some(&entry.path()), &target, None::<&str>, MsFlags::MS_BIND, None::<&str>)?;
    }
    umount2(real, MntFlags::MNT_DETACH)?;
    Ok(std::fs::remove_dir(real)?)
}

/// Removes an empty cgroup from every hierarchy.
pub(crate) fn remove_cgroups(name: &str) {
    let Ok(hierarchies) = std::fs::read_dir("/sys/fs/cgroup") else { return };
    for hierarchy in hierarchies.flatten() {
        // Most are gone already.
        let _ = std::fs::remove_dir(hierarchy.path().join(name));
    }
}
