//! Rules of nf_tables, put together from the few expressions that plugins need.

use super::number::{CT_STATUS, FIB_ADDRESS_TYPE, FIRST_REGISTER, META_TRANSPORT};
use super::step::Step;
use super::wire::{
    INVERTED, LOOK_UP_FLAGS, LOOK_UP_RESULT, compare, destination, end, jump, load_bytes, look_up, mask,
    numbers, put, redirection,
};
use crate::address::{Cidr, Family, octets};
use std::net::IpAddr;
use tare_netlink::Attributes;

/// A rule under construction: expressions run in order until one does not match.
#[derive(Clone, Debug, Default)]
pub struct Rule(Vec<Expression>);

/// What a rule ends with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Leaves the chain.
    Return,
    /// Goes through another chain, then on.
    Jump(&'static str),
    /// Away with the packet.
    Drop,
}

/// One expression; numbers are offsets and lengths in bytes, or registers of four bytes, the first of which is 0.
#[derive(Clone, Debug)]
enum Expression {
    Protocol(Family),
    Load { base: u32, offset: u32, length: u32, register: u32 },
    Transport { register: u32 },
    Mask { bytes: Vec<u8> },
    Compare { different: bool, bytes: Vec<u8> },
    InSet { set: String, inverted: bool },
    InLinkName,
    Map { set: String },
    LocalDestination,
    TranslatedDestination,
    FromElsewhere,
    Destination(Family),
    Masquerade,
    Step(Step),
    Redirection(IpAddr, u16),
    Jump(String),
    Verdict(Verdict),
}

const LINK: u32 = 0;
pub(super) const NETWORK: u32 = 1;
const TRANSPORT: u32 = 2;
const LENGTH: [u32; 2] = [4, 16];

fn length(family: Family) -> u32 {
    let [v4, v6] = LENGTH;
    if family == Family::V4 { v4 } else { v6 }
}

pub(super) fn registers(family: Family) -> u32 {
    length(family) / 4
}

/// Where an address is in the header of its protocol.
#[derive(Clone, Copy)]
enum Place {
    Source,
    Destination,
}

fn load(family: Family, place: Place, register: u32) -> Expression {
    let offset = match (family, place) {
        (Family::V4, Place::Source) => 12,
        (Family::V4, Place::Destination) => 16,
        (Family::V6, Place::Source) => 8,
        (Family::V6, Place::Destination) => 24,
    };
    Expression::Load { base: NETWORK, offset, length: length(family), register }
}

impl Rule {
    /// A rule for packets of a protocol.
    pub fn of(family: Family) -> Rule {
        Rule(vec![Expression::Protocol(family)])
    }

    /// A rule for packets to an address of this host: what passes through to elsewhere is none of ours (CVE-2025-67499).
    pub fn to_this_host() -> Rule {
        Rule(vec![Expression::LocalDestination])
    }

    /// A rule for frames from an interface whose name is in one set, when it is not with the sender's hardware address
    /// in another.
    pub fn of_false_sender(interfaces: &str, pairs: &str) -> Rule {
        let sender = Expression::Load { base: LINK, offset: 6, length: 6, register: 4 };
        Rule(vec![Expression::InLinkName])
            .and(Expression::InSet { set: interfaces.to_owned(), inverted: false })
            .and(sender)
            .and(Expression::InSet { set: pairs.to_owned(), inverted: true })
    }

    /// The packet came by another interface than the loopback.
    #[must_use]
    pub fn from_elsewhere(self) -> Rule {
        self.and(Expression::FromElsewhere)
    }

    /// The source is in a network.
    #[must_use]
    pub fn from_network(self, network: Cidr) -> Rule {
        self.network(Place::Source, network, false)
    }

    /// The destination is in a network.
    #[must_use]
    pub fn to_network(self, network: Cidr) -> Rule {
        self.network(Place::Destination, network, false)
    }

    /// The destination is not in a network.
    #[must_use]
    pub fn not_to_network(self, network: Cidr) -> Rule {
        self.network(Place::Destination, network, true)
    }

    fn network(self, place: Place, network: Cidr, different: bool) -> Rule {
        let mask = octets(network.netmask());
        self.and(load(network.family(), place, 0))
            .and(Expression::Mask { bytes: mask })
            .and(Expression::Compare { different, bytes: octets(network.network().address) })
    }

    /// The source is in a set.
    #[must_use]
    pub fn from_any_of(self, family: Family, set: &str) -> Rule {
        self.and(load(family, Place::Source, 0))
            .and(Expression::InSet { set: set.to_owned(), inverted: false })
    }

    /// The destination, with transport protocol and port, is in a set.
    #[must_use]
    pub fn to_any_of(self, family: Family, set: &str) -> Rule {
        self.destination(family).and(Expression::InSet { set: set.to_owned(), inverted: false })
    }

    /// Goes on at the address and port to which a map leads from the destination's.
    #[must_use]
    pub fn redirected_from_address(self, family: Family, map: &str) -> Rule {
        self.destination(family)
            .and(Expression::Map { set: map.to_owned() })
            .and(Expression::Destination(family))
    }

