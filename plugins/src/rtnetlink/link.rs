//! Links: attributes, queries, flags (rtnetlink(7), linux/if_link.h).

use super::{Inet6, Route};
use crate::error::{Error, Result};
use rustix::io::Errno;
use rustix::net::netdevice::name_to_index;
use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};
use tare_netlink::link::{GET, NEW, UP, header};
use tare_netlink::{ACK, Attributes, DUMP, Op, Refusal, find, find_text, find_u32, read_u16, read_u32};

/// `RTM_DELLINK`
const DELETE: u16 = 17;

/// `IFLA_ADDRESS`, `IFLA_IFNAME`, `IFLA_MTU`, `IFLA_LINK`, `IFLA_MASTER`, `IFLA_OPERSTATE`, `IFLA_LINKINFO`, `IFLA_IFALIAS`,
/// `IFLA_NET_NS_FD`, `IFLA_EXT_MASK` and `IFLA_ALT_IFNAME`.
pub(super) const ADDRESS: u16 = 1;
pub(super) const NAME: u16 = 3;
pub(super) const MTU: u16 = 4;
const PEER: u16 = 5;
pub(super) const MASTER: u16 = 10;
const OPERATIONAL_STATE: u16 = 16;
pub(super) const INFO: u16 = 18;
pub(super) const ALIAS: u16 = 20;
pub(super) const NAMESPACE: u16 = 28;
const EXTRA: u16 = 29;
const ALTERNATIVE_NAME: u16 = 53;
/// `IFNAMSIZ` and `ALTIFNAMSIZ`, less the terminating NUL.
const LONGEST: usize = 15;
const LONGEST_ALTERNATIVE: usize = 127;
/// `IFLA_INFO_KIND`, `_DATA`, `_SLAVE_KIND` and `_SLAVE_DATA`.
pub(super) const INFO_KIND: u16 = 1;
pub(super) const INFO_DATA: u16 = 2;
pub(super) const INFO_SLAVE_KIND: u16 = 4;
pub(super) const INFO_SLAVE_DATA: u16 = 5;
/// `IFLA_BR_VLAN_FILTERING` and `IFLA_BR_VLAN_DEFAULT_PVID`.
pub(super) const BRIDGE_VLAN_FILTERING: u16 = 7;
const BRIDGE_DEFAULT_VLAN: u16 = 39;

/// `IFLA_BRPORT_MODE` and `IFLA_BRPORT_ISOLATED`.
pub(super) const PORT_HAIRPIN: u16 = 4;
pub(super) const PORT_ISOLATED: u16 = 33;
/// `RTEXT_FILTER_SKIP_STATS`: leaves out counters, which are most of a reply and are not used here.
const WITHOUT_COUNTERS: u32 = 8;

/// `IFF_LOOPBACK` and `IFF_PROMISC`.
const LOOPBACK: u32 = 0x8;
const PROMISCUOUS: u32 = 0x100;
/// `IF_OPER_UP`.
const STATE_UP: u8 = 6;

/// A link as the kernel reports it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Link {
    /// The index in its namespace.
    pub index: u32,
    /// The name.
    pub name: String,
    /// The hardware address.
    pub mac: Vec<u8>,
    /// `IFF_` flags.
    pub flags: u32,
    /// The MTU in bytes.
    pub mtu: u32,
    /// The index of its bridge; 0 if it is not a port.
    pub master: u32,
    /// The index of the other end of a veth pair, in the namespace of that end.
    pub peer: u32,
    /// `bridge` or `veth`; empty for hardware.
    pub kind: String,
    /// The alias.
    pub alias: String,
    /// Whether frames may leave through the port they came from.
    pub hairpin: bool,
    /// Whether the port is isolated: no frames pass between isolated ports.
    pub isolated: bool,
    /// Whether it is a bridge that filters VLANs.
    pub filters_vlans: bool,
    /// The default VLAN of the bridge, to which the kernel adds every new port; 0 for none.
    pub default_vlan: u16,
    /// The sysctls of IPv6.
    pub inet6: Option<Inet6>,
    operational: u8,
}

