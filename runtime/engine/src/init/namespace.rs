//! Namespaces and cgroups of init: entering them, and what is set in them.

use crate::fault::{Call, During, Fault};
use rustix::fd::BorrowedFd;
use rustix::fs::{self, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;
use std::ffi::CStr;
use tare_plan::host::CgroupVersion;
use tare_plan::spec::NamespaceKind;

/// Enters a cgroup v1 hierarchy.
///
/// A process that writes itself, and is alone in its thread group, does not wait for the kernel's grace period, as a
/// pid written by another process would (7 ms a hierarchy).
pub(super) fn join_cgroup(cgroup: BorrowedFd<'_>, version: CgroupVersion) -> Result<(), Fault> {
    let flags = OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = match version {
        CgroupVersion::V1 => c"tasks",
        CgroupVersion::V2 => c"cgroup.procs",
    };
    let tasks = fs::openat(cgroup, file, flags, Mode::empty()).during(Call::Open)?;
    rustix::io::write(&tasks, b"0").during(Call::Write).map(drop)
}

/// Takes a session keyring of the container's own; a kernel without keyrings has none to leave behind.
pub(super) fn new_keyring(name: &CStr) -> Result<(), Fault> {
    match tare_sys::keyring::join_session_keyring(name) {
        Err(Errno::NOSYS) => Ok(()),
        answer => answer.during(Call::Keyring),
    }
}

/// Makes the cgroup that init is in the root of all it can see of cgroups.
pub(super) fn new_cgroup_namespace() -> Result<(), Fault> {
    tare_sys::namespace::unshare(NamespaceKind::Cgroup.clone_flag()).during(Call::Unshare)
}

/// Sets the loopback interface up, which has index 1 in every network namespace.
pub(super) fn loopback_up() -> Result<(), Fault> {
    tare_netlink::link::set_up_without_allocation(1).during(Call::Loopback)
}

/// Writes one kernel parameter. What is written to is below the host's own procfs, opened before the container's mounts
/// were made, so that no image can put a file of its own in its place.
pub(super) fn sysctl(host_proc: BorrowedFd<'_>, path: &CStr, value: &[u8]) -> Result<(), Fault> {
    let how = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_XDEV;
    let sys =
        fs::openat(host_proc, c"sys", OFlags::PATH | OFlags::CLOEXEC, Mode::empty()).during(Call::Open)?;
    let file =
        fs::openat2(&sys, path, OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty(), how).during(Call::Open)?;
    rustix::io::write(&file, value).during(Call::Write).map(drop)
}
