//! Published ports by iptables: `portMappings` with the rules that the Go plugin makes.

use super::differs;
use super::publication::{Access, Publication, Rewrite, Transport};
use super::published::{
    FAMILIES, forget_datagrams, guard_loopback, let_loopback_out, name, taken, target_type,
};
use crate::address::{Cidr, Family};
use crate::attachment::Attachment;
use crate::declaration::{Resource, Undo};
use crate::error::Result;
use crate::host::Host;
use crate::iptables::{Chains, Match, Owned, Place, Rule, Taken, Target, Way, comment, own_chain};
use crate::nft::{Batch, Chain, Clash, Element, Entry, Hook, Kind, Ledger, Schema, Set};
use std::net::{IpAddr, Ipv4Addr};

/// The published ports of an attachment, in the nat tables of iptables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublishedByIptables {
    /// Whose they are.
    pub attachment: Attachment,
    /// What leads where.
    pub publications: Vec<Publication>,
    /// How what is to be masqueraded is marked.
    pub mark: Mark,
    /// What else packets of IPv4 and of IPv6 have to match, in the words of iptables.
    pub conditions: [Vec<String>; 2],
}

/// How packets that are to be masqueraded are marked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mark {
    /// By a bit of the mark: `markMasqBit`.
    Bit(u32),
    /// By a chain of somebody else's, who masquerades as well: `externalSetMarkChain`.
    Chain(String),
}

const REDIRECTION: &str = "CNI-HOSTPORT-DNAT";
const MARKING: &str = "CNI-HOSTPORT-SETMARK";
const MASQUERADING: &str = "CNI-HOSTPORT-MASQ";
const LOCALHOST: Cidr = Cidr { address: IpAddr::V4(Ipv4Addr::LOCALHOST), length: 32 };
/// As many as one match of `multiport` takes.
const PORTS_AT_ONCE: usize = 15;

impl Resource for PublishedByIptables {
    fn add(&self, host: &mut Host) -> Result<Undo> {
        if self.publications.is_empty() {
            return Ok(Undo::Nothing);
        }
        if let Err(Taken { fact, owner }) = self.owned().add(host, &self.facts(), &self.chains())? {
            let publication = self.publications.iter().find(|publication| self.fact(publication) == fact);
            return Err(taken(publication, &owner));
        }
        let let_in =
            forget_datagrams(host, &self.flows()).and_then(|()| let_loopback_out(host, &self.publications));
        match let_in {
            Ok(()) => Ok(Undo::Remove),
            Err(error) => self.del(host).and(Err(error)),
        }
    }

    fn del(&self, host: &mut Host) -> Result<()> {
        let own = own_chain("DN-", &self.attachment);
        let facts = self.owned().remove(host, (&own, REDIRECTION))?;
        forget_datagrams(host, &facts.iter().filter_map(|fact| flow_of(fact)).collect::<Vec<_>>())
    }

    fn check(&self, host: &mut Host) -> Result<()> {
        let missing =
            Ledger::<Ports>::of(host.netfilter()?, &self.attachment).missing_facts(&self.facts())?;
        if let Some(fact) = missing.first() {
            return Err(differs(format!("port is not published: {fact}")));
        }
        self.chains().iter().try_for_each(|chains| chains.check(host.netfilter()?))
    }

    fn gc(&self, host: &mut Host, network: &str, valid: &[Attachment]) -> Result<()> {
        Owned::<Ports>::keep_only(host, network, valid)
    }
}

