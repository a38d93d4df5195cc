//! The ID mappings of user namespaces (user_namespaces(7)).
//!
//! The topics use it.

use crate::draft::Draft;
use crate::place::Place;
use crate::spec::IdMapping;
use std::fmt::Write;

/// Returns the host ID of a container ID; `None` if no mapping has it.
pub(crate) fn host_id(mappings: &[IdMapping], id: u32) -> Option<u32> {
    mappings.iter().find_map(|mapping| {
        let offset = id.checked_sub(mapping.container_id).filter(|offset| *offset < mapping.size)?;
        mapping.host_id.checked_add(offset)
    })
}

/// The kernel accepts one write of less than a page to `uid_map` and `gid_map` (user_namespaces(7)).
const MAP_FILE_MAX: usize = 4095;

/// Returns the text for `uid_map` or `gid_map`: one line per mapping. Refuses one that is too long for the
/// kernel.
pub(crate) fn map_file(draft: &mut Draft, mappings: &[IdMapping], place: Place) -> String {
    let mut text = String::new();
    for mapping in mappings {
        // Writing to a string can't fail.
        let _ = writeln!(text, "{} {} {}", mapping.container_id, mapping.host_id, mapping.size);
    }
    if text.len() > MAP_FILE_MAX {
        let what = format!(
            "{} id mappings take {} bytes, more than the kernel takes, {MAP_FILE_MAX}",
            mappings.len(),
            text.len()
        );
        draft.refuse(place, what);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// user_namespaces(7): "the length of the range of user IDs that is mapped", from the first ID on in both
    /// namespaces.
    #[test]
    fn an_id_is_mapped_from_the_first_to_the_last_of_a_range() {
        let range = |container_id, host_id, size| IdMapping { container_id, host_id, size };
        let maps = [range(0, 1000, 1), range(10, 200_000, 5), range(100, u32::MAX, 2)];
        assert_eq!(host_id(&maps, 0), Some(1000));
        assert_eq!(host_id(&maps, 1), None);
        assert_eq!(host_id(&maps, 9), None);
        assert_eq!(
            (host_id(&maps, 10), host_id(&maps, 14), host_id(&maps, 15)),
            (Some(200_000), Some(200_004), None)
        );
        assert_eq!((host_id(&maps, 100), host_id(&maps, 101)), (Some(u32::MAX), None));
    }
}
