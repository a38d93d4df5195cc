//! The result of an `ADD`, in every shape the versions of the specification give it.

use crate::address::{self, Cidr, Family};
use crate::dns::Dns;
use crate::error::{Error, Result};
use crate::json::Section;
use crate::render::{Json, Members};
use crate::request::{Command, Request};
use crate::version::Version;
use std::net::IpAddr;

/// What an attachment has: the 1.1.0 shape, from and to which all others are converted (CNI specification, section 5).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Interfaces, on the host and in the container.
    pub interfaces: Vec<Interface>,
    /// Addresses.
    pub ips: Vec<Ip>,
    /// Routes inside the container.
    pub routes: Vec<Route>,
    /// Name service.
    pub dns: Dns,
}

/// One interface.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Interface {
    /// Its name.
    pub name: String,
    /// Its hardware address, as text.
    pub mac: String,
    /// Its MTU in bytes.
    pub mtu: Option<i64>,
    /// The path of its namespace; empty on the host.
    pub sandbox: String,
    /// A socket that belongs to it.
    pub socket_path: String,
    /// The address of its PCI device.
    pub pci_id: String,
}

/// One address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ip {
    /// The place in the list of interfaces of the one that has it.
    pub interface: Option<i64>,
    /// The address and its network.
    pub address: Cidr,
    /// The gateway of the network.
    pub gateway: Option<IpAddr>,
}

/// One route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// Where to.
    pub dst: Cidr,
    /// Over which gateway; the network's own when absent.
    pub gw: Option<IpAddr>,
    /// MTU, advertised segment size, priority, table and scope, where given.
    pub extra: [Option<i64>; 5],
}

/// The keys of `Route::extra`.
const ROUTE_EXTRA: [&str; 5] = ["mtu", "advmss", "priority", "table", "scope"];

impl Route {
    /// A route with nothing but a destination and a gateway.
    pub fn new(dst: Cidr, gw: Option<IpAddr>) -> Self {
        Self { dst, gw, extra: [None; 5] }
    }

    /// Its metric, routing table and scope.
    pub fn placement(&self) -> [Option<i64>; 3] {
        let [_, _, priority, table, scope] = self.extra;
        [priority, table, scope]
    }
}

