//! The VLAN keys of a bridge: `vlan`, `vlanTrunk` and `preserveDefaultVlan`.

use crate::error::{Error, Result};
use crate::json::{Element, Section};
use crate::resource::{DefaultVlan, Vlans};
use crate::rtnetlink::PortVlans;
use std::ops::RangeInclusive;

const IDS: RangeInclusive<i64> = 1..=4094;
/// The VLAN of untagged frames on a trunk without a native VLAN.
const FIRST: u16 = 1;

/// Reads the VLANs of the container's port; `None` if the bridge does not filter VLANs.
pub(super) fn read(root: &Section<'_>) -> Result<Option<Vlans>> {
    let vlan = root.number("vlan")?.unwrap_or(0);
    if vlan != 0 && !IDS.contains(&vlan) {
        let msg = format!("invalid VLAN ID {vlan} (must be between 0 and 4094)");
        return Err(Error::config(msg).about("vlan"));
    }
    let default = match root.optional_flag("preserveDefaultVlan")? {
        Some(false) => DefaultVlan::Left,
        None | Some(true) => DefaultVlan::Kept,
    };
    let access = u16::try_from(vlan).ok().filter(|vlan| *vlan != 0);
    let tagged = join(root.list("vlanTrunk")?.iter().map(read_trunk).collect::<Result<Vec<_>>>()?.concat());
    if access.is_none() && tagged.is_empty() {
        return Ok(None);
    }
    Ok(Some(Vlans { port: PortVlans { native: access.or(Some(FIRST)), tagged }, access, default }))
}

/// Reads an element of the trunk: a range, a single ID, or both.
fn read_trunk(element: &Element<'_>) -> Result<Vec<RangeInclusive<u16>>> {
    let section = element.section()?;
    let id = |key: &str| match section.number(key)? {
        None => Ok(None),
        Some(id) if IDS.contains(&id) => Ok(u16::try_from(id).ok()),
        Some(_) => {
            let msg = format!("incorrect trunk {key} parameter");
            Err(Error::config(msg).about(section.place_of(key)))
        }
    };
    let refused = |msg: &str| Err(Error::config(msg).about(section.place()));
    let single = id("id")?.map(|id| id..=id);
    let range = match (id("minID")?, id("maxID")?) {
        (None, None) => None,
        (Some(min), Some(max)) if min > max => {
            return refused("minID is greater than maxID in trunk parameter");
        }
        (Some(min), Some(max)) => Some(min..=max),
        (None, _) => return refused("minID and maxID should be configured simultaneously, minID is missing"),
        (_, None) => return refused("minID and maxID should be configured simultaneously, maxID is missing"),
    };
    Ok(range.into_iter().chain(single).collect())
}

/// Merges ranges.
fn join(mut ranges: Vec<RangeInclusive<u16>>) -> Vec<RangeInclusive<u16>> {
    ranges.sort_by_key(|range| *range.start());
    let mut joined: Vec<RangeInclusive<u16>> = Vec::new();
    for range in ranges {
        match joined.last_mut() {
            Some(last) if *range.start() <= last.end() + 1 => {
                *last = *last.start()..=*last.end().max(range.end());
            }
            _ => joined.push(range),
        }
    }
    joined
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn read_all(value: &Value) -> Result<Option<Vlans>> {
        read(&Section::root(value).unwrap())
    }

    #[test]
    fn a_port_has_one_vlan_or_a_trunk() {
        assert_eq!(read_all(&json!({"vlan": 0})).unwrap(), None);
        let access = read_all(&json!({"vlan": 100})).unwrap().unwrap();
        assert_eq!(
            (access.port.native, access.access, access.default),
            (Some(100), Some(100), DefaultVlan::Kept)
        );
        let trunk =
            json!([{"id": 7}, {"minID": 10, "maxID": 12}, {"minID": 12, "maxID": 14, "id": 15}, {"id": 7}]);
        let trunk = read_all(&json!({"vlanTrunk": trunk, "preserveDefaultVlan": false})).unwrap().unwrap();
        assert_eq!(trunk.port, PortVlans { native: Some(1), tagged: vec![7..=7, 10..=15] });
        assert_eq!((trunk.access, trunk.default), (None, DefaultVlan::Left));
    }

    #[test]
    fn invalid_vlans_are_refused_with_the_go_plugins_texts() {
        for (config, msg) in [
            (json!({"vlan": 4095}), "invalid VLAN ID 4095 (must be between 0 and 4094)"),
            (json!({"vlan": -1}), "invalid VLAN ID -1 (must be between 0 and 4094)"),
            (json!({"vlanTrunk": [{"minID": 0, "maxID": 5}]}), "incorrect trunk minID parameter"),
            (json!({"vlanTrunk": [{"minID": 1, "maxID": 4095}]}), "incorrect trunk maxID parameter"),
            (
                json!({"vlanTrunk": [{"minID": 9, "maxID": 5}]}),
                "minID is greater than maxID in trunk parameter",
            ),
            (
                json!({"vlanTrunk": [{"maxID": 5}]}),
                "minID and maxID should be configured simultaneously, minID is missing",
            ),
            (
                json!({"vlanTrunk": [{"minID": 5}]}),
                "minID and maxID should be configured simultaneously, maxID is missing",
            ),
            (json!({"vlanTrunk": [{"id": 0}]}), "incorrect trunk id parameter"),
        ] {
            let error = read_all(&config).unwrap_err();
            assert_eq!((error.code, error.msg.as_str()), (7, msg));
        }
    }
}
