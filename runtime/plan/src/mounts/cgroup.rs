//! Mounts of type `cgroup` and `cgroup2`: the container's own cgroups (config.md, "Mounts").

use crate::context::Context;
use crate::draft::Draft;
use crate::host::{CgroupVersion, Hierarchy};
use crate::mounts::options::Options;
use crate::mounts::source::tmpfs;
use crate::place::Place;
use crate::step::{Attributes, Content, FileStep, Guard, MountStep, OpenStep, Slot, Target};
use std::ffi::CString;

/// The attributes of every cgroup mount.
const SAFE: u64 = libc::MOUNT_ATTR_NOSUID | libc::MOUNT_ATTR_NODEV | libc::MOUNT_ATTR_NOEXEC;

/// A cgroup mount to plan.
pub(super) struct CgroupMount {
    pub(super) target: Target,
    pub(super) options: Options,
    pub(super) place: Place,
}

/// Plans a cgroup mount: on v2 the container's cgroup, on v1 a tmpfs with one directory per hierarchy, as on
/// the host.
///
/// Each is a detached clone of the directory that the parent made. In a cgroup namespace a new mount of the
/// hierarchy would show the same, at two hundred times the cost; without one it would show the host's whole
/// hierarchy.
pub(super) fn plan(draft: &mut Draft, context: &Context<'_>, mount: CgroupMount) {
    let CgroupMount { target, options, place } = mount;
    let readonly = options.attributes.set & libc::MOUNT_ATTR_RDONLY;
    let attributes = Attributes { set: SAFE | options.attributes.set, ..Attributes::default() };
    if context.cgroups.is_empty() {
        // A rootless container without cgroup: the cgroup it runs in is its caller's.
        return draft.warn(place, "the container has no cgroup, so its cgroup mount is skipped");
    }
    if context.host.is_unified() {
        if let Some((cgroup, hierarchy)) = context.cgroups.first() {
            show(draft, Shown { cgroup: *cgroup, hierarchy, attributes, path: target.path }, place);
        }
        return;
    }
    let base = target.path.to_string_lossy().into_owned();
    draft.init(MountStep::New(tmpfs(target, SAFE, c"755".to_owned())), place);
    let v1 = context.cgroups.iter().filter(|(_, hierarchy)| hierarchy.version == CgroupVersion::V1);
    for (cgroup, hierarchy) in v1 {
        let name = hierarchy.mount.rsplit('/').next().unwrap_or_default();
        let path = draft.inside(&format!("{base}/{name}"), place);
        show(draft, Shown { cgroup: *cgroup, hierarchy, attributes, path }, place);
        let aliases = hierarchy.controllers.iter().filter(|one| *one != name && !one.starts_with("name="));
        for controller in aliases {
            link(draft, &format!("{base}/{controller}"), name, place);
        }
    }
    if readonly != 0 {
        let attributes = Attributes { set: readonly, ..Attributes::default() };
        let target = Target { path: draft.inside(&base, place), guard: Guard::OutsideProcfs };
        draft.init(MountStep::Remount { target, attributes, propagation: 0 }, place);
    }
}

/// The container's cgroup in one hierarchy, mounted at `path`.
struct Shown<'host> {
    cgroup: Slot,
    hierarchy: &'host Hierarchy,
    attributes: Attributes,
    path: CString,
}

fn show(draft: &mut Draft, shown: Shown<'_>, place: Place) {
    let Shown { cgroup, hierarchy, attributes, path } = shown;
    let slot = draft.slot();
    let hierarchy = draft.text(&hierarchy.mount, place);
    draft.cgroup(OpenStep::CgroupMount { slot, cgroup, hierarchy, attributes }, place);
    let target = Target { path, guard: Guard::OutsideProcfs };
    draft.init(MountStep::Attach { tree: slot, target, content: Content::Own }, place);
}

/// Plans a link to a hierarchy with several controllers, such as `cpu` to `cpu,cpuacct`, as the host has it.
fn link(draft: &mut Draft, alias: &str, name: &str, place: Place) {
    let path = draft.inside(alias, place);
    let target = draft.text(name, place);
    draft.init(FileStep::Symlink { path, target }, place);
}
