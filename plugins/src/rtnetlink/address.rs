//! Addresses of links (rtnetlink(7), linux/if_addr.h).

use super::Route;
use crate::address::{Cidr, Family, from_octets, octets};
use crate::error::{Error, Result};
use rustix::io::Errno;
use std::net::IpAddr;
use tare_netlink::{ACK, Attributes, CREATE, DUMP, EXCLUSIVE, Op, Refusal, find, find_u32, read_u32};

/// `RTM_NEWADDR`, `RTM_DELADDR` and `RTM_GETADDR`.
const NEW: u16 = 20;
const DELETE: u16 = 21;
const GET: u16 = 22;
/// `IFA_ADDRESS`, `IFA_LOCAL`, `IFA_BROADCAST` and `IFA_FLAGS`.
const ADDRESS: u16 = 1;
const LOCAL: u16 = 2;
const BROADCAST: u16 = 4;
const FLAGS: u16 = 8;
/// `IFA_F_NODAD`, `IFA_F_DADFAILED` and `IFA_F_TENTATIVE`.
const WITHOUT_DETECTION: u32 = 0x2;
const DETECTION_FAILED: u32 = 0x8;
const TENTATIVE: u32 = 0x40;
/// `RT_SCOPE_LINK`
const SCOPE_LINK: u8 = 253;

/// An address of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Assigned {
    /// The address.
    pub cidr: Cidr,
    flags: u32,
    scope: u8,
}

impl Assigned {
    /// Whether duplicate address detection is still running.
    pub fn is_tentative(&self) -> bool {
        self.flags & TENTATIVE != 0
    }

    /// Whether duplicate address detection has failed: another host has the address.
    pub fn is_taken(&self) -> bool {
        self.flags & DETECTION_FAILED != 0
    }

    /// Whether the address has link scope.
    pub fn is_link_local(&self) -> bool {
        self.scope == SCOPE_LINK
    }
}

/// Whether the kernel runs duplicate address detection for an IPv6 address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Detection {
    /// As the interface is configured.
    AsSet,
    /// No detection for this address.
    Skipped,
}

/// Returns `AF_INET` or `AF_INET6`.
pub(crate) fn family_number(family: Family) -> u8 {
    match family {
        Family::V4 => 2,
        Family::V6 => 10,
    }
}

/// Returns a `struct ifaddrmsg`.
fn fixed(cidr: Cidr, index: u32) -> [u8; 8] {
    let [a, b, c, d] = index.to_ne_bytes();
    [family_number(cidr.family()), cidr.length, 0, 0, a, b, c, d]
}

impl Route {
    /// Returns the addresses of a link.
    ///
    /// # Errors
    /// The kernel's error.
    pub fn addresses(&mut self, index: u32) -> Result<Vec<Assigned>> {
        let [a, b, c, d] = index.to_ne_bytes();
        let replies =
            self.ask("list addresses", |w| w.message(Op(GET, DUMP), &[0, 0, 0, 0, a, b, c, d], |_| {}))?;
        let of_link = |body: &&Vec<u8>| read_u32(body, 4) == Some(index);
        Ok(replies.iter().filter(of_link).filter_map(|body| read(body)).collect())
    }

    /// Adds an address to a link; refused with `EEXIST` if the link has it.
    ///
    /// # Errors
    /// The socket's error.
    pub fn add_address(
        &mut self,
        index: u32,
        cidr: Cidr,
        detection: Detection,
    ) -> Result<std::result::Result<(), Refusal>> {
        self.decided(|w| put_new(w, index, cidr, detection))
    }

    /// Removes an address from a link; a missing one is no error.
    ///
    /// # Errors
    /// The kernel's error.
    pub fn delete_address(&mut self, index: u32, cidr: Cidr) -> Result<()> {
        let outcome = self.decided(|w| {
            w.message(Op(DELETE, ACK), &fixed(cidr, index), |w| w.bytes(LOCAL, &octets(cidr.address)));
        })?;
        match outcome {
            Ok(()) | Err(Refusal { errno: Errno::ADDRNOTAVAIL | Errno::NODEV, .. }) => Ok(()),
            Err(refusal) => Err(Error::refused(format!("remove address {cidr}"), &refusal)),
        }
    }
}

/// Adds the message that adds an address to a link.
pub(super) fn put_new(w: &mut Attributes, index: u32, cidr: Cidr, detection: Detection) {
    w.message(Op(NEW, ACK | CREATE | EXCLUSIVE), &fixed(cidr, index), |w| {
        let bytes = octets(cidr.address);
        w.bytes(LOCAL, &bytes);
        w.bytes(ADDRESS, &bytes);
        if let (IpAddr::V4(broadcast), true) = (cidr.last(), cidr.length < 31) {
            w.bytes(BROADCAST, &broadcast.octets());
        }
        if cidr.family() == Family::V6 && detection == Detection::Skipped {
            w.number(FLAGS, WITHOUT_DETECTION);
        }
    });
}

/// Reads an `RTM_NEWADDR`. On point-to-point links `IFA_ADDRESS` is the address of the peer, and `IFA_LOCAL` the own one.
fn read(body: &[u8]) -> Option<Assigned> {
    let attributes = body.get(8..)?;
    let bytes = find(attributes, LOCAL).or_else(|| find(attributes, ADDRESS))?;
    let address = from_octets(bytes)?;
    let short = u32::from(*body.get(2)?);
    let flags = find_u32(attributes, FLAGS).unwrap_or(short);
    Some(Assigned { cidr: Cidr { address, length: *body.get(1)? }, flags, scope: *body.get(3)? })
}
