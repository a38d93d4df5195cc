//! Checks of id mappings.

use super::each;
use crate::spec::IdMapping;
use crate::spec::mistake::{Place, Report};

/// The most ranges that the kernel takes: see user_namespaces(7).
const MOST: usize = 340;

/// Ranges that are not empty, do not run past the last id and do not overlap, neither inside nor outside.
pub(super) fn mappings(mappings: &[IdMapping], at: &Place<'_>, report: &mut Report) {
    if mappings.len() > MOST {
        report.wrong(at, format!("{} id mappings are more than the kernel takes, {MOST}", mappings.len()));
    }
    each(mappings, at, |mapping, place| range(mapping, place, report));
    overlap(mappings, ("inside the container", |mapping| mapping.container_id), at, report);
    overlap(mappings, ("on the host", |mapping| mapping.host_id), at, report);
}

fn range(mapping: &IdMapping, at: &Place<'_>, report: &mut Report) {
    if mapping.size == 0 {
        report.wrong(&at.key("size"), "id mapping has size 0");
    }
    // The last id, 4294967295, is no id; the end of a range is one past its last id and may be that.
    for (key, first) in [("containerID", mapping.container_id), ("hostID", mapping.host_id)] {
        if first.checked_add(mapping.size).is_none() {
            let what = format!("id mapping of {} ids from {first} runs past the last id", mapping.size);
            report.wrong(&at.key(key), what);
        }
    }
}

/// Reports the first pair of ranges that share an id.
fn overlap(
    mappings: &[IdMapping],
    (side, first): (&str, fn(&IdMapping) -> u32),
    at: &Place<'_>,
    report: &mut Report,
) {
    let mut sorted: Vec<(u64, u64, usize)> = mappings
        .iter()
        .enumerate()
        .map(|(index, mapping)| (u64::from(first(mapping)), u64::from(mapping.size), index))
        .collect();
    sorted.sort_unstable();
    let clash = sorted.iter().zip(sorted.iter().skip(1)).find(|(low, high)| low.0 + low.1 > high.0);
    if let Some((low, high)) = clash {
        let (former, latter) = (low.2.min(high.2), low.2.max(high.2));
        let what = format!("id mapping shares ids {side} with the one at index {former}");
        report.wrong(&at.index(latter), what);
    }
}

/// Whether an id inside is covered.
pub(super) fn is_mapped(id: u32, mappings: &[IdMapping]) -> bool {
    mappings
        .iter()
        .any(|mapping| id.checked_sub(mapping.container_id).is_some_and(|offset| offset < mapping.size))
}
