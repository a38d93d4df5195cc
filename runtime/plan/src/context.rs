//! What every part of planning looks at: the configuration, the host, and what the caller asks for.

use crate::host::{Hierarchy, Host, Privilege};
use crate::spec::{self, NamespaceKind, Propagation, Spec};
use crate::step::{EnterRoot, Slot};

/// What the caller asks for beside the configuration.
#[derive(Clone, Debug)]
pub struct Request<'text> {
    /// The container's id.
    pub id: &'text str,
    /// The absolute path of the bundle, from which relative paths count.
    pub bundle: &'text str,
    /// The socket that gets the terminal's master.
    pub console_socket: Option<&'text str>,
    /// The socket that gets a descriptor of init.
    pub pidfd_socket: Option<&'text str>,
    /// How the root is entered.
    pub pivot: EnterRoot,
    /// Whether the container gets a session keyring of its own.
    pub keyring: Keyring,
    /// How many descriptors from 3 on the container keeps.
    pub preserve_fds: u32,
    /// Who makes its cgroups.
    pub cgroup_manager: CgroupManager,
}

/// Who makes a container's cgroups.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CgroupManager {
    /// This runtime, in the kernel's file systems.
    Cgroupfs,
    /// systemd, which makes a unit for each container.
    Systemd,
    /// Nobody: the container stays in those of its creator (crun's word, which Podman passes on).
    Disabled,
}

/// The container's session keyring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keyring {
    /// A new one.
    New,
    /// The caller's (`--no-new-keyring`).
    Inherited,
}

/// What every part of planning looks at.
pub(crate) struct Context<'a> {
    pub(crate) spec: &'a Spec,
    pub(crate) host: &'a Host,
    pub(crate) request: &'a Request<'a>,
    /// The container's directories, filled by the planning of cgroups.
    pub(crate) cgroups: Vec<(Slot, &'a Hierarchy)>,
    /// The user namespace that is joined, filled by the planning of namespaces.
    pub(crate) user_namespace: Option<Slot>,
}

impl Context<'_> {
    /// Whether the container's user namespace is another than the runtime's.
    pub(crate) fn has_user_namespace(&self) -> bool {
        self.namespace(NamespaceKind::User).is_some()
    }

    /// The namespace of this kind, if the configuration names one.
    pub(crate) fn namespace(&self, kind: NamespaceKind) -> Option<&spec::Namespace> {
        self.spec.linux.namespaces.iter().find(|namespace| namespace.kind == kind)
    }

    /// Whether a namespace of this kind is made.
    pub(crate) fn is_new(&self, kind: NamespaceKind) -> bool {
        self.namespace(kind).is_some_and(|namespace| path_of(namespace).is_none())
    }

    /// Whether the container is to stay in the runtime's mount namespace. Its mounts are then made in one that is thrown away.
    pub(crate) fn shares_host_mount_ns(&self) -> bool {
        self.namespace(NamespaceKind::Mount).is_none()
    }

    /// A path of the host; a relative one counts from the bundle.
    pub(crate) fn of_bundle(&self, path: &str) -> String {
        of_bundle(self.request.bundle, path)
    }

    /// Whether what is mounted in the container's copies of the host's mounts reaches the host.
    pub(crate) fn is_shared(&self) -> bool {
        matches!(self.spec.linux.rootfs_propagation, Some(Propagation::Shared | Propagation::RecursiveShared))
    }

    /// Whether the parent makes the copies of the host's mounts, since init can't.
    pub(crate) fn copies_in_parent(&self) -> bool {
        self.is_shared() || (self.has_user_namespace() && is_root(self.host))
    }

    /// Whether copies of the host's mounts keep what the host has locked, for a user namespace of the container's own.
    pub(crate) fn locks_copies(&self) -> bool {
        self.has_user_namespace() && is_root(self.host)
    }

    /// The propagation that copies of the host's mounts start with: as far from the host as the root file system is.
    /// Init's own namespace is a slave of the host's already.
    pub(crate) fn copies_propagation(&self) -> Option<u64> {
        match self.spec.linux.rootfs_propagation {
            Some(Propagation::Private | Propagation::RecursivePrivate) => {
                Some(libc::MS_PRIVATE | libc::MS_REC)
            }
            _ if self.copies_in_parent() && !self.is_shared() => Some(libc::MS_SLAVE | libc::MS_REC),
            _ => None,
        }
    }

    /// Whether hooks run while the container is made, which find its root file system by its path on the host.
    pub(crate) fn has_create_hooks(&self) -> bool {
        let hooks = &self.spec.hooks;
        !(hooks.prestart.is_empty() && hooks.create_runtime.is_empty() && hooks.create_container.is_empty())
    }
}

/// The path of a namespace that is joined; Go writes the empty string for none.
pub(crate) fn path_of(namespace: &spec::Namespace) -> Option<&str> {
    namespace.path.as_deref().filter(|path| !path.is_empty())
}

/// Whether the runtime acts as root.
pub(crate) fn is_root(host: &Host) -> bool {
    host.privilege == Privilege::Root
}

/// A path of the host that the configuration names. A relative one starts at the bundle, an empty one is the bundle itself
/// (config.md, "Root" and "Mounts").
pub(crate) fn of_bundle(bundle: &str, path: &str) -> String {
    match path {
        "" => bundle.to_owned(),
        _ if path.starts_with('/') => path.to_owned(),
        _ => format!("{bundle}/{path}"),
    }
}

/// The absolute path of the root file system. A configuration without `root` has it at `rootfs`, as runc has.
pub(crate) fn root_path(spec: &Spec, bundle: &str) -> String {
    of_bundle(bundle, spec.root.as_ref().map_or("rootfs", |root| root.path.as_str()))
}

/// Whether the caller of `create`, `run` or `exec` stays with the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Detach {
    /// It stays until the process ends: the terminal is its own.
    No,
    /// It leaves when the process runs: the terminal goes to the console socket.
    Yes,
}

/// Checks that there is a console socket exactly where a detached process has a terminal.
///
/// # Errors
/// The reason, in the words of runc.
pub fn check_terminal(
    process: &spec::Process,
    detach: Detach,
    console_socket: Option<&str>,
) -> Result<(), &'static str> {
    let needs_socket = process.terminal && detach == Detach::Yes;
    match (needs_socket, console_socket) {
        (true, None) => Err("cannot allocate tty if runc will detach without setting console socket"),
        (false, Some(_)) => Err("cannot use console socket if runc will not detach or allocate tty"),
        _ => Ok(()),
    }
}
