//! `portmap`: publishes ports of a container at the host; chained after the plugin that gave it its addresses.

use crate::address::{self, Cidr, Family};
use crate::declaration::{Declaration, Plugin};
use crate::error::{Code, Error, Result};
use crate::ipam::Ipam;
use crate::json::Section;
use crate::request::{Command, Request};
use crate::resource::{Publication, Published, Rewrite, Transport};
use crate::result::Outcome;
use std::net::IpAddr;

/// The plugin.
#[derive(Clone, Copy, Debug)]
pub struct Portmap;

/// Its keys, checked.
#[derive(Clone, Debug)]
pub struct Config {
    mappings: Vec<Mapping>,
    rewrite: Rewrite,
}

/// One of `runtimeConfig.portMappings`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Mapping {
    transport: Transport,
    host: Option<IpAddr>,
    host_port: u16,
    container_port: u16,
}

impl Plugin for Portmap {
    const NAME: &'static str = "portmap";
    type Config = Config;

    fn read(request: &Request) -> Result<Config> {
        let root = request.root()?;
        refuse_unbuilt(&root)?;
        let mappings = root.section("runtimeConfig")?.list("portMappings")?;
        let mappings: Vec<Mapping> =
            mappings.iter().map(|m| Mapping::read(&m.section()?)).collect::<Result<_>>()?;
        refuse_twins(&mappings)?;
        Ok(Config { mappings, rewrite: read_rewrite(&root)? })
    }

    fn unreadable() -> Config {
        Config { mappings: Vec::new(), rewrite: Rewrite::Nobody }
    }

    fn ipam(_: &Request) -> Result<Ipam> {
        Ok(Ipam::Chain)
    }

    fn declare(config: &Config, request: &Request, so_far: Outcome) -> Result<Declaration> {
        if request.command == Command::Add && !request.root()?.has("prevResult") {
            return Err(Error::config("must be called as chained plugin").about("prevResult"));
        }
        let containers = container_addresses(request, &so_far);
        let of = |mapping: &Mapping| config.publications(*mapping, &containers);
        let publications = config.mappings.iter().flat_map(of).collect();
        let attachment = request.attachment.clone();
        Ok(Declaration::resulting_in(so_far).with(Published { attachment, publications }))
    }
}

impl Config {
    /// A mapping at an address of one protocol leads to the container's address of that protocol.
    fn publications(&self, mapping: Mapping, containers: &[Cidr]) -> Vec<Publication> {
        let fits = |container: &&Cidr| mapping.host.is_none_or(|host| Family::of(host) == container.family());
        let publication = |container: &Cidr| Publication {
            transport: mapping.transport,
            host: mapping.host.filter(|host| !host.is_unspecified()),
            host_port: mapping.host_port,
            container: *container,
            container_port: mapping.container_port,
            rewrite: self.rewrite,
        };
        containers.iter().filter(fits).map(publication).collect()
    }
}

impl Mapping {
    fn read(section: &Section<'_>) -> Result<Mapping> {
        let port = |key: &str, name: &str| {
            let number = section.number(key)?.unwrap_or(0);
            let invalid = || Error::config(format!("Invalid {name} port number: {number}"));
            let port = u16::try_from(number).ok().filter(|port| *port != 0);
            port.ok_or_else(|| invalid().about(section.place_of(key)))
        };
        let container_port = port("containerPort", "container")?;
        let host_port = port("hostPort", "host")?;
        let name = section.text("protocol")?;
        let unknown =
            || Error::config(format!("invalid protocol \"{name}\"")).about(section.place_of("protocol"));
        let transport = Transport::read(name).ok_or_else(unknown)?;
        Ok(Mapping { transport, host: read_host(section)?, host_port, container_port })
    }
}

fn read_host(section: &Section<'_>) -> Result<Option<IpAddr>> {
    match section.text("hostIP")? {
        "" => Ok(None),
        text => match address::parse_address(text) {
            Some(host) => Ok(Some(host)),
            None => {
                Err(Error::config(format!("invalid hostIP \"{text}\"")).about(section.place_of("hostIP")))
            }
        },
    }
}

/// Upstream takes both, and the first one wins in silence.
fn refuse_twins(mappings: &[Mapping]) -> Result<()> {
    let place = |mapping: &Mapping| (mapping.transport as u8, mapping.host, mapping.host_port);
    for (number, mapping) in mappings.iter().enumerate() {
        if mappings.iter().skip(number + 1).any(|other| place(other) == place(mapping)) {
            let msg = format!("host port {} is mapped twice", mapping.host_port);
            return Err(Error::config(msg).about(format!("runtimeConfig.portMappings[{number}]")));
        }
    }
    Ok(())
}

fn read_rewrite(root: &Section<'_>) -> Result<Rewrite> {
    Ok(match (root.flag("masqAll")?, root.optional_flag("snat")?) {
        (_, Some(false)) => Rewrite::Nobody,
        (true, _) => Rewrite::Everybody,
        (false, _) => Rewrite::Local,
    })
}

/// Keys that would change who reaches a container, and are not built yet: silence would be a hole.
fn refuse_unbuilt(root: &Section<'_>) -> Result<()> {
    if let Some(bit) = root.number("markMasqBit")?
        && !(0..=31).contains(&bit)
    {
        return Err(Error::config("MasqMarkBit must be between 0 and 31").about("markMasqBit"));
    }
    let backend = root.text("backend")?;
    if !["", "nftables", "iptables"].contains(&backend) {
        return Err(Error::config(format!("unrecognized backend \"{backend}\"")).about("backend"));
    }
    let asked = [
        ("backend", backend == "iptables"),
        ("externalSetMarkChain", !root.text("externalSetMarkChain")?.is_empty()),
        ("conditionsV4", !root.list("conditionsV4")?.is_empty()),
        ("conditionsV6", !root.list("conditionsV6")?.is_empty()),
    ];
    match asked.into_iter().find(|(_, asked)| *asked) {
        None => Ok(()),
        Some((key, _)) => {
            let msg =
                format!("the value of \"{key}\" is not supported by this release of the portmap plugin");
            Err(Error::new(Code::Unsupported, msg).about(key))
        }
    }
}

/// The first address of each protocol that the result gives this interface, or no interface in particular.
fn container_addresses(request: &Request, so_far: &Outcome) -> Vec<Cidr> {
    let is_ours = |place: i64| {
        let interface = usize::try_from(place).ok().and_then(|place| so_far.interfaces.get(place));
        interface.is_some_and(|found| found.name == request.attachment.interface && !found.sandbox.is_empty())
    };
    let ours: Vec<Cidr> =
        so_far.ips.iter().filter(|ip| ip.interface.is_none_or(is_ours)).map(|ip| ip.address).collect();
    let first = |family| ours.iter().copied().find(|cidr| cidr.family() == family);
    [Family::V4, Family::V6].into_iter().filter_map(first).collect()
}
