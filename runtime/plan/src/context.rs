//! What every topic reads while it plans: the configuration, the host, and the caller's request.
//!
//! May use `spec`, `host` and `step`. The topics and the verbs use it.

use crate::host::{Hierarchy, Host, Privilege};
use crate::spec::{self, NamespaceKind, Propagation, Spec};
use crate::step::{EnterRoot, Slot};

/// What the caller requests in addition to the configuration.
#[derive(Clone, Debug)]
pub struct Request<'text> {
    /// The container ID.
    pub id: &'text str,
    /// The absolute path of the bundle. Relative paths in the configuration start there.
    pub bundle: &'text str,
    /// The socket that receives the terminal's master.
    pub console_socket: Option<&'text str>,
    /// The socket that receives a pidfd of init.
    pub pidfd_socket: Option<&'text str>,
    /// How init enters the root file system.
    pub pivot: EnterRoot,
    /// The container's session keyring.
    pub keyring: Keyring,
    /// How many file descriptors, from 3 on, the container inherits.
    pub preserve_fds: u32,
    /// What creates the container's cgroups.
    pub cgroup_manager: CgroupManager,
}

/// What creates a container's cgroups.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CgroupManager {
    /// The runtime, in the kernel's cgroup file systems.
    Cgroupfs,
    /// systemd, which starts a unit for each container.
    Systemd,
    /// Nothing: the container stays in its caller's cgroups. The name is crun's; Podman passes it.
    Disabled,
}

/// The container's session keyring (session-keyring(7)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keyring {
    /// A new one.
    New,
    /// The caller's (`--no-new-keyring`).
    Inherited,
}

/// What every topic reads while it plans.
pub(crate) struct Context<'a> {
    pub(crate) spec: &'a Spec,
    pub(crate) host: &'a Host,
    pub(crate) request: &'a Request<'a>,
    /// The container's cgroups with their hierarchies. `cgroup::plan` fills it.
    pub(crate) cgroups: Vec<(Slot, &'a Hierarchy)>,
    /// The user namespace that init joins. `namespaces::enter` fills it.
    pub(crate) user_namespace: Option<Slot>,
}

impl Context<'_> {
    /// Whether the container has another user namespace than the runtime.
    pub(crate) fn has_user_namespace(&self) -> bool {
        self.namespace(NamespaceKind::User).is_some()
    }

    /// The entry of `linux.namespaces` of this kind.
    pub(crate) fn namespace(&self, kind: NamespaceKind) -> Option<&spec::Namespace> {
        self.spec.linux.namespaces.iter().find(|namespace| namespace.kind == kind)
    }

    /// Whether the container gets a new namespace of this kind.
    pub(crate) fn is_new(&self, kind: NamespaceKind) -> bool {
        self.namespace(kind).is_some_and(|namespace| path_of(namespace).is_none())
    }

    /// Whether the container runs in the runtime's mount namespace. Init then builds the root file system in
    /// a temporary mount namespace and leaves it again.
    pub(crate) fn shares_host_mount_ns(&self) -> bool {
        self.namespace(NamespaceKind::Mount).is_none()
    }

    /// Resolves a path of the host against the bundle.
    pub(crate) fn bundle_path(&self, path: &str) -> String {
        bundle_path(self.request.bundle, path)
    }

    /// Whether mounts propagate from the container to the host (`linux.rootfsPropagation`).
    pub(crate) fn is_shared(&self) -> bool {
        matches!(self.spec.linux.rootfs_propagation, Some(Propagation::Shared | Propagation::RecursiveShared))
    }

    /// Whether the parent clones the host's mounts. Init cannot do it in two cases: mounts in its own
    /// namespace never propagate to the host, and in a new user namespace init has no capabilities over the
    /// host's mounts (mount_namespaces(7)).
    pub(crate) fn parent_clones_mounts(&self) -> bool {
        self.is_shared() || self.locks_cloned_mounts()
    }

    /// Whether clones of the host's mounts keep their flags locked: only the owner of a mount may clear them,
    /// and with a user namespace the container is not the owner (mount_namespaces(7), "Restrictions on mount
    /// namespaces").
    pub(crate) fn locks_cloned_mounts(&self) -> bool {
        self.has_user_namespace() && is_root(self.host)
    }

    /// The propagation that a clone of a host mount starts with, as `MS_*` flags. It never reaches further
    /// than the root file system's. Init's own mount namespace is a slave of the host's already, so clones
    /// made there need none.
    pub(crate) fn clone_propagation(&self) -> Option<u64> {
        match self.spec.linux.rootfs_propagation {
            Some(Propagation::Private | Propagation::RecursivePrivate) => {
                Some(libc::MS_PRIVATE | libc::MS_REC)
            }
            _ if self.parent_clones_mounts() && !self.is_shared() => Some(libc::MS_SLAVE | libc::MS_REC),
            _ => None,
        }
    }

    /// Whether any hook runs during `create`. Such hooks find the root file system by its path on the host.
    pub(crate) fn has_create_hooks(&self) -> bool {
        let hooks = &self.spec.hooks;
        !(hooks.prestart.is_empty() && hooks.create_runtime.is_empty() && hooks.create_container.is_empty())
    }
}

