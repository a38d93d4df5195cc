//! Facts about the host, gathered once before planning, so that no step depends on what the kernel supports.
//!
//! May use nothing of this crate.

/// Facts about the host and about the user that runs the runtime.
#[derive(Clone, Debug, Default)]
pub struct Host {
    /// The mounted cgroup hierarchies, in the order of their mounts.
    pub hierarchies: Vec<Hierarchy>,
    /// Whether the runtime is root or rootless.
    pub privilege: Privilege,
    /// Whether the runtime runs in a user namespace of its own. There the kernel refuses device nodes and
    /// device programs.
    pub in_user_namespace: bool,
    /// Whether that namespace denies setgroups(2), as one that maps a single user does (user_namespaces(7)).
    pub denies_groups: bool,
    /// Whether root of that namespace may not create cgroups: the root cgroups are the host's. They are its
    /// own only where an outer container runtime has delegated cgroups to it.
    pub denies_cgroups: bool,
    /// The capabilities that the runtime can grant, one bit per capability.
    pub capabilities: u64,
    /// The kernel release.
    pub kernel: Kernel,
    /// Whether `/proc/kcore` exists, the target of the link `/dev/core`.
    pub kcore: bool,
    /// The mount point of resctrl, the file system that allocates cache and memory bandwidth.
    pub resctrl: Option<String>,
    /// The security modules that label processes.
    pub security: SecurityModules,
    /// The systemd instance that creates the cgroups, with the systemd cgroup manager.
    pub systemd: Option<Systemd>,
}

/// A systemd instance that starts units for containers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Systemd {
    /// Which instance it is.
    pub manager: Manager,
    /// Its version.
    pub version: u32,
    /// The cgroup that holds its units, with a leading slash; empty for the root cgroup.
    pub cgroup: String,
}

/// The active security modules.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SecurityModules {
    /// AppArmor.
    pub apparmor: bool,
    /// SELinux.
    pub selinux: bool,
}

/// Whether the runtime is root or rootless.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Privilege {
    /// Root.
    #[default]
    Root,
    /// A rootless user, who needs a user namespace for what root may do.
    User {
        /// The user ID.
        uid: u32,
        /// The group ID.
        gid: u32,
    },
}

/// The first two numbers of a kernel release.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Kernel {
    /// The version.
    pub major: u32,
    /// The patch level.
    pub minor: u32,
}

/// A cgroup hierarchy (cgroups(7)).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hierarchy {
    /// The mount point.
    pub mount: String,
    /// The interface version.
    pub version: CgroupVersion,
    /// The controllers. A named v1 hierarchy without controllers has `name=…`.
    pub controllers: Vec<String>,
}

/// The interface version of a cgroup hierarchy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CgroupVersion {
    /// One of several hierarchies.
    V1,
    /// The unified hierarchy.
    V2,
}

impl Host {
    /// Returns the hierarchy of a controller.
    pub fn hierarchy_of(&self, controller: &str) -> Option<&Hierarchy> {
        self.hierarchies.iter().find(|hierarchy| hierarchy.controllers.iter().any(|name| name == controller))
    }

    /// Whether the host has the unified hierarchy only, and no v1 hierarchy.
    pub fn is_unified(&self) -> bool {
        self.hierarchies.iter().all(|hierarchy| hierarchy.version == CgroupVersion::V2)
    }
}

/// Which systemd instance starts the units.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manager {
    /// The system instance, process 1.
    System,
    /// The instance of a rootless user (`systemd --user`).
    User,
}
