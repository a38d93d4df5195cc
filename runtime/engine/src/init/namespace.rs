//! Namespaces and cgroups of init: entering them, and what is set in them.

use crate::fault::{Call, During, Fault};
use rustix::fd::BorrowedFd;
use rustix::fs::{self, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType};
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

/// Brings the loopback interface, which has index 1 in every network namespace, up (rtnetlink(7), RTM_NEWLINK).
pub(super) fn loopback_up() -> Result<(), Fault> {
    const RTM_NEWLINK: u16 = 16;
    const REQUEST_ACK: u16 = 1 | 4;
    const UP: u32 = 1;
    let flags = SocketFlags::CLOEXEC;
    // No protocol means number 0, which is that of links and addresses.
    let socket = rustix::net::socket_with(AddressFamily::NETLINK, SocketType::RAW, flags, None)
        .during(Call::Loopback)?;
    let mut request = [0; 32];
    let header =
        32_u32.to_ne_bytes().into_iter().chain(RTM_NEWLINK.to_ne_bytes()).chain(REQUEST_ACK.to_ne_bytes());
    let link = [0; 12].into_iter().chain(1_i32.to_ne_bytes()).chain(UP.to_ne_bytes()).chain(UP.to_ne_bytes());
    for (place, byte) in request.iter_mut().zip(header.chain(link)) {
        *place = byte;
    }
    rustix::net::send(&socket, &request, SendFlags::empty()).during(Call::Loopback)?;
    let mut answer = [0; 64];
    rustix::net::recv(&socket, &mut answer[..], RecvFlags::empty()).during(Call::Loopback)?;
    acknowledged(&answer).during(Call::Loopback)
}

/// Reads the errno of a netlink acknowledgement: the word after the header, negative or 0.
fn acknowledged(answer: &[u8; 64]) -> rustix::io::Result<()> {
    let code =
        answer.get(16..20).and_then(|bytes| <[u8; 4]>::try_from(bytes).ok()).map_or(0, i32::from_ne_bytes);
    if code == 0 {
        Ok(())
    } else {
        Err(Errno::from_raw_os_error(code.checked_neg().unwrap_or(1).clamp(1, 4095)))
    }
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

#[cfg(test)]
mod tests {
    use super::acknowledged;
    use rustix::io::Errno;

    #[test]
    fn an_acknowledgement_holds_a_negative_errno() {
        let mut answer = [0; 64];
        assert_eq!(acknowledged(&answer), Ok(()));
        answer[16..20].copy_from_slice(&(-1_i32).to_ne_bytes());
        assert_eq!(acknowledged(&answer), Err(Errno::PERM));
    }
}
