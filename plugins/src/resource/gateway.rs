//! The gateways' addresses on a bridge, shared by the attachments of a network. `DEL` never removes them.

use super::differs;
use crate::address::{Cidr, Family};
use crate::declaration::{Resource, Undo};
use crate::error::{Code, Error, Result};
use crate::host::{Host, Side};
use crate::rtnetlink::Detection;
use rustix::io::Errno;

/// What to do with another address of the bridge in the same network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Conflict {
    /// Refuse the attachment.
    Refuse,
    /// Remove the other address: `forceAddress`.
    Replace,
}

/// Addresses of a bridge, through which containers reach the host and other networks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gateways {
    /// The bridge.
    pub bridge: String,
    /// The addresses, with the prefix lengths of the containers' networks.
    pub addresses: Vec<Cidr>,
    /// What to do with other addresses.
    pub conflict: Conflict,
}

impl Resource for Gateways {
    fn add(&self, host: &mut Host) -> Result<Undo> {
        let index = host.link(Side::Host, &self.bridge)?.index;
        let route = host.route(Side::Host)?;
        let present: Vec<Cidr> = route.addresses(index)?.iter().map(|assigned| assigned.cidr).collect();
        for wanted in self.addresses.iter().filter(|wanted| !present.contains(wanted)) {
            for other in present.iter().filter(|other| conflicts(**other, *wanted)) {
                self.resolve(*wanted)?;
                route.delete_address(index, *other)?;
            }
            // Without duplicate address detection: the configuration assigns the address, and the first container must
            // reach it at once.
            match route.add_address(index, *wanted, Detection::Skipped)? {
                Err(refusal) if refusal.errno != Errno::EXIST => {
                    return Err(Error::refused(format!("add address {wanted} to {}", self.bridge), &refusal));
                }
                _ => {}
            }
        }
        Ok(Undo::Nothing)
    }

    fn check(&self, host: &mut Host) -> Result<()> {
        let index = host.link(Side::Host, &self.bridge)?.index;
        let present = host.route(Side::Host)?.addresses(index)?;
        let missing = |wanted: &&Cidr| !present.iter().any(|assigned| assigned.cidr == **wanted);
        match self.addresses.iter().find(missing) {
            None => Ok(()),
            Some(wanted) => Err(differs(format!("bridge {} lacks its address {wanted}", self.bridge))),
        }
    }
}

impl Gateways {
    fn resolve(&self, wanted: Cidr) -> Result<()> {
        let msg = || format!("\"{}\" already has an IP address different from {wanted}", self.bridge);
        match self.conflict {
            Conflict::Replace => Ok(()),
            Conflict::Refuse => Err(Error::new(Code::Exists, msg()).about("forceAddress")),
        }
    }
}

/// A bridge has one IPv4 address, and one IPv6 address in each network.
fn conflicts(other: Cidr, wanted: Cidr) -> bool {
    other.family() == wanted.family() && (wanted.family() == Family::V4 || other.overlaps(wanted))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::address::parse;

    #[test]
    fn a_bridge_has_one_ipv4_address_and_one_for_each_ipv6_network() {
        let conflicts = |a, b| conflicts(parse(a).unwrap(), parse(b).unwrap());
        assert!(conflicts("10.0.0.1/24", "10.0.1.1/24"));
        assert!(conflicts("fd00::1/64", "fd00::2/64"));
        assert!(!conflicts("fd00::1/64", "fd00:1::1/64"));
        assert!(!conflicts("fd00::1/64", "10.0.0.1/24"));
    }
}
