//! Published ports: `portMappings` with iptables, with the rules of the Go plugin.

use super::differs;
use super::port_mapping::{Access, PortMapping, Snat, Transport, name};
use super::port_mappings::{
    FAMILIES, forget_datagrams, guard_loopback, let_loopback_out, taken, target_type,
};
use crate::address::{Cidr, Family};
use crate::attachment::Attachment;
use crate::declaration::{Resource, Undo};
use crate::error::Result;
use crate::host::Host;
use crate::iptables::{
    ChainNames, Chains, FactConflict, Jump, Match, Position, RecordedChains, Rule, Target, comment, own_chain,
};
use crate::nft::{AttachmentEntries, Batch, Chain, Element, Entry, Hook, Kind, OnConflict, Schema, Set};
use std::net::{IpAddr, Ipv4Addr};

/// The published ports of an attachment, in the nat tables of iptables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IptablesPortMappings {
    /// The attachment.
    pub attachment: Attachment,
    /// The mappings.
    pub mappings: Vec<PortMapping>,
    /// How packets to masquerade are marked.
    pub mark: Mark,
    /// The conditions for packets of IPv4 and of IPv6, in iptables syntax.
    pub conditions: [Vec<String>; 2],
}

/// How packets to masquerade are marked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mark {
    /// By a bit of the packet mark: `markMasqBit`.
    Bit(u32),
    /// By a chain of another program that also masquerades: `externalSetMarkChain`.
    Chain(String),
}

const REDIRECTION: &str = "CNI-HOSTPORT-DNAT";
const MARKING: &str = "CNI-HOSTPORT-SETMARK";
const MASQUERADING: &str = "CNI-HOSTPORT-MASQ";
const LOCALHOST: Cidr = Cidr { address: IpAddr::V4(Ipv4Addr::LOCALHOST), length: 32 };
/// The limit of the `multiport` match.
const PORTS_AT_ONCE: usize = 15;

impl Resource for IptablesPortMappings {
    fn add(&self, host: &mut Host) -> Result<Undo> {
        if self.mappings.is_empty() {
            return Ok(Undo::Nothing);
        }
        if let Err(FactConflict { fact, owner }) = self.owned().add(host, &self.facts(), &self.chains())? {
            let mapping = self.mappings.iter().find(|mapping| self.fact(mapping) == fact);
            return Err(taken(mapping, &owner));
        }
        let let_in =
            forget_datagrams(host, &self.flows()).and_then(|()| let_loopback_out(host, &self.mappings));
        match let_in {
            Ok(()) => Ok(Undo::Remove),
            Err(error) => self.del(host).and(Err(error)),
        }
    }

    fn del(&self, host: &mut Host) -> Result<()> {
        let own = own_chain("DN-", &self.attachment);
        let facts = self.owned().remove(host, &ChainNames { own: &own, from: REDIRECTION })?;
        forget_datagrams(host, &facts.iter().filter_map(|fact| flow_of(fact)).collect::<Vec<_>>())
    }

    fn check(&self, host: &mut Host) -> Result<()> {
        let missing = AttachmentEntries::<Ports>::of(host.netfilter()?, &self.attachment)
            .missing_facts(&self.facts())?;
        if let Some(fact) = missing.first() {
            return Err(differs(format!("port is not published: {fact}")));
        }
        self.chains().iter().try_for_each(|chains| chains.check(host.netfilter()?))
    }

    fn gc(&self, host: &mut Host, network: &str, valid: &[Attachment]) -> Result<()> {
        RecordedChains::<Ports>::keep_only(host, network, valid)
    }
}

