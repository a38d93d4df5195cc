//! The footprint of a container: everything that `create` makes on the host. It is recorded before the first
//! step, so that `delete` can undo a `create` that was killed.
//!
//! May use the topics. `verb` and the engine use it.

use crate::cgroup;
use crate::context::{Request, root_path};
use crate::host::Host;
use crate::resctrl::own_groups;
use crate::spec::{NamespaceKind, Spec};
use crate::step::Unit;

/// Everything that `create` makes on the host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Footprint {
    /// The absolute path of the root file system.
    pub rootfs: String,
    /// The directory in each cgroup hierarchy, relative to the mount; `None` for a container without cgroups.
    pub cgroup: Option<String>,
    /// The unit that systemd starts.
    pub unit: Option<Unit>,
    /// The resctrl groups that end with the container, as absolute paths.
    pub resctrl_groups: Vec<String>,
    /// Whether the container has its own pid namespace.
    pub pid_namespace: PidNamespace,
    /// Whether there are poststart or poststop hooks.
    pub has_late_hooks: bool,
}

/// The pid namespace of a container. In its own, the kernel kills every process when init exits
/// (pid_namespaces(7)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PidNamespace {
    /// A new one.
    Own,
    /// The host's, or another container's.
    Shared,
}

/// Finds everything that `create` makes on the host.
pub fn footprint(spec: &Spec, host: &Host, request: &Request<'_>) -> Footprint {
    Footprint {
        rootfs: root_path(spec, request.bundle),
        cgroup: cgroup::path(spec, host, request.id),
        unit: cgroup::unit_of(spec, host, request.id),
        resctrl_groups: own_groups(spec, host, request.id),
        pid_namespace: pid_namespace(spec),
        has_late_hooks: !spec.hooks.poststart.is_empty() || !spec.hooks.poststop.is_empty(),
    }
}

fn pid_namespace(spec: &Spec) -> PidNamespace {
    let is_new = |namespace: &crate::spec::Namespace| {
        namespace.kind == NamespaceKind::Pid && crate::context::path_of(namespace).is_none()
    };
    if spec.linux.namespaces.iter().any(is_new) { PidNamespace::Own } else { PidNamespace::Shared }
}
