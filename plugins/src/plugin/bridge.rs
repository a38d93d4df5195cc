//! `bridge`: connects a container to a bridge on the host by a veth pair.

use crate::address::{Cidr, Family, next};
use crate::declaration::{Declaration, Plugin};
use crate::dns::Dns;
use crate::error::{Code, Error, Result};
use crate::host::{IfMissing, Side, Sysctl};
use crate::ipam::Ipam;
use crate::json::Section;
use crate::request::Request;
use crate::resource::{
    self, Conflict, ContainerInterface, DuplicateDetection, Gateways, Masquerade, PortSettings, Sysctls, Veth,
};
use crate::result::{Outcome, Route};

/// The plugin.
#[derive(Clone, Copy, Debug)]
pub struct Bridge;

/// Its keys, with defaults filled in.
#[derive(Clone, Debug, Default)]
pub struct Config {
    bridge: String,
    gateway: Gateway,
    conflict: Option<Conflict>,
    masquerade: bool,
    mtu: u32,
    promiscuous: bool,
    port: PortSettings,
    detection: DuplicateDetection,
    link_only: bool,
    mac: Option<[u8; 6]>,
    dns: Dns,
}

/// What the bridge is to the containers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Gateway {
    /// It passes frames between them.
    #[default]
    No,
    /// It has the gateway's address: `isGateway`.
    Present,
    /// And containers have a default route over it: `isDefaultGateway`.
    Default,
}

impl Plugin for Bridge {
    const NAME: &'static str = "bridge";
    type Config = Config;

    fn read(request: &Request) -> Result<Config> {
        let root = request.root()?;
        refuse_unbuilt(&root)?;
        let config = Config {
            bridge: read_name(&root)?,
            gateway: read_gateway(&root)?,
            conflict: Some(if root.flag("forceAddress")? { Conflict::Replace } else { Conflict::Refuse }),
            masquerade: root.flag("ipMasq")?,
            mtu: read_mtu(&root)?,
            promiscuous: root.flag("promiscMode")?,
            port: PortSettings { hairpin: root.flag("hairpinMode")?, isolated: root.flag("portIsolation")? },
            detection: if root.flag("enabledad")? { DuplicateDetection::On } else { DuplicateDetection::Off },
            link_only: root.flag("disableContainerInterface")?,
            mac: read_mac(request, &root)?,
            dns: Dns::read(&root.section("dns")?)?,
        };
        if config.port.hairpin && config.promiscuous {
            return Err(Error::config("cannot set hairpin mode and promiscuous mode at the same time"));
        }
        if config.link_only && !root.section("ipam")?.text("type")?.is_empty() {
            return Err(Error::config("cannot use IPAM when DisableContainerInterface flag is set"));
        }
        Ok(config)
    }

    fn unreadable() -> Config {
        Config { bridge: DEFAULT_NAME.to_owned(), masquerade: true, ..Config::default() }
    }

    fn ipam(request: &Request) -> Result<Ipam> {
        Ipam::of(request)
    }

    /// Rules before the link: a container never sends before it is masqueraded.
    fn declare(config: &Config, request: &Request, so_far: Outcome) -> Result<Declaration> {
        let attachment = &request.attachment;
        let outcome = complete(config, request, so_far);
        let addresses: Vec<Cidr> = outcome.ips.iter().map(|ip| ip.address).collect();
        let routes = outcome.routes_with_gateways();
        let gateways = Gateways {
            bridge: config.bridge.clone(),
            addresses: gateways(&outcome),
            conflict: config.conflict.unwrap_or(Conflict::Refuse),
        };
        let masquerade = Masquerade { attachment: attachment.clone(), addresses: addresses.clone() };
        let veth = Veth {
            attachment: attachment.clone(),
            bridge: config.bridge.clone(),
            mtu: config.mtu,
            mac: config.mac,
            port: config.port,
        };
        let interface = ContainerInterface {
            name: attachment.interface.clone(),
            addresses,
            routes,
            detection: config.detection,
            up: !config.link_only,
        };
        let is_gateway = config.gateway != Gateway::No;
        let forwarding = Sysctls(forwarding(&outcome));
        Ok(Declaration::resulting_in(outcome)
            .with(resource::Bridge {
                name: config.bridge.clone(),
                mtu: config.mtu,
                promiscuous: config.promiscuous,
            })
            .when(is_gateway, gateways)
            .when(is_gateway, forwarding)
            .when(config.masquerade, masquerade)
            .with(veth)
            .with(interface)
            .listing(Side::Host, config.bridge.clone())
            .listing_host_end()
            .listing(Side::Container, attachment.interface.clone()))
    }
}

