//! Namespaces and cgroups of init: joining them, and the settings in new ones.

use super::state::Init;
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

/// Moves init to a cgroup.
///
/// Init writes 0, which stands for itself, to `tasks` (v1) or `cgroup.procs` (v2). The kernel does not wait for an RCU grace period
/// then, unlike when the parent writes the pid of init (7 ms for each hierarchy).
fn join_cgroup(cgroup: BorrowedFd<'_>, version: CgroupVersion) -> Result<(), Fault> {
    let flags = OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = match version {
        CgroupVersion::V1 => c"tasks",
        CgroupVersion::V2 => c"cgroup.procs",
    };
    let tasks = fs::openat(cgroup, file, flags, Mode::empty()).during(Call::Open)?;
    rustix::io::write(&tasks, b"0").during(Call::Write).map(drop)
}

/// Becomes user and group 0 of the new user namespace. Until then init has the host's IDs, which may have no mapping there
/// (user_namespaces(7)).
fn become_root() -> Result<(), Fault> {
    let (uid, gid) = (Uid::ROOT, Gid::ROOT);
    rustix::thread::set_thread_res_gid(gid, gid, gid).during(Call::SetGroup)?;
    rustix::thread::set_thread_res_uid(uid, uid, uid).during(Call::SetUser)?;
    // The change of the user clears the parent-death signal (prctl(2), PR_SET_PDEATHSIG).
    die_with_parent()
}

/// Creates a cgroup namespace. The current cgroups of init become its root (cgroup_namespaces(7)).
fn new_cgroup_namespace() -> Result<(), Fault> {
    tare_sys::namespace::unshare(NamespaceKind::Cgroup.clone_flag()).during(Call::Unshare)
}

/// Sets the loopback interface up. It has index 1 in every network namespace.
fn loopback_up() -> Result<(), Fault> {
    tare_netlink::link::set_up_without_allocation(1).during(Call::Loopback)
}

/// Writes a kernel parameter (sysctl(2), proc_sys(5)) through the host's procfs, which was opened before the container's mounts
/// existed. An image can't cover the file (CVE-2025-52881).
fn sysctl(host_proc: BorrowedFd<'_>, path: &CStr, value: &[u8]) -> Result<(), Fault> {
    let how = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_XDEV;
    let sys =
        fs::openat(host_proc, c"sys", OFlags::PATH | OFlags::CLOEXEC, Mode::empty()).during(Call::Open)?;
    let file =
        fs::openat2(&sys, path, OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty(), how).during(Call::Open)?;
    rustix::io::write(&file, value).during(Call::Write).map(drop)
}
