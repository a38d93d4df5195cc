//! Published ports: `portMappings` with nftables.

use super::access_rules::{self, AccessRules, Conditions};
use super::differs;
use super::port_mapping::{Access, CONDITIONAL, PortMapping, Snat, Transport, name};
use crate::address::{Cidr, Family};
use crate::attachment::Attachment;
use crate::conntrack::forget_connections;
use crate::declaration::{Resource, Undo};
use crate::error::{Code, Error, Result};
use crate::host::{Host, Side};
use crate::nft::{
    Added, AttachmentEntries, Batch, Chain, Entry, ExtraChanges, ForeignTable, Hook, Kind, Rule, Schema, Set,
    Verdict, network_set,
};
use crate::sysctl::{IfMissing, Sysctl};
use std::net::{IpAddr, Ipv4Addr};
use tare_netlink::Socket;

/// The published ports of an attachment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortMappings {
    /// The attachment.
    pub attachment: Attachment,
    /// The mappings.
    pub mappings: Vec<PortMapping>,
    /// The conditions for packets to ports with conditions.
    pub conditions: Conditions,
}

impl Resource for PortMappings {
    fn add(&self, host: &mut Host) -> Result<Undo> {
        if self.mappings.is_empty() {
            return Ok(Undo::Nothing);
        }
        let socket = host.netfilter()?;
        let rules = self.access_rules();
        rules.remove_leftover::<Table>(socket)?;
        let put = |batch: &mut Batch| rules.put(batch);
        let extra = ExtraChanges { prerequisites: &|_| {}, additions: &put };
        if let Added::Conflict { fact, owner } =
            AttachmentEntries::<Table>::of(socket, &self.attachment).add_with(&self.facts(), extra)?
        {
            return Err(taken(PortMapping::parse(&fact).as_ref(), &owner));
        }
        match self.let_in(host) {
            Ok(()) => Ok(Undo::Remove),
            Err(error) => {
                self.del(host)?;
                Err(error)
            }
        }
    }

    /// Uses only the record, so that ports are removed even if the caller does not pass them.
    fn del(&self, host: &mut Host) -> Result<()> {
        let Some(socket) = host.netfilter_if_any()? else { return Ok(()) };
        let facts = remove(socket, self.attachment.table_name())?;
        let mappings: Vec<PortMapping> = facts.iter().filter_map(|fact| PortMapping::parse(fact)).collect();
        forget_datagrams(host, &mappings.iter().map(PortMapping::flow).collect::<Vec<_>>())
    }

    fn check(&self, host: &mut Host) -> Result<()> {
        let missing = AttachmentEntries::<Table>::of(host.netfilter()?, &self.attachment)
            .missing_facts(&self.facts())?;
        if let Some(fact) = missing.first() {
            return Err(differs(format!("port is not published: {fact}")));
        }
        let socket = host.netfilter()?;
        for chain in [PREROUTING, OUTPUT] {
            if !ForeignTable::new(socket, Table::name()).leads(chain, PUBLISHED)? {
                return Err(differs(format!("chain {chain} does not jump to the published ports")));
            }
        }
        self.access_rules().check(socket, Table::name())
    }

    fn gc(&self, host: &mut Host, network: &str, valid: &[Attachment]) -> Result<()> {
        let Some(socket) = host.netfilter_if_any()? else { return Ok(()) };
        for name in AttachmentEntries::<Table>::strangers(socket, network, valid)? {
            remove(socket, name)?;
        }
        AttachmentEntries::<Table>::keep_only(socket, network, valid)
    }
}

/// The chain is removed first: the record is needed to find it.
fn remove(socket: &mut Socket, name: String) -> Result<Vec<String>> {
    let mut entries = AttachmentEntries::<Table>::named(socket, name.clone());
    let for_some = |fact: &String| fact.ends_with(CONDITIONAL);
    if entries.facts()?.iter().any(for_some) {
        access_rules::remove(socket, &name, Table::name())?;
    }
    AttachmentEntries::<Table>::named(socket, name).remove()
}

