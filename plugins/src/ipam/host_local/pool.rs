//! The configuration of host-local: range sets, requested addresses, routes and DNS settings.

use super::range::{Range, RangeSet};
use super::resolv;
use crate::address::{self, Family};
use crate::dns::Dns;
use crate::error::{Error, Result};
use crate::json::{Element, Section};
use crate::request::Request;
use crate::result::Route;
use crate::version::Version;
use std::net::IpAddr;

/// A checked configuration of host-local.
#[derive(Debug)]
pub(super) struct Pool {
    pub(super) sets: Vec<RangeSet>,
    pub(super) requested: Vec<IpAddr>,
    pub(super) routes: Vec<Route>,
    pub(super) dns: Dns,
}

impl Pool {
    pub(super) fn read(request: &Request) -> Result<Pool> {
        let root = request.root()?;
        if !root.has("ipam") {
            return Err(Error::config("IPAM config missing 'ipam' key").about("ipam"));
        }
        let ipam = root.section("ipam")?;
        let sets = read_sets(&root, &ipam)?;
        check_sets(&sets, request.version)?;
        let routes =
            ipam.list("routes")?.iter().map(|route| Route::read(&route.section()?)).collect::<Result<_>>()?;
        let dns = match ipam.text("resolvConf")? {
            "" => Dns::default(),
            path => resolv::read(path)?,
        };
        Ok(Pool { sets, requested: read_requested(request, &root)?, routes, dns })
    }
}

/// The ranges of the runtime come first, then those of the old style, then `ranges`.
fn read_sets(root: &Section<'_>, ipam: &Section<'_>) -> Result<Vec<RangeSet>> {
    let mut sets = Vec::new();
    for element in root.section("runtimeConfig")?.list("ipRanges")? {
        sets.push((element.place().to_owned(), read_ranges(&element)));
    }
    if ipam.has("subnet") {
        sets.push((ipam.place().to_owned(), Range::read(ipam).map(|range| vec![range])));
    }
    for element in ipam.list("ranges")? {
        sets.push((element.place().to_owned(), read_ranges(&element)));
    }
    if sets.is_empty() {
        return Err(Error::config("no IP ranges specified").about("ipam.ranges"));
    }
    let set = |(number, (place, ranges)): (usize, (String, Result<Vec<Range>>))| {
        let set = ranges.and_then(|ranges| RangeSet::new(number, ranges).map_err(|error| error.about(place)));
        set.map_err(|error| error.within(&format!("invalid range set {number}")))
    };
    sets.into_iter().enumerate().map(set).collect()
}

fn read_ranges(element: &Element<'_>) -> Result<Vec<Range>> {
    element.list()?.iter().map(|range| Range::read(&range.section()?)).collect()
}

fn check_sets(sets: &[RangeSet], version: Version) -> Result<()> {
    let of = |family| sets.iter().filter(|set| set.family() == Some(family)).count();
    if version < Version::V030 && (of(Family::V4) > 1 || of(Family::V6) > 1) {
        let version = version.text();
        let msg = format!("CNI version {version} does not support more than 1 address per family");
        return Err(Error::config(msg).about("ipam.ranges"));
    }
    for (number, set) in sets.iter().enumerate() {
        if let Some(other) = sets.iter().skip(number + 1).find(|other| set.overlaps(other)) {
            let msg = format!("range set {number} overlaps with {}", other.number);
            return Err(Error::config(msg).about("ipam.ranges"));
        }
    }
    Ok(())
}

/// Reads `CNI_ARGS`, then `args.cni.ips`, then `runtimeConfig.ips`. A prefix length is ignored.
fn read_requested(request: &Request, root: &Section<'_>) -> Result<Vec<IpAddr>> {
    let mut requested = request.arguments()?.ips;
    for section in [root.section("args")?.section("cni")?, root.section("runtimeConfig")?] {
        for text in section.texts("ips")? {
            let bare = text.split_once('/').map_or(text, |(address, _)| address);
            let address = address::parse_address(bare);
            let invalid =
                || Error::config(format!("invalid IP address: {text}")).about(section.place_of("ips"));
            requested.push(address.ok_or_else(invalid)?);
        }
    }
    let mut seen = Vec::new();
    requested.retain(|address| {
        !seen.contains(address) && {
            seen.push(*address);
            true
        }
    });
    Ok(requested)
}
