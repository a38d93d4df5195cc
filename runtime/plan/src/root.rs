//! The root file system: where it comes from, what is hidden in it, how it is entered (config.md, "Root").
//!
//! A bundle may name layers instead of a directory, by annotations that any other runtime ignores:
//!
//! | annotation | value |
//! |---|---|
//! | `org.tare.overlay.lower` | directories, the topmost first, separated by colons; `\:` stands for a colon |
//! | `org.tare.overlay.upper` | the writable layer; without it the root is read-only |
//! | `org.tare.overlay.work` | an empty directory on the file system of the upper one |
//!
//! Relative paths count from the bundle. The overlay is mounted in the container's own mount namespace, and goes with it.

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

/// Where the root file system comes from.
pub(crate) enum RootSource {
    /// A copy of a directory's mounts.
    Tree(Slot),
    /// An overlay.
    Layers(Overlay),
}

/// Plans what the parent does for the root: it copies the directory before it touches anything else, so that a bundle
/// without one is refused first.
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
        // One layer with nothing above is no overlay for the kernel: it is that directory, read-only.
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
        draft.refuse(Place::of("annotations"), format!("{UPPER} and {WORK} need each other"));
    }
    if lower.is_empty() && (upper || annotations.contains_key(LOWER)) {
        draft.refuse(Place::of("annotations"), format!("an overlay needs at least one layer in {LOWER}"));
    }
}

fn tree(draft: &mut Draft, context: &Context<'_>, path: &str, place: Place) -> Slot {
    let slot = draft.slot();
    // Whatever the propagation of the root will be: what is pivoted to may not be shared (pivot_root(2)).
    let propagation = context.copies_propagation().unwrap_or(libc::MS_SLAVE | libc::MS_REC);
    let source = Source {
        path: draft.text(&context.of_bundle(path), place),
        recursive: Recursive::Yes,
        locks: crate::mounts::source::locks(context, Attributes::default()),
        attributes: Attributes::default(),
        propagation: vec![propagation],
        expect: Expect::Directory,
        id_map: None,
        usage: SourceUse::RootFs,
    };
    copy(draft, context, (slot, source), place);
    slot
}

fn overlay(
    draft: &mut Draft,
    context: &Context<'_>,
    lower: &[String],
    upper: Option<(&String, &String)>,
) -> Overlay {
    let place = Place::of("annotations.org.tare.overlay.lower");
    let layers: Vec<String> = lower.iter().map(|layer| context.of_bundle(layer)).collect();
    let given = if context.host.kernel >= APPENDS_LAYERS && layers.len() > 1 {
        layers
    } else {
        vec![joined(&layers)]
    };
    if let Some(long) = given.iter().find(|text| text.len() > OPTION_MAX) {
        draft.refuse(place, format!("{long:?} is longer than the {OPTION_MAX} bytes that this kernel takes"));
    }
    let lower = given.iter().map(|layer| draft.text(layer, place)).collect();
    let upper = upper.map(|(upper, work)| OverlayUpper {
        upper: draft.text(&context.of_bundle(upper), Place::of("annotations.org.tare.overlay.upper")),
        work: draft.text(&context.of_bundle(work), Place::of("annotations.org.tare.overlay.work")),
    });
    // In a user namespace the overlay may not use trusted attributes of files.
    let options =
        if context.has_user_namespace() { vec![(c"userxattr".to_owned(), None)] } else { Vec::new() };
    Overlay { lower, upper, options }
}

/// Plans how the root comes into the container's mount namespace.
pub(crate) fn mount(draft: &mut Draft, context: &Context<'_>, source: RootSource) {
    if context.shares_host_mount_ns() && context.has_user_namespace() {
        // Nobody in it may come back to a mount namespace of the host's.
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

/// Where the root is mounted until it is entered: over the old root, so that no path of the host has to be found again; or, when
/// hooks look for it there, at its own path.
fn mount_point(draft: &mut Draft, context: &Context<'_>) -> CString {
    let place = Place::of("root.path");
    match &context.spec.root {
        Some(root) if context.has_create_hooks() => draft.text(&context.of_bundle(&root.path), place),
        _ => c"/".to_owned(),
    }
}

/// Plans what of the root is hidden or made read-only.
pub(crate) fn hide(draft: &mut Draft, context: &Context<'_>) {
    let linux = &context.spec.linux;
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

/// Copies are the parent's to make, before it touches anything else; an ordinary user may make them in its namespace alone.
fn copy(draft: &mut Draft, context: &Context<'_>, (slot, source): (Slot, Source), place: Place) {
    if is_root(context.host) {
        draft.before(OpenStep::Tree { slot, source }, place);
    } else {
        draft.init(RootStep::CloneTree { slot, source }, place);
    }
}

/// The host's own null device; the container's may be anything.
fn null_device(draft: &mut Draft, context: &Context<'_>) -> Slot {
    let slot = draft.slot();
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
    copy(draft, context, (slot, source), Place::of("linux.maskedPaths"));
    slot
}

/// Plans how the root is entered, and what it is like from then on.
pub(crate) fn enter(draft: &mut Draft, context: &Context<'_>) {
    if context.shares_host_mount_ns() {
        let (slot, place) = (draft.slot(), Place::of("linux.namespaces"));
        let (kind, path) = (NamespaceKind::Mount, c"/proc/self/ns/mnt".to_owned());
        draft.before(OpenStep::Namespace { slot, kind, path }, place);
        draft.init(RootStep::TakeBack { namespace: slot }, place);
    } else {
        draft.init(RootStep::Enter(context.request.pivot), Place::of("root.path"));
    }
    let readonly = context.spec.root.as_ref().is_some_and(|root| root.readonly);
    let layered = context.spec.annotations.contains_key(LOWER);
    let sealed = layered && !context.spec.annotations.contains_key(UPPER);
    let set = if readonly || sealed { libc::MOUNT_ATTR_RDONLY } else { 0 };
    let propagation = propagation_of(context);
    if set != 0 || propagation != 0 {
        let attributes = Attributes { set, ..Attributes::default() };
        let place = Place::of(if set == 0 { "linux.rootfsPropagation" } else { "root.readonly" });
        draft.init(RootStep::SetAttributes { attributes, propagation }, place);
    }
}

/// The propagation that the root has inside.
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
