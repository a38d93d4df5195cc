//! Addresses of links (rtnetlink(7), linux/if_addr.h).

use super::Route;
use crate::address::{Cidr, Family, from_octets, octets};
use crate::error::{Error, Result};
use rustix::io::Errno;
use std::net::IpAddr;
use tare_netlink::{ACK, Attributes, CREATE, DUMP, EXCLUSIVE, Op, Refusal, find, find_u32, read_u32};

const NEW: u16 = 20;
const DELETE: u16 = 21;
const GET: u16 = 22;
const ADDRESS: u16 = 1;
const LOCAL: u16 = 2;
const BROADCAST: u16 = 4;
const FLAGS: u16 = 8;
/// `IFA_F_NODAD`: usable at once.
const WITHOUT_DETECTION: u32 = 0x2;
const DETECTION_FAILED: u32 = 0x8;
const TENTATIVE: u32 = 0x40;
const SCOPE_LINK: u8 = 253;

/// An address that a link has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Assigned {
    /// The address.
    pub cidr: Cidr,
    flags: u32,
    scope: u8,
}

impl Assigned {
    /// The kernel still asks whether somebody else has it.
    pub fn is_tentative(&self) -> bool {
        self.flags & TENTATIVE != 0
    }

    /// Somebody else has it.
    pub fn is_taken(&self) -> bool {
        self.flags & DETECTION_FAILED != 0
    }

    /// The kernel made it up for the link alone.
    pub fn is_link_local(&self) -> bool {
        self.scope == SCOPE_LINK
    }
}

/// Whether the kernel first asks the network if an IPv6 address is free.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Detection {
    /// As the interface is set.
    AsSet,
    /// Not for this address.
    Skipped,
}

pub(crate) fn family_number(family: Family) -> u8 {
    match family {
        Family::V4 => 2,
        Family::V6 => 10,
    }
}

fn fixed(cidr: Cidr, index: u32) -> [u8; 8] {
    let [a, b, c, d] = index.to_ne_bytes();
    [family_number(cidr.family()), cidr.length, 0, 0, a, b, c, d]
}

impl Route {
    /// The addresses of a link.
    ///
    /// # Errors
    /// The kernel's.
    pub fn addresses(&mut self, index: u32) -> Result<Vec<Assigned>> {
        let [a, b, c, d] = index.to_ne_bytes();
        let replies =
            self.ask("list addresses", |w| w.message(Op(GET, DUMP), &[0, 0, 0, 0, a, b, c, d], |_| {}))?;
        let of_link = |body: &&Vec<u8>| read_u32(body, 4) == Some(index);
        Ok(replies.iter().filter(of_link).filter_map(|body| read(body)).collect())
    }

    /// Gives a link an address; refused with `EEXIST` when it has it.
    ///
    /// # Errors
    /// The socket's.
    pub fn add_address(
        &mut self,
        index: u32,
        cidr: Cidr,
        detection: Detection,
    ) -> Result<std::result::Result<(), Refusal>> {
        self.decided(|w| put_new(w, index, cidr, detection))
    }

    /// Takes an address from a link; one that it has not is as good.
    ///
    /// # Errors
    /// The kernel's.
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

/// Adds the message that gives a link an address.
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

fn read(body: &[u8]) -> Option<Assigned> {
    let attributes = body.get(8..)?;
    let bytes = find(attributes, LOCAL).or_else(|| find(attributes, ADDRESS))?;
    let address = from_octets(bytes)?;
    let short = u32::from(*body.get(2)?);
    let flags = find_u32(attributes, FLAGS).unwrap_or(short);
    Some(Assigned { cidr: Cidr { address, length: *body.get(1)? }, flags, scope: *body.get(3)? })
}
