//! The mounts of a container, in the order of its configuration (config.md, "Mounts").

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
use id_maps::IdMaps;
use layers::{APPENDS_LAYERS, OPTION_MAX};
use options::Options;
use source::{exact, locks};
use std::ffi::CString;

/// Paths of procfs that a mount may cover, as runc has them: what shows a container its own limits.
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
    let mut id_maps = IdMaps::default();
    labels::check_mounts(draft, context);
    for (index, mount) in context.spec.mounts.iter().enumerate() {
        let place = Place::at("mounts[#]", index);
        let Some(target) = target_of(draft, index, mount) else { continue };
        let options = options::read(draft, index, mount);
        let id_map = id_maps.plan(draft, context, (mount, &options, place));
        let planner = Planner { index, mount, target, place, id_map };
        if let Some(because) = options.remount {
            planner.remount(draft, options, because);
            continue;
        }
        match (options.bind, mount.kind.as_deref()) {
            (Some(recursive), _) => planner.bind(draft, context, (options, recursive)),
            (None, Some("cgroup" | "cgroup2")) => {
                cgroup::plan(draft, context, (planner.target, options), place)
            }
            (None, Some("sysfs")) if is_sysfs_the_hosts(context) => {
                planner.bind_sysfs(draft, context, &options)
            }
            (None, Some(kind)) => planner.file_system(draft, context, (kind, options)),
            (None, None) => {
                draft.refuse(Place::at("mounts[#].type", index), "a mount that is no bind needs a type")
            }
        }
    }
}

/// Where a mount goes; a relative destination counts from the root, as runc and the specification's history have it.
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

fn guard_of(path: &str, kind: Option<&str>) -> Guard {
    match kind {
        Some("proc" | "sysfs") => Guard::NoSymlinks,
        _ if COVERABLE.contains(&path) || path == "proc" => Guard::Anywhere,
        _ => Guard::OutsideProcfs,
    }
}

/// A sysfs shows a network: only who owns one may mount it (sysfs is mounted by whom its network namespace belongs to).
fn is_sysfs_the_hosts(context: &Context<'_>) -> bool {
    context.has_user_namespace() && context.namespace(NamespaceKind::Network).is_none()
}

/// One mount that is being planned.
struct Planner<'spec> {
    index: usize,
    mount: &'spec spec::Mount,
    target: Target,
    place: Place,
    id_map: Option<IdMap>,
}

impl Planner<'_> {
    /// No mount: what an earlier entry has mounted is changed in what is named (mount(8), "remount"). Options of the file
    /// system itself would change it for everybody who has it mounted.
    fn remount(self, draft: &mut Draft, options: Options, because: Place) {
        for option in &options.own {
            let place = Place::within("mounts[#].options[#]", self.index, option.index);
            draft.refuse(
                place,
                format!("{:?} belongs to the file system, which remount does not change", option.key),
            );
        }
        let propagation = options.propagation.last().copied().unwrap_or_default();
        let (target, attributes) = (self.target, options.attributes);
        draft.init(MountStep::Remount { target, attributes, propagation }, because);
    }

    /// A bind: a copy of the source's mount, at the destination.
    fn bind(self, draft: &mut Draft, context: &Context<'_>, (options, recursive): (Options, Recursive)) {
        let place = Place::at("mounts[#].source", self.index);
        let Some(path) = &self.mount.source else {
            return draft.refuse(place, "a bind mount needs a source");
        };
        let path = draft.text(&context.of_bundle(path), place);
        let expect = if self.target.path.as_bytes() == b"proc" { Expect::Procfs } else { Expect::Anything };
        let mut propagation: Vec<u64> = context.copies_propagation().into_iter().collect();
        propagation.extend(options.propagation);
        let source = Source {
            path,
            recursive,
            locks: locks(context, options.attributes),
            attributes: exact(options.attributes),
            propagation,
            expect,
            id_map: self.id_map,
            usage: SourceUse::Bind(self.target.path.clone()),
        };
        source::bind(draft, context, (source, place), (self.target, options.content, self.place));
    }

    /// The host's sysfs, where the kernel lets init mount none.
    fn bind_sysfs(self, draft: &mut Draft, context: &Context<'_>, options: &Options) {
        let set_all = options.attributes.set | options.attributes.set_all;
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
        source::bind(draft, context, (source, self.place), (self.target, Content::Own, self.place));
    }

    /// A new file system.
    fn file_system(self, draft: &mut Draft, context: &Context<'_>, (kind, mut options): (&str, Options)) {
        let source = self.mount.source.as_deref().unwrap_or(kind);
        options.own.extend(labels::of_mount(draft, context, (kind, &options.own)));
        if kind == "overlay" && context.host.kernel >= APPENDS_LAYERS {
            options.own = options.own.into_iter().flat_map(layers).collect();
        }
        self.refuse_long(draft, &options.own);
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

/// The layers of an overlay one by one, where all together are longer than an option may be.
fn layers(option: MountOption) -> Vec<MountOption> {
    let text = option.value.as_ref().map(|value| value.to_string_lossy().into_owned()).unwrap_or_default();
    if option.key.as_bytes() != b"lowerdir" || text.len() <= OPTION_MAX {
        return vec![option];
    }
    let one = |layer: String| MountOption {
        key: c"lowerdir+".to_owned(),
        value: CString::new(layer).ok(),
        index: option.index,
    };
    crate::mounts::layers::split(&text).into_iter().map(one).collect()
}

impl Planner<'_> {
    fn refuse_long(&self, draft: &mut Draft, options: &[MountOption]) {
        let long = |option: &&MountOption| {
            option.value.as_ref().is_some_and(|value| value.count_bytes() > OPTION_MAX)
        };
        for option in options.iter().filter(long) {
            let place = Place::within("mounts[#].options[#]", self.index, option.index);
            let what = format!(
                "option {:?} is longer than the {OPTION_MAX} bytes that the kernel takes",
                option.key
            );
            draft.refuse(place, what);
        }
    }
}

/// A tmpfs without a mode takes that of the directory it covers, as runc has it.
fn mode_of(kind: &str, mount: &spec::Mount) -> RootMode {
    let given = mount.options.iter().any(|option| option.starts_with("mode="));
    if kind == "tmpfs" && !given { RootMode::Covered } else { RootMode::Own }
}