impl Link {
    /// Whether the link is up.
    pub fn is_up(&self) -> bool {
        self.flags & UP != 0
    }

    /// Whether the link is a loopback interface.
    pub fn is_loopback(&self) -> bool {
        self.flags & LOOPBACK != 0
    }

    /// Whether the link is in promiscuous mode.
    pub fn is_promiscuous(&self) -> bool {
        self.flags & PROMISCUOUS != 0
    }

    /// Whether the link and its carrier are up (RFC 2863).
    pub fn is_operational(&self) -> bool {
        self.operational == STATE_UP
    }

    /// Returns the hardware address as text.
    pub fn mac_text(&self) -> String {
        spell_mac(&self.mac)
    }

    pub(super) fn read(body: &[u8]) -> Option<Link> {
        let attributes = body.get(16..)?;
        let info = find(attributes, INFO).unwrap_or_default();
        let port = find(info, INFO_SLAVE_DATA).unwrap_or_default();
        let kind = find_text(info, INFO_KIND);
        let bridge = find(info, INFO_DATA).filter(|_| kind == "bridge").unwrap_or_default();
        let byte = |bytes, kind| find(bytes, kind).and_then(|payload| payload.first()).copied().unwrap_or(0);
        Some(Link {
            index: read_u32(body, 4)?,
            flags: read_u32(body, 8)?,
            name: find_text(attributes, NAME),
            mac: find(attributes, ADDRESS).unwrap_or_default().to_vec(),
            mtu: find_u32(attributes, MTU).unwrap_or(0),
            master: find_u32(attributes, MASTER).unwrap_or(0),
            peer: find_u32(attributes, PEER).unwrap_or(0),
            kind,
            alias: find_text(attributes, ALIAS),
            hairpin: byte(port, PORT_HAIRPIN) != 0,
            isolated: byte(port, PORT_ISOLATED) != 0,
            filters_vlans: byte(bridge, BRIDGE_VLAN_FILTERING) != 0,
            default_vlan: find(bridge, BRIDGE_DEFAULT_VLAN).and_then(|id| read_u16(id, 0)).unwrap_or(0),
            inet6: Inet6::read(attributes),
            operational: byte(attributes, OPERATIONAL_STATE),
        })
    }
}

/// Reads a hardware address of six bytes.
pub fn parse_mac(text: &str) -> Option<[u8; 6]> {
    let byte = |part: &str| (part.len() == 2).then(|| u8::from_str_radix(part, 16).ok()).flatten();
    let bytes: Option<Vec<u8>> = text.split([':', '-']).map(byte).collect();
    bytes?.try_into().ok()
}

/// Returns a hardware address as text.
pub fn spell_mac(mac: &[u8]) -> String {
    mac.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(":")
}

/// Returns the index of an interface in the current network namespace; `None` if it does not exist.
pub fn interface_number(name: &str) -> Option<u32> {
    let socket = socket_with(AddressFamily::UNIX, SocketType::DGRAM, SocketFlags::CLOEXEC, None).ok()?;
    name_to_index(socket, name).ok()
}

impl Route {
    /// Returns the link with a name; a name that is too long is looked up as an alternative name. `None` if it does not
    /// exist.
    ///
    /// # Errors
    /// The kernel's error.
    pub fn link(&mut self, name: &str) -> Result<Option<Link>> {
        if name.len() > LONGEST_ALTERNATIVE || name.contains('\0') {
            return Ok(None);
        }
        self.one_link(&header(0, 0, 0), name, &format!("look up interface {name}"))
    }

    /// Returns the link with an index; `None` if it does not exist.
    ///
    /// # Errors
    /// The kernel's error.
    pub fn link_by_index(&mut self, index: u32) -> Result<Option<Link>> {
        self.one_link(&header(index, 0, 0), "", &format!("look up interface number {index}"))
    }

