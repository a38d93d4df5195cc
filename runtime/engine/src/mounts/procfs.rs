//! The host's `/proc`, opened before the container's mounts exist.

use super::root_dir;
use crate::fault::{Call, Fault};
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::OFlags;
use rustix::io::Errno;

/// `PROC_SUPER_MAGIC` (statfs(2)).
pub(crate) const PROCFS: u64 = 0x9fa0;

/// Opens the host's `/proc` and checks the type of its file system. A plain directory could show fake files.
pub(crate) fn open_host_proc() -> Result<OwnedFd, Fault> {
    let proc = root_dir::open_host(c"/proc", OFlags::PATH | OFlags::DIRECTORY)?;
    let genuine = root_dir::is_on(proc.as_fd(), PROCFS)?;
    if genuine { Ok(proc) } else { Err(Fault::new(Call::Unexpected, Errno::NODEV)) }
}
