//! Links: bridges, veth pairs and what is set on them (rtnetlink(7), linux/if_link.h).

use super::message::{
    ACK, Attributes, CREATE, DUMP, EXCLUSIVE, Op, find, find_text, find_u32, read_u16, read_u32,
};
use super::protocol::put_no_generated_address;
use super::{Inet6, Refusal, Route};
use crate::error::Result;
use rustix::io::Errno;

const NEW: u16 = 16;
const DELETE: u16 = 17;
const GET: u16 = 18;

const ADDRESS: u16 = 1;
const NAME: u16 = 3;
const MTU: u16 = 4;
const PEER: u16 = 5;
const MASTER: u16 = 10;
const OPERATIONAL_STATE: u16 = 16;
const INFO: u16 = 18;
const ALIAS: u16 = 20;
const NAMESPACE: u16 = 28;
const EXTRA: u16 = 29;
const INFO_KIND: u16 = 1;
const INFO_DATA: u16 = 2;
const INFO_SLAVE_KIND: u16 = 4;
const INFO_SLAVE_DATA: u16 = 5;
const BRIDGE_VLAN_FILTERING: u16 = 7;
const BRIDGE_DEFAULT_VLAN: u16 = 39;
const VETH_PEER: u16 = 1;
const PORT_STATE: u16 = 1;
const PORT_HAIRPIN: u16 = 4;
const PORT_ISOLATED: u16 = 33;
/// `RTEXT_FILTER_SKIP_STATS`: counters are most of a reply, and nothing here reads them.
const WITHOUT_COUNTERS: u32 = 8;

/// `IFF_UP`.
pub const UP: u32 = 0x1;
const LOOPBACK: u32 = 0x8;
const PROMISCUOUS: u32 = 0x100;
const STATE_UP: u8 = 6;
const PORT_FORWARDING: u8 = 3;

/// One link as the kernel has it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Link {
    /// Its number in its namespace.
    pub index: u32,
    /// Its name.
    pub name: String,
    /// Its hardware address.
    pub mac: Vec<u8>,
    /// `IFF_` flags.
    pub flags: u32,
    /// In bytes.
    pub mtu: u32,
    /// The number of the bridge it is a port of; 0 when of none.
    pub master: u32,
    /// The number of the other end of a veth pair, in that one's namespace.
    pub peer: u32,
    /// `bridge`, `veth`; empty for hardware.
    pub kind: String,
    /// What we wrote on it.
    pub alias: String,
    /// Whether frames may leave by the port they came from.
    pub hairpin: bool,
    /// Whether frames don't pass between it and other such ports.
    pub isolated: bool,
    /// Whether it is a bridge that tells VLANs apart.
    pub filters_vlans: bool,
    /// The VLAN to which every new port of the bridge belongs; 0 for none.
    pub default_vlan: u16,
    /// What IPv6 is told about it.
    pub inet6: Option<Inet6>,
    forwarding: bool,
    operational: u8,
}

/// A bridge to be made.
#[derive(Clone, Copy, Debug)]
pub struct NewBridge<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its hardware address, set so that it stays the same whatever ports come and go.
    pub mac: [u8; 6],
    /// In bytes; 0 for the kernel's default.
    pub mtu: u32,
    /// Whether it tells VLANs apart.
    pub filters_vlans: bool,
}

/// A veth pair to be made: one end here, a port of a bridge; the other in a container; both down, since a port that is
/// up when it joins costs the kernel more.
#[derive(Clone, Copy, Debug)]
pub struct NewVeth<'a> {
    /// The name of this end.
    pub host: &'a str,
    /// The name of the other end.
    pub container: &'a str,
    /// The container's namespace, by descriptor.
    pub namespace: u32,
    /// The number of the bridge.
    pub bridge: u32,
    /// In bytes, of both ends; 0 for the kernel's default.
    pub mtu: u32,
    /// The hardware address of the container's end.
    pub mac: Option<[u8; 6]>,
}

