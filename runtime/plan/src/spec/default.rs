//! The config.json that `tare spec` writes.

use super::decode;
use super::{Gid, IdMapping, Mount, Namespace, NamespaceKind, Spec, Uid};

/// The document for root, byte by byte as `tare spec` writes it.
const FOR_ROOT: &str = include_str!("default.json");

/// The user who runs the container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner {
    /// Root.
    Root,
    /// A rootless user, who is root in the container.
    Rootless {
        /// The uid on the host.
        uid: Uid,
        /// The gid on the host.
        gid: Gid,
    },
}

/// Returns a config.json to start from: a shell in a read-only root filesystem, in new namespaces, with few
/// capabilities. It ends with a newline.
///
/// The rootless one has a user namespace that maps the user alone, the network of the host, a bind mount of
/// the host's /sys, and no limits.
pub fn default_config(owner: Owner) -> String {
    let (Owner::Rootless { uid, gid }, (Some(mut spec), _)) =
        (owner, decode::document::<Spec>(FOR_ROOT.as_bytes()))
    else {
        return FOR_ROOT.to_owned();
    };
    make_rootless(&mut spec, uid, gid);
    written(&spec).unwrap_or_default()
}

/// Removes what a rootless container can't have.
fn make_rootless(spec: &mut Spec, uid: Uid, gid: Gid) {
    let only = |host_id| vec![IdMapping { container_id: 0, host_id, size: 1 }];
    let linux = &mut spec.linux;
    linux.namespaces.retain(|namespace| namespace.kind != NamespaceKind::Network);
    linux.namespaces.push(Namespace { kind: NamespaceKind::User, path: None });
    linux.uid_mappings = only(uid.get());
    linux.gid_mappings = only(gid.get());
    linux.resources.devices = Vec::new();
    spec.mounts.retain(|mount| !mount.destination.starts_with("/sys"));
    for mount in &mut spec.mounts {
        // devpts refuses gid=5: the user namespace does not map that group.
        mount.options.retain(|option| !option.starts_with("gid="));
    }
    spec.mounts.push(host_sys());
}

/// The kernel refuses to mount sysfs unless the user namespace owns the network namespace. A bind mount of
/// the host's works.
fn host_sys() -> Mount {
    Mount {
        destination: "/sys".to_owned(),
        kind: Some("none".to_owned()),
        source: Some("/sys".to_owned()),
        options: ["rbind", "nosuid", "noexec", "nodev", "ro"].map(str::to_owned).to_vec(),
        uid_mappings: Vec::new(),
        gid_mappings: Vec::new(),
    }
}

/// Formats the document with tabs, as the one for root.
fn written(spec: &Spec) -> Option<String> {
    let mut text = Vec::new();
    let format = serde_json::ser::PrettyFormatter::with_indent(b"\t");
    serde::Serialize::serialize(spec, &mut serde_json::Serializer::with_formatter(&mut text, format)).ok()?;
    text.push(b'\n');
    String::from_utf8(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::{check, load};

    #[test]
    fn the_document_for_root_survives_reading_and_writing() {
        let spec = load(FOR_ROOT.as_bytes()).unwrap().spec;
        assert_eq!(written(&spec).unwrap(), FOR_ROOT);
    }

    #[test]
    fn both_documents_pass_the_checks_without_a_warning() {
        let user = Owner::Rootless { uid: Uid::new(1000).unwrap(), gid: Gid::new(100).unwrap() };
        for owner in [Owner::Root, user] {
            let checked = check(load(default_config(owner).as_bytes()).unwrap()).unwrap();
            assert_eq!(checked.warnings(), []);
        }
    }

    #[test]
    fn a_rootless_user_is_root_in_the_container() {
        let user = Owner::Rootless { uid: Uid::new(1000).unwrap(), gid: Gid::new(100).unwrap() };
        let spec = load(default_config(user).as_bytes()).unwrap().spec;
        assert!(spec.linux.has(NamespaceKind::User) && !spec.linux.has(NamespaceKind::Network));
        assert_eq!(spec.linux.uid_mappings, [IdMapping { container_id: 0, host_id: 1000, size: 1 }]);
        assert_eq!(spec.linux.gid_mappings, [IdMapping { container_id: 0, host_id: 100, size: 1 }]);
        assert!(spec.mounts.iter().all(|mount| mount.options.iter().all(|option| option != "gid=5")));
        assert!(spec.linux.resources.devices.is_empty());
    }
}
