//! Prints a result in the shape of a version, with the keys in the order of the Go plugins.
//!
//! Each struct is one JSON object. serde's derive prints the fields in the declared order.

use super::{AddResult, Interface, Ip, Route, Shape, shape};
use crate::address::{Cidr, Family};
use crate::dns::Dns;
use crate::error::{Error, Result};
use crate::json::pretty;
use crate::version::Version;
use serde::Serialize;
use std::net::IpAddr;

/// 0.1.0 and 0.2.0.
#[derive(Serialize)]
struct PerFamilyResult<'a> {
    #[serde(rename = "cniVersion")]
    version: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    ip4: Option<FamilyObject>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ip6: Option<FamilyObject>,
    dns: &'a Dns,
}

/// `ip4` or `ip6`.
#[derive(Serialize)]
struct FamilyObject {
    ip: Cidr,
    #[serde(skip_serializing_if = "Option::is_none")]
    gateway: Option<IpAddr>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    routes: Vec<Route>,
}

/// 0.3.0 to 0.4.0: the Go plugins print a struct, in its declared order and with an empty `dns`.
#[derive(Serialize)]
struct ListedResult<'a> {
    #[serde(rename = "cniVersion")]
    version: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    interfaces: Vec<InterfaceObject<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    ips: Vec<IpObject>,
    #[serde(skip_serializing_if = "<[Route]>::is_empty")]
    routes: &'a [Route],
    dns: &'a Dns,
}

/// Since 1.0.0: the Go plugins print a map, in alphabetical order and without an empty `dns`.
#[derive(Serialize)]
struct ModernResult<'a> {
    #[serde(rename = "cniVersion")]
    version: &'static str,
    #[serde(skip_serializing_if = "Dns::is_empty")]
    dns: &'a Dns,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    interfaces: Vec<InterfaceObject<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    ips: Vec<IpObject>,
    #[serde(skip_serializing_if = "<[Route]>::is_empty")]
    routes: &'a [Route],
}

/// An element of `interfaces`. Before 1.0.0 it has no MTU, socket path or PCI address.
#[derive(Serialize)]
struct InterfaceObject<'a> {
    #[serde(skip_serializing_if = "str::is_empty")]
    name: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    mac: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    mtu: Option<i64>,
    #[serde(skip_serializing_if = "str::is_empty")]
    sandbox: &'a str,
    #[serde(rename = "socketPath", skip_serializing_if = "str::is_empty")]
    socket_path: &'a str,
    #[serde(rename = "pciID", skip_serializing_if = "str::is_empty")]
    pci_id: &'a str,
}

/// An element of `ips`. Since 1.0.0 it has no `version`.
#[derive(Serialize)]
struct IpObject {
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    interface: Option<i64>,
    address: Cidr,
    #[serde(skip_serializing_if = "Option::is_none")]
    gateway: Option<IpAddr>,
}

impl AddResult {
    /// Prints the result in the shape of a version.
    ///
    /// # Errors
    /// 0.1.0 and 0.2.0 can't express a result without an address.
    pub fn print(&self, version: Version) -> Result<String> {
        match shape(version) {
            Shape::PerFamily => self.per_family(version).and_then(|result| pretty(&result)),
            Shape::Listed => pretty(&ListedResult {
                version: version.text(),
                interfaces: self.interfaces.iter().map(Interface::before_1_0).collect(),
                ips: self.ips.iter().map(Ip::before_1_0).collect(),
                routes: &self.routes,
                dns: &self.dns,
            }),
            Shape::Modern => pretty(&ModernResult {
                version: version.text(),
                dns: &self.dns,
                interfaces: self.interfaces.iter().map(Interface::object).collect(),
                ips: self.ips.iter().map(Ip::object).collect(),
                routes: &self.routes,
            }),
        }
    }

    fn per_family(&self, version: Version) -> Result<PerFamilyResult<'_>> {
        if self.ips.is_empty() {
            return Err(Error::config("cannot convert: no valid IP addresses").about("cniVersion"));
        }
        Ok(PerFamilyResult {
            version: version.text(),
            ip4: self.family(Family::V4),
            ip6: self.family(Family::V6),
            dns: &self.dns,
        })
    }

    fn family(&self, family: Family) -> Option<FamilyObject> {
        let ip = self.ips.iter().find(|ip| ip.address.family() == family)?;
        let routes = self.routes.iter().filter(|route| route.dst.family() == family);
        let routes = routes.map(|route| Route::new(route.dst, route.gw)).collect();
        Some(FamilyObject { ip: ip.address, gateway: ip.gateway, routes })
    }
}