/// The path of a namespace to join. Go callers write an empty string for a new namespace.
pub(crate) fn path_of(namespace: &spec::Namespace) -> Option<&str> {
    namespace.path.as_deref().filter(|path| !path.is_empty())
}

/// Whether the runtime is root, and not rootless.
pub(crate) fn is_root(host: &Host) -> bool {
    host.privilege == Privilege::Root
}

/// Resolves a path of the host that the configuration names: a relative path starts at the bundle, and an
/// empty one is the bundle itself (config.md, "Root" and "Mounts").
pub(crate) fn bundle_path(bundle: &str, path: &str) -> String {
    match path {
        "" => bundle.to_owned(),
        _ if path.starts_with('/') => path.to_owned(),
        _ => format!("{bundle}/{path}"),
    }
}

/// The absolute path of the root file system. Without `root` it is `rootfs`, as with runc.
pub(crate) fn root_path(spec: &Spec, bundle: &str) -> String {
    bundle_path(bundle, spec.root.as_ref().map_or("rootfs", |root| root.path.as_str()))
}

/// Whether `create`, `run` or `exec` returns while the process runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Detach {
    /// It stays until the process exits, and owns the terminal.
    No,
    /// It returns, and passes the terminal to the console socket.
    Yes,
}

/// Checks that a console socket is given exactly when a detached process has a terminal.
///
/// # Errors
/// The reason, in runc's wording: callers parse it.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn relative_paths_start_at_the_bundle() {
        assert_eq!(bundle_path("/b", "rootfs"), "/b/rootfs");
        assert_eq!(bundle_path("/b", "/rootfs"), "/rootfs");
        assert_eq!(bundle_path("/b", ""), "/b");
    }

    /// runc's utils_linux.go (setupIO) refuses both combinations with these messages.
    #[test]
    fn a_console_socket_is_for_a_detached_terminal_only() {
        let process = |terminal: bool| {
            let text = format!(r#"{{"cwd": "/", "args": ["sh"], "terminal": {terminal}}}"#);
            spec::load_process(text.as_bytes()).unwrap().process
        };
        let (with, without) = (process(true), process(false));
        assert!(
            check_terminal(&with, Detach::Yes, None).unwrap_err().contains("without setting console socket")
        );
        assert!(
            check_terminal(&with, Detach::No, Some("/s")).unwrap_err().contains("cannot use console socket")
        );
        assert!(check_terminal(&without, Detach::Yes, Some("/s")).is_err());
        assert_eq!(check_terminal(&with, Detach::Yes, Some("/s")), Ok(()));
        assert_eq!(check_terminal(&with, Detach::No, None), Ok(()));
        assert_eq!(check_terminal(&without, Detach::Yes, None), Ok(()));
    }
}
