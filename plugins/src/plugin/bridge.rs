//! `bridge`: connects a container to a bridge of the host by a veth pair.

use super::backend::Backend;
use super::vlan;
use crate::address::{Cidr, Family, next};
use crate::declaration::{Declaration, Plugin, Wanted};
use crate::dns::Dns;
use crate::error::{Code, Error, Result};
use crate::host::Side;
use crate::ipam::Ipam;
use crate::json::Section;
use crate::request::Request;
use crate::resource::{
    self, Conflict, ContainerInterface, DuplicateDetection, Forwarding, Gateways, IptablesMasquerade,
    MacSpoofCheck, Masquerade, PortSettings, Veth, VlanInterface, Vlans,
};
use crate::result::{AddResult, Route};
use crate::rtnetlink::{PortVlans, parse_mac};
use std::net::IpAddr;

/// The plugin.
#[derive(Clone, Copy, Debug)]
pub struct Bridge;

/// The configuration with defaults filled in.
#[derive(Clone, Debug, Default)]
pub struct Config {
    bridge: String,
    gateway: Gateway,
    conflict: Option<Conflict>,
    masquerade: bool,
    backend: Backend,
    mtu: u32,
    promiscuous: bool,
    port: PortSettings,
    detection: DuplicateDetection,
    link_only: bool,
    vlans: Option<Vlans>,
    mac_spoof_check: bool,
    mac: Option<[u8; 6]>,
    dns: Dns,
}

/// Whether the bridge is the gateway of the containers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Gateway {
    /// No: it only forwards frames.
    #[default]
    No,
    /// It has the gateway's address: `isGateway`.
    Present,
    /// It has the gateway's address, and containers have a default route through it: `isDefaultGateway`.
    Default,
}

impl Plugin for Bridge {
    const NAME: &'static str = "bridge";
    type Config = Config;

    fn read(request: &Request) -> Result<Config> {
        let root = request.root()?;
        let config = Config {
            bridge: read_name(&root)?,
            gateway: read_gateway(&root)?,
            conflict: Some(if root.flag("forceAddress")? { Conflict::Replace } else { Conflict::Refuse }),
            masquerade: root.flag("ipMasq")?,
            backend: read_backend(request, &root)?,
            mtu: read_mtu(&root)?,
            promiscuous: root.flag("promiscMode")?,
            port: PortSettings { hairpin: root.flag("hairpinMode")?, isolated: root.flag("portIsolation")? },
            detection: if root.flag("enabledad")? { DuplicateDetection::On } else { DuplicateDetection::Off },
            link_only: root.flag("disableContainerInterface")?,
            vlans: vlan::read(&root)?,
            mac_spoof_check: root.flag("macspoofchk")?,
            mac: read_mac(request, &root)?,
            dns: Dns::read(&root.section("dns")?)?,
        };
        if config.port.hairpin && config.promiscuous {
            let msg = "cannot set hairpin mode and promiscuous mode at the same time";
            return Err(Error::config(msg).about("hairpinMode"));
        }
        if let Some(interface) = config.vlan_interface() {
            crate::attachment::check_interface(&interface.name())
                .map_err(|why| Error { code: Code::Config as u32, ..why.within("vlan").about("vlan") })?;
        }
        if config.link_only && !root.section("ipam")?.text("type")?.is_empty() {
            let msg = "cannot use IPAM when DisableContainerInterface flag is set";
            return Err(Error::config(msg).about("disableContainerInterface"));
        }
        Ok(config)
    }

    fn unreadable() -> Config {
        Config { bridge: DEFAULT_NAME.to_owned(), masquerade: true, ..Config::default() }
    }

    fn ipam(request: &Request) -> Result<Ipam> {
        Ipam::of(request)
    }