impl PortMappings {
    fn access_rules(&self) -> AccessRules<'_> {
        AccessRules {
            name: self.attachment.table_name(),
            mappings: self.mappings.iter().filter(|it| it.access == Access::Conditional).collect(),
            conditions: &self.conditions,
        }
    }

    fn facts(&self) -> Vec<String> {
        self.mappings.iter().map(PortMapping::to_string).collect()
    }

    fn let_in(&self, host: &mut Host) -> Result<()> {
        forget_datagrams(host, &self.mappings.iter().map(PortMapping::flow).collect::<Vec<_>>())?;
        let_loopback_out(host, &self.mappings)
    }
}

pub(super) fn taken(mapping: Option<&PortMapping>, owner: &str) -> Error {
    let port = mapping.map(PortMapping::host_port_text).unwrap_or_default();
    let msg = format!("host port {port} is published already, for {owner}");
    Error::new(Code::Exists, msg).about("runtimeConfig.portMappings")
}

/// Allows packets of the host from 127.0.0.1 to leave through the interface to the container.
pub(super) fn let_loopback_out(host: &mut Host, mappings: &[PortMapping]) -> Result<()> {
    let is_local = |it: &&PortMapping| it.snat != Snat::None && it.container.family() == Family::V4;
    let Some(local) = mappings.iter().find(is_local) else { return Ok(()) };
    let route = host.route(Side::Host)?;
    let Some(index) = route.link_towards(local.container.address)? else { return Ok(()) };
    let Some(link) = route.link_by_index(index)? else { return Ok(()) };
    let sysctl = format!("net/ipv4/conf/{}/route_localnet", link.name);
    host.set_sysctls(Side::Host, &[Sysctl::new(sysctl, "1", IfMissing::Refuse)])
}

/// Deletes the UDP flows to the ports. UDP has no connections: an existing flow would keep its former destination.
pub(super) fn forget_datagrams(host: &mut Host, flows: &[(Transport, Family, u16)]) -> Result<()> {
    let udp = flows.iter().filter(|(transport, ..)| *transport == Transport::Udp);
    let flows: Vec<(Family, u16)> = udp.map(|(_, family, port)| (*family, *port)).collect();
    match flows.is_empty() {
        true => Ok(()),
        false => forget_connections(host.netfilter()?, Transport::Udp as u8, &flows),
    }
}

/// `table inet tare_portmap`: maps from destinations to containers, and sets of destinations to masquerade.
///
/// ```text
/// map any4         protocol . port            -> container . port    ports at all addresses of the host
/// map one4         address . protocol . port  -> container . port    ports at one address (hostIP)
/// set all4         container . protocol . port                       masqAll
/// set local4       container . protocol . port                       snat: from 127.0.0.0/8
/// set in/NETWORK   container . protocol . port                       snat: from the container's own network
///
/// chain prerouting, output    packets to an address of this host jump to `published`
/// chain published             looks up `one4`, then `any4`, and redirects (dnat)
/// chain postrouting           masquerades redirected packets that are in one of the sets
/// chain loopback              drops packets from and to 127.0.0.0/8 that arrive at other interfaces than the loopback
/// ```
/// `any6`, `one6` and `all6` are the same for IPv6. There is no `local6`: the kernel does not route ::1 to other interfaces.
#[derive(Debug)]
struct Table;

pub(super) const FAMILIES: [Family; 2] = [Family::V4, Family::V6];
const PUBLISHED: &str = "published";
const PREROUTING: &str = "prerouting";
const OUTPUT: &str = "output";
const POSTROUTING: &str = "postrouting";
const LOOPBACK: Cidr = Cidr { address: IpAddr::V4(Ipv4Addr::LOCALHOST), length: 8 };
/// `dstnat`, `srcnat` and `raw`.
const PRIORITIES: [i32; 3] = [-100, 100, -300];
/// The numbers of the types in `nft`, and their lengths in keys and data.
const PROTOCOL: (u32, u32) = (12, 4);
const SERVICE: (u32, u32) = (13, 4);

fn address_type(family: Family) -> (u32, u32) {
    if family == Family::V4 { (7, 4) } else { (8, 16) }
}

