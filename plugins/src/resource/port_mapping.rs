//! A port of the host that leads to a port of a container, as a readable fact and as elements of sets.

use crate::address::{self, Cidr, Family, octets};
use crate::nft::{Element, Entry, OnConflict, network_set};
use std::fmt;
use std::net::IpAddr;

/// A transport protocol with ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// `tcp`
    Tcp = 6,
    /// `udp`
    Udp = 17,
    /// `sctp`
    Sctp = 132,
}

const TRANSPORTS: [(Transport, &str); 3] =
    [(Transport::Tcp, "tcp"), (Transport::Udp, "udp"), (Transport::Sctp, "sctp")];

impl Transport {
    /// Returns the name.
    pub fn text(self) -> &'static str {
        TRANSPORTS.iter().find(|(transport, _)| *transport == self).map_or("", |(_, name)| name)
    }

    /// Reads a name in any case; an empty one is TCP.
    pub fn read(text: &str) -> Option<Transport> {
        let text = if text.is_empty() { "tcp" } else { text };
        TRANSPORTS.iter().find(|(_, name)| name.eq_ignore_ascii_case(text)).map(|(transport, _)| *transport)
    }
}

/// Which packets to the container get the host's address as their source, so that replies come back through the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Snat {
    /// None: `snat` is false.
    None,
    /// Packets of the host from 127.0.0.1, and packets of the container's own network.
    Local,
    /// All packets: `masqAll`.
    All,
}

const SNATS: [(Snat, &str); 3] = [(Snat::None, "plain"), (Snat::Local, "snat"), (Snat::All, "masq")];

/// A port of the host that leads to one address of a container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PortMapping {
    /// The protocol.
    pub transport: Transport,
    /// The address of the host; `None` for all addresses.
    pub host: Option<IpAddr>,
    /// The port of the host.
    pub host_port: u16,
    /// The container's address with its network.
    pub container: Cidr,
    /// The container's port.
    pub container_port: u16,
    /// Which packets get another source address.
    pub snat: Snat,
    /// Which packets may use the port.
    pub access: Access,
}

/// Which packets may use a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// All packets. Only one attachment can have the port.
    Unconditional,
    /// Packets that match the attachment's conditions.
    Conditional,
}

/// Ends a fact with conditions.
pub(super) const CONDITIONAL: &str = "when";

impl fmt::Display for PortMapping {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let transport = self.transport.text();
        let host = self.host.map_or_else(|| "*".to_owned(), |host| host.to_string());
        let snat = SNATS.iter().find(|(snat, _)| *snat == self.snat).map_or("", |(_, name)| name);
        let PortMapping { host_port, container, container_port, .. } = self;
        write!(f, "{transport} {host} {host_port} to {container} {container_port} {snat}")?;
        if self.access == Access::Conditional { write!(f, " {CONDITIONAL}") } else { Ok(()) }
    }
}

impl PortMapping {
    /// Reads the output of `Display`.
    pub(super) fn parse(text: &str) -> Option<PortMapping> {
        let mut words = text.split(' ');
        let transport = Transport::read(words.next()?)?;
        let host = match words.next()? {
            "*" => None,
            host => Some(address::parse_address(host)?),
        };
        let host_port = words.next()?.parse().ok()?;
        let container = address::parse(words.nth(1)?)?;
        let container_port = words.next()?.parse().ok()?;
        let word = words.next()?;
        let snat = SNATS.iter().find(|(_, name)| *name == word).map(|(snat, _)| *snat)?;
        let access =
            if words.next() == Some(CONDITIONAL) { Access::Conditional } else { Access::Unconditional };
        Some(PortMapping { transport, host, host_port, container, container_port, snat, access })
    }

    /// Returns what identifies the connections to the port.
    pub(super) fn flow(&self) -> (Transport, Family, u16) {
        (self.transport, self.container.family(), self.host_port)
    }

    pub(super) fn host_port_text(&self) -> String {
        let host = self.host.map(|host| format!("{host}:")).unwrap_or_default();
        format!("{host}{}/{}", self.host_port, self.transport.text())
    }

    /// Returns protocol and port in the format of a set's key, four bytes each.
    fn service(&self, port: u16) -> Vec<u8> {
        let [high, low] = port.to_be_bytes();
        vec![self.transport as u8, 0, 0, 0, high, low, 0, 0]
    }

    /// Returns the container's address, protocol and port: the destination of a packet after its rewrite.
    pub(super) fn target(&self) -> Vec<u8> {
        [octets(self.container.address), self.service(self.container_port)].concat()
    }

    pub(super) fn redirection(&self) -> Entry {
        let [high, low] = self.container_port.to_be_bytes();
        let data = [octets(self.container.address), vec![high, low, 0, 0]].concat();
        let service = self.service(self.host_port);
        let family = self.container.family();
        let (set, key) = match self.host {
            None => (name("any", family), service),
            Some(host) => (name("one", family), [octets(host), service].concat()),
        };
        Entry { set, network: None, element: Element { key, data }, on_conflict: OnConflict::Refuse }
    }

    pub(super) fn rewrites(&self) -> Vec<Entry> {
        let family = self.container.family();
        // Several ports of the host may lead to one port of the container.
        let entry = |set, network| {
            let element = Element { key: self.target(), data: Vec::new() };
            Entry { set, network, element, on_conflict: OnConflict::Replace }
        };
        let network = self.container.network();
        match (self.snat, family) {
            (Snat::None, _) => Vec::new(),
            (Snat::All, family) => vec![entry(name("all", family), None)],
            (Snat::Local, Family::V4) => {
                vec![entry(name("local", family), None), entry(network_set(network), Some(network))]
            }
            (Snat::Local, Family::V6) => vec![entry(network_set(network), Some(network))],
        }
    }
}

pub(super) fn name(what: &str, family: Family) -> String {
    format!("{what}{}", if family == Family::V4 { 4 } else { 6 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_mapping_survives_printing_and_parsing() {
        for text in [
            "tcp * 8080 to 10.88.0.5/16 80 snat",
            "udp 127.0.0.1 53 to 10.88.0.5/16 5353 plain",
            "sctp fd01::1 65535 to fd00::5/64 1 masq",
            "tcp * 8080 to 10.88.0.5/16 80 snat when",
        ] {
            assert_eq!(PortMapping::parse(text).unwrap().to_string(), text);
        }
        for bad in ["", "tcp", "tcp * x to 10.0.0.1/8 80 snat", "tcp * 1 to 10.0.0.1/8 80 what"] {
            assert_eq!(PortMapping::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn protocol_names_match_in_any_case() {
        assert_eq!(Transport::read("TCP"), Some(Transport::Tcp));
        assert_eq!(Transport::read(""), Some(Transport::Tcp));
        assert_eq!(Transport::read("icmp"), None);
    }
}