/// A link on its way to another namespace, where it has another name; it arrives down and without addresses.
#[derive(Clone, Copy, Debug)]
pub struct Move<'a> {
    /// Its number where it is now.
    pub index: u32,
    /// The namespace it goes to, by descriptor.
    pub namespace: u32,
    /// Its name there.
    pub name: &'a str,
    /// What is written on it; nothing when empty.
    pub alias: &'a str,
}

/// A port of a bridge that is there and is to be opened.
#[derive(Clone, Copy, Debug)]
pub struct Port<'a> {
    /// The port.
    pub name: &'a str,
    /// What is written on it for people and for ourselves.
    pub alias: &'a str,
    /// Whether frames may leave by the port they came from.
    pub hairpin: bool,
    /// Whether frames don't pass between it and other such ports.
    pub isolated: bool,
}

impl Link {
    /// Whether it is up.
    pub fn is_up(&self) -> bool {
        self.flags & UP != 0
    }

    /// Whether it is a loopback.
    pub fn is_loopback(&self) -> bool {
        self.flags & LOOPBACK != 0
    }

    /// Whether it takes frames meant for others.
    pub fn is_promiscuous(&self) -> bool {
        self.flags & PROMISCUOUS != 0
    }

    /// Whether the bridge forwards what comes from this port.
    pub fn is_forwarding(&self) -> bool {
        self.forwarding && self.operational == STATE_UP
    }

    /// The hardware address as people write it.
    pub fn mac_text(&self) -> String {
        spell_mac(&self.mac)
    }

