//! `portmap`: publishes ports of a container on the host. It is chained after the plugin that assigns the addresses.

use super::backend::Backend;
use crate::address::{self, Cidr, Family};
use crate::condition::{self, Alternatives};
use crate::declaration::{Declaration, Plugin};
use crate::error::{Error, Result};
use crate::ipam::Ipam;
use crate::iptables::LONGEST_CHAIN;
use crate::json::Section;
use crate::request::{Command, Request};
use crate::resource::{
    Access, Conditions, IptablesPortMappings, Mark, PortMapping, PortMappings, Snat, Transport,
};
use crate::result::AddResult;
use std::net::IpAddr;

/// The plugin.
#[derive(Clone, Copy, Debug)]
pub struct Portmap;

/// The checked configuration.
#[derive(Clone, Debug)]
pub struct Config {
    mappings: Vec<Requested>,
    snat: Snat,
    backend: Backend,
    mark: Mark,
    conditions: [Vec<String>; 2],
}

/// An element of `runtimeConfig.portMappings`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Requested {
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
        let (backend, mark) = (read_backend(request, &root)?, read_mark(&root)?);
        let conditions = [read_conditions(&root, "conditionsV4")?, read_conditions(&root, "conditionsV6")?];
        let mappings = root.section("runtimeConfig")?.list("portMappings")?;
        let mappings: Vec<Requested> =
            mappings.iter().map(|m| Requested::read(&m.section()?)).collect::<Result<_>>()?;
        refuse_duplicates(&mappings)?;
        let config = Config { mappings, snat: read_snat(&root)?, backend, mark, conditions };
        if backend == Backend::Nftables {
            config.read_conditions()?;
        }
        Ok(config)
    }

    fn unreadable() -> Config {
        Config {
            mappings: Vec::new(),
            snat: Snat::None,
            backend: Backend::default(),
            mark: Mark::Bit(DEFAULT_BIT),
            conditions: [Vec::new(), Vec::new()],
        }
    }

    fn ipam(_: &Request) -> Result<Ipam> {
        Ok(Ipam::Chain)
    }

    fn declare(config: &Config, request: &Request, so_far: AddResult) -> Result<Declaration> {
        if request.command == Command::Add && !request.root()?.has("prevResult") {
            return Err(Error::config("must be called as chained plugin").about("prevResult"));
        }
        let containers = container_addresses(request, &so_far);
        let by_nftables = config.backend == Backend::Nftables;
        let of = |mapping: &Requested| config.mappings(*mapping, &containers);
        let mappings: Vec<PortMapping> = config.mappings.iter().flat_map(of).collect();
        let attachment = request.attachment.clone();
        let published = PortMappings {
            attachment: attachment.clone(),
            mappings: mappings.clone(),
            conditions: if by_nftables { config.read_conditions()? } else { [None, None] },
        };
        let (mark, conditions) = (config.mark.clone(), config.conditions.clone());
        let by_iptables = IptablesPortMappings { attachment, mappings, mark, conditions };
        Ok(Declaration::resulting_in(so_far)
            .when(by_nftables.into(), published)
            .when((!by_nftables).into(), by_iptables))
    }
}

impl Config {
    /// Translates the conditions of both families from nftables syntax.
    fn read_conditions(&self) -> Result<Conditions> {
        let [v4, v6] = &self.conditions;
        Ok([read_nftables(v4, Family::V4, "conditionsV4")?, read_nftables(v6, Family::V6, "conditionsV6")?])
    }

    fn access(&self, family: Family) -> Access {
        let [v4, v6] = &self.conditions;
        let words = if family == Family::V4 { v4 } else { v6 };
        if words.is_empty() { Access::Unconditional } else { Access::Conditional }
    }

    /// Returns one port mapping for each address of the container. A mapping with a host address applies to the family
    /// of that address only.
    fn mappings(&self, mapping: Requested, containers: &[Cidr]) -> Vec<PortMapping> {
        let fits = |container: &&Cidr| mapping.host.is_none_or(|host| Family::of(host) == container.family());
        let mapping = |container: &Cidr| PortMapping {
            transport: mapping.transport,
            host: mapping.host.filter(|host| !host.is_unspecified()),
            host_port: mapping.host_port,
            container: *container,
            container_port: mapping.container_port,
            snat: self.snat,
            access: self.access(container.family()),
        };
        containers.iter().filter(fits).map(mapping).collect()
    }
}

impl Requested {
    fn read(section: &Section<'_>) -> Result<Requested> {
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
        Ok(Requested { transport, host: read_host(section)?, host_port, container_port })
    }

