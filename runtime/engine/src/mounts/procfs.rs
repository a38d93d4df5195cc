//! The host's procfs.

use super::inside;
use crate::fault::{Call, Fault};
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::OFlags;
use rustix::io::Errno;

/// `PROC_SUPER_MAGIC` (statfs(2)).
pub(crate) const PROCFS: u64 = 0x9fa0;

/// Opens the host's `/proc` and checks that it is a procfs.
pub(crate) fn open_host_proc() -> Result<OwnedFd, Fault> {
    let proc = inside::open_host(c"/proc", OFlags::PATH | OFlags::DIRECTORY)?;
    let genuine = inside::is_on(proc.as_fd(), PROCFS)?;
    if genuine { Ok(proc) } else { Err(Fault::new(Call::Unexpected, Errno::NODEV)) }
}
