//! External resources of a checkpoint: mounts and namespaces that criu neither dumps nor restores, because
//! the runtime makes them (criu.org/External_bind_mounts).
//!
//! May use the topics. `verb` and the engine use it.

use crate::cgroup::path as cgroup_path;
use crate::context::bundle_path;
use crate::host::{CgroupVersion, Host};
use crate::mounts::options::is_bind;
use crate::spec::{Mount, NamespaceKind, Spec};

/// The annotation that names a file with options for criu. runc reads it too.
const CONFIG: &str = "org.criu.config";

/// The external resources of a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Externals {
    /// The mounts that the runtime makes, in their order.
    pub mounts: Vec<ExternalMount>,
    /// The paths that may be masked with the null device.
    pub masked_paths: Vec<String>,
    /// The namespaces that the container has joined.
    pub namespaces: Vec<ExternalNamespace>,
    /// The file with options for criu.
    pub config_file: Option<String>,
}

/// A mount that the runtime makes before criu restores.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExternalMount {
    /// The path in the container. It names the mount in the images.
    pub destination: String,
    /// The path on the host.
    pub source: String,
    /// The mount that has the mount point.
    pub parent: ParentMount,
}

/// The parent of an external mount: the mount that has its mount point. It decides what creates the mount
/// point.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ParentMount {
    /// The root file system: the runtime creates the mount point in it.
    RootFs,
    /// An earlier bind mount: the runtime creates the mount point in its source.
    Bind {
        /// The source on the host.
        source: String,
        /// The mount point, relative to the source.
        mount_point: String,
    },
    /// A file system whose content criu restores, with the mount point.
    Restored,
}

/// A namespace that the container has joined by its path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExternalNamespace {
    /// The kind, by criu's name.
    pub kind: &'static str,
    /// The name of the namespace in the images.
    pub name: &'static str,
    /// The path on the host.
    pub path: String,
}

/// Finds the external resources of a container. Relative sources start at `bundle`.
pub fn externals(spec: &Spec, host: &Host, id: &str, bundle: &str) -> Externals {
    let mut mounts = Vec::new();
    for mount in &spec.mounts {
        let destination = absolute(&mount.destination);
        if is_bind(mount) {
            mounts.push((destination, source(mount, bundle)));
        } else if matches!(mount.kind.as_deref(), Some("cgroup" | "cgroup2")) {
            mounts.extend(cgroup_mounts(spec, host, id, &destination));
        }
    }
    let external = |(destination, source): (String, String)| {
        let parent = parent_mount(spec, &destination, bundle);
        ExternalMount { destination, source, parent }
    };
    Externals {
        mounts: mounts.into_iter().map(external).collect(),
        masked_paths: spec.linux.masked_paths.clone(),
        namespaces: namespaces(spec),
        config_file: spec.annotations.get(CONFIG).filter(|path| !path.is_empty()).cloned(),
    }
}

/// Returns a destination as an absolute path of the container.
fn absolute(path: &str) -> String {
    bundle_path("", path)
}

/// Returns the source of a bind mount on the host.
fn source(mount: &Mount, bundle: &str) -> String {
    bundle_path(bundle, mount.source.as_deref().unwrap_or_default())
}

/// Returns the mounts that a cgroup mount makes, each with its destination and its source: one on v2, one per
/// hierarchy on v1.
fn cgroup_mounts(spec: &Spec, host: &Host, id: &str, destination: &str) -> Vec<(String, String)> {
    let Some(path) = cgroup_path(spec, host, id) else { return Vec::new() };
    let own = |mount: &str| format!("{mount}/{path}");
    if host.is_unified() {
        return host.hierarchies.iter().map(|one| (destination.to_owned(), own(&one.mount))).collect();
    }
    let v1 = host.hierarchies.iter().filter(|one| one.version == CgroupVersion::V1);
    v1.map(|one| {
        let name = one.mount.rsplit('/').next().unwrap_or_default();
        (format!("{destination}/{name}"), own(&one.mount))
    })
    .collect()
}

/// Finds the mount that has the mount point: the last one above it.
fn parent_mount(spec: &Spec, destination: &str, bundle: &str) -> ParentMount {
    let covers = |mount: &'_ &Mount| {
        let rest = destination.strip_prefix(mount.destination.trim_end_matches('/'));
        rest.is_some_and(|rest| rest.starts_with('/'))
    };
    match spec.mounts.iter().rfind(covers) {
        None => ParentMount::RootFs,
        Some(mount) if is_bind(mount) => {
            let rest = destination.strip_prefix(mount.destination.trim_end_matches('/')).unwrap_or_default();
            ParentMount::Bind { source: source(mount, bundle), mount_point: rest.to_owned() }
        }
        Some(_) => ParentMount::Restored,
    }
}

/// Returns the joined namespaces with their names in the images. The names are runc's, so that each can
/// restore the other's images.
fn namespaces(spec: &Spec) -> Vec<ExternalNamespace> {
    const KINDS: &[(NamespaceKind, &str, &str)] = &[
        (NamespaceKind::Network, "net", "extRootNetNS"),
        (NamespaceKind::Pid, "pid", "extRootPidNS"),
        (NamespaceKind::Ipc, "ipc", "extRootIpcNS"),
        (NamespaceKind::Uts, "uts", "extRootUtsNS"),
        (NamespaceKind::Time, "time", "extRootTimeNS"),
    ];
    let path = |kind: NamespaceKind| {
        let found = spec.linux.namespaces.iter().find(|one| one.kind == kind)?;
        found.path.clone().filter(|path| !path.is_empty())
    };
    let external = |(kind, word, name): &(NamespaceKind, &'static str, &'static str)| {
        Some(ExternalNamespace { kind: word, name, path: path(*kind)? })
    };
    KINDS.iter().filter_map(external).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec;

    fn parents(mounts: &str) -> Vec<(String, ParentMount)> {
        let text = format!(r#"{{"ociVersion": "1.3.0", "mounts": {mounts}, "linux": {{}}}}"#);
        let spec = spec::load(text.as_bytes()).unwrap().spec;
        let all = externals(&spec, &Host::default(), "c", "/b").mounts;
        all.into_iter().map(|mount| (mount.destination, mount.parent)).collect()
    }

    #[test]
    fn the_parent_is_the_last_mount_above_the_mount_point() {
        let bind = |at: &str, from: &str| {
            format!(r#"{{"destination": "{at}", "type": "bind", "source": "{from}", "options": ["bind"]}}"#)
        };
        let tmpfs = r#"{"destination": "/run", "type": "tmpfs", "source": "tmpfs"}"#;
        let list =
            format!("[{}, {}, {tmpfs}, {}]", bind("/data", "d"), bind("/data/x", "/x"), bind("/run/y", "/y"));
        let inner = ParentMount::Bind { source: "/b/d".to_owned(), mount_point: "/x".to_owned() };
        assert_eq!(
            parents(&list),
            [
                ("/data".to_owned(), ParentMount::RootFs),
                ("/data/x".to_owned(), inner),
                ("/run/y".to_owned(), ParentMount::Restored),
            ]
        );
    }
}
