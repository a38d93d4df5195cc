//! Mappings of the ids of mounts (config.md, "Mounts", uidMappings; options idmap and ridmap).

use crate::context::Context;
use crate::draft::Draft;
use crate::mappings::lines;
use crate::mounts::options::Options;
use crate::place::Place;
use crate::spec::{IdMapping, Mount};
use crate::step::{IdMap, MapIds, MapWriter, OpenStep, Recursive, Slot};

/// The user namespaces that hold mappings of mounts, one for all mounts with the same.
#[derive(Default)]
pub(crate) struct IdMaps<'spec> {
    made: Vec<(&'spec [IdMapping], &'spec [IdMapping], Slot)>,
}

impl<'spec> IdMaps<'spec> {
    /// Plans how a mount maps ids: by its own mappings, or, where an option asks for it, as the container does.
    pub(crate) fn plan(
        &mut self,
        draft: &mut Draft,
        context: &Context<'spec>,
        (mount, options, place): (&'spec Mount, &Options, Place),
    ) -> Option<IdMap> {
        let own = !mount.uid_mappings.is_empty() || !mount.gid_mappings.is_empty();
        let (recursive, place) = match options.id_map {
            Some(asked) => asked,
            None if own => (Recursive::No, place),
            None => return None,
        };
        if matches!(mount.kind.as_deref(), Some("cgroup" | "cgroup2")) && options.bind.is_none() {
            draft.refuse(place, "a cgroup mount can't have its ids mapped");
            return None;
        }
        let linux = &context.spec.linux;
        let namespace = if own {
            self.namespace(draft, (&mount.uid_mappings, &mount.gid_mappings), place)
        } else if let Some(joined) = context.user_namespace {
            joined
        } else if context.has_user_namespace() {
            self.namespace(draft, (&linux.uid_mappings, &linux.gid_mappings), place)
        } else {
            let what = "a mount whose ids are mapped needs uidMappings and gidMappings, or a user namespace";
            draft.refuse(place, what);
            return None;
        };
        Some(IdMap { namespace, recursive })
    }

    fn namespace(
        &mut self,
        draft: &mut Draft,
        (uids, gids): (&'spec [IdMapping], &'spec [IdMapping]),
        place: Place,
    ) -> Slot {
        if let Some((.., slot)) =
            self.made.iter().find(|(users, groups, _)| (*users, *groups) == (uids, gids))
        {
            return *slot;
        }
        let slot = draft.slot();
        let (uids_text, gids_text) = (lines(draft, uids, place), lines(draft, gids, place));
        let maps = MapIds { uids: uids_text, gids: gids_text, writer: MapWriter::Privileged };
        draft.before(OpenStep::IdMap { slot, maps }, place);
        self.made.push((uids, gids, slot));
        slot
    }
}
