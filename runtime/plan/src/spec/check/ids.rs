//! Checks of id mappings, by the rules of user_namespaces(7), "Defining user and group ID mappings".

use super::each;
use crate::spec::IdMapping;
use crate::spec::mistake::{Place, Report};

/// The largest number of ranges that the kernel takes.
const MOST: usize = 340;

/// Returns the first id of a range, on one side of the mapping.
type FirstId = fn(&IdMapping) -> u32;

/// Checks that ranges are not empty, do not run past the last id, and do not overlap, neither in the
/// container nor on the host.
pub(super) fn mappings(mappings: &[IdMapping], at: &Place<'_>, report: &mut Report) {
    if mappings.len() > MOST {
        report.wrong(at, format!("{} id mappings are more than the kernel takes, {MOST}", mappings.len()));
    }
    each(mappings, at, |mapping, place| range(mapping, place, report));
    let sides: [(&str, FirstId); 2] = [
        ("inside the container", |mapping| mapping.container_id),
        ("on the host", |mapping| mapping.host_id),
    ];
    for (side, first) in sides {
        if let Some((former, latter)) = overlap(mappings, first) {
            let what = format!("id mapping shares ids {side} with the one at index {former}");
            report.wrong(&at.index(latter), what);
        }
    }
}

fn range(mapping: &IdMapping, at: &Place<'_>, report: &mut Report) {
    if mapping.size == 0 {
        report.wrong(&at.key("size"), "id mapping has size 0");
    }
    // 4294967295 is no id. The end of a range is one past its last id, so it may be that number and no higher
    // one.
    for (key, first) in [("containerID", mapping.container_id), ("hostID", mapping.host_id)] {
        if first.checked_add(mapping.size).is_none() {
            let what = format!("id mapping of {} ids from {first} runs past the last id", mapping.size);
            report.wrong(&at.key(key), what);
        }
    }
}

/// Returns the indices of two ranges that share an id, the lower index first. `first` returns the first id of
/// a range.
fn overlap(mappings: &[IdMapping], first: FirstId) -> Option<(usize, usize)> {
    let mut sorted: Vec<(u64, u64, usize)> = mappings
        .iter()
        .enumerate()
        .map(|(index, mapping)| (u64::from(first(mapping)), u64::from(mapping.size), index))
        .collect();
    sorted.sort_unstable();
    let pair = sorted.iter().zip(sorted.iter().skip(1)).find(|(low, high)| low.0 + low.1 > high.0);
    pair.map(|(low, high)| (low.2.min(high.2), low.2.max(high.2)))
}

/// Whether the mappings map an id of the container.
pub(super) fn is_mapped(id: u32, mappings: &[IdMapping]) -> bool {
    mappings
        .iter()
        .any(|mapping| id.checked_sub(mapping.container_id).is_some_and(|offset| offset < mapping.size))
}
