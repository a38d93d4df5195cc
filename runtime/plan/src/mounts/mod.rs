//! The mounts of a container, in the order of its configuration (config.md, "Mounts").
//!
//! A topic: the verbs use it. The topics `root` and `devices` use `layers` and `source`.

mod cgroup;
mod id_maps;
pub(crate) mod layers;
pub mod options;
pub(crate) mod source;

use crate::context::Context;
use crate::draft::{Draft, clean};
use crate::labels;
use crate::place::Place;
use crate::spec::{self, NamespaceKind};
use crate::step::{
    Attributes, Content, Expect, Guard, IdMap, Mount, MountOption, MountStep, Recursive, RootMode, Source,
    SourceUse, Target,
};
use cgroup::CgroupMount;
use id_maps::IdMaps;
use layers::{APPENDS_LAYERS, OPTION_MAX};
use options::Options;
use source::{BindMount, bind_attributes, locks};
use std::ffi::CString;

/// The paths of procfs that a mount may cover, the same as in runc: LXCFS shows a container its own limits
/// there.
const COVERABLE: &[&str] = &[
    "proc/cpuinfo",
    "proc/diskstats",
    "proc/loadavg",
    "proc/meminfo",
    "proc/net/dev",
    "proc/slabinfo",
    "proc/stat",
    "proc/swaps",
    "proc/sys/crypto/fips_enabled",
    "proc/sys/kernel/ns_last_pid",
    "proc/uptime",
];

/// Plans every mount.
pub(crate) fn plan(draft: &mut Draft, context: &Context<'_>) {
    let mut id_maps = IdMaps::new(context);
    labels::check_mounts(draft, context);
    for (index, mount) in context.spec.mounts.iter().enumerate() {
        let place = Place::at("mounts[#]", index);
        let Some(target) = target_of(draft, index, mount) else { continue };
        let options = options::read(draft, index, mount);
        let id_map = id_maps.plan(draft, index, &options);
        MountEntry { index, mount, target, place, id_map, options }.plan(draft, context);
    }
}

/// Returns the target of a mount. A relative destination starts at the root, as with runc and in versions of
/// the specification before 1.0.
fn target_of(draft: &mut Draft, index: usize, mount: &spec::Mount) -> Option<Target> {
    let place = Place::at("mounts[#].destination", index);
    let path = clean(&mount.destination);
    if path.starts_with("proc/") && !COVERABLE.contains(&path.as_str()) {
        draft.refuse(place, format!("{:?} cannot be mounted because it is inside /proc", mount.destination));
        return None;
    }
    let guard = guard_of(&path, mount.kind.as_deref());
    Some(Target { path: draft.text(&path, place), guard })
}

/// Returns the paths that a target may resolve to. An image may contain links that lead a mount into procfs,
/// where it could hide what the runtime reads and writes there (CVE-2019-16884, CVE-2021-30465).
fn guard_of(path: &str, kind: Option<&str>) -> Guard {
    match kind {
        Some("proc" | "sysfs") => Guard::NoSymlinks,
        _ if COVERABLE.contains(&path) || path == "proc" => Guard::Anywhere,
        _ => Guard::OutsideProcfs,
    }
}

/// Whether the kernel refuses a new sysfs. It shows the devices of a network namespace, so mounting it needs
/// CAP_SYS_ADMIN over that namespace (user_namespaces(7)).
fn cannot_mount_sysfs(context: &Context<'_>) -> bool {
    context.has_user_namespace() && context.namespace(NamespaceKind::Network).is_none()
}

/// An entry of `mounts`.
struct MountEntry<'spec> {
    index: usize,
    mount: &'spec spec::Mount,
    target: Target,
    place: Place,
    id_map: Option<IdMap>,
    options: Options,
}

