//! The id mappings of a user namespace: looked up, and written as the kernel takes them (user_namespaces(7)).

use crate::draft::Draft;
use crate::place::Place;
use crate::spec::IdMapping;
use std::fmt::Write;

/// The number that an id of the container has on the host.
pub(crate) fn outside(mappings: &[IdMapping], id: u32) -> Option<u32> {
    mappings.iter().find_map(|mapping| {
        let offset = id.checked_sub(mapping.container_id).filter(|offset| *offset < mapping.size)?;
        mapping.host_id.checked_add(offset)
    })
}

/// What the kernel's files take in the one write that they take (user_namespaces(7)): less than a page.
const MAPPINGS_MAX: usize = 4095;

/// Mappings as the kernel's files take them; more than they take is a mistake.
pub(crate) fn lines(draft: &mut Draft, mappings: &[IdMapping], place: Place) -> String {
    let mut text = String::new();
    for mapping in mappings {
        // Writing to a string can't fail.
        let _ = writeln!(text, "{} {} {}", mapping.container_id, mapping.host_id, mapping.size);
    }
    if text.len() > MAPPINGS_MAX {
        let what = format!(
            "{} id mappings take {} bytes, more than the kernel takes, {MAPPINGS_MAX}",
            mappings.len(),
            text.len()
        );
        draft.refuse(place, what);
    }
    text
}
