//! Bind mounts, and the plain tmpfs that other mounts need.

use crate::context::Context;
use crate::draft::Draft;
use crate::place::Place;
use crate::step::{
    Attributes, Content, Locks, Mount, MountOption, MountStep, OpenStep, RootMode, Source, Target,
};
use std::ffi::CString;

/// Returns the flags of the source's mount that a bind mount must keep.
///
/// In its own user namespace a container may not clear what the host's mount forbids. An option that clears
/// such a flag by name is an error. A flag that no option names stays set (mount_namespaces(7), "Restrictions
/// on mount namespaces").
pub(crate) fn locks(context: &Context<'_>, named: Attributes) -> Locks {
    if context.locks_cloned_mounts() {
        Locks::Kept { named: named.clear | named.clear_all }
    } else {
        Locks::None
    }
}

/// A bind mount to plan.
pub(crate) struct BindMount {
    pub(crate) source: Source,
    /// What errors about the source name.
    pub(crate) source_place: Place,
    pub(crate) target: Target,
    pub(crate) content: Content,
    /// What errors about the mount name.
    pub(crate) place: Place,
}

/// Plans a bind mount. Init does it in one step where it can. Otherwise the parent clones the source's mount,
/// and init attaches the clone.
pub(crate) fn bind(draft: &mut Draft, context: &Context<'_>, mount: BindMount) {
    let BindMount { source, source_place, target, content, place } = mount;
    if !context.parent_clones_mounts() {
        return draft.init(MountStep::Bind { source, target, content }, source_place);
    }
    let slot = draft.slot();
    draft.before(OpenStep::Tree { slot, source }, source_place);
    draft.init(MountStep::Attach { tree: slot, target, content }, place);
}

/// Returns the attributes of a bind mount with these options, as runc computes them: without any attribute
/// option the mount keeps the source's attributes. With one, every attribute that no option sets is cleared.
/// The atime mode stays unless an option selects one.
pub(super) fn bind_attributes(options: Attributes) -> Attributes {
    /// Every attribute that an option can name, except the atime mode.
    const ALL: u64 = libc::MOUNT_ATTR_RDONLY
        | libc::MOUNT_ATTR_NOSUID
        | libc::MOUNT_ATTR_NODEV
        | libc::MOUNT_ATTR_NOEXEC
        | libc::MOUNT_ATTR_NOSYMFOLLOW;
    if options.set | options.clear == 0 {
        return options;
    }
    let selects_atime = options.clear & libc::MOUNT_ATTR__ATIME != 0;
    let atime = if selects_atime { libc::MOUNT_ATTR_NODIRATIME } else { 0 };
    Attributes { clear: options.clear | ((ALL | atime) & !options.set), ..options }
}

/// Returns a tmpfs with default options, as other mounts need it.
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

#[cfg(test)]
mod tests {
    use super::*;
    use libc::{
        MOUNT_ATTR__ATIME as ATIME, MOUNT_ATTR_NOATIME as NOATIME, MOUNT_ATTR_NODEV as NODEV,
        MOUNT_ATTR_NODIRATIME as NODIRATIME, MOUNT_ATTR_NOEXEC as NOEXEC, MOUNT_ATTR_NOSUID as NOSUID,
        MOUNT_ATTR_NOSYMFOLLOW as NOSYMFOLLOW, MOUNT_ATTR_RDONLY as RDONLY,
    };

    /// mount(2), MS_REMOUNT | MS_BIND: the flags of the call replace all flags of the mount, and without an
    /// atime flag the atime mode stays. runc makes that call when any flag is given, and none otherwise.
    #[test]
    fn any_attribute_option_replaces_all_attributes() {
        let none = Attributes::default();
        assert_eq!(bind_attributes(none), none);
        let ro = bind_attributes(Attributes { set: RDONLY, ..none });
        assert_eq!((ro.set, ro.clear), (RDONLY, NOSUID | NODEV | NOEXEC | NOSYMFOLLOW));
        let rw = bind_attributes(Attributes { clear: RDONLY, ..none });
        assert_eq!((rw.set, rw.clear), (0, RDONLY | NOSUID | NODEV | NOEXEC | NOSYMFOLLOW));
        let noatime = bind_attributes(Attributes { set: NOATIME, clear: ATIME, ..none });
        let all = RDONLY | NOSUID | NODEV | NOEXEC | NOSYMFOLLOW | NODIRATIME | ATIME;
        assert_eq!((noatime.set, noatime.clear), (NOATIME, all));
    }

    #[test]
    fn recursive_options_leave_the_mount_itself() {
        let recursive = Attributes { set_all: RDONLY, ..Attributes::default() };
        assert_eq!(bind_attributes(recursive), recursive);
    }
}