/// Returns a concatenated type, as `nft` numbers it.
fn concatenation(types: &[(u32, u32)]) -> (u32, u32) {
    types.iter().fold((0, 0), |(number, length), (kind, size)| ((number << 6) | kind, length + size))
}

impl Schema for Table {
    const TABLE: &'static str = "tare_portmap";
    const CHAIN: &'static str = POSTROUTING;
    const FIXED: u32 = 5 + 7;
    const FIXED_RULES: u32 = 3;

    fn build(batch: &mut Batch) {
        build_sets(batch);
        let [destination, source, first] = PRIORITIES;
        let chain = |name, hook, priority| Chain { name, hook: Some((hook, priority)), kind: Kind::Nat };
        batch.chain(Chain { name: PUBLISHED, hook: None, kind: Kind::Nat });
        guard_loopback(batch, Chain { kind: Kind::Filter, ..chain("loopback", Hook::Prerouting, first) });
        batch.chain(chain(PREROUTING, Hook::Prerouting, destination));
        batch.chain(chain(OUTPUT, Hook::Output, destination));
        batch.chain(chain(POSTROUTING, Hook::Postrouting, source));
        for family in FAMILIES {
            batch.rule(PUBLISHED, &Rule::of(family).redirected_from_address(family, &name("one", family)));
            batch.rule(PUBLISHED, &Rule::of(family).redirected_from_port(family, &name("any", family)));
            let all = Rule::of(family).redirected().to_any_of(family, &name("all", family)).masquerade();
            batch.rule(POSTROUTING, &all);
        }
        for chain in [PREROUTING, OUTPUT] {
            batch.rule(chain, &Rule::to_this_host().verdict(Verdict::Jump(PUBLISHED)));
        }
        let local = Rule::of(Family::V4).redirected().from_network(LOOPBACK);
        batch.rule(POSTROUTING, &local.to_any_of(Family::V4, &name("local", Family::V4)).masquerade());
    }

    /// Masquerades packets between containers of the network, and of a container to itself, through the host's port.
    /// Otherwise the reply would come directly, from an address that the client does not expect.
    fn build_network(batch: &mut Batch, network: Cidr) {
        let family = network.family();
        let set = network_set(network);
        batch.set(&Set { name: set.clone(), key: target_type(family), data: None });
        let rule = Rule::of(family).redirected().from_network(network).to_any_of(family, &set).masquerade();
        batch.rule(POSTROUTING, &rule);
    }

    fn entries(fact: &str) -> Vec<Entry> {
        let Some(mapping) = PortMapping::parse(fact) else { return Vec::new() };
        let mut entries = mapping.rewrites();
        if mapping.access == Access::Unconditional {
            entries.push(mapping.redirection());
        }
        entries
    }
}

/// `route_localnet` allows packets with the host's 127.0.0.1 to leave for containers. These rules keep containers from
/// sending packets to the host's 127.0.0.1, where services trust all clients.
pub(super) fn guard_loopback(batch: &mut Batch, chain: Chain) {
    batch.chain(chain);
    let foreign = || Rule::of(Family::V4).from_elsewhere();
    batch.rule(chain.name, &foreign().to_network(LOOPBACK).verdict(Verdict::Drop));
    batch.rule(chain.name, &foreign().from_network(LOOPBACK).verdict(Verdict::Drop));
}

pub(super) fn target_type(family: Family) -> (u32, u32) {
    concatenation(&[address_type(family), PROTOCOL, SERVICE])
}

fn build_sets(batch: &mut Batch) {
    for family in FAMILIES {
        let data = Some(concatenation(&[address_type(family), SERVICE]));
        batch.set(&Set { name: name("any", family), key: concatenation(&[PROTOCOL, SERVICE]), data });
        batch.set(&Set { name: name("one", family), key: target_type(family), data });
        batch.set(&Set { name: name("all", family), key: target_type(family), data: None });
    }
    batch.set(&Set { name: name("local", Family::V4), key: target_type(Family::V4), data: None });
}
