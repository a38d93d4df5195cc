//! Encodes expressions of nf_tables, and decodes the jumps of rules (linux/netfilter/nf_tables.h).

use super::constants::{FIRST_REGISTER, HEADER_NETWORK, META_TRANSPORT};
use crate::address::{Family, octets};
use std::net::IpAddr;
use tare_netlink::{Attributes, attributes, find, find_text};

/// `NFT_RETURN`, `NFT_JUMP`, `NF_DROP` and `NF_ACCEPT`.
const RETURN: i32 = -5;
const JUMP: i32 = -3;
const DROP: i32 = 0;
const ACCEPT: i32 = 1;
/// `NFT_NAT_DNAT`
const DESTINATION_NAT: u32 = 1;

/// A comparison operator (`NFT_CMP_`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CmpOp {
    /// `==`
    Equal = 0,
    /// `!=`
    NotEqual = 1,
    /// `<`
    Less = 2,
    /// `<=`
    LessOrEqual = 3,
    /// `>`
    Greater = 4,
    /// `>=`
    GreaterOrEqual = 5,
}

/// The verdict of a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Returns to the calling chain.
    Return,
    /// Jumps to another chain, and continues after its end.
    Jump(&'static str),
    /// Drops the packet.
    Drop,
}

/// Returns the length of an address in bytes.
pub(super) fn address_length(family: Family) -> u32 {
    if family == Family::V4 { 4 } else { 16 }
}

/// Returns the number of 4-byte registers that an address fills.
pub(super) fn registers(family: Family) -> u32 {
    address_length(family) / 4
}

/// Adds a key or data as `NFTA_DATA_VALUE`.
pub(super) fn put_value(w: &mut Attributes, kind: u16, value: &[u8]) {
    w.nest(kind, |w| w.bytes(1, value));
}

/// Adds an expression, an element of the rule's list, from its name and attributes.
///
/// The list has elements `NFTA_LIST_ELEM` (1) with `NFTA_EXPR_NAME` (1) and `NFTA_EXPR_DATA` (2).
pub(crate) fn put(w: &mut Attributes, name: &str, attributes: impl FnOnce(&mut Attributes)) {
    w.nest(1, |w| {
        w.text(1, name);
        w.nest(2, attributes);
    });
}

/// Loads bytes of a header: `NFTA_PAYLOAD_DREG` (1), `_BASE` (2), `_OFFSET` (3) and `_LEN` (4).
pub(super) fn load_bytes(w: &mut Attributes, register: u32, [base, offset, length]: [u32; 3]) {
    put(w, "payload", |w| numbers(w, &[(1, register), (2, base), (3, offset), (4, length)]));
}

/// Loads bytes of the network header into the first register.
pub(crate) fn load_network(w: &mut Attributes, offset: u32, length: u32) {
    load_bytes(w, FIRST_REGISTER, [HEADER_NETWORK, offset, length]);
}

/// Loads the transport protocol into the first register.
///
/// `NFTA_META_DREG` (1) and `NFTA_META_KEY` (2).
pub(crate) fn load_transport(w: &mut Attributes) {
    put(w, "meta", |w| numbers(w, &[(1, FIRST_REGISTER), (2, META_TRANSPORT)]));
}

/// Adds attributes that are numbers in network byte order.
pub(crate) fn numbers(w: &mut Attributes, numbers: &[(u16, u32)]) {
    numbers.iter().for_each(|(kind, number)| w.number_be(*kind, *number));
}

/// Compares the first register with these bytes.
///
/// `NFTA_CMP_SREG` (1), `_OP` (2) and `_DATA` (3).
pub(crate) fn compare(w: &mut Attributes, op: CmpOp, bytes: &[u8]) {
    put(w, "cmp", |w| {
        numbers(w, &[(1, FIRST_REGISTER), (2, op as u32)]);
        put_value(w, 3, bytes);
    });
}

/// Masks the first register.
///
/// `NFTA_BITWISE_SREG` (1), `_DREG` (2), `_LEN` (3), `_MASK` (4) and `_XOR` (5): the result is `(register & mask) ^ xor`.
pub(crate) fn mask(w: &mut Attributes, bytes: &[u8]) {
    let length = u32::try_from(bytes.len()).unwrap_or(0);
    put(w, "bitwise", |w| {
        numbers(w, &[(1, FIRST_REGISTER), (2, FIRST_REGISTER), (3, length)]);
        put_value(w, 4, bytes);
        put_value(w, 5, &vec![0; bytes.len()]);
    });
}

