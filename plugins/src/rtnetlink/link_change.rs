//! Creation and change of links: bridges, veth pairs, bridge ports, moves between namespaces.

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

/// `VETH_INFO_PEER`
const VETH_PEER: u16 = 1;

/// A bridge to create.
#[derive(Clone, Copy, Debug)]
pub struct NewBridge<'a> {
    /// The name.
    pub name: &'a str,
    /// The hardware address. Without it the bridge would change its address with its ports.
    pub mac: [u8; 6],
    /// The MTU in bytes; 0 for the kernel's default.
    pub mtu: u32,
    /// Whether the bridge filters VLANs.
    pub filters_vlans: bool,
}

/// A veth pair to create: the host end is a port of a bridge, the other end is in a container. Both are down, because
/// adding a port that is up costs the kernel more.
#[derive(Clone, Copy, Debug)]
pub struct NewVeth<'a> {
    /// The name of the host end.
    pub host: &'a str,
    /// The name of the container end.
    pub container: &'a str,
    /// A file descriptor of the container's namespace.
    pub namespace: u32,
    /// The index of the bridge.
    pub bridge: u32,
    /// The MTU of both ends in bytes; 0 for the kernel's default.
    pub mtu: u32,
    /// The hardware address of the container end.
    pub mac: Option<[u8; 6]>,
}

/// A move of a link to another namespace and name. The kernel sets the link down and drops its addresses.
#[derive(Clone, Copy, Debug)]
pub struct Move<'a> {
    /// The index in the current namespace.
    pub index: u32,
    /// A file descriptor of the new namespace.
    pub namespace: u32,
    /// The new name.
    pub name: &'a str,
    /// The new alias; empty for none.
    pub alias: &'a str,
}

/// A bridge port that exists and is down, with the settings to apply before it is opened.
#[derive(Clone, Copy, Debug)]
pub struct Port<'a> {
    /// The name of the port.
    pub name: &'a str,
    /// The alias, which names the attachment.
    pub alias: &'a str,
    /// Whether frames may leave through the port they came from.
    pub hairpin: bool,
    /// Whether the port is isolated: no frames pass between isolated ports.
    pub isolated: bool,
}

impl Route {
    /// Moves a link to another namespace and sets its name and alias in one message. A kill at any point leaves the
    /// link on one of the sides, and never without its alias.
    ///
    /// # Errors
    /// The socket's error.
    pub fn move_link(&mut self, to: &Move<'_>) -> Result<std::result::Result<(), Refusal>> {
        self.decided(|w| {
            w.message(Op(NEW, ACK), &header(to.index, 0, 0), |w| {
                w.number(NAMESPACE, to.namespace);
                w.text(NAME, to.name);
                w.bytes(ALIAS, to.alias.as_bytes());
            });
        })
    }

    /// Sets the name and the alias of a link that is down.
    ///
    /// # Errors
    /// The kernel's error.
    pub fn rename(&mut self, index: u32, name: &str, alias: &str) -> Result<()> {
        self.ask(&format!("rename interface number {index} to {name}"), |w| {
            w.message(Op(NEW, ACK), &header(index, 0, 0), |w| {
                w.text(NAME, name);
                w.bytes(ALIAS, alias.as_bytes());
            });
        })
        .map(drop)
    }

    /// Creates a bridge that is up; refused with `EEXIST` if a link has the name.
    ///
    /// # Errors
    /// The socket's error.
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

    /// Creates a veth pair; refused with `EEXIST` if either name is taken.
    ///
    /// # Errors
    /// The socket's error.
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

    /// Sets the alias of a port that is down, and its bridge settings, in one message.
    ///
    /// The port gets no IPv6 link-local address, which would be of no use: each such address has routes, and the kernel
    /// walks through all routes whenever a port comes or goes. A kernel without IPv6 refuses the attribute; the message
    /// is then sent without it.
    ///
    /// # Errors
    /// The kernel's error.
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

/// Kernels before 4.18 refuse the attribute for isolation, so it is sent only if it is on.
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
