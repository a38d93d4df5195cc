//! Rules of nf_tables, built from the statements that plugins need.

use super::constants::{
    CT_STATUS, FIB_ADDRESS_TYPE, FIRST_REGISTER, HEADER_LINK, HEADER_NETWORK, HEADER_TRANSPORT,
    META_TRANSPORT,
};
use super::encode::{
    CmpOp, INVERTED, LOOK_UP_FLAGS, LOOK_UP_RESULT, Verdict, address_length, compare, destination, jump,
    load_bytes, load_destination, look_up, mask, numbers, put, put_final_verdict, registers,
};
use super::expression::Expression;
use crate::address::{Cidr, Family, octets};
use std::net::IpAddr;
use tare_netlink::Attributes;

/// A rule under construction. Its statements run in order until one does not match.
#[derive(Clone, Debug, Default)]
pub struct Rule(Vec<Statement>);

/// A statement. Numbers are offsets and lengths in bytes; register 0 is the first 4-byte register.
#[derive(Clone, Debug)]
enum Statement {
    Protocol(Family),
    Load { base: u32, offset: u32, length: u32, register: u32 },
    Transport { register: u32 },
    Mask { bytes: Vec<u8> },
    Compare { op: CmpOp, bytes: Vec<u8> },
    InSet { set: String, inverted: bool },
    InLinkName,
    Map { set: String },
    LocalDestination,
    TranslatedDestination,
    FromElsewhere,
    Destination(Family),
    Masquerade,
    Expression(Expression),
    Redirection(IpAddr, u16),
    Jump(String),
    Verdict(Verdict),
}

/// An address in the network header.
#[derive(Clone, Copy)]
enum Address {
    Source,
    Destination,
}

fn load(family: Family, address: Address, register: u32) -> Statement {
    let offset = match (family, address) {
        (Family::V4, Address::Source) => 12,
        (Family::V4, Address::Destination) => 16,
        (Family::V6, Address::Source) => 8,
        (Family::V6, Address::Destination) => 24,
    };
    Statement::Load { base: HEADER_NETWORK, offset, length: address_length(family), register }
}

impl Rule {
    /// Creates a rule for packets of a family.
    pub fn of(family: Family) -> Rule {
        Rule(vec![Statement::Protocol(family)])
    }

    /// Creates a rule for packets to an address of this host. Packets that the host only forwards must not match
    /// (CVE-2025-67499).
    pub fn to_this_host() -> Rule {
        Rule(vec![Statement::LocalDestination])
    }

    /// Creates a rule for frames from an interface in one set whose pair of interface and sender address is not in the
    /// other set.
    pub fn of_spoofed_sender(interfaces: &str, pairs: &str) -> Rule {
        let sender = Statement::Load { base: HEADER_LINK, offset: 6, length: 6, register: 4 };
        Rule(vec![Statement::InLinkName])
            .and(Statement::InSet { set: interfaces.to_owned(), inverted: false })
            .and(sender)
            .and(Statement::InSet { set: pairs.to_owned(), inverted: true })
    }

    /// Matches packets that did not arrive at the loopback interface.
    #[must_use]
    pub fn from_elsewhere(self) -> Rule {
        self.and(Statement::FromElsewhere)
    }

    /// Matches a source in a network.
    #[must_use]
    pub fn from_network(self, network: Cidr) -> Rule {
        self.network(Address::Source, network, CmpOp::Equal)
    }

    /// Matches a destination in a network.
    #[must_use]
    pub fn to_network(self, network: Cidr) -> Rule {
        self.network(Address::Destination, network, CmpOp::Equal)
    }

    /// Matches a destination outside of a network.
    #[must_use]
    pub fn not_to_network(self, network: Cidr) -> Rule {
        self.network(Address::Destination, network, CmpOp::NotEqual)
    }

    fn network(self, address: Address, network: Cidr, op: CmpOp) -> Rule {
        let mask = octets(network.netmask());
        self.and(load(network.family(), address, 0))
            .and(Statement::Mask { bytes: mask })
            .and(Statement::Compare { op, bytes: octets(network.network().address) })
    }

    /// Matches a source in a set.
    #[must_use]
    pub fn from_any_of(self, family: Family, set: &str) -> Rule {
        self.and(load(family, Address::Source, 0))
            .and(Statement::InSet { set: set.to_owned(), inverted: false })
    }

    /// Matches a destination address with transport protocol and port in a set.
    #[must_use]
    pub fn to_any_of(self, family: Family, set: &str) -> Rule {
        self.destination(family).and(Statement::InSet { set: set.to_owned(), inverted: false })
    }

    /// Redirects to the address and port that a map has for the destination address, protocol and port.
    #[must_use]
    pub fn redirected_from_address(self, family: Family, map: &str) -> Rule {
        self.destination(family)
            .and(Statement::Map { set: map.to_owned() })
            .and(Statement::Destination(family))
    }

    /// Redirects to the address and port that a map has for the protocol and port, for any destination address.
    #[must_use]
    pub fn redirected_from_port(self, family: Family, map: &str) -> Rule {
        self.and(Statement::Transport { register: 0 })
            .and(Statement::Map { set: map.to_owned() })
            .and(Statement::Destination(family))
    }