impl Outcome {
    /// Reads a result whose version is `version` unless it names one itself.
    ///
    /// # Errors
    /// A version that differs from the configuration's, a wrong type, an address that is none.
    pub fn read(section: &Section<'_>, version: Version) -> Result<Outcome> {
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

    /// Prints it as `version` shapes it.
    ///
    /// # Errors
    /// 0.1.0 and 0.2.0 can't express a result without an address.
    pub fn render(&self, version: Version) -> Result<Json> {
        let head = Members::default().text("cniVersion", version.text());
        match shape(version) {
            Shape::PerFamily => self.render_per_family(head),
            Shape::Listed => Ok(self.render_listed(head, version).with("dns", self.dns.render()).object()),
            Shape::Modern if self.dns == Dns::default() => Ok(self.render_listed(head, version).sorted()),
            Shape::Modern => Ok(self.render_listed(head, version).with("dns", self.dns.render()).sorted()),
        }
    }

    /// The first gateway of a protocol.
    pub fn gateway(&self, family: Family) -> Option<IpAddr> {
        self.ips.iter().filter(|ip| ip.address.family() == family).find_map(|ip| ip.gateway)
    }

    /// The routes, each over the gateway of its protocol where it names none.
    pub fn routes_with_gateways(&self) -> Vec<Route> {
        let gateway = |route: &Route| route.gw.or_else(|| self.gateway(route.dst.family()));
        self.routes.iter().map(|route| Route { gw: gateway(route), ..route.clone() }).collect()
    }

    /// Of a previous result, what it says of the request's own interface: what later plugins of the chain made of it
    /// is theirs. The interfaces go; the declaration lists its own.
    pub fn keep_only_of(&mut self, request: &Request) {
        let interfaces = std::mem::take(&mut self.interfaces);
        let is_own = |place: i64| {
            let listed = usize::try_from(place).ok().and_then(|place| interfaces.get(place));
            listed.is_some_and(|it| it.name == request.attachment.interface && !it.sandbox.is_empty())
        };
        if request.command != Command::Add {
            self.ips.retain(|ip| ip.interface.is_none_or(is_own));
        }
    }

    fn render_listed(&self, head: Members, version: Version) -> Members {
        head.list("interfaces", self.interfaces.iter().map(|interface| interface.render(version)).collect())
            .list("ips", self.ips.iter().map(|ip| ip.render(version)).collect())
            .list("routes", self.routes.iter().map(Route::render).collect())
    }

    fn render_per_family(&self, mut out: Members) -> Result<Json> {
        if self.ips.is_empty() {
            return Err(Error::config("cannot convert: no valid IP addresses").about("cniVersion"));
        }
        for (family, key) in [(Family::V4, "ip4"), (Family::V6, "ip6")] {
            if let Some(ip) = self.ips.iter().find(|ip| ip.address.family() == family) {
                out = out.with(key, self.render_family(ip));
            }
        }
        Ok(out.with("dns", self.dns.render()).object())
    }

    fn render_family(&self, ip: &Ip) -> Json {
        let plain = |route: &Route| Route::new(route.dst, route.gw).render();
        let of_family = self.routes.iter().filter(|route| route.dst.family() == ip.address.family());
        Members::default()
            .text("ip", &ip.address.to_string())
            .text("gateway", &spell(ip.gateway))
            .list("routes", of_family.map(plain).collect())
            .object()
    }
}

#[derive(PartialEq, Eq)]
enum Shape {
    PerFamily,
    Listed,
    Modern,
}

fn shape(version: Version) -> Shape {
    match version {
        Version::V010 | Version::V020 => Shape::PerFamily,
        Version::V030 | Version::V031 | Version::V040 => Shape::Listed,
        Version::V100 | Version::V110 => Shape::Modern,
    }
}

fn other_version(named: &str, wanted: Version) -> Error {
    let same = |(version, _): &&(Version, &str)| shape(*version) == shape(wanted);
    let supported: Vec<&str> = crate::version::ALL.iter().filter(same).map(|(_, text)| *text).collect();
    let supported = supported.join(" ");
    let msg = format!(
        "could not parse prevResult: result type supports [{supported}] but unmarshalled CNIVersion is \"{named}\""
    );
    Error::config(msg).about("prevResult.cniVersion")
}

impl Interface {
    fn render(&self, version: Version) -> Json {
        let modern = shape(version) == Shape::Modern;
        let only_modern = |text: &'_ str| if modern { text.to_owned() } else { String::new() };
        Members::default()
            .text("name", &self.name)
            .text("mac", &self.mac)
            .number("mtu", self.mtu.filter(|_| modern))
            .text("sandbox", &self.sandbox)
            .text("socketPath", &only_modern(&self.socket_path))
            .text("pciID", &only_modern(&self.pci_id))
            .object()
    }

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
    fn render(&self, version: Version) -> Json {
        let number = match self.address.family() {
            _ if shape(version) == Shape::Modern => "",
            Family::V4 => "4",
            Family::V6 => "6",
        };
        Members::default()
            .text("version", number)
            .number("interface", self.interface)
            .text("address", &self.address.to_string())
            .text("gateway", &spell(self.gateway))
            .object()
    }

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
    fn render(&self) -> Json {
        let head = Members::default().text("dst", &self.dst.to_string()).text("gw", &spell(self.gw));
        let extra = ROUTE_EXTRA.iter().zip(self.extra);
        extra.fold(head, |out, (key, value)| out.number(key, value)).object()
    }