impl IptablesPortMappings {
    fn owned(&self) -> RecordedChains<'_, Ports> {
        RecordedChains::of(&self.attachment)
    }

    fn conditions(&self, family: Family) -> &[String] {
        let [v4, v6] = &self.conditions;
        if family == Family::V4 { v4 } else { v6 }
    }

    /// With conditions, several attachments may publish the same port.
    fn fact(&self, mapping: &PortMapping) -> String {
        let family = mapping.container.family();
        let word = if self.conditions(family).is_empty() { "port" } else { "shared" };
        let host = mapping.host.unwrap_or(family.everything().address);
        format!("{word} {} {host} {}", mapping.transport.text(), mapping.host_port)
    }

    fn facts(&self) -> Vec<String> {
        self.mappings.iter().map(|mapping| self.fact(mapping)).collect()
    }

    fn flows(&self) -> Vec<(Transport, Family, u16)> {
        self.mappings.iter().map(PortMapping::flow).collect()
    }

    fn chains(&self) -> Vec<Chains> {
        let has = |family: &Family| self.mappings.iter().any(|it| it.container.family() == *family);
        FAMILIES.into_iter().filter(has).map(|family| self.chains_of(family)).collect()
    }

    fn chains_of(&self, family: Family) -> Chains {
        let of_family: Vec<&PortMapping> =
            self.mappings.iter().filter(|it| it.container.family() == family).collect();
        let rewrites = of_family.iter().any(|mapping| mapping.snat != Snat::None);
        let jump = |from: &str| Jump {
            from: from.to_owned(),
            position: Position::Last,
            matches: vec![Match::ToThisHost],
            to: REDIRECTION.to_owned(),
        };
        let (mut shared_jumps, mut fixed_chains) = (vec![jump("PREROUTING"), jump("OUTPUT")], Vec::new());
        if let (Mark::Bit(bit), true) = (&self.mark, rewrites) {
            // Before the rules that masquerade for bridges, which would accept these packets.
            shared_jumps.push(Jump {
                from: "POSTROUTING".to_owned(),
                position: Position::First,
                matches: vec![Match::Comment("CNI portfwd requiring masquerade".to_owned())],
                to: MASQUERADING.to_owned(),
            });
            fixed_chains = marking_chains(*bit);
        }
        Chains {
            family,
            fixed_chains,
            shared_chains: vec![REDIRECTION.to_owned()],
            shared_jumps,
            own: own_chain("DN-", &self.attachment),
            rules: of_family.iter().flat_map(|mapping| self.rules(mapping)).collect(),
            entries: self.entries(family, &of_family),
        }
    }

    /// Marks packets to masquerade, then redirects to the container.
    fn rules(&self, mapping: &PortMapping) -> Vec<Rule> {
        let PortMapping { transport, host_port, container, container_port, .. } = mapping;
        let alone = |host| Match::To(Cidr { address: host, length: Family::of(host).bits() });
        let mut base = vec![Match::Port(*transport, *host_port)];
        base.extend(mapping.host.map(alone));
        let marking = match &self.mark {
            Mark::Bit(_) => MARKING.to_owned(),
            Mark::Chain(chain) => chain.clone(),
        };
        let mark = |source| {
            let matches = base.iter().cloned().chain([Match::From(source)]).collect();
            Rule::new(matches, Target::Chain(marking.clone()))
        };
        let redirect = Rule::new(base.clone(), Target::Redirect(container.address, *container_port));
        sources(mapping).into_iter().map(mark).chain([redirect]).collect()
    }

    fn entries(&self, family: Family, mappings: &[&PortMapping]) -> Vec<Jump> {
        let comment = comment("dnat ", &self.attachment);
        let words = self.conditions(family).to_vec();
        let conditions = (!words.is_empty()).then_some(Match::Raw(words));
        let mut jumps = Vec::new();
        for transport in [Transport::Sctp, Transport::Tcp, Transport::Udp] {
            let of_transport = mappings.iter().filter(|it| it.transport == transport);
            let mut ports: Vec<u16> = of_transport.map(|it| it.host_port).collect();
            ports.sort_unstable();
            ports.dedup();
            jumps.extend(ports.chunks(PORTS_AT_ONCE).map(|ports| {
                let matches = [comment.clone(), Match::Protocol(transport), Match::Ports(ports.to_vec())];
                Jump {
                    from: REDIRECTION.to_owned(),
                    position: Position::Last,
                    matches: matches.into_iter().chain(conditions.clone()).collect(),
                    to: own_chain("DN-", &self.attachment),
                }
            }));
        }
        jumps
    }
}

/// Returns the sources of packets to masquerade.
fn sources(mapping: &PortMapping) -> Vec<Cidr> {
    let container = mapping.container;
    match (mapping.snat, container.family()) {
        (Snat::None, _) => Vec::new(),
        (Snat::All, family) => vec![family.everything()],
        (Snat::Local, Family::V4) => vec![container.network(), LOCALHOST],
        (Snat::Local, Family::V6) => vec![container.network()],
    }
}

fn marking_chains(bit: u32) -> Vec<(String, Vec<Rule>)> {
    let mark = 1_u32.checked_shl(bit).unwrap_or(0);
    let comment = Match::Comment("CNI portfwd masquerade mark".to_owned());
    let set = Rule::new(vec![comment], Target::Mark(mark));
    let masquerade = Rule::new(vec![Match::Marked(mark)], Target::Masquerade);
    vec![(MARKING.to_owned(), vec![set]), (MASQUERADING.to_owned(), vec![masquerade])]
}

/// Reads a fact: whether the port belongs to one attachment only, and the port.
fn parse(fact: &str) -> Option<(bool, PortMapping)> {
    let mut words = fact.split(' ');
    let alone = match words.next()? {
        "port" => true,
        "shared" => false,
        _ => return None,
    };
    let transport = Transport::read(words.next()?)?;
    let host = crate::address::parse_address(words.next()?)?;
    let container = Cidr { address: host, length: 0 };
    let host_port = words.next()?.parse().ok()?;
    Some((
        alone,
        PortMapping {
            transport,
            host: Some(host),
            host_port,
            container,
            container_port: host_port,
            snat: Snat::None,
            access: Access::Unconditional,
        },
    ))
}

fn flow_of(fact: &str) -> Option<(Transport, Family, u16)> {
    parse(fact).map(|(_, mapping)| mapping.flow())
}

/// `table inet tare_iptables_port`: records, and the owner of each port and address.
#[derive(Debug)]
struct Ports;

impl Schema for Ports {
    const TABLE: &'static str = "tare_iptables_port";
    const CHAIN: &'static str = "loopback";
    const FIXED: u32 = 3;
    const FIXED_RULES: u32 = 2;

    fn build(batch: &mut Batch) {
        for family in FAMILIES {
            batch.set(&Set { name: name("ports", family), key: target_type(family), data: None });
        }
        guard_loopback(
            batch,
            Chain { name: Self::CHAIN, hook: Some((Hook::Prerouting, -300)), kind: Kind::Filter },
        );
    }

    fn build_network(_: &mut Batch, _: Cidr) {}

    fn entries(fact: &str) -> Vec<Entry> {
        let Some((true, mapping)) = parse(fact) else { return Vec::new() };
        let element = Element { key: mapping.target(), data: Vec::new() };
        let set = name("ports", mapping.container.family());
        vec![Entry { set, network: None, element, on_conflict: OnConflict::Refuse }]
    }
}
