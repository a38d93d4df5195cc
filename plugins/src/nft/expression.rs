//! Expressions that test one field of a packet: load, convert or mask, and compare.

use super::constants::{FIB_ADDRESS_TYPE, FIRST_REGISTER, META_TRANSPORT};
use super::encode::{CmpOp, mask, numbers, put, put_value};
use tare_netlink::Attributes;

/// An expression. All operate on the first register.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expression {
    /// Loads a field of this length in bytes.
    Load(Source, u32),
    /// Converts this many bytes from host to network byte order, so that they can be compared by size.
    ToNetworkOrder(u32),
    /// Masks the register.
    Mask(Vec<u8>),
    /// Continues if the comparison is true.
    Compare(CmpOp, Vec<u8>),
    /// Continues if the register is in this range, inclusive.
    Within(Vec<u8>, Vec<u8>),
    /// Continues if the register is outside of this range.
    Outside(Vec<u8>, Vec<u8>),
}

/// The source of a load.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// `NFT_META_`: metadata of the packet.
    Meta(u32),
    /// `NFT_CT_`: the connection tracking state.
    Connection(u32),
    /// A header of the packet, and an offset in bytes.
    Header(Header, u32),
    /// `NFTA_FIB_F_`: the type of an address in the routing tables.
    AddressType(u32),
}

impl Source {
    /// The transport protocol, one byte.
    pub const TRANSPORT: Source = Source::Meta(META_TRANSPORT);
}

/// A header of a packet (`NFT_PAYLOAD_`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Header {
    /// The link layer header.
    Link = 0,
    /// The header of IPv4 or IPv6.
    Network = 1,
    /// The header of the transport protocol.
    Transport = 2,
}

/// `NFT_BYTEORDER_HTON`
const HOST_TO_NETWORK: u32 = 1;

impl Expression {
    pub(super) fn write(&self, w: &mut Attributes) {
        match self {
            Expression::Load(source, length) => load(w, *source, *length),
            Expression::ToNetworkOrder(length) => {
                let what = [
                    // `NFTA_BYTEORDER_SREG`, `_DREG`, `_OP`, `_LEN` and `_SIZE`.
                    (1, FIRST_REGISTER),
                    (2, FIRST_REGISTER),
                    (3, HOST_TO_NETWORK),
                    (4, *length),
                    (5, *length),
                ];
                put(w, "byteorder", |w| numbers(w, &what));
            }
            Expression::Mask(bits) => mask(w, bits),
            Expression::Compare(op, bytes) => put(w, "cmp", |w| {
                numbers(w, &[(1, FIRST_REGISTER), (2, *op as u32)]);
                put_value(w, 3, bytes);
            }),
            Expression::Within(from, to) => range(w, CmpOp::Equal, [from, to]),
            Expression::Outside(from, to) => range(w, CmpOp::NotEqual, [from, to]),
        }
    }
}

/// `NFTA_RANGE_SREG` (1), `_OP` (2), `_FROM_DATA` (3) and `_TO_DATA` (4).
fn range(w: &mut Attributes, op: CmpOp, [from, to]: [&[u8]; 2]) {
    put(w, "range", |w| {
        numbers(w, &[(1, FIRST_REGISTER), (2, op as u32)]);
        put_value(w, 3, from);
        put_value(w, 4, to);
    });
}

/// Loads a field into the first register. The attributes are those of `NFTA_META_`, `NFTA_CT_`, `NFTA_PAYLOAD_` and `NFTA_FIB_`.
fn load(w: &mut Attributes, source: Source, length: u32) {
    let into = (1, FIRST_REGISTER);
    match source {
        Source::Meta(key) => put(w, "meta", |w| numbers(w, &[into, (2, key)])),
        Source::Connection(key) => put(w, "ct", |w| numbers(w, &[into, (2, key)])),
        Source::Header(header, offset) => {
            put(w, "payload", |w| numbers(w, &[into, (2, header as u32), (3, offset), (4, length)]));
        }
        Source::AddressType(flags) => {
            put(w, "fib", |w| numbers(w, &[into, (2, FIB_ADDRESS_TYPE), (3, flags)]));
        }
    }
}
