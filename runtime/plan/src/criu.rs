//! What criu must not dump or restore itself: external mounts and namespaces (criu.org/External_bind_mounts).

use crate::cgroup::path as cgroup_path;
use crate::context::of_bundle;
use crate::host::{CgroupVersion, Host};
use crate::mounts::options::is_bind;
use crate::spec::{Mount, NamespaceKind, Spec};

/// The annotation that names a file with options for criu.
const CONFIG: &str = "org.criu.config";

/// What the runtime tells criu about a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Externals {
    /// Mounts that the runtime makes, in order.
    pub mounts: Vec<ExternalMount>,
    /// Paths that may be masked with the null device.
    pub masked_paths: Vec<String>,
    /// Namespaces that the container has joined.
    pub namespaces: Vec<ExternalNamespace>,
    /// The file with options for criu that the configuration names.
    pub config_file: Option<String>,
}

/// A mount that the runtime makes before criu restores.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExternalMount {
    /// Where it is mounted in the container. The images know the mount by this path.
    pub place: String,
    /// What it shows on the host.
    pub source: String,
    /// What the place lies on.
    pub ground: Ground,
}

/// What the mount point of an external mount lies on, and so who makes the mount point.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ground {
    /// The root file system: the runtime makes the mount point in it.
    RootFs,
    /// An earlier bind mount: the runtime makes the mount point in its source.
    Bind {
        /// The source on the host.
        source: String,
        /// The mount point, relative to the source.
        rest: String,
    },
    /// A file system whose content criu restores, mount points included.
    Restored,
}

/// A namespace that the container has joined by its path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExternalNamespace {
    /// The kind, as criu names it.
    pub kind: &'static str,
    /// The name of the namespace in the images.
    pub name: &'static str,
    /// The path on the host.
    pub path: String,
}

/// Finds what criu is told of a container. `bundle` is where relative sources start.
pub fn externals(spec: &Spec, host: &Host, id: &str, bundle: &str) -> Externals {
    let mut mounts = Vec::new();
    for mount in &spec.mounts {
        let place = absolute(&mount.destination);
        if is_bind(mount) {
            mounts.push((place, source(mount, bundle)));
        } else if matches!(mount.kind.as_deref(), Some("cgroup" | "cgroup2")) {
            mounts.extend(cgroup_mounts(spec, host, id, &place));
        }
    }
    let external = |(place, source): (String, String)| {
        let ground = ground(spec, &place, bundle);
        ExternalMount { place, source, ground }
    };
    Externals {
        mounts: mounts.into_iter().map(external).collect(),
        masked_paths: spec.linux.masked_paths.clone(),
        namespaces: namespaces(spec),
        config_file: spec.annotations.get(CONFIG).filter(|path| !path.is_empty()).cloned(),
    }
}

/// A destination counts from the root.
fn absolute(path: &str) -> String {
    of_bundle("", path)
}

/// What a bind mount shows.
fn source(mount: &Mount, bundle: &str) -> String {
    of_bundle(bundle, mount.source.as_deref().unwrap_or_default())
}

/// The copies of the container's own cgroup: one on v2, one for each hierarchy on v1.
fn cgroup_mounts(spec: &Spec, host: &Host, id: &str, place: &str) -> Vec<(String, String)> {
    let Some(path) = cgroup_path(spec, host, id) else { return Vec::new() };
    let own = |mount: &str| format!("{mount}/{path}");
    if host.is_unified() {
        return host.hierarchies.iter().map(|one| (place.to_owned(), own(&one.mount))).collect();
    }
    let v1 = host.hierarchies.iter().filter(|one| one.version == CgroupVersion::V1);
    v1.map(|one| {
        let name = one.mount.rsplit('/').next().unwrap_or_default();
        (format!("{place}/{name}"), own(&one.mount))
    })
    .collect()
}

/// What a place lies on: the last mount that covers it.
fn ground(spec: &Spec, place: &str, bundle: &str) -> Ground {
    let covers = |mount: &'_ &Mount| {
        let rest = place.strip_prefix(mount.destination.trim_end_matches('/'));
        rest.is_some_and(|rest| rest.starts_with('/'))
    };
    match spec.mounts.iter().rfind(covers) {
        None => Ground::RootFs,
        Some(mount) if is_bind(mount) => {
            let rest = place.strip_prefix(mount.destination.trim_end_matches('/')).unwrap_or_default();
            Ground::Bind { source: source(mount, bundle), rest: rest.to_owned() }
        }
        Some(_) => Ground::Restored,
    }
}

/// The joined namespaces, by the names that they have in the images.
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

    fn places(mounts: &str) -> Vec<(String, Ground)> {
        let text = format!(r#"{{"ociVersion": "1.3.0", "mounts": {mounts}, "linux": {{}}}}"#);
        let spec = spec::load(text.as_bytes()).unwrap().spec;
        let all = externals(&spec, &Host::default(), "c", "/b").mounts;
        all.into_iter().map(|mount| (mount.place, mount.ground)).collect()
    }

    #[test]
    fn the_last_mount_over_a_place_is_what_it_lies_on() {
        let bind = |at: &str, from: &str| {
            format!(r#"{{"destination": "{at}", "type": "bind", "source": "{from}", "options": ["bind"]}}"#)
        };
        let tmpfs = r#"{"destination": "/run", "type": "tmpfs", "source": "tmpfs"}"#;
        let list =
            format!("[{}, {}, {tmpfs}, {}]", bind("/data", "d"), bind("/data/x", "/x"), bind("/run/y", "/y"));
        let inner = Ground::Bind { source: "/b/d".to_owned(), rest: "/x".to_owned() };
        assert_eq!(
            places(&list),
            [
                ("/data".to_owned(), Ground::RootFs),
                ("/data/x".to_owned(), inner),
                ("/run/y".to_owned(), Ground::Restored),
            ]
        );
    }
}
