//! A veth pair: the host end is a port of a bridge, the other end is created inside the container under its final name.

use super::{Vlans, differs};
use crate::attachment::Attachment;
use crate::declaration::{Resource, Undo};
use crate::error::{Code, Error, Result};
use crate::host::{Host, Side};
use crate::rtnetlink::{Link, NewVeth, Port};
use crate::sysctl::{IfMissing, Sysctl};
use rustix::io::Errno;
use tare_netlink::Refusal;

/// The veth pair of an attachment. The name of the host end is derived from the attachment, and its alias contains the
/// attachment. So `DEL` finds it without the container's namespace, and `ip link` shows its owner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Veth {
    /// The attachment. The container end has the name of its interface.
    pub attachment: Attachment,
    /// The bridge of the host end.
    pub bridge: String,
    /// The MTU of both ends in bytes; 0 for the kernel's default.
    pub mtu: u32,
    /// The requested hardware address of the container end.
    pub mac: Option<[u8; 6]>,
    /// The port settings of the host end.
    pub port: PortSettings,
    /// The VLANs of the port, if the bridge filters VLANs.
    pub vlans: Option<Vlans>,
}

/// The settings of a bridge port.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PortSettings {
    /// Whether frames may leave through the port they came from, so that a container can reach itself through the host.
    pub hairpin: bool,
    /// Whether the port is isolated: no frames pass between isolated ports.
    pub isolated: bool,
}

/// How many names for the host end are tried.
const ATTEMPTS: u32 = 10;

impl Resource for Veth {
    fn add(&self, host: &mut Host) -> Result<Undo> {
        let name = self.create(host)?;
        host.host_end = Some(name.clone());
        match self.prepare_port(host, &name) {
            Ok(()) => Ok(Undo::Remove),
            Err(error) => {
                self.del(host)?;
                Err(error)
            }
        }
    }

    /// Removes the host end by name and alias. If it does not exist, as with a pair of the Go plugins, removes the
    /// container end by name. The kernel removes the other end too.
    fn del(&self, host: &mut Host) -> Result<()> {
        let ours = self.find_host_end(host)?;
        if let Some(link) = ours {
            return host.route(Side::Host)?.delete_link(link.index);
        }
        if !host.has_container() {
            return Ok(());
        }
        let route = host.route(Side::Container)?;
        match route.link(&self.attachment.interface)? {
            Some(link) if link.kind == "veth" => route.delete_link(link.index),
            _ => Ok(()),
        }
    }

    fn check(&self, host: &mut Host) -> Result<()> {
        let inside = host.link(Side::Container, &self.attachment.interface)?;
        if inside.kind != "veth" {
            return Err(differs(format!("interface {} is not a veth", inside.name)));
        }
        let outside =
            host.route(Side::Host)?.link_by_index(inside.peer)?.filter(|link| link.peer == inside.index);
        let Some(outside) = outside else {
            return Err(differs(format!("interface {} has no other end on the host", inside.name)));
        };
        host.host_end = Some(outside.name.clone());
        let bridge = host.link(Side::Host, &self.bridge)?;
        match () {
            () if outside.master != bridge.index => {
                Err(differs(format!("interface {} is not a port of bridge {}", outside.name, self.bridge)))
            }
            () if outside.hairpin != self.port.hairpin => {
                Err(differs(format!("port {} differs in hairpin mode", outside.name)))
            }
            () if outside.isolated != self.port.isolated => {
                Err(differs(format!("port {} differs in isolation", outside.name)))
            }
            () => self.vlans.as_ref().map_or(Ok(()), |vlans| vlans.check(host, &outside)),
        }
    }

    fn gc(&self, host: &mut Host, network: &str, valid: &[Attachment]) -> Result<()> {
        let Some(bridge) = host.look_up(Side::Host, &self.bridge)? else { return Ok(()) };
        let route = host.route(Side::Host)?;
        let valid: Vec<String> = valid.iter().map(Attachment::alias).collect();
        for port in route.ports(bridge.index)? {
            if Attachment::is_alias_in(network, &port.alias) && !valid.contains(&port.alias) {
                route.delete_link(port.index)?;
            }
        }
        Ok(())
    }
}

impl Veth {
    /// Creates the pair with one message. Returns the name of the host end.
    fn create(&self, host: &mut Host) -> Result<String> {
        for attempt in 0..ATTEMPTS {
            let name = self.attachment.host_interface(attempt);
            match self.try_create(host, &name)? {
                Ok(()) => return Ok(name),
                Err(refusal) if refusal.errno == Errno::EXIST => self.judge_clash(host, &name)?,
                Err(refusal) => {
                    let interface = &self.attachment.interface;
                    return Err(Error::refused(
                        format!("create veth {name} with {interface} in the container"),
                        &refusal,
                    ));
                }
            }
        }
        Err(Error::new(Code::TryAgain, "no free name for the host end of the veth pair"))
    }

    fn try_create(&self, host: &mut Host, name: &str) -> Result<std::result::Result<(), Refusal>> {
        let veth = NewVeth {
            host: name,
            container: &self.attachment.interface,
            namespace: host.container_descriptor()?,
            bridge: host.link(Side::Host, &self.bridge)?.index,
            mtu: self.mtu,
            mac: self.mac,
        };
        host.route(Side::Host)?.create_veth(&veth)
    }

    /// Handles a taken name. If the container's name is taken, or the host end belongs to this attachment, this is a
    /// second `ADD`.
    fn judge_clash(&self, host: &mut Host, name: &str) -> Result<()> {
        let interface = &self.attachment.interface;
        let inside = host.route(Side::Container)?.link(interface)?;
        let outside = host.route(Side::Host)?.link(name)?;
        match inside.is_some() || outside.is_some_and(|link| link.alias == self.attachment.alias()) {
            false => Ok(()),
            true => {
                let msg = format!(
                    "container veth name (\"{interface}\") peer provided (\"{name}\") already exists"
                );
                Err(Error::new(Code::Exists, msg).about("CNI_IFNAME"))
            }
        }
    }

    /// The port stays down: see `port::open`.
    fn prepare_port(&self, host: &mut Host, name: &str) -> Result<()> {
        let accept_ra = format!("net/ipv6/conf/{name}/accept_ra");
        host.set_sysctls(Side::Host, &[Sysctl::new(accept_ra, "0", IfMissing::Skip)])?;
        let alias = self.attachment.alias();
        let PortSettings { hairpin, isolated } = self.port;
        host.route(Side::Host)?.prepare_port(&Port { name, alias: &alias, hairpin, isolated })?;
        let Some(vlans) = &self.vlans else { return Ok(()) };
        let (bridge, port) = (host.link(Side::Host, &self.bridge)?, host.link(Side::Host, name)?);
        vlans.set(host, &bridge, port.index)
    }

    fn find_host_end(&self, host: &mut Host) -> Result<Option<Link>> {
        let alias = self.attachment.alias();
        for attempt in 0..ATTEMPTS {
            let name = self.attachment.host_interface(attempt);
            match host.route(Side::Host)?.link(&name)? {
                None => return Ok(None),
                // An interface without an alias is left by an ADD that was killed between the two messages.
                Some(link) if link.kind == "veth" && (link.alias == alias || link.alias.is_empty()) => {
                    return Ok(Some(link));
                }
                Some(_) => {}
            }
        }
        Ok(None)
    }
}
