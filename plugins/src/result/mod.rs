//! The result of `ADD` (CNI specification, section 5): its data, in the shape of version 1.1.0.
//!
//! [`parse`] and [`print`] convert from and to the shapes of all versions.

mod parse;
mod print;

pub(crate) use parse::read_address;

use crate::address::{Cidr, Family};
use crate::dns::Dns;
use crate::version::Version;
use serde::Serialize;
use std::net::IpAddr;

/// What an attachment has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AddResult {
    /// Interfaces on the host and in the container.
    pub interfaces: Vec<Interface>,
    /// IP addresses.
    pub ips: Vec<Ip>,
    /// Routes inside the container.
    pub routes: Vec<Route>,
    /// DNS settings.
    pub dns: Dns,
}

/// A network interface.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Interface {
    /// The name.
    pub name: String,
    /// The hardware address, as text.
    pub mac: String,
    /// The MTU in bytes.
    pub mtu: Option<i64>,
    /// The path of the network namespace; empty on the host.
    pub sandbox: String,
    /// The path of a socket that belongs to the interface.
    pub socket_path: String,
    /// The address of the PCI device.
    pub pci_id: String,
}

/// An IP address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ip {
    /// The index into the list of interfaces.
    pub interface: Option<i64>,
    /// The address with the prefix length of its network.
    pub address: Cidr,
    /// The default gateway of the network.
    pub gateway: Option<IpAddr>,
}

/// A route. The declared order of the fields is the order of the printed keys.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Route {
    /// The destination.
    pub dst: Cidr,
    /// The next hop; without it, the gateway of the address's network.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gw: Option<IpAddr>,
    /// The MTU of the path.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mtu: Option<i64>,
    /// The advertised maximum segment size (TCP).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub advmss: Option<i64>,
    /// The metric.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub priority: Option<i64>,
    /// The routing table.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub table: Option<i64>,
    /// The scope (`rtm_scope`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scope: Option<i64>,
}

impl Route {
    /// Creates a route of a destination and a next hop.
    pub fn new(dst: Cidr, gw: Option<IpAddr>) -> Self {
        Self { dst, gw, mtu: None, advmss: None, priority: None, table: None, scope: None }
    }

    /// Whether it names no metric, routing table or scope.
    pub fn is_plain(&self) -> bool {
        self.priority.is_none() && self.table.is_none() && self.scope.is_none()
    }
}

impl AddResult {
    /// Returns the first gateway of an address family.
    pub fn gateway(&self, family: Family) -> Option<IpAddr> {
        self.ips.iter().filter(|ip| ip.address.family() == family).find_map(|ip| ip.gateway)
    }

    /// Returns the routes, with the gateway of the address family where a route has none.
    pub fn routes_with_gateways(&self) -> Vec<Route> {
        let gateway = |route: &Route| route.gw.or_else(|| self.gateway(route.dst.family()));
        self.routes.iter().map(|route| Route { gw: gateway(route), ..route.clone() }).collect()
    }
}

/// The shapes that results have had.
#[derive(PartialEq, Eq)]
enum Shape {
    /// 0.1.0 and 0.2.0: one address for each family, under `ip4` and `ip6`.
    PerFamily,
    /// 0.3.0 to 0.4.0: lists; each address has a `version`.
    Listed,
    /// Since 1.0.0: lists.
    Modern,
}

fn shape(version: Version) -> Shape {
    match version {
        Version::V010 | Version::V020 => Shape::PerFamily,
        Version::V030 | Version::V031 | Version::V040 => Shape::Listed,
        Version::V100 | Version::V110 => Shape::Modern,
    }
}