impl Interface {
    fn object(&self) -> InterfaceObject<'_> {
        InterfaceObject {
            name: &self.name,
            mac: &self.mac,
            mtu: self.mtu,
            sandbox: &self.sandbox,
            socket_path: &self.socket_path,
            pci_id: &self.pci_id,
        }
    }

    fn before_1_0(&self) -> InterfaceObject<'_> {
        InterfaceObject { mtu: None, socket_path: "", pci_id: "", ..self.object() }
    }
}

impl Ip {
    fn object(&self) -> IpObject {
        IpObject { version: None, interface: self.interface, address: self.address, gateway: self.gateway }
    }

    fn before_1_0(&self) -> IpObject {
        let version = match self.address.family() {
            Family::V4 => "4",
            Family::V6 => "6",
        };
        IpObject { version: Some(version), ..self.object() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::Section;
    use serde_json::{Value, json};

    /// The order of the keys is part of the output: callers compare results as text.
    #[test]
    fn keys_are_printed_in_the_order_of_the_go_plugins() {
        let outcome = read(&full(), Version::V110).unwrap();
        let order = |version| {
            let printed = outcome.print(version).unwrap();
            let top = printed.lines().filter_map(|line| line.strip_prefix("    \"")?.split('"').next());
            top.map(str::to_owned).collect::<Vec<_>>()
        };
        assert_eq!(order(Version::V110), ["cniVersion", "dns", "interfaces", "ips", "routes"]);
        assert_eq!(order(Version::V040), ["cniVersion", "interfaces", "ips", "routes", "dns"]);
        assert_eq!(order(Version::V020), ["cniVersion", "ip4", "ip6", "dns"]);
    }

    fn read(value: &Value, version: Version) -> Result<AddResult> {
        AddResult::read(&Section::root(value).unwrap(), version)
    }

    fn full() -> Value {
        json!({"cniVersion": "1.1.0",
            "interfaces": [{"name": "eth0", "mac": "aa:bb", "mtu": 1400, "sandbox": "/ns", "pciID": "p"}],
            "ips": [{"interface": 0, "address": "10.0.0.5/24", "gateway": "10.0.0.1"}, {"address": "fd00::5/64"}],
            "routes": [{"dst": "0.0.0.0/0", "gw": "10.0.0.1", "mtu": 9000}, {"dst": "fd01::/16"}],
            "dns": {"nameservers": ["1.1.1.1"]}})
    }

    #[test]
    fn the_newest_shape_survives_printing_and_parsing() {
        let outcome = read(&full(), Version::V110).unwrap();
        let printed = outcome.print(Version::V110).unwrap();
        assert_eq!(serde_json::from_str::<Value>(&printed).unwrap(), full());
    }

    #[test]
    fn before_1_0_addresses_have_a_version_and_interfaces_no_mtu() {
        let outcome = read(&full(), Version::V110).unwrap();
        let printed: Value = serde_json::from_str(&outcome.print(Version::V040).unwrap()).unwrap();
        assert_eq!(printed["ips"][0]["version"], "4");
        assert_eq!(printed["ips"][1]["version"], "6");
        assert_eq!(printed["interfaces"][0].get("mtu"), None);
        assert_eq!(printed["routes"][0]["mtu"], 9000);
    }

    #[test]
    fn the_oldest_shape_keeps_the_first_address_of_each_family() {
        let outcome = read(&full(), Version::V110).unwrap();
        let printed: Value = serde_json::from_str(&outcome.print(Version::V020).unwrap()).unwrap();
        let expected = json!({"cniVersion": "0.2.0",
            "ip4": {"ip": "10.0.0.5/24", "gateway": "10.0.0.1", "routes": [{"dst": "0.0.0.0/0", "gw": "10.0.0.1"}]},
            "ip6": {"ip": "fd00::5/64", "routes": [{"dst": "fd01::/16"}]},
            "dns": {"nameservers": ["1.1.1.1"]}});
        assert_eq!(printed, expected);
        let again = read(&printed, Version::V020).unwrap();
        assert_eq!(again.ips.len(), 2);
        assert_eq!(
            AddResult::default().print(Version::V010).unwrap_err().msg,
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
    fn an_empty_dns_is_printed_only_before_1_0() {
        let outcome = AddResult::default();
        assert_eq!(outcome.print(Version::V100).unwrap(), "{\n    \"cniVersion\": \"1.0.0\"\n}");
        assert_eq!(
            outcome.print(Version::V040).unwrap(),
            "{\n    \"cniVersion\": \"0.4.0\",\n    \"dns\": {}\n}"
        );
    }
}