    fn one_link(&mut self, head: &[u8], name: &str, what: &str) -> Result<Option<Link>> {
        let attribute = if name.len() > LONGEST { ALTERNATIVE_NAME } else { NAME };
        let answers = self.ask_each(|w| {
            w.message(Op(GET, ACK), head, |w| {
                if !name.is_empty() {
                    w.text(attribute, name);
                }
                w.number(EXTRA, WITHOUT_COUNTERS);
            });
        })?;
        let Some(answer) = answers.into_iter().next() else { return Ok(None) };
        match answer.outcome {
            Ok(replies) => Ok(replies.first().and_then(|body| Link::read(body))),
            Err(Refusal { errno: Errno::NODEV, .. }) => Ok(None),
            Err(refusal) => Err(Error::refused(what, &refusal)),
        }
    }

    /// Returns all ports of a bridge.
    ///
    /// # Errors
    /// The kernel's error.
    pub fn ports(&mut self, bridge: u32) -> Result<Vec<Link>> {
        let replies = self.ask("list interfaces", |w| {
            w.message(Op(GET, DUMP), &header(0, 0, 0), |w| {
                w.number(MASTER, bridge);
                w.number(EXTRA, WITHOUT_COUNTERS);
            });
        })?;
        Ok(replies.iter().filter_map(|body| Link::read(body)).filter(|link| link.master == bridge).collect())
    }

    /// Returns all links of the namespace.
    ///
    /// # Errors
    /// The kernel's error.
    pub fn links(&mut self) -> Result<Vec<Link>> {
        let replies = self.ask("list interfaces", |w| {
            w.message(Op(GET, DUMP), &header(0, 0, 0), |w| w.number(EXTRA, WITHOUT_COUNTERS));
        })?;
        Ok(replies.iter().filter_map(|body| Link::read(body)).collect())
    }

    /// Sets a link up.
    ///
    /// # Errors
    /// The kernel's error.
    pub fn set_up(&mut self, index: u32) -> Result<()> {
        self.set_flags(index, UP, UP)
    }

    /// Sets a link down.
    ///
    /// # Errors
    /// The kernel's error.
    pub fn set_down(&mut self, index: u32) -> Result<()> {
        self.set_flags(index, 0, UP)
    }

    /// Turns promiscuous mode on.
    ///
    /// # Errors
    /// The kernel's error.
    pub fn set_promiscuous(&mut self, index: u32) -> Result<()> {
        self.set_flags(index, PROMISCUOUS, PROMISCUOUS)
    }

    fn set_flags(&mut self, index: u32, flags: u32, change: u32) -> Result<()> {
        let what = format!("change interface number {index}");
        self.ask(&what, |w| w.message(Op(NEW, ACK), &header(index, flags, change), |_| {})).map(drop)
    }

    /// Removes a link; a missing one is no error.
    ///
    /// # Errors
    /// The kernel's error.
    pub fn delete_link(&mut self, index: u32) -> Result<()> {
        let outcome = self.decided(|w| w.message(Op(DELETE, ACK), &header(index, 0, 0), |_| {}))?;
        match outcome {
            Ok(()) | Err(Refusal { errno: Errno::NODEV, .. }) => Ok(()),
            Err(refusal) => Err(Error::refused(format!("delete interface number {index}"), &refusal)),
        }
    }

    /// Sends messages and returns the first refusal separately, because the caller handles it.
    pub(super) fn decided(
        &mut self,
        build: impl FnOnce(&mut Attributes),
    ) -> Result<std::result::Result<(), Refusal>> {
        let answers = self.ask_each(build)?;
        let refusal = answers.into_iter().find_map(|answer| answer.outcome.err());
        Ok(refusal.map_or(Ok(()), Err))
    }
}

/// Adds the message that sets a link up.
pub(super) fn put_up(w: &mut Attributes, index: u32) {
    w.message(Op(NEW, ACK), &header(index, UP, UP), |_| {});
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hardware_addresses_are_six_bytes() {
        assert_eq!(parse_mac("02:0a:00-00-00:ff"), Some([2, 10, 0, 0, 0, 255]));
        for bad in
            ["", "02", "02:0a:00:00:00", "02:0a:00:00:00:ff:00", "2:0a:00:00:00:ff", "zz:0a:00:00:00:ff"]
        {
            assert_eq!(parse_mac(bad), None, "{bad}");
        }
    }
}
