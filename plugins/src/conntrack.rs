//! The kernel's table of connections: entries of a protocol and port, forgotten (linux/netfilter/nfnetlink_conntrack.h).

use crate::address::Family;
use crate::error::Result;
use crate::rtnetlink::family_number;
use tare_netlink::{ACK, Attributes, Op, Socket};

/// `IPCTNL_MSG_CT_DELETE` of `NFNL_SUBSYS_CTNETLINK`.
const DELETE: u16 = (1 << 8) | 2;
const TUPLE_ORIGINAL: u16 = 1;
const TUPLE_PROTOCOL: u16 = 2;
const PROTOCOL_NUMBER: u16 = 1;
const PROTOCOL_DESTINATION: u16 = 3;
const FILTER: u16 = 25;
const FILTER_ORIGINAL: u16 = 1;
/// Only the protocol's number and the destination port are compared.
const COMPARED: u32 = (1 << 3) | (1 << 5);

/// Forgets the connections that were first made to these ports. With a filter in the message an old kernel takes it
/// for one exact connection, and finds none; so it can't do more than it was asked to.
///
/// # Errors
/// The socket's. That a kernel keeps no connections, or can't forget by filter, is none.
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