    /// Rules come before the link, so that a container never sends a packet that is not masqueraded.
    fn declare(config: &Config, request: &Request, so_far: AddResult) -> Result<Declaration> {
        let attachment = &request.attachment;
        let outcome = complete(config, request, so_far);
        let addresses: Vec<Cidr> = outcome.ips.iter().map(|ip| ip.address).collect();
        let routes = outcome.routes_with_gateways();
        let vlan_interface = config.vlan_interface();
        let own = vlan_interface.as_ref().map_or_else(|| config.bridge.clone(), VlanInterface::name);
        let gateways = Gateways {
            bridge: own.clone(),
            addresses: gateways(&outcome),
            conflict: config.conflict.unwrap_or(Conflict::Refuse),
        };
        let masquerade = Masquerade { attachment: attachment.clone(), addresses: addresses.clone() };
        let by_iptables = IptablesMasquerade { attachment: attachment.clone(), addresses: addresses.clone() };
        let veth = Veth {
            attachment: attachment.clone(),
            bridge: config.bridge.clone(),
            mtu: config.mtu,
            mac: config.mac.or_else(|| derived_mac(&addresses)),
            port: config.port,
            vlans: config.vlans.clone(),
        };
        let interface = ContainerInterface {
            name: attachment.interface.clone(),
            addresses,
            routes,
            detection: config.detection,
            up: !config.link_only,
        };
        let is_gateway = config.gateway != Gateway::No;
        let by = |backend| Wanted::from(config.masquerade && config.backend == backend);
        let forwarding = Forwarding(families(&outcome));
        let bridge = resource::Bridge {
            name: config.bridge.clone(),
            mtu: config.mtu,
            promiscuous: config.promiscuous,
            filters_vlans: config.vlans.is_some(),
        };
        let mut declaration = Declaration::resulting_in(outcome).with(bridge);
        if let Some(interface) = &vlan_interface {
            declaration = declaration.with(interface.clone());
        }
        declaration = declaration
            .when(is_gateway.into(), gateways)
            .when(is_gateway.into(), forwarding)
            .when(by(Backend::Nftables), masquerade)
            .when(by(Backend::Iptables), by_iptables)
            .with(veth)
            .when(config.mac_spoof_check.into(), MacSpoofCheck { attachment: attachment.clone() })
            .with(interface)
            .listing(Side::Host, config.bridge.clone())
            .listing_host_end()
            .listing(Side::Container, attachment.interface.clone());
        Ok(match vlan_interface {
            None => declaration,
            Some(_) => declaration.listing(Side::Host, own),
        })
    }
}

impl Config {
    /// Returns the interface that has the gateway's addresses in the containers' VLAN. The bridge itself is not in that
    /// VLAN.
    fn vlan_interface(&self) -> Option<VlanInterface> {
        let vlans = self.vlans.as_ref().filter(|_| self.gateway != Gateway::No)?;
        let access = vlans.access?;
        let port = PortVlans { native: Some(access), tagged: Vec::new() };
        let vlans = Vlans { port, ..vlans.clone() };
        Some(VlanInterface { bridge: self.bridge.clone(), vlans, mtu: self.mtu })
    }
}

/// The index of the container's interface in the result.
const CONTAINER_INTERFACE: i64 = 2;
const DEFAULT_NAME: &str = "cni0";
/// The minimum MTU of IPv4, and the maximum MTU of a veth.
const MTU: std::ops::RangeInclusive<i64> = 68..=65535;

fn read_name(root: &Section<'_>) -> Result<String> {
    let name = match root.text("bridge")? {
        "" => DEFAULT_NAME,
        given => given,
    };
    crate::attachment::check_interface(name)
        .map_err(|why| Error { code: Code::Config as u32, ..why.within("bridge").about("bridge") })?;
    Ok(name.to_owned())
}

fn read_gateway(root: &Section<'_>) -> Result<Gateway> {
    Ok(match (root.flag("isDefaultGateway")?, root.flag("isGateway")?) {
        (true, _) => Gateway::Default,
        (false, true) => Gateway::Present,
        (false, false) => Gateway::No,
    })
}

