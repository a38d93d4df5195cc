//! Steps on namespaces.

use super::{JoinCgroup, Slot};
use crate::spec::NamespaceKind;
use std::ffi::CString;

/// How init gets into its namespaces, and what it sets in them.
#[derive(Debug)]
#[allow(missing_docs, reason = "the sentence above a variant says what its fields are")]
pub enum NamespaceStep {
    /// Joins a cgroup.
    JoinCgroup(JoinCgroup),
    /// Joins an existing namespace.
    Join { slot: Slot, kind: NamespaceKind },
    /// Makes a cgroup namespace. Its root is the cgroup that init is in.
    NewCgroup,
    /// Becomes uid 0 and gid 0 of the user namespace.
    BecomeRoot,
    /// Sets the host name.
    Hostname { name: CString },
    /// Sets the NIS domain name.
    Domainname { name: CString },
    /// Brings the loopback interface up.
    LoopbackUp,
    /// Writes a kernel parameter of the container's namespaces. The path is below `/proc/sys`.
    Sysctl { path: CString, value: CString },
}

/// The id mappings of a user namespace, as the kernel's files take them: one line per extent
/// (user_namespaces(7)).
#[derive(Debug)]
pub struct MapIds {
    /// For `uid_map`.
    pub uids: String,
    /// For `gid_map`.
    pub gids: String,
    /// How they are written.
    pub writer: MapWriter,
}

/// How id mappings are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MapWriter {
    /// By the runtime, which has CAP_SETUID and CAP_SETGID.
    Privileged,
    /// By the rootless runtime, for its own ids alone. setgroups(2) is denied first.
    OwnIds,
    /// By the set-user-ID programs newuidmap and newgidmap.
    Delegated,
}

/// A network device of the host that moves into the container.
#[derive(Debug)]
pub struct MoveNetDevice {
    /// Its name on the host.
    pub device: CString,
    /// Its name in the container. `%d` in it stands for a free number. `None` keeps the host's name.
    pub name: Option<CString>,
    /// The network namespace; `None` is the one that init is born in.
    pub namespace: Option<Slot>,
}
