//! Namespaces: opening and joining them, and user namespaces with their ID mappings (namespaces(7), user_namespaces(7)).
//!
//! The parent, init and `mounts` use this folder. Joining a namespace does not allocate. It may use `channel`, `child` and
//! `fault`.

pub(crate) mod id_map;
pub(crate) mod id_mappings;

use crate::fault::{Call, During, Fault};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{self, CWD, Mode, OFlags};
use rustix::io::Errno;
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use std::ffi::CStr;
use tare_plan::spec::NamespaceKind;

/// Opens a namespace file of the host and checks that the namespace has type `kind`. Without the check, a network namespace
/// in the place of a mount namespace would be an error of setns(2) in init, far from the path in the configuration.
pub(crate) fn open(path: &CStr, kind: NamespaceKind) -> Result<OwnedFd, Fault> {
    let file = fs::openat(CWD, path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).during(Call::Open)?;
    let found = tare_sys::namespace::kind(file.as_fd()).during(Call::Unexpected)?;
    let expected = kind.clone_flag();
    if found == expected { Ok(file) } else { Err(Fault::new(Call::Unexpected, Errno::INVAL)) }
}

/// Joins the namespace (setns(2)). The kernel refuses a namespace of another type than `kind`.
pub(crate) fn join(namespace: BorrowedFd<'_>, kind: NamespaceKind) -> Result<(), Fault> {
    let kind = match kind {
        NamespaceKind::Mount => LinkNameSpaceType::Mount,
        NamespaceKind::Pid => LinkNameSpaceType::ProcessID,
        NamespaceKind::Network => LinkNameSpaceType::Network,
        NamespaceKind::Ipc => LinkNameSpaceType::InterProcessCommunication,
        NamespaceKind::Uts => LinkNameSpaceType::HostNameAndNISDomainName,
        NamespaceKind::User => LinkNameSpaceType::User,
        NamespaceKind::Cgroup => LinkNameSpaceType::ControlGroup,
        NamespaceKind::Time => LinkNameSpaceType::Time,
    };
    move_into_link_name_space(namespace, Some(kind)).during(Call::SetNamespace)
}

/// Joins several namespaces of a process in one call. setns(2) takes a pidfd since Linux 5.8. `kinds` are `CLONE_NEW*` flags.
pub(crate) fn enter(process: BorrowedFd<'_>, kinds: u64) -> Result<(), Fault> {
    if kinds == 0 {
        return Ok(());
    }
    tare_sys::namespace::enter(process, kinds as i32).during(Call::SetNamespace)
}
