//! What planning has to know about the host: facts, gathered once, so that no step branches on the kernel.

/// Facts about the host and about who runs the runtime.
#[derive(Clone, Debug, Default)]
pub struct Host {
    /// The cgroup hierarchies that are mounted, in the order of their mounts.
    pub hierarchies: Vec<Hierarchy>,
    /// What the runtime may do.
    pub privilege: Privilege,
    /// Whether the runtime is in a user namespace of its own: there the kernel refuses device nodes and device programs.
    pub in_user_namespace: bool,
    /// Whether that namespace denies setgroups(2), as one does which maps a single user (user_namespaces(7)).
    pub denies_groups: bool,
    /// Whether the host lets root of that namespace make no cgroups: those at the top are not its own, as they are where somebody has
    /// handed it a part of the hierarchies to be the whole of.
    pub denies_cgroups: bool,
    /// The capabilities that the runtime can hand on, one bit for each.
    pub capabilities: u64,
    /// The release of the kernel.
    pub kernel: Kernel,
    /// Whether `/proc/kcore` is there, to which `/dev/core` points.
    pub kcore: bool,
    /// Where resctrl is mounted, by which shares of caches are allocated.
    pub resctrl: Option<String>,
    /// The security modules that label processes.
    pub security: SecurityModules,
    /// The systemd that makes the cgroups, where it is asked to.
    pub systemd: Option<Systemd>,
}

/// A systemd that makes units for containers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Systemd {
    /// Which one it is.
    pub manager: Manager,
    /// Its version.
    pub version: u32,
    /// The cgroup below which its units are, with a slash before it; empty for the topmost one.
    pub cgroup: String,
}

/// The security modules that are in force.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SecurityModules {
    /// AppArmor.
    pub apparmor: bool,
    /// SELinux.
    pub selinux: bool,
}

/// What the runtime may do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Privilege {
    /// Everything root may.
    #[default]
    Root,
    /// What an ordinary user may: it needs a user namespace for all else.
    User {
        /// Its user id.
        uid: u32,
        /// Its group id.
        gid: u32,
    },
}

/// The first two numbers of a kernel's release.
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
    /// Where it is mounted.
    pub mount: String,
    /// Which interface it has.
    pub version: CgroupVersion,
    /// Its controllers; a named v1 hierarchy without controllers has `name=…`.
    pub controllers: Vec<String>,
}

/// The interface of a cgroup hierarchy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CgroupVersion {
    /// One of several hierarchies.
    V1,
    /// The unified one.
    V2,
}

impl Host {
    /// The hierarchy that has `controller`.
    pub fn hierarchy_of(&self, controller: &str) -> Option<&Hierarchy> {
        self.hierarchies.iter().find(|hierarchy| hierarchy.controllers.iter().any(|name| name == controller))
    }

    /// Whether the unified hierarchy is the only one.
    pub fn is_unified(&self) -> bool {
        self.hierarchies.iter().all(|hierarchy| hierarchy.version == CgroupVersion::V2)
    }
}

/// A systemd that makes units.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manager {
    /// The machine's, process 1.
    System,
    /// That of an ordinary user.
    User,
}