impl PublishedByIptables {
    fn owned(&self) -> Owned<'_, Ports> {
        Owned::of(&self.attachment)
    }

    fn conditions(&self, family: Family) -> &[String] {
        let [v4, v6] = &self.conditions;
        if family == Family::V4 { v4 } else { v6 }
    }

    /// With conditions several attachments may share a port.
    fn fact(&self, publication: &Publication) -> String {
        let family = publication.container.family();
        let word = if self.conditions(family).is_empty() { "port" } else { "shared" };
        let host = publication.host.unwrap_or(family.everything().address);
        format!("{word} {} {host} {}", publication.transport.text(), publication.host_port)
    }

    fn facts(&self) -> Vec<String> {
        self.publications.iter().map(|publication| self.fact(publication)).collect()
    }

    fn flows(&self) -> Vec<(Transport, Family, u16)> {
        self.publications.iter().map(Publication::flow).collect()
    }

    fn chains(&self) -> Vec<Chains> {
        let has = |family: &Family| self.publications.iter().any(|it| it.container.family() == *family);
        FAMILIES.into_iter().filter(has).map(|family| self.chains_of(family)).collect()
    }

    fn chains_of(&self, family: Family) -> Chains {
        let of_family: Vec<&Publication> =
            self.publications.iter().filter(|it| it.container.family() == family).collect();
        let rewrites = of_family.iter().any(|publication| publication.rewrite != Rewrite::Nobody);
        let way = |from: &str| Way {
            from: from.to_owned(),
            place: Place::Last,
            matches: vec![Match::ToThisHost],
            to: REDIRECTION.to_owned(),
        };
        let (mut ways_in, mut refilled) = (vec![way("PREROUTING"), way("OUTPUT")], Vec::new());
        if let (Mark::Bit(bit), true) = (&self.mark, rewrites) {
            // Before what masquerades for bridges, which would let these packets pass.
            ways_in.push(Way {
                from: "POSTROUTING".to_owned(),
                place: Place::First,
                matches: vec![Match::Comment("CNI portfwd requiring masquerade".to_owned())],
                to: MASQUERADING.to_owned(),
            });
            refilled = marking_chains(*bit);
        }
        Chains {
            family,
            refilled,
            gathering: vec![REDIRECTION.to_owned()],
            ways_in,
            own: own_chain("DN-", &self.attachment),
            rules: of_family.iter().flat_map(|publication| self.rules(publication)).collect(),
            entries: self.entries(family, &of_family),
        }
    }

    /// What is to be masqueraded is marked first, then the packet goes to the container.
    fn rules(&self, publication: &Publication) -> Vec<Rule> {
        let Publication { transport, host_port, container, container_port, .. } = publication;
        let alone = |host| Match::To(Cidr { address: host, length: Family::of(host).bits() });
        let mut base = vec![Match::Port(*transport, *host_port)];
        base.extend(publication.host.map(alone));
        let marking = match &self.mark {
            Mark::Bit(_) => MARKING.to_owned(),
            Mark::Chain(chain) => chain.clone(),
        };
        let mark = |source| {
            let matches = base.iter().cloned().chain([Match::From(source)]).collect();
            Rule::new(matches, Target::Chain(marking.clone()))
        };
        let redirect = Rule::new(base.clone(), Target::Redirect(container.address, *container_port));
        sources(publication).into_iter().map(mark).chain([redirect]).collect()
    }

    fn entries(&self, family: Family, publications: &[&Publication]) -> Vec<Way> {
        let comment = comment("dnat ", &self.attachment);
        let words = self.conditions(family).to_vec();
        let conditions = (!words.is_empty()).then_some(Match::Words(words));
        let mut ways = Vec::new();
        for transport in [Transport::Sctp, Transport::Tcp, Transport::Udp] {
            let of_transport = publications.iter().filter(|it| it.transport == transport);
            let mut ports: Vec<u16> = of_transport.map(|it| it.host_port).collect();
            ports.sort_unstable();
            ports.dedup();
            ways.extend(ports.chunks(PORTS_AT_ONCE).map(|ports| {
                let matches = [comment.clone(), Match::Protocol(transport), Match::Ports(ports.to_vec())];
                Way {
                    from: REDIRECTION.to_owned(),
                    place: Place::Last,
                    matches: matches.into_iter().chain(conditions.clone()).collect(),
                    to: own_chain("DN-", &self.attachment),
                }
            }));
        }
        ways
    }
}

/// Whose packets to a published port are masqueraded.
fn sources(publication: &Publication) -> Vec<Cidr> {
    let container = publication.container;
    match (publication.rewrite, container.family()) {
        (Rewrite::Nobody, _) => Vec::new(),
        (Rewrite::Everybody, family) => vec![family.everything()],
        (Rewrite::Local, Family::V4) => vec![container.network(), LOCALHOST],
        (Rewrite::Local, Family::V6) => vec![container.network()],
    }
}

fn marking_chains(bit: u32) -> Vec<(String, Vec<Rule>)> {
    let mark = 1_u32.checked_shl(bit).unwrap_or(0);
    let comment = Match::Comment("CNI portfwd masquerade mark".to_owned());
    let set = Rule::new(vec![comment], Target::Mark(mark));
    let masquerade = Rule::new(vec![Match::Marked(mark)], Target::Masquerade);
    vec![(MARKING.to_owned(), vec![set]), (MASQUERADING.to_owned(), vec![masquerade])]
}

/// Reads a fact: whether the port is the attachment's alone, and which.
fn parse(fact: &str) -> Option<(bool, Publication)> {
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
        Publication {
            transport,
            host: Some(host),
            host_port,
            container,
            container_port: host_port,
            rewrite: Rewrite::Nobody,
            access: Access::Everybody,
        },
    ))
}

fn flow_of(fact: &str) -> Option<(Transport, Family, u16)> {
    parse(fact).map(|(_, publication)| publication.flow())
}

/// `table inet tare_iptables_port`: notes, and which port of which address is whose.
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
        let Some((true, publication)) = parse(fact) else { return Vec::new() };
        let element = Element { key: publication.target(), data: Vec::new() };
        let set = name("ports", publication.container.family());
        vec![Entry { set, network: None, element, clash: Clash::Refuse }]
    }
}
