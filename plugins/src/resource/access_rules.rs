//! The rules of ports that only some may come by: a chain of the attachment's own, and what leads to it.

use super::differs;
use super::port_mapping::PortMapping;
use crate::address::{Cidr, Family};
use crate::condition::Alternatives;
use crate::error::Result;
use crate::nft::{
    AttachmentEntries, Batch, Chain, CmpOp, Expression, ForeignTable, Header, Kind, Rule, Schema, Source,
    TableName,
};
use tare_netlink::Socket;

/// What packets of IPv4 and of IPv6 have to match; `None` where nothing is asked.
pub type Conditions = [Option<Alternatives>; 2];

/// What leads to the ports of an attachment that has conditions. They are its own, whoever else has any.
#[derive(Debug)]
pub(super) struct AccessRules<'a> {
    /// The attachment's name in the table.
    pub(super) name: String,
    /// The ports.
    pub(super) mappings: Vec<&'a PortMapping>,
    /// The conditions of both protocols.
    pub(super) conditions: &'a Conditions,
}

/// The chains that lead to published ports.
const SOURCES: [&str; 2] = ["prerouting", "output"];

impl AccessRules<'_> {
    /// Removes what is there without a record.
    ///
    /// # Errors
    /// The kernel's.
    pub(super) fn clear<S: Schema>(&self, socket: &mut Socket) -> Result<()> {
        if self.mappings.is_empty()
            || ForeignTable::new(socket, S::name()).chain(&chain(&self.name))?.is_none()
        {
            return Ok(());
        }
        match AttachmentEntries::<S>::named(socket, self.name.clone()).facts()?.is_empty() {
            true => remove(socket, &self.name, S::name()),
            false => Ok(()),
        }
    }

    /// The chain, right after it the rules that lead there, then its own.
    pub(super) fn put(&self, batch: &mut Batch) {
        if self.mappings.is_empty() {
            return;
        }
        let chain = chain(&self.name);
        batch.chain(Chain { name: &chain, hook: None, kind: Kind::Nat });
        for source in SOURCES {
            self.ways().iter().for_each(|rule| batch.rule(source, &rule.clone().through(&chain)));
        }
        self.mappings.iter().for_each(|it| batch.rule(&chain, &redirection(it)));
    }

    /// Whether all that leads there, and on from there, is there.
    ///
    /// # Errors
    /// Code 100: it is not.
    pub(super) fn check(&self, socket: &mut Socket, table: TableName) -> Result<()> {
        let wanted = if self.mappings.is_empty() { 0 } else { self.ways().len() };
        for source in SOURCES {
            if ForeignTable::new(socket, table).rules_to(source, &chain(&self.name))?.len() != wanted {
                return Err(differs(format!(
                    "a rule of chain {source} with the attachment's conditions is missing"
                )));
            }
        }
        let ports =
            if wanted == 0 { 0 } else { ForeignTable::new(socket, table).rules(&chain(&self.name))?.len() };
        match ports == self.mappings.len() {
            true => Ok(()),
            false => Err(differs("a port of the attachment's conditions is missing")),
        }
    }

    fn ways(&self) -> Vec<Rule> {
        let families = [Family::V4, Family::V6].into_iter().zip(self.conditions);
        let has = |family| self.mappings.iter().any(|it| it.container.family() == family);
        let of = |(family, alternatives): (Family, &Option<Alternatives>)| {
            let expressions = alternatives.iter().flatten().filter(move |_| has(family));
            expressions.map(move |expressions| Rule::of(family).with(expressions).local()).collect::<Vec<_>>()
        };
        families.flat_map(of).collect()
    }
}

/// Takes out an attachment's chain and what leads there.
///
/// # Errors
/// The kernel's.
pub(super) fn remove(socket: &mut Socket, name: &str, table: TableName) -> Result<()> {
    ForeignTable::new(socket, table).remove_chain(&chain(name), &SOURCES)
}

/// `when/net/c1/eth0`
fn chain(name: &str) -> String {
    format!("when/{}", name.strip_prefix("at/").unwrap_or(name))
}

fn redirection(mapping: &PortMapping) -> Rule {
    let (container, port) = (mapping.container, mapping.host_port.to_be_bytes().to_vec());
    let alone = |host| Cidr { address: host, length: Family::of(host).bits() };
    let rule = Rule::of(container.family());
    let rule = mapping.host.map(alone).into_iter().fold(rule, Rule::to_network);
    rule.with(&[
        Expression::Load(Source::TRANSPORT, 1),
        Expression::Compare(CmpOp::Equal, vec![mapping.transport as u8]),
        Expression::Load(Source::Header(Header::Transport, 2), 2),
        Expression::Compare(CmpOp::Equal, port),
    ])
    .redirected_to(container.address, mapping.container_port)
}
