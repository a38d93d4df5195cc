//! Copies of the host's mounts with locked flags, for containers with a user namespace.
//!
//! A mount that is `ro` or `nodev` on the host must stay so in a container with a user namespace. The container's root could remount
//! it otherwise. The kernel locks the flags of all mounts when it copies them into a mount namespace of another user namespace
//! (mount_namespaces(7), "Restrictions on mount namespaces"), and copies of locked mounts are locked too. A process in the
//! new user namespace has lost the host's read permissions, though. So two processes share the work:
//!
//! ```text
//! holder   is spawned in the new user and mount namespace, and keeps both alive
//! copier   keeps the host's permissions, joins only the mount namespace, and copies mounts there
//! ```

use crate::channel;
use crate::child::{self, Child, hold};
use crate::fault::{Call, During, Fault};
use crate::namespace;
use rustix::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use rustix::fs::{self, CWD, Mode, OFlags};
use rustix::io::Errno;
use rustix::mount::{OpenTreeFlags, open_tree};
use rustix::net::SendFlags;
use std::ffi::CStr;
use tare_plan::spec::NamespaceKind;
use tare_plan::step::Recursive;
use tare_sys::clone::{Clone, fork};
use tare_sys::descriptors::close_range;

/// The size of the longest request: one byte that is 1 for a recursive copy, then a path with its terminating zero.
const REQUEST: usize = 1 + 4096;

/// A mount namespace with locked mounts, and the copier in it. Both end when this value is dropped.
pub(crate) struct LockedMountNs {
    channel: OwnedFd,
    _copier: Child,
}

/// The mount namespace of the holder, and its root directory.
struct MountNs {
    namespace: OwnedFd,
    root: OwnedFd,
}

/// Creates the mount namespace and spawns the copier.
pub(crate) fn make() -> Result<LockedMountNs, Fault> {
    let (mounts, _holder) = locked_mount_ns()?;
    let (here, there) = channel::pair()?;
    let other_end = here.as_raw_fd().cast_unsigned();
    let copier = fork(Clone::default(), move || serve(&mounts, &there, other_end)).during(Call::Clone)?;
    Ok(LockedMountNs { channel: here, _copier: Child::of(copier) })
}

/// Spawns the holder in a new user namespace and a new mount namespace, and opens the mount namespace.
fn locked_mount_ns() -> Result<(MountNs, Child), Fault> {
    let (here, there) = channel::pair()?;
    let other_end = here.as_raw_fd().cast_unsigned();
    let flags = [NamespaceKind::User, NamespaceKind::Mount].map(|kind| kind.clone_flag().cast_unsigned());
    let how = Clone { flags: u64::from(flags[0] | flags[1]), cgroup: None };
    let spawned = fork(how, move || hold(there, other_end)).during(Call::Clone)?;
    let pid = spawned.pid.as_raw_nonzero();
    // The holder exits when its channel ends, so the channel stays open until the files are open.
    let (holder, _channel) = (Child::of(spawned), here);
    let open = |name: &str, flags: OFlags| {
        fs::openat(CWD, format!("/proc/{pid}/{name}"), flags | OFlags::CLOEXEC, Mode::empty())
            .during(Call::Open)
    };
    let mounts = MountNs { namespace: open("ns/mnt", OFlags::RDONLY)?, root: open("root", OFlags::PATH)? };
    Ok((mounts, holder))
}

/// The copier: joins the mount namespace and answers requests. The wait for a request has no limit: it ends with the channel, and
/// the parent closes that or dies.
fn serve(mounts: &MountNs, channel: &OwnedFd, other_end: u32) -> i32 {
    let entered = child::die_with_parent()
        .and_then(|()| close_range(other_end, other_end).during(Call::Close))
        .and_then(|()| namespace::join(mounts.namespace.as_fd(), NamespaceKind::Mount))
        .and_then(|()| rustix::process::fchdir(&mounts.root).during(Call::ChangeDirectory))
        .and_then(|()| rustix::process::chroot(c".").during(Call::ChangeRoot));
    let mut request = [0; REQUEST];
    while channel::await_readable(channel.as_fd(), None).is_ok() {
        let Ok((1.., _)) = channel::receive_bytes(channel.as_fd(), &mut request) else { break };
        let answer = entered.and_then(|()| answer(&request));
        let sent = match answer {
            Ok(tree) => channel::send_descriptor(channel.as_fd(), &[0; 4], tree.as_fd()),
            Err(fault) => refuse(channel.as_fd(), fault.errno),
        };
        if sent.is_err() {
            break;
        }
    }
    1
}

/// Copies the mount that a request names.
fn answer(request: &[u8; REQUEST]) -> Result<OwnedFd, Fault> {
    let (recursive, path) = request.split_first().ok_or(Fault::new(Call::Peer, Errno::INVAL))?;
    let path = CStr::from_bytes_until_nul(path).map_err(|_| Fault::new(Call::Peer, Errno::INVAL))?;
    let recursive = if *recursive == 0 { OpenTreeFlags::empty() } else { OpenTreeFlags::AT_RECURSIVE };
    let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC | recursive;
    open_tree(CWD, path, flags).during(Call::OpenTree)
}

/// Answers a request with an errno.
fn refuse(channel: BorrowedFd<'_>, errno: Errno) -> Result<(), Fault> {
    let bytes = errno.raw_os_error().to_ne_bytes();
    rustix::net::send(channel, &bytes, SendFlags::NOSIGNAL).during(Call::Peer).map(drop)
}

impl LockedMountNs {
    /// Copies the mount at a path of the host. The copy is detached, and its flags are locked.
    ///
    /// The wait for the answer has no limit: open_tree(2) can take as long as an automounted file system, and the end of the copier
    /// ends it.
    pub(crate) fn copy(&self, path: &CStr, recursive: Recursive) -> Result<OwnedFd, Fault> {
        let request = [&[u8::from(recursive == Recursive::Yes)], path.to_bytes_with_nul()].concat();
        rustix::net::send(&self.channel, &request, SendFlags::NOSIGNAL).during(Call::Peer)?;
        let mut errno = [0; 4];
        let (got, tree) = channel::receive_bytes(self.channel.as_fd(), &mut errno)?;
        let refused = i32::from_ne_bytes(errno).clamp(1, 4095);
        match tree {
            Some(tree) => Ok(tree),
            None if got == 4 => Err(Fault::new(Call::OpenTree, Errno::from_raw_os_error(refused))),
            None => Err(Fault::new(Call::Peer, Errno::PIPE)),
        }
    }
}
