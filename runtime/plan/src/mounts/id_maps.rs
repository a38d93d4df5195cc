//! ID-mapped mounts: `uidMappings` and `gidMappings` of a mount, and the options idmap and ridmap (config.md,
//! "Mounts").

use crate::context::Context;
use crate::draft::Draft;
use crate::mappings::map_file;
use crate::mounts::options::Options;
use crate::place::Place;
use crate::spec::{IdMapping, Mount};
use crate::step::{IdMap, MapIds, MapWriter, OpenStep, Recursive, Slot};

/// The user namespaces that hold the mappings of mounts. Mounts with the same mappings share one
/// (mount_setattr(2), "ID-mapped mounts").
pub(super) struct IdMaps<'run, 'spec> {
    context: &'run Context<'spec>,
    namespaces: Vec<(Mappings<'spec>, Slot)>,
}

/// The mappings of a user namespace.
#[derive(Clone, Copy, PartialEq)]
struct Mappings<'spec> {
    uids: &'spec [IdMapping],
    gids: &'spec [IdMapping],
}

impl<'spec> Mappings<'spec> {
    /// The mappings of the mount itself.
    fn of_mount(mount: &'spec Mount) -> Option<Self> {
        let own = Self { uids: &mount.uid_mappings, gids: &mount.gid_mappings };
        (!own.uids.is_empty() || !own.gids.is_empty()).then_some(own)
    }
}

impl<'run, 'spec> IdMaps<'run, 'spec> {
    pub(super) fn new(context: &'run Context<'spec>) -> Self {
        Self { context, namespaces: Vec::new() }
    }

    /// Plans the ID mapping of the mount with this index: its own mappings, or the container's if an option
    /// requests them.
    pub(super) fn plan(&mut self, draft: &mut Draft, index: usize, options: &Options) -> Option<IdMap> {
        let context = self.context;
        let mount = context.spec.mounts.get(index)?;
        let own = Mappings::of_mount(mount);
        let (recursive, place) = match options.id_map {
            Some(option) => option,
            None if own.is_some() => (Recursive::No, Place::at("mounts[#]", index)),
            None => return None,
        };
        if matches!(mount.kind.as_deref(), Some("cgroup" | "cgroup2")) && options.bind.is_none() {
            draft.refuse(place, "a cgroup mount cannot be id-mapped");
            return None;
        }
        let namespace = match (own, context.user_namespace) {
            (Some(own), _) => self.namespace(draft, own, place),
            // The namespace that the container joins has its mappings already.
            (None, Some(joined)) => joined,
            (None, None) if context.has_user_namespace() => {
                let linux = &context.spec.linux;
                let container = Mappings { uids: &linux.uid_mappings, gids: &linux.gid_mappings };
                self.namespace(draft, container, place)
            }
            (None, None) => {
                let what = "an id-mapped mount needs uidMappings and gidMappings, or a user namespace";
                draft.refuse(place, what);
                return None;
            }
        };
        Some(IdMap { namespace, recursive })
    }

    /// Returns the user namespace with these mappings, and plans it if no earlier mount has.
    fn namespace(&mut self, draft: &mut Draft, mappings: Mappings<'spec>, place: Place) -> Slot {
        if let Some((_, slot)) = self.namespaces.iter().find(|(known, _)| *known == mappings) {
            return *slot;
        }
        let slot = draft.slot();
        let (uids, gids) = (map_file(draft, mappings.uids, place), map_file(draft, mappings.gids, place));
        let maps = MapIds { uids, gids, writer: MapWriter::Privileged };
        draft.before(OpenStep::IdMap { slot, maps }, place);
        self.namespaces.push((mappings, slot));
        slot
    }
}