    /// Goes on at the address and port to which a map leads from the port, whatever the address.
    #[must_use]
    pub fn redirected_from_port(self, family: Family, map: &str) -> Rule {
        self.and(Expression::Transport { register: 0 })
            .and(Expression::Map { set: map.to_owned() })
            .and(Expression::Destination(family))
    }

    fn destination(self, family: Family) -> Rule {
        self.and(load(family, Place::Destination, 0))
            .and(Expression::Transport { register: registers(family) })
    }

    /// The destination was rewritten by a rule before.
    #[must_use]
    pub fn redirected(self) -> Rule {
        self.and(Expression::TranslatedDestination)
    }

    /// Leaves with an address of this host as its source.
    #[must_use]
    pub fn masquerade(self) -> Rule {
        self.and(Expression::Masquerade)
    }

    /// Ends with a verdict.
    #[must_use]
    pub fn verdict(self, verdict: Verdict) -> Rule {
        self.and(Expression::Verdict(verdict))
    }

    /// The packet is going to an address of this host.
    #[must_use]
    pub fn local(self) -> Rule {
        self.and(Expression::LocalDestination)
    }

    /// These steps match.
    #[must_use]
    pub fn with(self, steps: &[Step]) -> Rule {
        steps.iter().cloned().fold(self, |rule, step| rule.and(Expression::Step(step)))
    }

    /// Goes on at an address and port.
    #[must_use]
    pub fn redirected_to(self, address: IpAddr, port: u16) -> Rule {
        self.and(Expression::Redirection(address, port))
    }

    /// Goes through another chain, then on.
    #[must_use]
    pub fn through(self, chain: &str) -> Rule {
        self.and(Expression::Jump(chain.to_owned()))
    }

    fn and(mut self, expression: Expression) -> Rule {
        self.0.push(expression);
        self
    }

    pub(super) fn write(&self, w: &mut Attributes) {
        self.0.iter().for_each(|expression| expression.write(w));
    }
}

const META_IN_LINK: u32 = 4;
const META_IN_LINK_NAME: u32 = 6;
/// The loopback is the first interface of every namespace.
const LOOPBACK_INDEX: u32 = 1;
const META_PROTOCOL: u32 = 15;
const FIB_DESTINATION: u32 = 2;
const TYPE_LOCAL: u32 = 2;
const STATUS_DESTINATION_TRANSLATED: u32 = 0x20;

impl Expression {
    fn write(&self, w: &mut Attributes) {
        match self {
            Expression::Protocol(family) => {
                put(w, "meta", |w| numbers(w, &[(1, FIRST_REGISTER), (2, META_PROTOCOL)]));
                compare(w, false, &[if *family == Family::V4 { 2 } else { 10 }]);
            }
            Expression::Load { base, offset, length, register } => {
                load_bytes(w, FIRST_REGISTER + register, [*base, *offset, *length]);
            }
            Expression::Transport { register } => {
                let register = FIRST_REGISTER + register;
                put(w, "meta", |w| numbers(w, &[(1, register), (2, META_TRANSPORT)]));
                put(w, "payload", |w| numbers(w, &[(1, register + 1), (2, TRANSPORT), (3, 2), (4, 2)]));
            }
            Expression::Mask { bytes } => mask(w, bytes),
            Expression::Compare { different, bytes } => compare(w, *different, bytes),
            Expression::InSet { set, inverted: false } => look_up(w, set, &[]),
            Expression::InSet { set, inverted: true } => look_up(w, set, &[(LOOK_UP_FLAGS, INVERTED)]),
            Expression::Map { set } => look_up(w, set, &[(LOOK_UP_RESULT, FIRST_REGISTER)]),
            Expression::InLinkName => {
                put(w, "meta", |w| numbers(w, &[(1, FIRST_REGISTER), (2, META_IN_LINK_NAME)]));
            }
            Expression::LocalDestination => {
                let what = [(1, FIRST_REGISTER), (2, FIB_ADDRESS_TYPE), (3, FIB_DESTINATION)];
                put(w, "fib", |w| numbers(w, &what));
                compare(w, false, &TYPE_LOCAL.to_ne_bytes());
            }
            Expression::TranslatedDestination => {
                put(w, "ct", |w| numbers(w, &[(1, FIRST_REGISTER), (2, CT_STATUS)]));
                mask(w, &STATUS_DESTINATION_TRANSLATED.to_ne_bytes());
                compare(w, true, &[0; 4]);
            }
            Expression::FromElsewhere => {
                put(w, "meta", |w| numbers(w, &[(1, FIRST_REGISTER), (2, META_IN_LINK)]));
                compare(w, true, &LOOPBACK_INDEX.to_ne_bytes());
            }
            Expression::Destination(family) => destination(w, *family),
            Expression::Masquerade => put(w, "masq", |_| {}),
            Expression::Step(step) => step.write(w),
            Expression::Redirection(address, port) => redirection(w, *address, *port),
            Expression::Jump(chain) => jump(w, chain),
            Expression::Verdict(verdict) => end(w, *verdict),
        }
    }
}
