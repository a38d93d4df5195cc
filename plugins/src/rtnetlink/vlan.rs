//! VLANs of bridge ports (linux/if_bridge.h, `IFLA_BRIDGE_VLAN_INFO`).

use super::Route;
use crate::error::Result;
use std::ops::RangeInclusive;
use tare_netlink::{ACK, Attributes, DUMP, Op, Writer, attributes, find, read_u16, read_u32};

/// `RTM_SETLINK`, `RTM_DELLINK` and `RTM_GETLINK`, which have the family `AF_BRIDGE` here.
const SET: u16 = 19;
const DELETE: u16 = 17;
const GET: u16 = 18;
const BRIDGE_FAMILY: u8 = 7;
/// `IFLA_AF_SPEC` and `IFLA_EXT_MASK`.
const OF_FAMILY: u16 = 26;
const EXTRA: u16 = 29;
/// `RTEXT_FILTER_BRVLAN`: a dump includes the VLANs.
const WITH_VLANS: u32 = 2;
/// `IFLA_BRIDGE_VLAN_INFO` and the flags `BRIDGE_VLAN_INFO_` of a `struct bridge_vlan_info`.
const INFO: u16 = 2;
const NATIVE: u16 = 2;
const UNTAGGED: u16 = 4;
const RANGE_BEGIN: u16 = 8;
const RANGE_END: u16 = 16;

/// The VLANs of a port.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PortVlans {
    /// The native VLAN, whose frames are untagged.
    pub native: Option<u16>,
    /// The VLANs with tagged frames.
    pub tagged: Vec<RangeInclusive<u16>>,
}

/// Returns a `struct ifinfomsg`.
fn fixed(index: u32) -> [u8; 16] {
    let [a, b, c, d] = index.to_ne_bytes();
    [BRIDGE_FAMILY, 0, 0, 0, a, b, c, d, 0, 0, 0, 0, 0, 0, 0, 0]
}

/// Adds a `struct bridge_vlan_info`.
fn put(w: &mut Attributes, flags: u16, id: u16) {
    let ([a, b], [c, d]) = (flags.to_ne_bytes(), id.to_ne_bytes());
    w.bytes(INFO, &[a, b, c, d]);
}

fn put_removal(w: &mut Writer, port: u32, id: u16) {
    w.message(Op(DELETE, ACK), &fixed(port), |w| w.nest(OF_FAMILY, |w| put(w, 0, id)));
}

fn put_all(w: &mut Attributes, vlans: &PortVlans) {
    for range in &vlans.tagged {
        if range.start() == range.end() {
            put(w, 0, *range.start());
        } else {
            put(w, RANGE_BEGIN, *range.start());
            put(w, RANGE_END, *range.end());
        }
    }
    if let Some(native) = vlans.native {
        put(w, NATIVE | UNTAGGED, native);
    }
}

impl Route {
    /// Adds a port to VLANs, after removing it from the VLAN `out_of`, the bridge's default VLAN.
    ///
    /// # Errors
    /// The kernel's error.
    pub fn set_vlans(&mut self, port: u32, vlans: &PortVlans, out_of: Option<u16>) -> Result<()> {
        self.ask(&format!("set the VLANs of interface number {port}"), |w| {
            out_of.iter().for_each(|id| put_removal(w, port, *id));
            w.message(Op(SET, ACK), &fixed(port), |w| w.nest(OF_FAMILY, |w| put_all(w, vlans)));
        })
        .map(drop)
    }

    /// Returns the VLANs of a port.
    ///
    /// # Errors
    /// The kernel's error.
    pub fn vlans(&mut self, port: u32) -> Result<PortVlans> {
        let replies = self.ask("list the VLANs of ports", |w| {
            w.message(Op(GET, DUMP), &fixed(0), |w| w.number(EXTRA, WITH_VLANS));
        })?;
        let of_port = replies.iter().find(|body| read_u32(body, 4) == Some(port));
        Ok(of_port.map(|body| read(body)).unwrap_or_default())
    }
}

fn read(body: &[u8]) -> PortVlans {
    let list = body.get(16..).and_then(|body| find(body, OF_FAMILY)).unwrap_or_default();
    let mut vlans = PortVlans::default();
    for (_, info) in attributes(list).filter(|(kind, _)| *kind == INFO) {
        let (Some(flags), Some(id)) = (read_u16(info, 0), read_u16(info, 2)) else { continue };
        if flags & NATIVE != 0 {
            vlans.native = Some(id);
        } else {
            vlans.tagged.push(id..=id);
        }
    }
    vlans
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vlan_attributes_have_the_kernels_format() {
        let mut writer = tare_netlink::Writer::new(0);
        let vlans = PortVlans { native: Some(5), tagged: vec![7..=7, 100..=199] };
        writer.message(Op(SET, ACK), &fixed(3), |w| w.nest(OF_FAMILY, |w| put_all(w, &vlans)));
        let body = &writer.as_bytes()[32..];
        let infos: Vec<&[u8]> = attributes(find(body, OF_FAMILY).unwrap()).map(|(_, info)| info).collect();
        let info = |flags: u16, id: u16| [flags.to_ne_bytes(), id.to_ne_bytes()].concat();
        assert_eq!(infos, [info(0, 7), info(8, 100), info(16, 199), info(6, 5)]);
    }
}