fn read_mtu(root: &Section<'_>) -> Result<u32> {
    match root.number("mtu")? {
        None | Some(0) => Ok(0),
        Some(mtu) if MTU.contains(&mtu) => Ok(u32::try_from(mtu).unwrap_or(0)),
        Some(mtu) => {
            let (least, most) = (MTU.start(), MTU.end());
            Err(Error::config(format!("invalid MTU {mtu} (must be between {least} and {most})")).about("mtu"))
        }
    }
}

/// The runtime capability takes precedence over `args.cni.mac`, and `args.cni.mac` over `CNI_ARGS`.
fn read_mac(request: &Request, root: &Section<'_>) -> Result<Option<[u8; 6]>> {
    let arguments = request.arguments()?;
    let candidates = [
        (root.section("runtimeConfig")?.text("mac")?, "runtimeConfig.mac"),
        (root.section("args")?.section("cni")?.text("mac")?, "args.cni.mac"),
        (arguments.mac.as_str(), "CNI_ARGS"),
    ];
    let Some((text, place)) = candidates.into_iter().find(|(text, _)| !text.is_empty()) else {
        return Ok(None);
    };
    let invalid = || Error::config(format!("invalid MAC address {text}")).about(place);
    parse_mac(text).map(Some).ok_or_else(invalid)
}

fn read_backend(request: &Request, root: &Section<'_>) -> Result<Backend> {
    let unknown =
        |other: &str| Error::config(format!("unknown ipmasq backend \"{other}\"")).about("ipMasqBackend");
    let asked = Backend::read(root.text("ipMasqBackend")?, unknown)?;
    Ok(match (asked, root.flag("ipMasq")?) {
        (Some(asked), _) => asked,
        (None, true) => Backend::of_host(request.command),
        (None, false) => Backend::default(),
    })
}

/// Adds gateways and routes to the result of IPAM.
fn complete(config: &Config, request: &Request, mut outcome: AddResult) -> AddResult {
    outcome.dns.overlay(config.dns.clone());
    request.keep_own(&mut outcome);
    for ip in &mut outcome.ips {
        ip.interface = Some(CONTAINER_INTERFACE);
        if config.gateway != Gateway::No && ip.gateway.is_none() {
            ip.gateway = Some(next(ip.address.network().address));
        }
    }
    if config.gateway == Gateway::Default {
        let routes = [Family::V4, Family::V6].map(|family| default_route(&outcome, family));
        outcome.routes.extend(routes.into_iter().flatten());
    }
    outcome
}

/// Returns the default route of a family, unless IPAM has returned one. A default route without a gateway uses this
/// gateway too: the kernel refuses a second one, and the Go plugin fails there.
fn default_route(outcome: &AddResult, family: Family) -> Option<Route> {
    let dst = family.everything();
    let gateway = outcome.gateway(family)?;
    let is_one = |route: &Route| route.dst == dst && (route.gw.is_some() || route.is_plain());
    let given = outcome.routes.iter().any(is_one);
    (!given).then(|| Route::new(dst, Some(gateway)))
}

fn gateways(outcome: &AddResult) -> Vec<Cidr> {
    let of = |ip: &crate::result::Ip| Some(Cidr { address: ip.gateway?, length: ip.address.length });
    outcome.ips.iter().filter_map(of).collect()
}

/// Derives a hardware address from the first IPv4 address. Neighbours that have cached the address of a former
/// container reach the new one. A gratuitous ARP would be lost, because the port opens only after the interface is up.
fn derived_mac(addresses: &[Cidr]) -> Option<[u8; 6]> {
    let first = addresses.iter().find_map(|cidr| match cidr.address {
        IpAddr::V4(v4) => Some(v4.octets()),
        IpAddr::V6(_) => None,
    });
    first.map(|[a, b, c, d]| [0x0a, 0x58, a, b, c, d])
}

fn families(outcome: &AddResult) -> Vec<Family> {
    let has = |family: &Family| outcome.ips.iter().any(|ip| ip.address.family() == *family);
    [Family::V4, Family::V6].into_iter().filter(has).collect()
}
