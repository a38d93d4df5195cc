//! Ranges of addresses, and range sets. One address of each set is leased.

use crate::address::{self, Cidr, Family, next, number};
use crate::error::{Error, Result};
use crate::json::Section;
use crate::result::read_address;
use std::fmt;
use std::net::IpAddr;

/// A range of a network with all defaults filled in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Range {
    pub(super) subnet: Cidr,
    pub(super) first: IpAddr,
    pub(super) last: IpAddr,
    pub(super) gateway: IpAddr,
}

/// Ranges of one family that do not overlap, and the index of the set in the configuration.
#[derive(Clone, Debug)]
pub(super) struct RangeSet {
    pub(super) number: usize,
    ranges: Vec<Range>,
}

impl Range {
    /// Reads `{subnet, rangeStart, rangeEnd, gateway}`.
    pub(super) fn read(section: &Section<'_>) -> Result<Range> {
        let subnet = Cidr::read(section.text("subnet")?, &section.place_of("subnet"))?;
        check_subnet(subnet).map_err(|error| error.about(section.place_of("subnet")))?;
        let first = read_address(section, "rangeStart")?;
        let last = read_address(section, "rangeEnd")?;
        let inside = |name: &str, address: Option<IpAddr>, from: IpAddr| match address {
            Some(address) if !subnet.contains(address) || number(address) < number(from) => {
                Err(Error::config(format!("{name} {address} not in network {subnet}")).about(section.place()))
            }
            _ => Ok(()),
        };
        inside("RangeStart", first, subnet.address)?;
        let first = first.unwrap_or(next(subnet.address));
        inside("RangeEnd", last, first)?;
        let end = match subnet.family() {
            Family::V4 => address::previous(subnet.last()),
            Family::V6 => subnet.last(),
        };
        let gateway = read_address(section, "gateway")?.unwrap_or(next(subnet.address));
        Ok(Range { subnet, first, last: last.unwrap_or(end), gateway })
    }

    fn contains(&self, address: IpAddr) -> bool {
        Family::of(address) == self.subnet.family()
            && (number(self.first)..=number(self.last)).contains(&number(address))
    }

    fn overlaps(&self, other: &Range) -> bool {
        self.subnet.family() == other.subnet.family()
            && number(self.first) <= number(other.last)
            && number(other.first) <= number(self.last)
    }
}

fn check_subnet(subnet: Cidr) -> Result<()> {
    if subnet.length > subnet.family().bits() - 2 {
        return Err(Error::config(format!("Network {subnet} too small to allocate from")));
    }
    match subnet.network() {
        network if network == subnet => Ok(()),
        network => Err(Error::config(format!(
            "Network has host bits set. For a subnet mask of length {} the network address is {}",
            subnet.length, network.address
        ))),
    }
}

impl RangeSet {
    /// Creates a set of ranges.
    pub(super) fn new(number: usize, ranges: Vec<Range>) -> Result<RangeSet> {
        let Some(head) = ranges.first() else { return Err(Error::config("empty range set")) };
        if ranges.iter().any(|range| range.subnet.family() != head.subnet.family()) {
            return Err(Error::config("mixed address families"));
        }
        for (place, range) in ranges.iter().enumerate() {
            if let Some(other) = ranges.iter().skip(place + 1).find(|other| range.overlaps(other)) {
                return Err(Error::config(format!("subnets {range} and {other} overlap")));
            }
        }
        Ok(RangeSet { number, ranges })
    }

    pub(super) fn family(&self) -> Option<Family> {
        self.ranges.first().map(|range| range.subnet.family())
    }

    /// Returns the range that contains an address.
    pub(super) fn range_of(&self, address: IpAddr) -> Option<&Range> {
        self.ranges.iter().find(|range| range.contains(address))
    }

    pub(super) fn overlaps(&self, other: &RangeSet) -> bool {
        self.ranges.iter().any(|range| other.ranges.iter().any(|candidate| range.overlaps(candidate)))
    }

    /// Returns all addresses except the gateways, starting after `last` and wrapping around.
    pub(super) fn candidates(&self, last: Option<IpAddr>) -> impl Iterator<Item = (IpAddr, &Range)> {
        let place = last.and_then(|last| self.ranges.iter().position(|range| range.contains(last)));
        let (start, after) = match (place, last) {
            (Some(place), Some(last)) => (place, last),
            _ => (
                0,
                address::previous(self.ranges.first().map_or(Family::V4.everything().address, |r| r.first)),
            ),
        };
        let rest =
            self.ranges.get(start).map(|range| (range, number(after).wrapping_add(1), number(range.last)));
        let begin = self.ranges.get(start).filter(|_| place.is_some());
        let begin = begin.map(|range| (range, number(range.first), number(after)));
        let others = self.ranges.iter().cycle().skip(start + 1).take(self.ranges.len() - 1);
        let others = others.map(|range| (range, number(range.first), number(range.last)));
        rest.into_iter()
            .chain(others)
            .chain(begin)
            .flat_map(|(range, from, to)| {
                let family = range.subnet.family();
                (from..=to).map(move |number| (address::from_number(number, family), range))
            })
            .filter(|(address, range)| *address != range.gateway)
    }
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.first, self.last)
    }
}