/// The container's interface is the third that the result lists.
const CONTAINER_INTERFACE: i64 = 2;
const DEFAULT_NAME: &str = "cni0";
/// The smallest MTU that IPv4 works with, and the largest that the kernel gives a veth.
const MTU: std::ops::RangeInclusive<i64> = 68..=65535;

fn read_name(root: &Section<'_>) -> Result<String> {
    let name = match root.text("bridge")? {
        "" => DEFAULT_NAME,
        given => given,
    };
    crate::attachment::check_interface(name)
        .map_err(|why| Error { code: Code::Config as u32, ..why.within("bridge") })?;
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

/// The runtime's word is last: its capability, then the convention, then the environment.
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

pub(super) fn parse_mac(text: &str) -> Option<[u8; 6]> {
    let byte = |part: &str| (part.len() == 2).then(|| u8::from_str_radix(part, 16).ok()).flatten();
    let bytes: Option<Vec<u8>> = text.split([':', '-']).map(byte).collect();
    bytes?.try_into().ok()
}

/// Keys that would change what passes between containers, and are not built yet: silence would be a hole.
fn refuse_unbuilt(root: &Section<'_>) -> Result<()> {
    let vlan = root.number("vlan")?.unwrap_or(0);
    if !(0..=4094).contains(&vlan) {
        return Err(Error::config(format!("invalid VLAN ID {vlan} (must be between 0 and 4094)")));
    }
    let asked = [
        ("vlan", vlan != 0),
        ("vlanTrunk", !root.list("vlanTrunk")?.is_empty()),
        ("macspoofchk", root.flag("macspoofchk")?),
        ("ipMasqBackend", root.text("ipMasqBackend")? == "iptables"),
    ];
    if let Some((key, _)) = asked.into_iter().find(|(_, asked)| *asked) {
        let msg = format!("the value of \"{key}\" is not supported by this release of the bridge plugin");
        return Err(Error::new(Code::Unsupported, msg).about(key));
    }
    match root.text("ipMasqBackend")? {
        "" | "nftables" => Ok(()),
        other => Err(Error::config(format!("unknown ipmasq backend \"{other}\"")).about("ipMasqBackend")),
    }
}

/// The result of IPAM, on this interface, with the gateways and routes that the bridge adds to it.
fn complete(config: &Config, request: &Request, mut outcome: Outcome) -> Outcome {
    outcome.dns.overlay(config.dns.clone());
    outcome.keep_only_of(request);
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

/// The default route of a protocol, unless IPAM gave one.
fn default_route(outcome: &Outcome, family: Family) -> Option<Route> {
    let dst = family.everything();
    let gateway = outcome.gateway(family)?;
    let given = outcome.routes.iter().any(|route| route.dst == dst && route.gw.is_some());
    (!given).then(|| Route::new(dst, Some(gateway)))
}

fn gateways(outcome: &Outcome) -> Vec<Cidr> {
    let of = |ip: &crate::result::Ip| Some(Cidr { address: ip.gateway?, length: ip.address.length });
    outcome.ips.iter().filter_map(of).collect()
}

fn forwarding(outcome: &Outcome) -> Vec<Sysctl> {
    let has = |family| outcome.ips.iter().any(|ip| ip.address.family() == family);
    let v4 = Sysctl::new("net/ipv4/ip_forward", "1", IfMissing::Refuse);
    let v6 = Sysctl::new("net/ipv6/conf/all/forwarding", "1", IfMissing::Refuse);
    [(Family::V4, v4), (Family::V6, v6)]
        .into_iter()
        .filter(|(family, _)| has(*family))
        .map(|(_, sysctl)| sysctl)
        .collect()
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
