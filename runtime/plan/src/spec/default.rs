//! The description that `tare spec` writes for users to start from.

use super::decode;
use super::{Gid, IdMapping, Mount, Namespace, NamespaceKind, Spec, Uid};

/// The document for a container of root, as it is written.
const FOR_ROOT: &str = include_str!("default.json");

/// Who runs the container on the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner {
    /// Root.
    Root,
    /// A user without privileges, who becomes root inside.
    User {
        /// The user on the host.
        uid: Uid,
        /// The group on the host.
        gid: Gid,
    },
}

/// A config.json to start from: a shell in a read-only root file system, in namespaces of its own, with few
/// capabilities. It ends with a newline.
///
/// For a user without privileges it has a user namespace in which only that user exists, shares the host's network, binds
/// the host's /sys, and sets no limits.
pub fn default_config(owner: Owner) -> String {
    let (Owner::User { uid, gid }, (Some(mut spec), _)) =
        (owner, decode::document::<Spec>(FOR_ROOT.as_bytes()))
    else {
        return FOR_ROOT.to_owned();
    };
    unprivilege(&mut spec, uid, gid);
    written(&spec).unwrap_or_default()
}

/// What a user without privileges can't have.
fn unprivilege(spec: &mut Spec, uid: Uid, gid: Gid) {
    let only = |host_id| vec![IdMapping { container_id: 0, host_id, size: 1 }];
    let linux = &mut spec.linux;
    linux.namespaces.retain(|namespace| namespace.kind != NamespaceKind::Network);
    linux.namespaces.push(Namespace { kind: NamespaceKind::User, path: None });
    linux.uid_mappings = only(uid.get());
    linux.gid_mappings = only(gid.get());
    linux.resources.devices = Vec::new();
    spec.mounts.retain(|mount| !mount.destination.starts_with("/sys"));
    for mount in &mut spec.mounts {
        // The group of terminals does not exist in the user namespace.
        mount.options.retain(|option| !option.starts_with("gid="));
    }
    spec.mounts.push(host_sys());
}

/// A new sysfs needs a network namespace of one's own; the host's can be bound.
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

/// The document, indented by tabs as the one for root is.
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
    fn the_document_for_root_is_written_as_it_is_read() {
        let spec = load(FOR_ROOT.as_bytes()).unwrap().spec;
        assert_eq!(written(&spec).unwrap(), FOR_ROOT);
    }

    #[test]
    fn both_documents_are_without_mistake_or_warning() {
        let user = Owner::User { uid: Uid::new(1000).unwrap(), gid: Gid::new(100).unwrap() };
        for owner in [Owner::Root, user] {
            let checked = check(load(default_config(owner).as_bytes()).unwrap()).unwrap();
            assert_eq!(checked.warnings(), []);
        }
    }

    #[test]
    fn a_user_without_privileges_is_root_inside() {
        let user = Owner::User { uid: Uid::new(1000).unwrap(), gid: Gid::new(100).unwrap() };
        let spec = load(default_config(user).as_bytes()).unwrap().spec;
        assert!(spec.linux.has(NamespaceKind::User) && !spec.linux.has(NamespaceKind::Network));
        assert_eq!(spec.linux.uid_mappings, [IdMapping { container_id: 0, host_id: 1000, size: 1 }]);
        assert_eq!(spec.linux.gid_mappings, [IdMapping { container_id: 0, host_id: 100, size: 1 }]);
        assert!(spec.mounts.iter().all(|mount| mount.options.iter().all(|option| option != "gid=5")));
        assert!(spec.linux.resources.devices.is_empty());
    }
}
