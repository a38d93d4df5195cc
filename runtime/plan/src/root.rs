//! The root file system: its source, its masked and read-only paths, and how init enters it (config.md,
//! "Root").
//!
//! A topic: the verbs use it. A bundle may name overlay layers instead of a directory, by annotations that
//! other runtimes ignore:
//!
//! | annotation | value |
//! |---|---|
//! | `org.tare.overlay.lower` | the lower directories, the topmost first, colon-separated; `\:` is a colon in a name |
//! | `org.tare.overlay.upper` | the upper directory; without it the root file system is read-only |
//! | `org.tare.overlay.work` | the work directory: empty, and on the file system of the upper directory |
//!
//! Relative paths start at the bundle. Init mounts the overlay in the container's mount namespace, so it ends
//! with the container.

use crate::context::{Context, is_root, root_path};
use crate::draft::Draft;
use crate::mounts::layers::{APPENDS_LAYERS, OPTION_MAX, joined, split};
use crate::place::Place;
use crate::spec::{NamespaceKind, Propagation};
use crate::step::{
    Attributes, Expect, FileStep, Locks, MountStep, OpenStep, Overlay, OverlayUpper, Recursive, RootStep,
    Slot, Source, SourceUse,
};
use std::ffi::CString;

const LOWER: &str = "org.tare.overlay.lower";
const UPPER: &str = "org.tare.overlay.upper";
const WORK: &str = "org.tare.overlay.work";

/// The source of the root file system.
pub(crate) enum RootSource {
    /// A detached clone of a directory and the mounts below it.
    Tree(Slot),
    /// An overlay.
    Layers(Overlay),
}

/// Plans the parent's part: it clones the directory before it changes anything on the host, so that a bundle
/// without a root file system fails first.
pub(crate) fn prepare(draft: &mut Draft, context: &Context<'_>) -> RootSource {
    let annotations = &context.spec.annotations;
    let lower = annotations.get(LOWER).map(|value| split(value)).unwrap_or_default();
    let upper = annotations.get(UPPER).zip(annotations.get(WORK));
    check_annotations(draft, context, &lower);
    match (lower.as_slice(), upper) {
        ([], _) => {
            let path = root_path(context.spec, context.request.bundle);
            RootSource::Tree(tree(draft, context, &path, Place::of("root.path")))
        }
        // The kernel refuses an overlay of one lower directory without an upper one. It would be that
        // directory, read-only.
        ([only], None) => {
            RootSource::Tree(tree(draft, context, only, Place::of("annotations.org.tare.overlay.lower")))
        }
        (_, upper) => RootSource::Layers(overlay(draft, context, &lower, upper)),
    }
}

fn check_annotations(draft: &mut Draft, context: &Context<'_>, lower: &[String]) {
    let annotations = &context.spec.annotations;
    let (upper, work) = (annotations.contains_key(UPPER), annotations.contains_key(WORK));
    if upper != work {
        draft.refuse(Place::of("annotations"), format!("{UPPER} and {WORK} must be set together"));
    }
    if lower.is_empty() && (upper || annotations.contains_key(LOWER)) {
        draft.refuse(Place::of("annotations"), format!("an overlay needs at least one directory in {LOWER}"));
    }
}

fn tree(draft: &mut Draft, context: &Context<'_>, path: &str, place: Place) -> Slot {
    // Even if rootfsPropagation is shared: the new root of pivot_root(2) must not be. `enter` sets that
    // propagation later.
    let propagation = context.clone_propagation().unwrap_or(libc::MS_SLAVE | libc::MS_REC);
    let source = Source {
        path: draft.text(&context.bundle_path(path), place),
        recursive: Recursive::Yes,
        locks: crate::mounts::source::locks(context, Attributes::default()),
        attributes: Attributes::default(),
        propagation: vec![propagation],
        expect: Expect::Directory,
        id_map: None,
        usage: SourceUse::RootFs,
    };
    clone_tree(draft, context, source, place)
}

