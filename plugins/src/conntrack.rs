//! Deletes entries of the connection tracking table (linux/netfilter/nfnetlink_conntrack.h).

use crate::address::Family;
use crate::error::Result;
use crate::rtnetlink::family_number;
use tare_netlink::{ACK, Attributes, Op, Socket};

/// `IPCTNL_MSG_CT_DELETE` of `NFNL_SUBSYS_CTNETLINK`.
const DELETE: u16 = (1 << 8) | 2;
/// `CTA_TUPLE_ORIG`, `CTA_TUPLE_PROTO`, `CTA_PROTO_NUM` and `CTA_PROTO_DST_PORT`.
const TUPLE_ORIGINAL: u16 = 1;
const TUPLE_PROTOCOL: u16 = 2;
const PROTOCOL_NUMBER: u16 = 1;
const PROTOCOL_DESTINATION: u16 = 3;
/// `CTA_FILTER` and `CTA_FILTER_ORIG_FLAGS`.
const FILTER: u16 = 25;
const FILTER_ORIGINAL: u16 = 1;
/// `CTA_FILTER_F_CTA_PROTO_NUM` and `CTA_FILTER_F_CTA_PROTO_DST_PORT`: the filter compares only protocol and
/// destination port.
const COMPARED: u32 = (1 << 3) | (1 << 5);

/// Deletes the connections whose original destination is one of these ports.
///
/// An older kernel ignores the filter and takes the tuple for one exact connection, which it does not find. So it
/// deletes nothing that it should keep.
///
/// # Errors
/// The socket's error. Refusals are ignored: the kernel may lack connection tracking or the filter.
pub(crate) fn forget_connections(socket: &mut Socket, protocol: u8, ports: &[(Family, u16)]) -> Result<()> {
    let mut writer = socket.writer();
    for (family, port) in ports {
        writer.message(Op(DELETE, ACK), &[family_number(*family), 1, 0, 0], |w| put_flow(w, protocol, *port));
    }
    Ok(socket.exchange(&writer).map(drop)?)
}

fn put_flow(w: &mut Attributes, protocol: u8, port: u16) {
    w.nest(TUPLE_ORIGINAL, |w| {
        w.nest(TUPLE_PROTOCOL, |w| {
            w.bytes(PROTOCOL_NUMBER, &[protocol]);
            w.bytes(PROTOCOL_DESTINATION, &port.to_be_bytes());
        });
    });
    w.nest(FILTER, |w| w.number(FILTER_ORIGINAL, COMPARED));
}