pub(super) const LOOK_UP_RESULT: u16 = 3;
pub(super) const LOOK_UP_FLAGS: u16 = 5;
pub(super) const INVERTED: u32 = 1;

/// Looks the first register up in a set: `NFTA_LOOKUP_SET` (1) and `_SREG` (2). A map also has `_DREG` (3), an inverted match
/// `_FLAGS` (5).
pub(super) fn look_up(w: &mut Attributes, set: &str, more: &[(u16, u32)]) {
    put(w, "lookup", |w| {
        w.text(1, set);
        w.number_be(2, FIRST_REGISTER);
        numbers(w, more);
    });
}

/// Loads an address and a port into the registers that `destination` reads.
///
/// `NFTA_IMMEDIATE_DREG` (1) and `_DATA` (2).
pub(super) fn load_destination(w: &mut Attributes, address: IpAddr, port: u16) {
    let family = Family::of(address);
    let mut value = |register: u32, bytes: &[u8]| {
        put(w, "immediate", |w| {
            w.number_be(1, register);
            put_value(w, IMMEDIATE_DATA, bytes);
        });
    };
    value(FIRST_REGISTER, &octets(address));
    value(FIRST_REGISTER + registers(family), &port.to_be_bytes());
    destination(w, family);
}

/// Rewrites the destination from the registers: `NFTA_NAT_TYPE` (1), `_FAMILY` (2), `_REG_ADDR_MIN` (3) and `_REG_PROTO_MIN`
/// (5).
pub(super) fn destination(w: &mut Attributes, family: Family) {
    let protocol = if family == Family::V4 { 2 } else { 10 };
    let port = FIRST_REGISTER + registers(family);
    put(w, "nat", |w| numbers(w, &[(1, DESTINATION_NAT), (2, protocol), (3, FIRST_REGISTER), (5, port)]));
}

pub(super) fn put_final_verdict(w: &mut Attributes, verdict: Verdict) {
    match verdict {
        Verdict::Return => put_immediate_verdict(w, RETURN, None),
        Verdict::Drop => put_immediate_verdict(w, DROP, None),
        Verdict::Jump(chain) => jump(w, chain),
    }
}

/// Jumps to another chain, and continues after its end.
pub(crate) fn jump(w: &mut Attributes, chain: &str) {
    put_immediate_verdict(w, JUMP, Some(chain));
}

/// Accepts the packet.
pub(crate) fn accept(w: &mut Attributes) {
    put_immediate_verdict(w, ACCEPT, None);
}

/// A verdict is an immediate load into register 0, `NFT_REG_VERDICT`.
fn put_immediate_verdict(w: &mut Attributes, verdict: i32, chain: Option<&str>) {
    put(w, "immediate", |w| {
        w.number_be(1, 0);
        w.nest(IMMEDIATE_DATA, |w| w.nest(DATA_VERDICT, |w| put_verdict(w, verdict, chain)));
    });
}

/// `NFTA_VERDICT_CODE` (1) and `NFTA_VERDICT_CHAIN` (2).
fn put_verdict(w: &mut Attributes, verdict: i32, chain: Option<&str>) {
    w.bytes(1, &verdict.to_be_bytes());
    if let Some(chain) = chain {
        w.text(VERDICT_CHAIN, chain);
    }
}

const IMMEDIATE_DATA: u16 = 2;
const DATA_VERDICT: u16 = 2;
const VERDICT_CHAIN: u16 = 2;

/// Returns the chains that a rule jumps to; `expressions` is the list that the kernel returns.
pub(super) fn jumps(expressions: &[u8]) -> impl Iterator<Item = String> {
    attributes(expressions).filter_map(|(_, expression)| {
        let immediate = find(expression, 2).filter(|_| find_text(expression, 1) == "immediate")?;
        let verdict = find(find(immediate, IMMEDIATE_DATA)?, DATA_VERDICT)?;
        Some(find_text(verdict, VERDICT_CHAIN)).filter(|chain| !chain.is_empty())
    })
}