fn overlay(
    draft: &mut Draft,
    context: &Context<'_>,
    lower: &[String],
    upper: Option<(&String, &String)>,
) -> Overlay {
    let place = Place::of("annotations.org.tare.overlay.lower");
    let layers: Vec<String> = lower.iter().map(|layer| context.bundle_path(layer)).collect();
    let given = if context.host.kernel >= APPENDS_LAYERS && layers.len() > 1 {
        layers
    } else {
        vec![joined(&layers)]
    };
    if let Some(long) = given.iter().find(|text| text.len() > OPTION_MAX) {
        draft.refuse(
            place,
            format!("{long:?} is longer than the {OPTION_MAX} bytes that this kernel accepts"),
        );
    }
    let lower = given.iter().map(|layer| draft.text(layer, place)).collect();
    let upper = upper.map(|(upper, work)| OverlayUpper {
        upper: draft.text(&context.bundle_path(upper), Place::of("annotations.org.tare.overlay.upper")),
        work: draft.text(&context.bundle_path(work), Place::of("annotations.org.tare.overlay.work")),
    });
    // In a user namespace overlayfs may not write `trusted.overlay.*` attributes, so it has to use
    // `user.overlay.*` (Documentation/filesystems/overlayfs.rst of the kernel, "User xattr").
    let options =
        if context.has_user_namespace() { vec![(c"userxattr".to_owned(), None)] } else { Vec::new() };
    Overlay { lower, upper, options }
}

/// Plans how init mounts the root file system in the container's mount namespace.
pub(crate) fn mount(draft: &mut Draft, context: &Context<'_>, source: RootSource) {
    if context.shares_host_mount_ns() && context.has_user_namespace() {
        // setns(2) into the host's mount namespace needs CAP_SYS_ADMIN over it, so init could not return
        // there.
        let what = "a container with a user namespace needs a mount namespace as well";
        return draft.refuse(Place::of("linux.namespaces"), what);
    }
    if context.is_new(NamespaceKind::Mount) || context.shares_host_mount_ns() {
        draft.init(RootStep::DetachPropagation, Place::of("linux.rootfsPropagation"));
    }
    let at = mount_point(draft, context);
    match source {
        RootSource::Tree(tree) => draft.init(RootStep::MountTree { tree, at }, Place::of("root.path")),
        RootSource::Layers(overlay) => {
            let place = Place::of("annotations.org.tare.overlay.lower");
            draft.init(RootStep::MountOverlay { overlay, at }, place);
        }
    }
}

/// The mount point of the root file system until init enters it. Mounted over the old root it needs no path
/// lookup on the host. Hooks find it by its path on the host, so with hooks it is mounted there.
fn mount_point(draft: &mut Draft, context: &Context<'_>) -> CString {
    let place = Place::of("root.path");
    match &context.spec.root {
        Some(root) if context.has_create_hooks() => draft.text(&context.bundle_path(&root.path), place),
        _ => c"/".to_owned(),
    }
}

/// Plans the read-only and masked paths (config-linux.md, "Masked Paths" and "Readonly Paths"), and the
/// directory of `process.cwd`, which can't be made when the root file system is read-only.
pub(crate) fn restrict_paths(draft: &mut Draft, context: &Context<'_>) {
    let linux = &context.spec.linux;
    // runc creates a missing working directory too.
    let cwd = context.spec.process.as_ref().map_or("", |process| process.cwd.as_str());
    let path = draft.inside(cwd, Place::of("process.cwd"));
    if !path.is_empty() {
        draft.init(FileStep::MakeDirectory { path }, Place::of("process.cwd"));
    }
    for (index, path) in linux.readonly_paths.iter().enumerate() {
        let place = Place::at("linux.readonlyPaths[#]", index);
        let path = draft.inside(path, place);
        draft.init(MountStep::ReadonlyPath { path }, place);
    }
    if linux.masked_paths.is_empty() {
        return;
    }
    let null = null_device(draft, context);
    for (index, path) in linux.masked_paths.iter().enumerate() {
        let place = Place::at("linux.maskedPaths[#]", index);
        let path = draft.inside(path, place);
        draft.init(MountStep::Mask { path, null }, place);
    }
}

