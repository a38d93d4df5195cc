//! VLANs of a bridge: those of a container's port, and the host's own interface in a VLAN.

use super::differs;
use crate::attachment::Attachment;
use crate::declaration::{Resource, Undo};
use crate::error::{Code, Error, Result};
use crate::host::{Host, Side};
use crate::rtnetlink::{Link, NewVeth, PortVlans};
use crate::sysctl::{IfMissing, Sysctl};
use rustix::io::Errno;

/// The VLANs of a container's port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vlans {
    /// The VLANs of the port.
    pub port: PortVlans,
    /// The VLAN of the key `vlan`; the gateway's addresses are in it too.
    pub access: Option<u16>,
    /// What to do with the default VLAN.
    pub default: DefaultVlan,
}

/// What to do with the default VLAN, to which the kernel adds every new port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DefaultVlan {
    /// Keep it, with its broadcasts: `preserveDefaultVlan`.
    Kept,
    /// Remove it from the port.
    Left,
}

impl Vlans {
    /// Sets the VLANs of a bridge port.
    ///
    /// # Errors
    /// The kernel's error.
    pub(super) fn set(&self, host: &mut Host, bridge: &Link, port: u32) -> Result<()> {
        let default = bridge.default_vlan;
        let leaves = self.default == DefaultVlan::Left && default != 0;
        host.route(Side::Host)?.set_vlans(port, &self.port, leaves.then_some(default))
    }

    pub(super) fn check(&self, host: &mut Host, port: &Link) -> Result<()> {
        let found = host.route(Side::Host)?.vlans(port.index)?;
        let has = |id: u16| found.tagged.iter().any(|range| range.contains(&id));
        if found.native != self.port.native {
            return Err(differs(format!("port {} differs in its native VLAN", port.name)));
        }
        match self.port.tagged.iter().cloned().flatten().find(|id| !has(*id) && found.native != Some(*id)) {
            None => Ok(()),
            Some(id) => Err(differs(format!("port {} is not in VLAN {id}", port.name))),
        }
    }
}

/// The host's interface in a VLAN of a bridge, `br0.100`: one end of a veth pair whose other end is a port. It belongs
/// to the network, like the bridge, and is never removed by `DEL`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VlanInterface {
    /// The bridge.
    pub bridge: String,
    /// The VLAN.
    pub vlans: Vlans,
    /// The MTU in bytes; 0 for the kernel's default.
    pub mtu: u32,
}

impl Resource for VlanInterface {
    /// It is set up last, so that an interface that is up is complete, even if another `ADD` has created it.
    fn add(&self, host: &mut Host) -> Result<Undo> {
        let undo = match host.look_up(Side::Host, &self.name())? {
            Some(link) if link.kind != "veth" => return Err(self.is_foreign()),
            Some(link) if link.is_up() => return Ok(Undo::Nothing),
            Some(_) => Undo::Nothing,
            None => self.create(host)?,
        };
        match self.complete(host) {
            Ok(()) => Ok(undo),
            Err(error) if undo == Undo::Remove => self.undo(host).and(Err(error)),
            Err(error) => Err(error),
        }
    }

    /// Removes it only if the bridge has no other port.
    fn undo(&self, host: &mut Host) -> Result<()> {
        let link = host.link(Side::Host, &self.name())?;
        let bridge = host.link(Side::Host, &self.bridge)?.index;
        let route = host.route(Side::Host)?;
        match route.ports(bridge)?.len() {
            0 | 1 => route.delete_link(link.index),
            _ => Ok(()),
        }
    }

    fn check(&self, host: &mut Host) -> Result<()> {
        let link = host.link(Side::Host, &self.name())?;
        match link.is_up() {
            true => Ok(()),
            false => Err(differs(format!("interface {} is down", link.name))),
        }
    }
}

impl VlanInterface {
    /// Returns a name such as `br0.100`, which may be too long for the kernel.
    pub fn name(&self) -> String {
        format!("{}.{}", self.bridge, self.vlans.access.unwrap_or(0))
    }

    fn is_foreign(&self) -> Error {
        let msg = format!("\"{}\" already exists but is not a veth", self.name());
        Error::new(Code::Exists, msg).about("vlan")
    }

    /// Another `ADD` may create the interface at the same time; then it is used like an existing one.
    fn create(&self, host: &mut Host) -> Result<Undo> {
        let name = self.name();
        let port = Attachment {
            network: self.bridge.clone(),
            container: name.clone(),
            interface: "gateway".to_owned(),
        };
        let veth = NewVeth {
            host: &port.host_interface(0),
            container: &name,
            namespace: host.home_descriptor(),
            bridge: host.link(Side::Host, &self.bridge)?.index,
            mtu: self.mtu,
            mac: None,
        };
        match host.route(Side::Host)?.create_veth(&veth)? {
            Ok(()) => Ok(Undo::Remove),
            Err(refusal) if refusal.errno == Errno::EXIST => Ok(Undo::Nothing),
            Err(refusal) => Err(Error::refused(format!("create interface {name}"), &refusal)),
        }
    }

    fn complete(&self, host: &mut Host) -> Result<()> {
        let name = self.name();
        let (bridge, link) = (host.link(Side::Host, &self.bridge)?, host.look_up(Side::Host, &name)?);
        let link = link.ok_or_else(|| Error::new(Code::TryAgain, format!("interface {name} is gone")))?;
        self.vlans.set(host, &bridge, link.peer)?;
        host.set_sysctls(Side::Host, &own_sysctls(&name))?;
        host.route(Side::Host)?.set_up(link.peer)?;
        host.route(Side::Host)?.set_up(link.index)
    }
}

/// As for a bridge: the host must ignore router advertisements of containers, and the address needs no detection.
fn own_sysctls(name: &str) -> [Sysctl; 2] {
    ["accept_ra", "accept_dad"]
        .map(|key| Sysctl::new(format!("net/ipv6/conf/{name}/{key}"), "0", IfMissing::Skip))
}
