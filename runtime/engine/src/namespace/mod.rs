//! Namespaces: opened, joined, and user namespaces with their mappings (namespaces(7), user_namespaces(7)).
//!
//! Both processes use these functions; joining allocates nothing. May use `child`, `channel` and `fault`.

pub(crate) mod id_map;
pub(crate) mod id_mappings;

use crate::fault::{Call, During, Fault};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{self, CWD, Mode, OFlags};
use rustix::io::Errno;
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use std::ffi::CStr;
use tare_plan::spec::NamespaceKind;

/// Opens a namespace file of the host and checks that it is a namespace of this kind.
pub(crate) fn open(path: &CStr, kind: NamespaceKind) -> Result<OwnedFd, Fault> {
    let file = fs::openat(CWD, path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).during(Call::Open)?;
    let found = tare_sys::namespace::kind(file.as_fd()).during(Call::Unexpected)?;
    let wanted = kind.clone_flag();
    if found == wanted { Ok(file) } else { Err(Fault::new(Call::Unexpected, Errno::INVAL)) }
}

/// Joins an existing namespace (setns(2)).
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

/// Joins several namespaces of a process in one call, by its pidfd (setns(2)). `kinds` are `CLONE_NEW*` flags.
pub(crate) fn enter(process: BorrowedFd<'_>, kinds: u64) -> Result<(), Fault> {
    if kinds == 0 {
        return Ok(());
    }
    tare_sys::namespace::enter(process, kinds as i32).during(Call::SetNamespace)
}
