//! Links made, moved and joined to a bridge: bridges, veth pairs, ports, devices lent to containers.

use super::Route;
use super::link::{
    ADDRESS, ALIAS, BRIDGE_VLAN_FILTERING, INFO, INFO_DATA, INFO_KIND, INFO_SLAVE_DATA, INFO_SLAVE_KIND,
    MASTER, MTU, NAME, NAMESPACE, PORT_HAIRPIN, PORT_ISOLATED,
};
use super::protocol::put_no_generated_address;
use crate::error::{Error, Result};
use rustix::io::Errno;
use tare_netlink::link::{NEW, header};
use tare_netlink::{ACK, Attributes, CREATE, EXCLUSIVE, Op, Refusal};

const VETH_PEER: u16 = 1;

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

/// A port of a bridge that is there, down, and to be prepared for being opened.
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

impl Route {
    /// Moves a link to another namespace, renames it and writes on it, in one message: whoever is killed around it
    /// leaves the link on one side or on the other, never without its alias.
    ///
    /// # Errors
    /// The socket's.
    pub fn move_link(&mut self, to: &Move<'_>) -> Result<std::result::Result<(), Refusal>> {
        self.decided(|w| {
            w.message(Op(NEW, ACK), &header(to.index, 0, 0), |w| {
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
            w.message(Op(NEW, ACK), &header(index, 0, 0), |w| {
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
            w.message(Op(NEW, ACK | CREATE | EXCLUSIVE), &header(0, 0, 0), |w| {
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
            w.message(Op(NEW, ACK | CREATE | EXCLUSIVE), &header(0, 0, 0), |w| {
                w.text(NAME, veth.host);
                w.number(MASTER, veth.bridge);
                put_mtu(w, veth.mtu);
                w.nest(INFO, |w| put_veth(w, veth));
            });
        })
    }

    /// Writes on a port that is down, and sets how the bridge treats it, in one message. It is to have no address of its
    /// own, which nobody could use: that saves the kernel the routes of each port, through all of which it walks when any
    /// port comes or goes. Where there is no IPv6 there is no such address.
    ///
    /// # Errors
    /// The kernel's.
    pub fn prepare_port(&mut self, port: &Port<'_>) -> Result<()> {
        let (plain, full) = (
            |w: &mut Attributes| put_preparation(w, port),
            |w: &mut Attributes| {
                put_preparation(w, port);
                put_no_generated_address(w);
            },
        );
        let mut outcome = self.decided(|w| w.message(Op(NEW, ACK), &header(0, 0, 0), full))?;
        if outcome.as_ref().is_err_and(|refusal| refusal.errno == Errno::AFNOSUPPORT) {
            outcome = self.decided(|w| w.message(Op(NEW, ACK), &header(0, 0, 0), plain))?;
        }
        outcome.map_err(|refusal| Error::refused(format!("prepare port {}", port.name), &refusal))
    }
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

fn put_preparation(w: &mut Attributes, port: &Port<'_>) {
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
    w.nest(INFO_DATA, |w| w.nest_after(VETH_PEER, &header(0, 0, 0), |w| put_container_end(w, veth)));
}

fn put_container_end(w: &mut Attributes, veth: &NewVeth<'_>) {
    w.text(NAME, veth.container);
    w.number(NAMESPACE, veth.namespace);
    put_mtu(w, veth.mtu);
    if let Some(mac) = veth.mac {
        w.bytes(ADDRESS, &mac);
    }
}