    fn destination(self, family: Family) -> Rule {
        self.and(load(family, Address::Destination, 0))
            .and(Statement::Transport { register: registers(family) })
    }

    /// Matches packets with a rewritten destination.
    #[must_use]
    pub fn redirected(self) -> Rule {
        self.and(Statement::TranslatedDestination)
    }

    /// Masquerades the packet.
    #[must_use]
    pub fn masquerade(self) -> Rule {
        self.and(Statement::Masquerade)
    }

    /// Ends with a verdict.
    #[must_use]
    pub fn verdict(self, verdict: Verdict) -> Rule {
        self.and(Statement::Verdict(verdict))
    }

    /// Matches packets to an address of this host.
    #[must_use]
    pub fn local(self) -> Rule {
        self.and(Statement::LocalDestination)
    }

    /// Matches these expressions.
    #[must_use]
    pub fn with(self, expressions: &[Expression]) -> Rule {
        expressions.iter().cloned().fold(self, |rule, expression| rule.and(Statement::Expression(expression)))
    }

    /// Redirects to an address and port.
    #[must_use]
    pub fn redirected_to(self, address: IpAddr, port: u16) -> Rule {
        self.and(Statement::Redirection(address, port))
    }

    /// Jumps to another chain, and continues after its end.
    #[must_use]
    pub fn through(self, chain: &str) -> Rule {
        self.and(Statement::Jump(chain.to_owned()))
    }

    fn and(mut self, expression: Statement) -> Rule {
        self.0.push(expression);
        self
    }

    pub(super) fn write(&self, w: &mut Attributes) {
        self.0.iter().for_each(|expression| expression.write(w));
    }
}

/// `NFT_META_IIF`, `NFT_META_IIFNAME` and, below, `NFT_META_NFPROTO`.
const META_IN_LINK: u32 = 4;
const META_IN_LINK_NAME: u32 = 6;
/// The loopback interface has index 1 in every network namespace.
const LOOPBACK_INDEX: u32 = 1;
const META_PROTOCOL: u32 = 15;
/// `NFTA_FIB_F_DADDR`, `RTN_LOCAL` and `IPS_DST_NAT`.
const FIB_DESTINATION: u32 = 2;
const TYPE_LOCAL: u32 = 2;
const STATUS_DESTINATION_TRANSLATED: u32 = 0x20;

impl Statement {
    fn write(&self, w: &mut Attributes) {
        match self {
            Statement::Protocol(family) => {
                put(w, "meta", |w| numbers(w, &[(1, FIRST_REGISTER), (2, META_PROTOCOL)]));
                compare(w, CmpOp::Equal, &[if *family == Family::V4 { 2 } else { 10 }]);
            }
            Statement::Load { base, offset, length, register } => {
                load_bytes(w, FIRST_REGISTER + register, [*base, *offset, *length]);
            }
            Statement::Transport { register } => {
                let register = FIRST_REGISTER + register;
                put(w, "meta", |w| numbers(w, &[(1, register), (2, META_TRANSPORT)]));
                put(w, "payload", |w| {
                    numbers(w, &[(1, register + 1), (2, HEADER_TRANSPORT), (3, 2), (4, 2)])
                });
            }
            Statement::Mask { bytes } => mask(w, bytes),
            Statement::Compare { op, bytes } => compare(w, *op, bytes),
            Statement::InSet { set, inverted: false } => look_up(w, set, &[]),
            Statement::InSet { set, inverted: true } => look_up(w, set, &[(LOOK_UP_FLAGS, INVERTED)]),
            Statement::Map { set } => look_up(w, set, &[(LOOK_UP_RESULT, FIRST_REGISTER)]),
            Statement::InLinkName => {
                put(w, "meta", |w| numbers(w, &[(1, FIRST_REGISTER), (2, META_IN_LINK_NAME)]));
            }
            Statement::LocalDestination => {
                let what = [(1, FIRST_REGISTER), (2, FIB_ADDRESS_TYPE), (3, FIB_DESTINATION)];
                put(w, "fib", |w| numbers(w, &what));
                compare(w, CmpOp::Equal, &TYPE_LOCAL.to_ne_bytes());
            }
            Statement::TranslatedDestination => {
                put(w, "ct", |w| numbers(w, &[(1, FIRST_REGISTER), (2, CT_STATUS)]));
                mask(w, &STATUS_DESTINATION_TRANSLATED.to_ne_bytes());
                compare(w, CmpOp::NotEqual, &[0; 4]);
            }
            Statement::FromElsewhere => {
                put(w, "meta", |w| numbers(w, &[(1, FIRST_REGISTER), (2, META_IN_LINK)]));
                compare(w, CmpOp::NotEqual, &LOOPBACK_INDEX.to_ne_bytes());
            }
            Statement::Destination(family) => destination(w, *family),
            Statement::Masquerade => put(w, "masq", |_| {}),
            Statement::Expression(expression) => expression.write(w),
            Statement::Redirection(address, port) => load_destination(w, *address, *port),
            Statement::Jump(chain) => jump(w, chain),
            Statement::Verdict(verdict) => put_final_verdict(w, *verdict),
        }
    }
}