    /// Whether both publish the same port at the same address of a family. No address, 0.0.0.0 and :: mean all
    /// addresses.
    fn is_same_port(&self, other: &Requested) -> bool {
        let everywhere = |family: Family| family.everything().address;
        let at = |mapping: &Requested, family| {
            let host = mapping.host.unwrap_or(everywhere(family));
            (Family::of(host) == family).then_some(host)
        };
        let meet = |family| at(self, family).is_some() && at(self, family) == at(other, family);
        (self.transport, self.host_port) == (other.transport, other.host_port)
            && [Family::V4, Family::V6].into_iter().any(meet)
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

/// The Go plugin accepts both, and silently uses the first.
fn refuse_duplicates(mappings: &[Requested]) -> Result<()> {
    for (number, mapping) in mappings.iter().enumerate() {
        if mappings.iter().skip(number + 1).any(|other| mapping.is_same_port(other)) {
            let msg = format!("host port {} is mapped twice", mapping.host_port);
            return Err(Error::config(msg).about(format!("runtimeConfig.portMappings[{number}]")));
        }
    }
    Ok(())
}

fn read_snat(root: &Section<'_>) -> Result<Snat> {
    Ok(match (root.flag("masqAll")?, root.optional_flag("snat")?) {
        (_, Some(false)) => Snat::None,
        (true, _) => Snat::All,
        (false, _) => Snat::Local,
    })
}

/// Returns the configured backend; else the only backend that supports the configured options; else the default.
fn read_backend(request: &Request, root: &Section<'_>) -> Result<Backend> {
    let unknown = |other: &str| Error::config(format!("unrecognized backend \"{other}\"")).about("backend");
    let asked = Backend::read(root.text("backend")?, unknown)?;
    let mut keys = [Vec::new(), Vec::new()];
    let [for_nftables, for_iptables] = &mut keys;
    if !root.text("externalSetMarkChain")?.is_empty() {
        for_iptables.push("externalSetMarkChain");
    }
    for key in ["conditionsV4", "conditionsV6"] {
        match root.texts(key)?.first() {
            None => {}
            Some(first) if first.starts_with(['-', '!']) => for_iptables.push(key),
            Some(_) => for_nftables.push(key),
        }
    }
    let [for_nftables, for_iptables] = keys;
    let foreign = |backend: Backend, other: Backend, keys: &[&str]| {
        let (backend, other, keys) = (backend.text(), other.text(), keys.join(" "));
        let msg = format!(
            "{backend} backend was requested but configuration contains {other}-specific options [{keys}]"
        );
        Err(Error::config(msg).about("backend"))
    };
    match asked {
        Some(Backend::Nftables) if !for_iptables.is_empty() => {
            foreign(Backend::Nftables, Backend::Iptables, &for_iptables)
        }
        Some(Backend::Iptables) if !for_nftables.is_empty() => {
            foreign(Backend::Iptables, Backend::Nftables, &for_nftables)
        }
        None if !for_iptables.is_empty() && !for_nftables.is_empty() => {
            foreign(Backend::Iptables, Backend::Nftables, &for_nftables)
        }
        None if !for_nftables.is_empty() => Ok(Backend::Nftables),
        None if !for_iptables.is_empty() => Ok(Backend::Iptables),
        asked => Ok(asked.unwrap_or_else(|| Backend::of_host(request.command))),
    }
}

/// The Go plugin's default, the mark 0x2000.
const DEFAULT_BIT: u32 = 13;

fn read_mark(root: &Section<'_>) -> Result<Mark> {
    let (chain, bit) = (root.text("externalSetMarkChain")?, root.number("markMasqBit")?);
    if !chain.is_empty() && bit.is_some() {
        let msg = "Cannot specify externalSetMarkChain and markMasqBit";
        return Err(Error::config(msg).about("markMasqBit"));
    }
    if !chain.is_empty() {
        let plain = chain.len() <= LONGEST_CHAIN
            && chain.chars().all(|c| c.is_ascii_graphic())
            && !chain.starts_with(['-', '!']);
        let invalid =
            || Error::config(format!("invalid chain name \"{chain}\"")).about("externalSetMarkChain");
        return if plain { Ok(Mark::Chain(chain.to_owned())) } else { Err(invalid()) };
    }
    let bit = bit.unwrap_or(i64::from(DEFAULT_BIT));
    let out_of_range = || Error::config("MasqMarkBit must be between 0 and 31").about("markMasqBit");
    u32::try_from(bit).ok().filter(|bit| *bit <= 31).map(Mark::Bit).ok_or_else(out_of_range)
}

fn read_nftables(words: &[String], family: Family, key: &str) -> Result<Option<Alternatives>> {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    (!words.is_empty()).then(|| condition::read(&words, family, key)).transpose()
}

/// Reads conditions in iptables syntax. Each element of the list stays one argument for `iptables-restore`.
fn read_conditions(root: &Section<'_>, key: &str) -> Result<Vec<String>> {
    let words = root.texts(key)?;
    match words.iter().find(|word| word.is_empty() || word.contains(char::is_control)) {
        Some(word) => Err(Error::config(format!("invalid condition {word:?}")).about(key)),
        None => Ok(words.into_iter().map(str::to_owned).collect()),
    }
}

/// Returns the first address of each family that belongs to this interface, or to no listed interface.
fn container_addresses(request: &Request, so_far: &AddResult) -> Vec<Cidr> {
    let is_ours = |place: i64| {
        let interface = usize::try_from(place).ok().and_then(|place| so_far.interfaces.get(place));
        interface.is_some_and(|found| found.name == request.attachment.interface && !found.sandbox.is_empty())
    };
    let ours: Vec<Cidr> =
        so_far.ips.iter().filter(|ip| ip.interface.is_none_or(is_ours)).map(|ip| ip.address).collect();
    let first = |family| ours.iter().copied().find(|cidr| cidr.family() == family);
    [Family::V4, Family::V6].into_iter().filter_map(first).collect()
}
