//! One port of the host that leads to a container, as people write it and as elements of sets.

use super::published::name;
use crate::address::{self, Cidr, Family, octets};
use crate::nft::{Clash, Element, Entry, network_set};
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
    /// Its name.
    pub fn text(self) -> &'static str {
        TRANSPORTS.iter().find(|(transport, _)| *transport == self).map_or("", |(_, name)| name)
    }

    /// Reads its name, in any case; none is TCP.
    pub fn read(text: &str) -> Option<Transport> {
        let text = if text.is_empty() { "tcp" } else { text };
        TRANSPORTS.iter().find(|(_, name)| name.eq_ignore_ascii_case(text)).map(|(transport, _)| *transport)
    }
}

/// Whose packets leave for the container with the host's address, so that the answers come back through the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rewrite {
    /// Nobody's: `snat` is false.
    Nobody,
    /// Those of the host itself by 127.0.0.1, and of the container's own network.
    Local,
    /// Everybody's: `masqAll`.
    Everybody,
}

const REWRITES: [(Rewrite, &str); 3] =
    [(Rewrite::Nobody, "plain"), (Rewrite::Local, "snat"), (Rewrite::Everybody, "masq")];

/// One port of the host that leads to one address of a container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Publication {
    /// The protocol.
    pub transport: Transport,
    /// The one address of the host at which the port is; all of them when there is none.
    pub host: Option<IpAddr>,
    /// The port of the host.
    pub host_port: u16,
    /// The container's address, with its network.
    pub container: Cidr,
    /// The container's port.
    pub container_port: u16,
    /// Whose packets are rewritten.
    pub rewrite: Rewrite,
    /// Who may come by it.
    pub access: Access,
}

/// Who may come by a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Everybody, and so the port is one attachment's alone.
    Everybody,
    /// Whose packets match the attachment's conditions.
    Some,
}

/// The last word of a publication for some.
pub(super) const FOR_SOME: &str = "when";

impl fmt::Display for Publication {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let transport = self.transport.text();
        let host = self.host.map_or_else(|| "*".to_owned(), |host| host.to_string());
        let rewrite =
            REWRITES.iter().find(|(rewrite, _)| *rewrite == self.rewrite).map_or("", |(_, name)| name);
        let Publication { host_port, container, container_port, .. } = self;
        write!(f, "{transport} {host} {host_port} to {container} {container_port} {rewrite}")?;
        if self.access == Access::Some { write!(f, " {FOR_SOME}") } else { Ok(()) }
    }
}

impl Publication {
    /// Reads what `Display` writes.
    pub(super) fn parse(text: &str) -> Option<Publication> {
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
        let rewrite = REWRITES.iter().find(|(_, name)| *name == word).map(|(rewrite, _)| *rewrite)?;
        let access = if words.next() == Some(FOR_SOME) { Access::Some } else { Access::Everybody };
        Some(Publication { transport, host, host_port, container, container_port, rewrite, access })
    }

    /// By what the connections that lead there are known.
    pub(super) fn flow(&self) -> (Transport, Family, u16) {
        (self.transport, self.container.family(), self.host_port)
    }

    pub(super) fn host_port_text(&self) -> String {
        let host = self.host.map(|host| format!("{host}:")).unwrap_or_default();
        format!("{host}{}/{}", self.host_port, self.transport.text())
    }

    /// Protocol and port as a set's key has them: four bytes each.
    fn service(&self, port: u16) -> Vec<u8> {
        let [high, low] = port.to_be_bytes();
        vec![self.transport as u8, 0, 0, 0, high, low, 0, 0]
    }

    /// The container's address, protocol and port: what a packet is going to after it was redirected.
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
        Entry { set, network: None, element: Element { key, data }, clash: Clash::Refuse }
    }

    pub(super) fn rewrites(&self) -> Vec<Entry> {
        let family = self.container.family();
        // Several ports of the host may lead to the same one of the container.
        let entry = |set, network| {
            let element = Element { key: self.target(), data: Vec::new() };
            Entry { set, network, element, clash: Clash::TakeOver }
        };
        let network = self.container.network();
        match (self.rewrite, family) {
            (Rewrite::Nobody, _) => Vec::new(),
            (Rewrite::Everybody, family) => vec![entry(name("all", family), None)],
            (Rewrite::Local, Family::V4) => {
                vec![entry(name("local", family), None), entry(network_set(network), Some(network))]
            }
            (Rewrite::Local, Family::V6) => vec![entry(network_set(network), Some(network))],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_publication_reads_as_it_is_written() {
        for text in [
            "tcp * 8080 to 10.88.0.5/16 80 snat",
            "udp 127.0.0.1 53 to 10.88.0.5/16 5353 plain",
            "sctp fd01::1 65535 to fd00::5/64 1 masq",
            "tcp * 8080 to 10.88.0.5/16 80 snat when",
        ] {
            assert_eq!(Publication::parse(text).unwrap().to_string(), text);
        }
        for bad in ["", "tcp", "tcp * x to 10.0.0.1/8 80 snat", "tcp * 1 to 10.0.0.1/8 80 what"] {
            assert_eq!(Publication::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn protocols_are_known_in_any_case() {
        assert_eq!(Transport::read("TCP"), Some(Transport::Tcp));
        assert_eq!(Transport::read(""), Some(Transport::Tcp));
        assert_eq!(Transport::read("icmp"), None);
    }
}
