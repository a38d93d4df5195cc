//! User namespaces that nobody lives in, made for their mappings alone: what mounts map their ids by.

use super::id_mappings;
use crate::channel;
use crate::child::{Child, hold};
use crate::fault::{Call, During, Fault};
use rustix::fd::{AsRawFd, OwnedFd};
use rustix::fs::{self, CWD, Mode, OFlags};
use tare_plan::spec::NamespaceKind;
use tare_plan::step::MapIds;
use tare_sys::clone::{Clone, fork};

/// Makes a user namespace with these mappings. The process that it takes is gone when this returns.
pub(crate) fn make(maps: &MapIds) -> Result<OwnedFd, Fault> {
    let (here, there) = channel::pair()?;
    let other_end = here.as_raw_fd().cast_unsigned();
    let flags = u64::from(NamespaceKind::User.clone_flag().cast_unsigned());
    let how = Clone { flags, cgroup: None };
    let spawned = fork(how, move || hold(there, other_end)).during(Call::Clone)?;
    let pid = spawned.pid;
    let _holder = Child::of(spawned);
    id_mappings::write(pid, maps)?;
    let path = format!("/proc/{}/ns/user", pid.as_raw_nonzero());
    fs::openat(CWD, path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).during(Call::Open)
}
