//! The expressions of a rule that look at one thing of a packet: load it, turn or mask it, compare it.

use super::constants::{FIB_ADDRESS_TYPE, FIRST_REGISTER, META_TRANSPORT};
use super::encode::{CmpOp, mask, numbers, put, put_value};
use tare_netlink::Attributes;

/// A expression; each works on the first register.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expression {
    /// Loads something, of so many bytes.
    Load(Source, u32),
    /// Turns so many bytes from the machine's order into that of the network, so that they can be told smaller from
    /// greater.
    ToNetworkOrder(u32),
    /// Leaves only these bits.
    Mask(Vec<u8>),
    /// Goes on if it compares so to these bytes.
    Compare(CmpOp, Vec<u8>),
    /// Goes on if it is between these two, themselves included.
    Within(Vec<u8>, Vec<u8>),
    /// Goes on if it is not.
    Outside(Vec<u8>, Vec<u8>),
}

/// Where something is loaded from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// `NFT_META_`: what the kernel knows of the packet.
    Meta(u32),
    /// `NFT_CT_`: what it knows of the connection.
    Connection(u32),
    /// A header of the packet, and the offset in it in bytes.
    Header(Header, u32),
    /// `NFTA_FIB_F_`: the type of an address by the host's routes.
    AddressType(u32),
}

impl Source {
    /// The number of the transport protocol, one byte.
    pub const TRANSPORT: Source = Source::Meta(META_TRANSPORT);
}

/// A header of a packet (`NFT_PAYLOAD_`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Header {
    /// Of the link.
    Link = 0,
    /// Of IPv4 or IPv6.
    Network = 1,
    /// Of the transport protocol.
    Transport = 2,
}

const HOST_TO_NETWORK: u32 = 1;

impl Expression {
    pub(super) fn write(&self, w: &mut Attributes) {
        match self {
            Expression::Load(source, length) => load(w, *source, *length),
            Expression::ToNetworkOrder(length) => {
                let what = [
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

fn range(w: &mut Attributes, op: CmpOp, [from, to]: [&[u8]; 2]) {
    put(w, "range", |w| {
        numbers(w, &[(1, FIRST_REGISTER), (2, op as u32)]);
        put_value(w, 3, from);
        put_value(w, 4, to);
    });
}

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
