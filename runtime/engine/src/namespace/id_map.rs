//! User namespaces for ID-mapped mounts. mount_setattr(2) takes the mappings of a user namespace; no process lives in it.

use super::id_mappings;
use crate::channel;
use crate::child::{Child, hold};
use crate::fault::{Call, During, Fault};
use rustix::fd::{AsRawFd, OwnedFd};
use rustix::fs::{self, CWD, Mode, OFlags};
use tare_plan::spec::NamespaceKind;
use tare_plan::step::MapIds;
use tare_sys::clone::{Clone, fork};

/// Creates a user namespace with these mappings.
///
/// A user namespace begins with a process. The process is killed before this function returns, and the file descriptor keeps
/// the namespace alive (namespaces(7)).
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