    /// Reads one route of a result or of an IPAM configuration.
    ///
    /// # Errors
    /// The destination is not in CIDR notation, the gateway no address, or a number none.
    pub fn read(section: &Section<'_>) -> Result<Route> {
        let dst = Cidr::read(section.text("dst")?, &section.place_of("dst"))?.network();
        let mut extra = [None; 5];
        for (slot, key) in extra.iter_mut().zip(ROUTE_EXTRA) {
            *slot = section.number(key)?;
        }
        Ok(Route { dst, gw: read_address(section, "gw")?, extra })
    }
}

fn read_listed(section: &Section<'_>) -> Result<Outcome> {
    let mut outcome = Outcome { dns: Dns::read(&section.section("dns")?)?, ..Outcome::default() };
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

fn read_per_family(section: &Section<'_>) -> Result<Outcome> {
    let mut outcome = Outcome { dns: Dns::read(&section.section("dns")?)?, ..Outcome::default() };
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

/// Reads an address that may be absent or empty.
pub(crate) fn read_address(section: &Section<'_>, key: &str) -> Result<Option<IpAddr>> {
    match section.text(key)? {
        "" => Ok(None),
        text => match address::parse_address(text) {
            Some(address) => Ok(Some(address)),
            None => Err(Error::config(format!("invalid IP address: {text}")).about(section.place_of(key))),
        },
    }
}

fn spell(address: Option<IpAddr>) -> String {
    address.map(|address| address.to_string()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn read(value: &Value, version: Version) -> Result<Outcome> {
        Outcome::read(&Section::root(value).unwrap(), version)
    }

    fn full() -> Value {
        json!({"cniVersion": "1.1.0",
            "interfaces": [{"name": "eth0", "mac": "aa:bb", "mtu": 1400, "sandbox": "/ns", "pciID": "p"}],
            "ips": [{"interface": 0, "address": "10.0.0.5/24", "gateway": "10.0.0.1"}, {"address": "fd00::5/64"}],
            "routes": [{"dst": "0.0.0.0/0", "gw": "10.0.0.1", "mtu": 9000}, {"dst": "fd01::/16"}],
            "dns": {"nameservers": ["1.1.1.1"]}})
    }

    #[test]
    fn the_newest_shape_survives_a_round_trip() {
        let outcome = read(&full(), Version::V110).unwrap();
        let printed = outcome.render(Version::V110).unwrap().pretty();
        assert_eq!(serde_json::from_str::<Value>(&printed).unwrap(), full());
    }

    #[test]
    fn before_1_0_addresses_say_their_version_and_interfaces_no_mtu() {
        let outcome = read(&full(), Version::V110).unwrap();
        let printed: Value = serde_json::from_str(&outcome.render(Version::V040).unwrap().pretty()).unwrap();
        assert_eq!(printed["ips"][0]["version"], "4");
        assert_eq!(printed["ips"][1]["version"], "6");
        assert_eq!(printed["interfaces"][0].get("mtu"), None);
        assert_eq!(printed["routes"][0]["mtu"], 9000);
    }

    #[test]
    fn the_oldest_shape_keeps_the_first_address_of_each_family() {
        let outcome = read(&full(), Version::V110).unwrap();
        let printed: Value = serde_json::from_str(&outcome.render(Version::V020).unwrap().pretty()).unwrap();
        let expected = json!({"cniVersion": "0.2.0",
            "ip4": {"ip": "10.0.0.5/24", "gateway": "10.0.0.1", "routes": [{"dst": "0.0.0.0/0", "gw": "10.0.0.1"}]},
            "ip6": {"ip": "fd00::5/64", "routes": [{"dst": "fd01::/16"}]},
            "dns": {"nameservers": ["1.1.1.1"]}});
        assert_eq!(printed, expected);
        let again = read(&printed, Version::V020).unwrap();
        assert_eq!(again.ips.len(), 2);
        assert_eq!(
            Outcome::default().render(Version::V010).unwrap_err().msg,
            "cannot convert: no valid IP addresses"
        );
    }

    #[test]
    fn a_result_of_another_version_is_refused() {
        let error = read(&json!({"cniVersion": "0.2.0"}), Version::V100).unwrap_err();
        assert_eq!(
            error.msg,
            "could not parse prevResult: result type supports [1.0.0 1.1.0] but unmarshalled CNIVersion is \"0.2.0\""
        );
    }

    #[test]
    fn an_empty_dns_is_printed_before_1_0_and_left_out_after() {
        let outcome = Outcome::default();
        assert_eq!(outcome.render(Version::V100).unwrap().pretty(), "{\n    \"cniVersion\": \"1.0.0\"\n}");
        assert_eq!(
            outcome.render(Version::V040).unwrap().pretty(),
            "{\n    \"cniVersion\": \"0.4.0\",\n    \"dns\": {}\n}"
        );
    }
}
