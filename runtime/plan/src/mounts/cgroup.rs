//! The container's view of its cgroups: mounts of type `cgroup` (config.md, "Mounts").

use crate::context::Context;
use crate::draft::Draft;
use crate::host::{CgroupVersion, Hierarchy};
use crate::mounts::options::Options;
use crate::mounts::source::tmpfs;
use crate::place::Place;
use crate::step::{Attributes, Content, FileStep, Guard, MountStep, OpenStep, Slot, Target};
use std::ffi::CString;

/// What every copy of a cgroup directory gets.
const SAFE: u64 = libc::MOUNT_ATTR_NOSUID | libc::MOUNT_ATTR_NODEV | libc::MOUNT_ATTR_NOEXEC;

/// Plans one cgroup mount: on v2 the container's own directory, on v1 a directory with one of them for each hierarchy.
///
/// Each is a detached copy of the directory that the parent made. A new mount of a hierarchy would show the same in a
/// cgroup namespace, at two hundred times the cost (finding 2 of the measurements), and more than that without one.
pub(crate) fn plan(
    draft: &mut Draft,
    context: &Context<'_>,
    (target, options): (Target, Options),
    place: Place,
) {
    let readonly = options.attributes.set & libc::MOUNT_ATTR_RDONLY;
    let attributes = Attributes { set: SAFE | options.attributes.set, ..Attributes::default() };
    if context.cgroups.is_empty() {
        // An ordinary user's container: what it would see of the host's cgroups is not its own.
        return draft.warn(place, "this container has no cgroup, so that there is none to be mounted");
    }
    if context.host.is_unified() {
        for (slot, hierarchy) in context.cgroups.iter().take(1) {
            show(draft, Shown { cgroup: *slot, hierarchy, attributes }, target.path.clone(), place);
        }
        return;
    }
    let base = target.path.to_string_lossy().into_owned();
    draft.init(MountStep::New(tmpfs(target, SAFE, c"755".to_owned())), place);
    for (slot, hierarchy) in
        context.cgroups.iter().filter(|(_, hierarchy)| hierarchy.version == CgroupVersion::V1)
    {
        let name = hierarchy.mount.rsplit('/').next().unwrap_or_default();
        let path = draft.inside(&format!("{base}/{name}"), place);
        show(draft, Shown { cgroup: *slot, hierarchy, attributes }, path, place);
        for controller in hierarchy.controllers.iter().filter(|one| *one != name && !one.starts_with("name="))
        {
            let alias = format!("{base}/{controller}");
            link(draft, &alias, name, place);
        }
    }
    if readonly != 0 {
        let attributes = Attributes { set: readonly, ..Attributes::default() };
        let target = Target { path: draft.inside(&base, place), guard: Guard::OutsideProcfs };
        draft.init(MountStep::Remount { target, attributes, propagation: 0 }, place);
    }
}

/// The container's directory in one hierarchy, as a mount.
struct Shown<'host> {
    cgroup: Slot,
    hierarchy: &'host Hierarchy,
    attributes: Attributes,
}

/// Mounts one directory at `path`.
fn show(draft: &mut Draft, shown: Shown<'_>, path: CString, place: Place) {
    let Shown { cgroup, hierarchy, attributes } = shown;
    let slot = draft.slot();
    let hierarchy = draft.text(&hierarchy.mount, place);
    draft.group(OpenStep::CgroupMount { slot, cgroup, hierarchy, attributes }, place);
    let target = Target { path, guard: Guard::OutsideProcfs };
    draft.init(MountStep::Attach { tree: slot, target, content: Content::Own }, place);
}

/// Hierarchies with several controllers are found under each one's name, as on the host.
fn link(draft: &mut Draft, alias: &str, name: &str, place: Place) {
    let path = draft.inside(alias, place);
    let target = draft.text(name, place);
    draft.init(FileStep::Symlink { path, target }, place);
}