impl fmt::Display for RangeSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ranges: Vec<String> = self.ranges.iter().map(ToString::to_string).collect();
        f.write_str(&ranges.join(","))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn range(value: Value) -> Result<Range> {
        Range::read(&Section::root(&value).unwrap())
    }

    fn set(values: &[Value]) -> RangeSet {
        RangeSet::new(0, values.iter().map(|value| range(value.clone()).unwrap()).collect()).unwrap()
    }

    fn candidates(set: &RangeSet, last: Option<&str>) -> Vec<String> {
        let last = last.map(|text| text.parse().unwrap());
        set.candidates(last).map(|(address, _)| address.to_string()).collect()
    }

    #[test]
    fn defaults_leave_out_the_network_the_gateway_and_the_broadcast_address() {
        assert_eq!(
            candidates(&set(&[json!({"subnet": "10.0.0.0/29"})]), None),
            ["10.0.0.2", "10.0.0.3", "10.0.0.4", "10.0.0.5", "10.0.0.6"]
        );
        let v6 = set(&[json!({"subnet": "fd00::/126"})]);
        assert_eq!(candidates(&v6, None), ["fd00::2", "fd00::3"]);
    }

    #[test]
    fn the_search_starts_after_the_last_address_and_wraps_over_all_ranges() {
        let set = set(&[
            json!({"subnet": "10.0.0.0/24", "rangeStart": "10.0.0.10", "rangeEnd": "10.0.0.12"}),
            json!({"subnet": "10.0.1.0/30", "gateway": "10.0.1.2"}),
        ]);
        let all = ["10.0.0.12", "10.0.1.1", "10.0.0.10", "10.0.0.11"];
        assert_eq!(candidates(&set, Some("10.0.0.11")), all);
        assert_eq!(candidates(&set, Some("9.9.9.9")), ["10.0.0.10", "10.0.0.11", "10.0.0.12", "10.0.1.1"]);
        assert_eq!(candidates(&set, Some("10.0.1.1")), ["10.0.0.10", "10.0.0.11", "10.0.0.12", "10.0.1.1"]);
    }

    #[test]
    fn invalid_ranges_are_refused_with_the_go_plugins_texts() {
        let cases = [
            (json!({"subnet": "10.0.0.0/31"}), "Network 10.0.0.0/31 too small to allocate from"),
            (
                json!({"subnet": "10.0.0.1/24"}),
                "Network has host bits set. For a subnet mask of length 24 the network address is 10.0.0.0",
            ),
            (
                json!({"subnet": "10.0.0.0/24", "rangeStart": "10.0.1.1"}),
                "RangeStart 10.0.1.1 not in network 10.0.0.0/24",
            ),
            (
                json!({"subnet": "10.0.0.0/24", "rangeEnd": "10.0.1.1"}),
                "RangeEnd 10.0.1.1 not in network 10.0.0.0/24",
            ),
            (
                json!({"subnet": "10.0.0.0/24", "rangeStart": "10.0.0.9", "rangeEnd": "10.0.0.8"}),
                "RangeEnd 10.0.0.8 not in network 10.0.0.0/24",
            ),
            (json!({"subnet": "garbage"}), "invalid CIDR address: garbage"),
        ];
        for (value, msg) in cases {
            assert_eq!(range(value).unwrap_err().msg, msg);
        }
    }

    #[test]
    fn a_range_set_has_one_family_and_no_overlaps() {
        let ranges =
            |values: &[Value]| RangeSet::new(0, values.iter().map(|v| range(v.clone()).unwrap()).collect());
        assert_eq!(ranges(&[]).unwrap_err().msg, "empty range set");
        let mixed = [json!({"subnet": "10.0.0.0/24"}), json!({"subnet": "fd00::/64"})];
        assert_eq!(ranges(&mixed).unwrap_err().msg, "mixed address families");
        let twice = [json!({"subnet": "10.0.0.0/24"}), json!({"subnet": "10.0.0.0/28"})];
        assert_eq!(
            ranges(&twice).unwrap_err().msg,
            "subnets 10.0.0.1-10.0.0.254 and 10.0.0.1-10.0.0.14 overlap"
        );
    }
}
