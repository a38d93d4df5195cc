//! The gate of ports that only some may come by: a chain of the attachment's own, and what leads to it.

use super::differs;
use super::publication::Publication;
use crate::address::{Cidr, Family};
use crate::condition::Alternatives;
use crate::error::Result;
use crate::nft::{
    Batch, Chain, Foreign, Header, Kind, Ledger, Packets, Relation, Rule, Schema, Source, Step,
};
use tare_netlink::Socket;

/// What packets of IPv4 and of IPv6 have to match; `None` where nothing is asked.
pub type Conditions = [Option<Alternatives>; 2];

/// What leads to the ports of an attachment that has conditions. They are its own, whoever else has any.
#[derive(Debug)]
pub(super) struct Gate<'a> {
    /// The attachment's name in the table.
    pub(super) name: String,
    /// The ports.
    pub(super) publications: Vec<&'a Publication>,
    /// The conditions of both protocols.
    pub(super) conditions: &'a Conditions,
}

/// The chains that lead to published ports.
const SOURCES: [&str; 2] = ["prerouting", "output"];

impl Gate<'_> {
    /// Removes what is there without a record.
    ///
    /// # Errors
    /// The kernel's.
    pub(super) fn clear<S: Schema>(&self, socket: &mut Socket) -> Result<()> {
        if self.publications.is_empty() || table(socket, S::TABLE).chain(&chain(&self.name))?.is_none() {
            return Ok(());
        }
        match Ledger::<S>::named(socket, self.name.clone()).facts()?.is_empty() {
            true => remove(socket, &self.name, S::TABLE),
            false => Ok(()),
        }
    }

    /// The chain, right after it the rules that lead there, then its own.
    pub(super) fn put(&self, batch: &mut Batch) {
        if self.publications.is_empty() {
            return;
        }
        let chain = chain(&self.name);
        batch.chain(Chain { name: &chain, hook: None, kind: Kind::Nat });
        for source in SOURCES {
            self.ways().iter().for_each(|rule| batch.rule(source, &rule.clone().through(&chain)));
        }
        self.publications.iter().for_each(|it| batch.rule(&chain, &redirection(it)));
    }

    /// Whether all that leads there, and on from there, is there.
    ///
    /// # Errors
    /// Code 100: it is not.
    pub(super) fn check(&self, socket: &mut Socket, name: &'static str) -> Result<()> {
        let wanted = if self.publications.is_empty() { 0 } else { self.ways().len() };
        for source in SOURCES {
            if table(socket, name).rules_to(source, &chain(&self.name))?.len() != wanted {
                return Err(differs(format!(
                    "a rule of chain {source} with the attachment's conditions is missing"
                )));
            }
        }
        let ports = if wanted == 0 { 0 } else { table(socket, name).rules(&chain(&self.name))?.len() };
        match ports == self.publications.len() {
            true => Ok(()),
            false => Err(differs("a port of the attachment's conditions is missing")),
        }
    }

    fn ways(&self) -> Vec<Rule> {
        let families = [Family::V4, Family::V6].into_iter().zip(self.conditions);
        let has = |family| self.publications.iter().any(|it| it.container.family() == family);
        let of = |(family, alternatives): (Family, &Option<Alternatives>)| {
            let steps = alternatives.iter().flatten().filter(move |_| has(family));
            steps.map(move |steps| Rule::of(family).with(steps).local()).collect::<Vec<_>>()
        };
        families.flat_map(of).collect()
    }
}

/// Takes out an attachment's chain and what leads there.
///
/// # Errors
/// The kernel's.
pub(super) fn remove(socket: &mut Socket, name: &str, of: &'static str) -> Result<()> {
    table(socket, of).remove_chain(&chain(name), &SOURCES)
}

fn table<'a>(socket: &'a mut Socket, name: &'static str) -> Foreign<'a> {
    Foreign::new(socket, Packets::Inet, name)
}

/// `when/net/c1/eth0`
fn chain(name: &str) -> String {
    format!("when/{}", name.strip_prefix("at/").unwrap_or(name))
}

fn redirection(publication: &Publication) -> Rule {
    let (container, port) = (publication.container, publication.host_port.to_be_bytes().to_vec());
    let alone = |host| Cidr { address: host, length: Family::of(host).bits() };
    let rule = Rule::of(container.family());
    let rule = publication.host.map(alone).into_iter().fold(rule, Rule::to_network);
    rule.with(&[
        Step::Load(Source::TRANSPORT, 1),
        Step::Compare(Relation::Equal, vec![publication.transport as u8]),
        Step::Load(Source::Header(Header::Transport, 2), 2),
        Step::Compare(Relation::Equal, port),
    ])
    .redirected_to(container.address, publication.container_port)
}
