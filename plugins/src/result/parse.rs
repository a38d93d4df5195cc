//! Reads a result: the `prevResult` of a configuration, or the output of an IPAM plugin.
//!
//! The fields are read by hand, not by serde's derive: keys match in any case, as in Go, and an error names the place of the
//! key in the configuration.

use super::{AddResult, Interface, Ip, Route, Shape, shape};
use crate::address::{self, Cidr};
use crate::dns::Dns;
use crate::error::{Error, Result};
use crate::json::Section;
use crate::version::{self, Version};
use std::net::IpAddr;

impl AddResult {
    /// Reads a result. Its version is `version` unless the result names one.
    ///
    /// # Errors
    /// A version with another shape, a wrong type, an invalid address.
    pub fn read(section: &Section<'_>, version: Version) -> Result<AddResult> {
        let named = section.text("cniVersion")?;
        let same_shape = |other: Version| shape(other) == shape(version);
        match Version::read(named) {
            _ if named.is_empty() => {}
            Some(other) if same_shape(other) => {}
            _ => return Err(other_version(named, version)),
        }
        match shape(version) {
            Shape::PerFamily => read_per_family(section),
            Shape::Listed | Shape::Modern => read_listed(section),
        }
    }
}

fn other_version(named: &str, wanted: Version) -> Error {
    let same = |(version, _): &&(Version, &str)| shape(*version) == shape(wanted);
    let supported: Vec<&str> = version::ALL.iter().filter(same).map(|(_, text)| *text).collect();
    let supported = supported.join(" ");
    let msg = format!(
        "could not parse prevResult: result type supports [{supported}] but unmarshalled CNIVersion is \"{named}\""
    );
    Error::config(msg).about("prevResult.cniVersion")
}

impl Interface {
    fn read(section: &Section<'_>) -> Result<Interface> {
        Ok(Interface {
            name: section.text("name")?.to_owned(),
            mac: section.text("mac")?.to_owned(),
            mtu: section.number("mtu")?,
            sandbox: section.text("sandbox")?.to_owned(),
            socket_path: section.text("socketPath")?.to_owned(),
            pci_id: section.text("pciID")?.to_owned(),
        })
    }
}

impl Ip {
    fn read(section: &Section<'_>) -> Result<Ip> {
        let address = Cidr::read(section.text("address")?, &section.place_of("address"))?;
        Ok(Ip {
            interface: section.number("interface")?,
            address,
            gateway: read_address(section, "gateway")?,
        })
    }
}

impl Route {
    /// Reads a route of a result or of an IPAM configuration.
    ///
    /// # Errors
    /// The destination is not in CIDR notation, the gateway is not an address, or a number has another type.
    pub fn read(section: &Section<'_>) -> Result<Route> {
        Ok(Route {
            dst: Cidr::read(section.text("dst")?, &section.place_of("dst"))?.network(),
            mtu: section.number("mtu")?,
            advmss: section.number("advmss")?,
            priority: section.number("priority")?,
            table: section.number("table")?,
            scope: section.number("scope")?,
            gw: read_address(section, "gw")?,
        })
    }
}

fn read_listed(section: &Section<'_>) -> Result<AddResult> {
    let mut outcome = AddResult { dns: Dns::read(&section.section("dns")?)?, ..AddResult::default() };
    for element in section.list("interfaces")? {
        outcome.interfaces.push(Interface::read(&element.section()?)?);
    }
    for element in section.list("ips")? {
        outcome.ips.push(Ip::read(&element.section()?)?);
    }
    for element in section.list("routes")? {
        outcome.routes.push(Route::read(&element.section()?)?);
    }
    Ok(outcome)
}

fn read_per_family(section: &Section<'_>) -> Result<AddResult> {
    let mut outcome = AddResult { dns: Dns::read(&section.section("dns")?)?, ..AddResult::default() };
    for key in ["ip4", "ip6"] {
        if !section.has(key) {
            continue;
        }
        let family = section.section(key)?;
        let address = Cidr::read(family.text("ip")?, &family.place_of("ip"))?;
        outcome.ips.push(Ip { interface: None, address, gateway: read_address(&family, "gateway")? });
        for element in family.list("routes")? {
            outcome.routes.push(Route::read(&element.section()?)?);
        }
    }
    Ok(outcome)
}

/// Reads an address; `None` if the key is absent or empty.
pub(crate) fn read_address(section: &Section<'_>, key: &str) -> Result<Option<IpAddr>> {
    match section.text(key)? {
        "" => Ok(None),
        text => match address::parse_address(text) {
            Some(address) => Ok(Some(address)),
            None => Err(Error::config(format!("invalid IP address: {text}")).about(section.place_of(key))),
        },
    }
}