impl MountEntry<'_> {
    fn plan(self, draft: &mut Draft, context: &Context<'_>) {
        if let Some(because) = self.options.remount {
            return self.remount(draft, because);
        }
        match (self.options.bind, self.mount.kind.as_deref()) {
            (Some(recursive), _) => self.bind(draft, context, recursive),
            (None, Some("cgroup" | "cgroup2")) => {
                let Self { target, options, place, .. } = self;
                cgroup::plan(draft, context, CgroupMount { target, options, place });
            }
            (None, Some("sysfs")) if cannot_mount_sysfs(context) => self.bind_sysfs(draft, context),
            (None, Some(kind)) => self.file_system(draft, context, kind),
            (None, None) => {
                draft.refuse(Place::at("mounts[#].type", self.index), "only a bind mount can lack a type");
            }
        }
    }

    /// Plans a change of the mount that an earlier entry made (mount(8), "remount"). Options of the file
    /// system are refused, since they would change it in every place where it is mounted.
    fn remount(self, draft: &mut Draft, because: Place) {
        for option in &self.options.own {
            let place = Place::within("mounts[#].options[#]", self.index, option.index);
            draft.refuse(
                place,
                format!("{:?} belongs to the file system, which remount does not change", option.key),
            );
        }
        // A mount has one propagation: the last option counts.
        let propagation = self.options.propagation.last().copied().unwrap_or_default();
        let (target, attributes) = (self.target, self.options.attributes);
        draft.init(MountStep::Remount { target, attributes, propagation }, because);
    }

    /// Plans a bind mount.
    fn bind(self, draft: &mut Draft, context: &Context<'_>, recursive: Recursive) {
        let place = Place::at("mounts[#].source", self.index);
        let Some(path) = &self.mount.source else {
            return draft.refuse(place, "a bind mount needs a source");
        };
        let path = draft.text(&context.bundle_path(path), place);
        // Only a procfs may take the place of procfs: security modules are configured through its files.
        let expect = if self.target.path.as_bytes() == b"proc" { Expect::Procfs } else { Expect::Anything };
        let options = self.options;
        let mut propagation: Vec<u64> = context.clone_propagation().into_iter().collect();
        propagation.extend(options.propagation);
        let source = Source {
            path,
            recursive,
            locks: locks(context, options.attributes),
            attributes: bind_attributes(options.attributes),
            propagation,
            expect,
            id_map: self.id_map,
            usage: SourceUse::Bind(self.target.path.clone()),
        };
        let (target, content) = (self.target, options.content);
        source::bind(
            draft,
            context,
            BindMount { source, source_place: place, target, content, place: self.place },
        );
    }

    /// Plans a bind mount of the host's sysfs, because the kernel refuses a new one.
    fn bind_sysfs(self, draft: &mut Draft, context: &Context<'_>) {
        let set_all = self.options.attributes.set | self.options.attributes.set_all;
        let source = Source {
            path: c"/sys".to_owned(),
            recursive: Recursive::Yes,
            locks: locks(context, Attributes::default()),
            attributes: Attributes { set_all, ..Attributes::default() },
            propagation: vec![libc::MS_SLAVE | libc::MS_REC],
            expect: Expect::Directory,
            id_map: None,
            usage: SourceUse::Bind(self.target.path.clone()),
        };
        let (target, place) = (self.target, self.place);
        source::bind(
            draft,
            context,
            BindMount { source, source_place: place, target, content: Content::Own, place },
        );
    }

    /// Plans a new file system.
    fn file_system(mut self, draft: &mut Draft, context: &Context<'_>, kind: &str) {
        // The source of most file systems is only a name in mountinfo (proc_pid_mountinfo(5)).
        let source = self.mount.source.as_deref().unwrap_or(kind);
        let label = labels::mount_context(draft, context, kind, &self.options.own);
        self.options.own.extend(label);
        if kind == "overlay" && context.host.kernel >= APPENDS_LAYERS {
            self.options.own = self.options.own.into_iter().flat_map(split_layers).collect();
        }
        refuse_long(draft, self.index, &self.options.own);
        let options = self.options;
        let step = Mount {
            kind: draft.text(kind, Place::at("mounts[#].type", self.index)),
            source: draft.text(source, Place::at("mounts[#].source", self.index)),
            options: options.own,
            attributes: options.attributes.set | options.attributes.set_all,
            propagation: options.propagation,
            target: self.target,
            content: options.content,
            mode: mode_of(kind, self.mount),
            id_map: self.id_map,
        };
        draft.init(MountStep::New(step), self.place);
    }
}

/// Splits a `lowerdir` that is longer than an option may be into its directories.
fn split_layers(option: MountOption) -> Vec<MountOption> {
    let text = option.value.as_ref().map(|value| value.to_string_lossy().into_owned()).unwrap_or_default();
    if option.key.as_bytes() != b"lowerdir" || text.len() <= OPTION_MAX {
        return vec![option];
    }
    let one = |layer: String| MountOption {
        key: c"lowerdir+".to_owned(),
        value: CString::new(layer).ok(),
        index: option.index,
    };
    layers::split(&text).into_iter().map(one).collect()
}

/// Refuses values of options that are too long for the kernel.
fn refuse_long(draft: &mut Draft, index: usize, options: &[MountOption]) {
    let long =
        |option: &&MountOption| option.value.as_ref().is_some_and(|value| value.count_bytes() > OPTION_MAX);
    for option in options.iter().filter(long) {
        let place = Place::within("mounts[#].options[#]", index, option.index);
        let what =
            format!("option {:?} is longer than the {OPTION_MAX} bytes that the kernel accepts", option.key);
        draft.refuse(place, what);
    }
}

/// The mode of the new file system's root. A tmpfs without `mode` takes the mode of the directory that it
/// covers, as with runc.
fn mode_of(kind: &str, mount: &spec::Mount) -> RootMode {
    let given = mount.options.iter().any(|option| option.starts_with("mode="));
    if kind == "tmpfs" && !given { RootMode::Covered } else { RootMode::Own }
}