/// Plans a detached clone of a host mount. The parent makes it first of all. A rootless parent has no right
/// to (open_tree(2) needs CAP_SYS_ADMIN), so init makes it in the new user namespace.
fn clone_tree(draft: &mut Draft, context: &Context<'_>, source: Source, place: Place) -> Slot {
    let slot = draft.slot();
    if is_root(context.host) {
        draft.before(OpenStep::Tree { slot, source }, place);
    } else {
        draft.init(RootStep::CloneTree { slot, source }, place);
    }
    slot
}

/// Plans a clone of the host's null device, to mask files with. The container's `/dev/null` comes from the
/// image or the configuration and could be any file.
fn null_device(draft: &mut Draft, context: &Context<'_>) -> Slot {
    let source = Source {
        path: c"/dev/null".to_owned(),
        recursive: Recursive::No,
        locks: Locks::None,
        attributes: Attributes::default(),
        propagation: vec![libc::MS_PRIVATE],
        expect: Expect::Device { major: 1, minor: 3 },
        id_map: None,
        usage: SourceUse::Mask,
    };
    clone_tree(draft, context, source, Place::of("linux.maskedPaths"))
}

/// Plans how init enters the root file system, and the mount attributes and the propagation that it has from
/// then on.
pub(crate) fn enter(draft: &mut Draft, context: &Context<'_>) {
    if context.shares_host_mount_ns() {
        let (slot, place) = (draft.slot(), Place::of("linux.namespaces"));
        let (kind, path) = (NamespaceKind::Mount, c"/proc/self/ns/mnt".to_owned());
        // pivot_root in the host's mount namespace would move the host's root, so init takes the finished
        // root there as a detached mount.
        draft.before(OpenStep::Namespace { slot, kind, path }, place);
        draft.init(RootStep::TakeBack { namespace: slot }, place);
    } else {
        draft.init(RootStep::Enter(context.request.pivot), Place::of("root.path"));
    }
    let readonly = context.spec.root.as_ref().is_some_and(|root| root.readonly);
    let layered = context.spec.annotations.contains_key(LOWER);
    let lower_only = layered && !context.spec.annotations.contains_key(UPPER);
    let set = if readonly || lower_only { libc::MOUNT_ATTR_RDONLY } else { 0 };
    let propagation = propagation_of(context);
    if set != 0 || propagation != 0 {
        let attributes = Attributes { set, ..Attributes::default() };
        let place = Place::of(if set == 0 { "linux.rootfsPropagation" } else { "root.readonly" });
        draft.init(RootStep::SetAttributes { attributes, propagation }, place);
    }
}

/// The propagation of the root mount in the container, as `MS_*` flags (`linux.rootfsPropagation`).
fn propagation_of(context: &Context<'_>) -> u64 {
    match context.spec.linux.rootfs_propagation {
        None => 0,
        Some(Propagation::Shared) => libc::MS_SHARED,
        Some(Propagation::Slave) => libc::MS_SLAVE,
        Some(Propagation::Private) => libc::MS_PRIVATE,
        Some(Propagation::Unbindable) => libc::MS_UNBINDABLE,
        Some(Propagation::RecursiveShared) => libc::MS_SHARED | libc::MS_REC,
        Some(Propagation::RecursiveSlave) => libc::MS_SLAVE | libc::MS_REC,
        Some(Propagation::RecursivePrivate) => libc::MS_PRIVATE | libc::MS_REC,
        Some(Propagation::RecursiveUnbindable) => libc::MS_UNBINDABLE | libc::MS_REC,
    }
}
