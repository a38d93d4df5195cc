//! Namespaces and cgroups of init: entering them, and what is set in them.

use super::Init;
use crate::child::die_with_parent;
use crate::fault::{Call, During, Fault};
use crate::namespace;
use rustix::fd::{AsFd, BorrowedFd};
use rustix::fs::{self, Gid, Mode, OFlags, ResolveFlags, Uid};
use std::ffi::CStr;
use tare_plan::host::CgroupVersion;
use tare_plan::spec::NamespaceKind;
use tare_plan::step::NamespaceStep;

/// Carries out a step on namespaces.
pub(super) fn act(init: &mut Init<'_>, step: &NamespaceStep) -> Result<(), Fault> {
    match step {
        NamespaceStep::JoinCgroup(join) => join_cgroup(init.slots.get(join.cgroup)?, join.version),
        NamespaceStep::Join { slot, kind } => namespace::join(init.slots.get(*slot)?, *kind),
        NamespaceStep::NewCgroup => new_cgroup_namespace(),
        NamespaceStep::BecomeRoot => become_root(),
        NamespaceStep::Hostname { name } => {
            rustix::system::sethostname(name.as_bytes()).during(Call::Hostname)
        }
        NamespaceStep::Domainname { name } => {
            rustix::system::setdomainname(name.as_bytes()).during(Call::Domainname)
        }
        NamespaceStep::LoopbackUp => loopback_up(),
        NamespaceStep::Sysctl { path, value } => {
            sysctl(init.resources.host_proc.as_fd(), path, value.as_bytes())
        }
    }
}

/// Enters a cgroup v1 hierarchy.
///
/// A process that writes itself, and is alone in its thread group, does not wait for the kernel's grace period, as a
/// pid written by another process would (7 ms a hierarchy).
fn join_cgroup(cgroup: BorrowedFd<'_>, version: CgroupVersion) -> Result<(), Fault> {
    let flags = OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = match version {
        CgroupVersion::V1 => c"tasks",
        CgroupVersion::V2 => c"cgroup.procs",
    };
    let tasks = fs::openat(cgroup, file, flags, Mode::empty()).during(Call::Open)?;
    rustix::io::write(&tasks, b"0").during(Call::Write).map(drop)
}

/// Becomes user and group 0 of the user namespace that init was born in.
fn become_root() -> Result<(), Fault> {
    let (uid, gid) = (Uid::ROOT, Gid::ROOT);
    rustix::thread::set_thread_res_gid(gid, gid, gid).during(Call::SetGroup)?;
    rustix::thread::set_thread_res_uid(uid, uid, uid).during(Call::SetUser)?;
    // A change of user makes a process non-dumpable and forgets its parent's death; the second is asked for again.
    die_with_parent()
}

/// Makes the cgroup that init is in the root of all it can see of cgroups.
fn new_cgroup_namespace() -> Result<(), Fault> {
    tare_sys::namespace::unshare(NamespaceKind::Cgroup.clone_flag()).during(Call::Unshare)
}

/// Sets the loopback interface up, which has index 1 in every network namespace.
fn loopback_up() -> Result<(), Fault> {
    tare_netlink::link::set_up_without_allocation(1).during(Call::Loopback)
}

/// Writes one kernel parameter. What is written to is below the host's own procfs, opened before the container's mounts
/// were made, so that no image can put a file of its own in its place.
fn sysctl(host_proc: BorrowedFd<'_>, path: &CStr, value: &[u8]) -> Result<(), Fault> {
    let how = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_XDEV;
    let sys =
        fs::openat(host_proc, c"sys", OFlags::PATH | OFlags::CLOEXEC, Mode::empty()).during(Call::Open)?;
    let file =
        fs::openat2(&sys, path, OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty(), how).during(Call::Open)?;
    rustix::io::write(&file, value).during(Call::Write).map(drop)
}