    fn read(body: &[u8]) -> Option<Link> {
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
            forwarding: byte(port, PORT_STATE) == PORT_FORWARDING,
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

/// A hardware address as people write it.
pub fn spell_mac(mac: &[u8]) -> String {
    mac.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(":")
}

/// The fixed part of a link message; only the flags in `change` are set.
fn fixed(index: u32, flags: u32, change: u32) -> [u8; 16] {
    let mut bytes = [0; 16];
    let words = [0, index, flags, change];
    for (place, word) in bytes.chunks_exact_mut(4).zip(words) {
        place.copy_from_slice(&word.to_ne_bytes());
    }
    bytes
}

impl Route {
    /// The link of a name; `None` when there is none.
    ///
    /// # Errors
    /// The kernel's.
    pub fn link(&mut self, name: &str) -> Result<Option<Link>> {
        self.one_link(&fixed(0, 0, 0), name, &format!("look up interface {name}"))
    }

    /// The link of a number; `None` when there is none.
    ///
    /// # Errors
    /// The kernel's.
    pub fn link_by_index(&mut self, index: u32) -> Result<Option<Link>> {
        self.one_link(&fixed(index, 0, 0), "", &format!("look up interface number {index}"))
    }

    fn one_link(&mut self, head: &[u8], name: &str, what: &str) -> Result<Option<Link>> {
        let answers = self.ask_each(|w| {
            w.message(Op(GET, ACK), head, |w| {
                if !name.is_empty() {
                    w.text(NAME, name);
                }
                w.number(EXTRA, WITHOUT_COUNTERS);
            });
        })?;
        let Some(answer) = answers.into_iter().next() else { return Ok(None) };
        match answer.outcome {
            Ok(replies) => Ok(replies.first().and_then(|body| Link::read(body))),
            Err(Refusal { errno: Errno::NODEV, .. }) => Ok(None),
            Err(refusal) => Err(refusal.error(what)),
        }
    }

    /// Every link that is a port of a bridge.
    ///
    /// # Errors
    /// The kernel's.
    pub fn ports(&mut self, bridge: u32) -> Result<Vec<Link>> {
        let replies = self.ask("list interfaces", |w| {
            w.message(Op(GET, DUMP), &fixed(0, 0, 0), |w| {
                w.number(MASTER, bridge);
                w.number(EXTRA, WITHOUT_COUNTERS);
            });
        })?;
        Ok(replies.iter().filter_map(|body| Link::read(body)).filter(|link| link.master == bridge).collect())
    }

    /// Every link of the namespace.
    ///
    /// # Errors
    /// The kernel's.
    pub fn links(&mut self) -> Result<Vec<Link>> {
        let replies = self.ask("list interfaces", |w| {
            w.message(Op(GET, DUMP), &fixed(0, 0, 0), |w| w.number(EXTRA, WITHOUT_COUNTERS));
        })?;
        Ok(replies.iter().filter_map(|body| Link::read(body)).collect())
    }

    /// Moves a link to another namespace, renames it and writes on it, in one message: whoever is killed around it
    /// leaves the link on one side or on the other, never without its alias.
    ///
    /// # Errors
    /// The socket's.
    pub fn move_link(&mut self, to: &Move<'_>) -> Result<std::result::Result<(), Refusal>> {
        self.decided(|w| {
            w.message(Op(NEW, ACK), &fixed(to.index, 0, 0), |w| {
                w.number(NAMESPACE, to.namespace);
                w.text(NAME, to.name);
                w.bytes(ALIAS, to.alias.as_bytes());
            });
        })
    }

    /// Renames a link that is down, and writes on it.
    ///
    /// # Errors
    /// The kernel's.
    pub fn rename(&mut self, index: u32, name: &str, alias: &str) -> Result<()> {
        self.ask(&format!("rename interface number {index} to {name}"), |w| {
            w.message(Op(NEW, ACK), &fixed(index, 0, 0), |w| {
                w.text(NAME, name);
                w.bytes(ALIAS, alias.as_bytes());
            });
        })
        .map(drop)
    }

    /// Makes a bridge, up; refused with `EEXIST` when there is a link of that name.
    ///
    /// # Errors
    /// The socket's.
    pub fn create_bridge(&mut self, bridge: &NewBridge<'_>) -> Result<std::result::Result<(), Refusal>> {
        self.decided(|w| {
            w.message(Op(NEW, ACK | CREATE | EXCLUSIVE), &fixed(0, 0, 0), |w| {
                w.text(NAME, bridge.name);
                w.bytes(ADDRESS, &bridge.mac);
                put_mtu(w, bridge.mtu);
                w.nest(INFO, |w| put_bridge(w, bridge));
            });
        })
    }

    /// Makes a veth pair; refused with `EEXIST` when either name is taken.
    ///
    /// # Errors
    /// The socket's.
    pub fn create_veth(&mut self, veth: &NewVeth<'_>) -> Result<std::result::Result<(), Refusal>> {
        self.decided(|w| {
            w.message(Op(NEW, ACK | CREATE | EXCLUSIVE), &fixed(0, 0, 0), |w| {
                w.text(NAME, veth.host);
                w.number(MASTER, veth.bridge);
                put_mtu(w, veth.mtu);
                w.nest(INFO, |w| put_veth(w, veth));
            });
        })
    }

    /// Writes on a port, sets how the bridge treats it and sets it up, in one message. It is to have no address of its own,
    /// which nobody could use: that saves the kernel the routes of each port, through all of which it walks when any port
    /// comes or goes. Where there is no IPv6 there is no such address.
    ///
    /// # Errors
    /// The kernel's.
    pub fn open_port(&mut self, port: &Port<'_>) -> Result<()> {
        let (plain, full) = (
            |w: &mut Attributes| put_opening(w, port),
            |w: &mut Attributes| {
                put_opening(w, port);
                put_no_generated_address(w);
            },
        );
        let mut outcome = self.decided(|w| w.message(Op(NEW, ACK), &fixed(0, UP, UP), full))?;
        if outcome.as_ref().is_err_and(|refusal| refusal.errno == Errno::AFNOSUPPORT) {
            outcome = self.decided(|w| w.message(Op(NEW, ACK), &fixed(0, UP, UP), plain))?;
        }
        outcome.map_err(|refusal| refusal.error(&format!("set up port {}", port.name)))
    }

    /// Sets a link up.
    ///
    /// # Errors
    /// The kernel's.
    pub fn set_up(&mut self, index: u32) -> Result<()> {
        self.set_flags(index, UP, UP)
    }

    /// Sets a link down.
    ///
    /// # Errors
    /// The kernel's.
    pub fn set_down(&mut self, index: u32) -> Result<()> {
        self.set_flags(index, 0, UP)
    }

    /// Lets a link take frames meant for others.
    ///
    /// # Errors
    /// The kernel's.
    pub fn set_promiscuous(&mut self, index: u32) -> Result<()> {
        self.set_flags(index, PROMISCUOUS, PROMISCUOUS)
    }

    fn set_flags(&mut self, index: u32, flags: u32, change: u32) -> Result<()> {
        let what = format!("change interface number {index}");
        self.ask(&what, |w| w.message(Op(NEW, ACK), &fixed(index, flags, change), |_| {})).map(drop)
    }

    /// Removes a link; one that is gone already is as good.
    ///
    /// # Errors
    /// The kernel's.
    pub fn delete_link(&mut self, index: u32) -> Result<()> {
        let outcome = self.decided(|w| w.message(Op(DELETE, ACK), &fixed(index, 0, 0), |_| {}))?;
        match outcome {
            Ok(()) | Err(Refusal { errno: Errno::NODEV, .. }) => Ok(()),
            Err(refusal) => Err(refusal.error(&format!("delete interface number {index}"))),
        }
    }

    /// One message whose refusal is for the caller to judge.
    pub(super) fn decided(
        &mut self,
        build: impl FnOnce(&mut Attributes),
    ) -> Result<std::result::Result<(), Refusal>> {
        let answers = self.ask_each(build)?;
        let refusal = answers.into_iter().find_map(|answer| answer.outcome.err());
        Ok(refusal.map_or(Ok(()), Err))
    }
}

/// Adds `up` for a link of this namespace to messages that are sent together with others.
pub(super) fn put_up(w: &mut Attributes, index: u32) {
    w.message(Op(NEW, ACK), &fixed(index, UP, UP), |_| {});
}

fn put_mtu(w: &mut Attributes, mtu: u32) {
    if mtu > 0 {
        w.number(MTU, mtu);
    }
}

fn put_bridge(w: &mut Attributes, bridge: &NewBridge<'_>) {
    w.text(INFO_KIND, "bridge");
    if bridge.filters_vlans {
        w.nest(INFO_DATA, |w| w.bytes(BRIDGE_VLAN_FILTERING, &[1]));
    }
}

fn put_opening(w: &mut Attributes, port: &Port<'_>) {
    w.text(NAME, port.name);
    w.text(ALIAS, port.alias);
    w.nest(INFO, |w| {
        w.text(INFO_SLAVE_KIND, "bridge");
        w.nest(INFO_SLAVE_DATA, |w| put_port(w, port));
    });
}

/// Kernels before 4.18 refuse a port's isolation even when it is off, so it is only said when it is on.
fn put_port(w: &mut Attributes, port: &Port<'_>) {
    w.bytes(PORT_HAIRPIN, &[u8::from(port.hairpin)]);
    if port.isolated {
        w.bytes(PORT_ISOLATED, &[1]);
    }
}

fn put_veth(w: &mut Attributes, veth: &NewVeth<'_>) {
    w.text(INFO_KIND, "veth");
    w.nest(INFO_DATA, |w| w.nest_after(VETH_PEER, &fixed(0, 0, 0), |w| put_container_end(w, veth)));
}

fn put_container_end(w: &mut Attributes, veth: &NewVeth<'_>) {
    w.text(NAME, veth.container);
    w.number(NAMESPACE, veth.namespace);
    put_mtu(w, veth.mtu);
    if let Some(mac) = veth.mac {
        w.bytes(ADDRESS, &mac);
    }
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
