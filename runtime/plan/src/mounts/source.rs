//! Where a mount comes from: a copy of a mount of the host, or a plain tmpfs.

use crate::context::Context;
use crate::draft::Draft;
use crate::place::Place;
use crate::step::{
    Attributes, Content, Locks, Mount, MountOption, MountStep, OpenStep, RootMode, Source, Target,
};
use std::ffi::CString;

/// In a user namespace of its own nobody may undo what the source's mount forbids: what the options name must fit, and what they
/// only imply gives way (mount_namespaces(7), "Restrictions on mount namespaces").
pub(crate) fn locks(context: &Context<'_>, named: Attributes) -> Locks {
    if context.locks_copies() { Locks::Kept { named: named.clear | named.clear_all } } else { Locks::None }
}

/// Plans a copy of something of the host, where init itself can see it, or where only the parent can: in a user namespace
/// init has lost the host's rights, and when mounts are to recursive the host the copy must be of the host's own mount.
pub(crate) fn bind(
    draft: &mut Draft,
    context: &Context<'_>,
    (source, from): (Source, Place),
    (target, content, because): (Target, Content, Place),
) {
    if !context.copies_in_parent() {
        return draft.init(MountStep::Bind { source, target, content }, from);
    }
    let slot = draft.slot();
    draft.before(OpenStep::Tree { slot, source }, from);
    draft.init(MountStep::Attach { tree: slot, target, content }, because);
}

/// What runc makes of the options of a bind: none at all keep the source's attributes; any one sets the whole. How access times
/// are kept stays what it is unless an option chooses it.
pub(super) fn exact(attributes: Attributes) -> Attributes {
    /// Every attribute that an option can name, but for access times.
    const ALL: u64 = libc::MOUNT_ATTR_RDONLY
        | libc::MOUNT_ATTR_NOSUID
        | libc::MOUNT_ATTR_NODEV
        | libc::MOUNT_ATTR_NOEXEC
        | libc::MOUNT_ATTR_NOSYMFOLLOW;
    if attributes.set | attributes.clear == 0 {
        return attributes;
    }
    let times = if attributes.clear & libc::MOUNT_ATTR__ATIME == 0 { 0 } else { libc::MOUNT_ATTR_NODIRATIME };
    Attributes { clear: attributes.clear | ((ALL | times) & !attributes.set), ..attributes }
}

/// A new tmpfs without anything special, for the places that other mounts need.
pub(crate) fn tmpfs(target: Target, attributes: u64, mode: CString) -> Mount {
    let mode = MountOption { key: c"mode".to_owned(), value: Some(mode), index: 0 };
    Mount {
        kind: c"tmpfs".to_owned(),
        source: c"tmpfs".to_owned(),
        options: vec![mode],
        attributes,
        propagation: Vec::new(),
        target,
        content: Content::Own,
        mode: RootMode::Own,
        id_map: None,
    }
}
