//! A bridge of the host, shared by the attachments of a network. `DEL` never removes it.

use super::differs;
use crate::declaration::{Resource, Undo};
use crate::error::{Code, Error, Result, spell};
use crate::host::{Host, Side};
use crate::rtnetlink::{Link, NewBridge};
use crate::sysctl::{IfMissing, Sysctl};
use rustix::io::Errno;
use rustix::rand::{GetRandomFlags, getrandom};

/// A bridge that is up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bridge {
    /// The name.
    pub name: String,
    /// The MTU in bytes of a new bridge; 0 for the kernel's default.
    pub mtu: u32,
    /// Whether the bridge is in promiscuous mode.
    pub promiscuous: bool,
    /// Whether the bridge filters VLANs.
    pub filters_vlans: bool,
}

impl Resource for Bridge {
    fn add(&self, host: &mut Host) -> Result<Undo> {
        let (link, undo) = match host.look_up(Side::Host, &self.name)? {
            Some(link) => (link, Undo::Nothing),
            None => self.create(host)?,
        };
        self.check_kind(&link)?;
        host.set_sysctls(Side::Host, &self.sysctls(undo, &link))?;
        if self.promiscuous && !link.is_promiscuous() {
            host.route(Side::Host)?.set_promiscuous(link.index)?;
        }
        if !link.is_up() {
            host.route(Side::Host)?.set_up(link.index)?;
        }
        Ok(undo)
    }

    /// Removes the bridge only if this call has created it and it has no ports.
    fn undo(&self, host: &mut Host) -> Result<()> {
        let link = host.link(Side::Host, &self.name)?;
        let route = host.route(Side::Host)?;
        match route.ports(link.index)?.is_empty() {
            true => route.delete_link(link.index),
            false => Ok(()),
        }
    }

    fn check(&self, host: &mut Host) -> Result<()> {
        let link = host.link(Side::Host, &self.name)?;
        self.check_kind(&link)?;
        match (link.is_up(), self.promiscuous && !link.is_promiscuous()) {
            (false, _) => Err(differs(format!("bridge {} is down", self.name))),
            (_, true) => Err(differs(format!("bridge {} is not promiscuous", self.name))),
            _ => Ok(()),
        }
    }
}

impl Bridge {
    /// Another `ADD` may create the bridge at the same time; then it is used like an existing one.
    fn create(&self, host: &mut Host) -> Result<(Link, Undo)> {
        let bridge = NewBridge {
            name: &self.name,
            mac: random_mac()?,
            mtu: self.mtu,
            filters_vlans: self.filters_vlans,
        };
        let undo = match host.route(Side::Host)?.create_bridge(&bridge)? {
            Ok(()) => Undo::Remove,
            Err(refusal) if refusal.errno == Errno::EXIST => Undo::Nothing,
            Err(refusal) if refusal.errno == Errno::OPNOTSUPP && self.filters_vlans => {
                let msg = format!("cannot create bridge {}: this kernel has no VLANs on bridges", self.name);
                return Err(Error::new(Code::Unsupported, msg).about("vlan"));
            }
            Err(refusal) => {
                let (name, why) = (&self.name, spell(refusal.errno));
                let msg = format!("failed to create bridge \"{name}\": could not add \"{name}\": {why}");
                return Err(Error { msg, ..Error::refused("create it", &refusal) });
            }
        };
        Ok((host.link(Side::Host, &self.name)?, undo))
    }

    /// Set before a new bridge is up. The host must ignore router advertisements of containers (CVE-2020-10749).
    /// Duplicate address detection is off: on a network that the host has just created no address is taken, and the
    /// host could not reach the first container until the detection ended.
    fn sysctls(&self, undo: Undo, link: &Link) -> Vec<Sysctl> {
        let v6 = |key| Sysctl::new(format!("net/ipv6/conf/{}/{key}", self.name), "0", IfMissing::Skip);
        match undo {
            Undo::Remove => vec![v6("accept_ra"), v6("accept_dad")],
            Undo::Nothing if link.inet6.is_none_or(|inet6| inet6.accept_ra == 0) => Vec::new(),
            Undo::Nothing => vec![v6("accept_ra")],
        }
    }

    fn check_kind(&self, link: &Link) -> Result<()> {
        let on_conflict = |what: &str, key: &str| {
            let msg = format!("\"{}\" already exists but {what}", self.name);
            Err(Error::new(Code::Exists, msg).about(key))
        };
        match link.kind.as_str() {
            // Turning VLAN filtering on would cut off existing users of tagged frames.
            "bridge" if self.filters_vlans && !link.filters_vlans => {
                on_conflict("does not filter VLANs", "vlan")
            }
            "bridge" => Ok(()),
            _ => on_conflict("is not a bridge", "bridge"),
        }
    }
}

/// Returns a locally administered unicast address.
fn random_mac() -> Result<[u8; 6]> {
    let mut mac = [0; 6];
    getrandom(&mut mac, GetRandomFlags::empty())
        .map_err(|why| Error::kernel("choose a hardware address", why))?;
    let [first, rest @ ..] = mac;
    let [a, b, c, d, e] = rest;
    Ok([(first & 0xfc) | 0x02, a, b, c, d, e])
}
