//! The rules for published ports with conditions: a chain for each attachment, and the jumps to it.

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

/// The conditions for packets of IPv4 and of IPv6; `None` if there are none.
pub type Conditions = [Option<Alternatives>; 2];

/// The access rules of an attachment with conditions. Each attachment has its own chain, so that several can publish a
/// port under different conditions.
#[derive(Debug)]
pub(super) struct AccessRules<'a> {
    /// The attachment's name in the table.
    pub(super) name: String,
    /// The ports with conditions.
    pub(super) mappings: Vec<&'a PortMapping>,
    /// The conditions of both families.
    pub(super) conditions: &'a Conditions,
}

/// The chains from which packets jump to published ports.
const SOURCES: [&str; 2] = ["prerouting", "output"];

impl AccessRules<'_> {
    /// Removes a chain without a record.
    ///
    /// # Errors
    /// The kernel's error.
    pub(super) fn remove_leftover<S: Schema>(&self, socket: &mut Socket) -> Result<()> {
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

    /// Adds the chain, right after it the jumps to it, then its rules. The order gives the jumps consecutive handles.
    pub(super) fn put(&self, batch: &mut Batch) {
        if self.mappings.is_empty() {
            return;
        }
        let chain = chain(&self.name);
        batch.chain(Chain { name: &chain, hook: None, kind: Kind::Nat });
        for source in SOURCES {
            self.jumps().iter().for_each(|rule| batch.rule(source, &rule.clone().through(&chain)));
        }
        self.mappings.iter().for_each(|it| batch.rule(&chain, &redirection(it)));
    }

    /// Checks the jumps to the chain and its rules.
    ///
    /// # Errors
    /// Code 100: a rule is missing.
    pub(super) fn check(&self, socket: &mut Socket, table: TableName) -> Result<()> {
        let wanted = if self.mappings.is_empty() { 0 } else { self.jumps().len() };
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

    fn jumps(&self) -> Vec<Rule> {
        let families = [Family::V4, Family::V6].into_iter().zip(self.conditions);
        let has = |family| self.mappings.iter().any(|it| it.container.family() == family);
        let of = |(family, alternatives): (Family, &Option<Alternatives>)| {
            let expressions = alternatives.iter().flatten().filter(move |_| has(family));
            expressions.map(move |expressions| Rule::of(family).with(expressions).local()).collect::<Vec<_>>()
        };
        families.flat_map(of).collect()
    }
}

/// Removes an attachment's chain and the jumps to it.
///
/// # Errors
/// The kernel's error.
pub(super) fn remove(socket: &mut Socket, name: &str, table: TableName) -> Result<()> {
    ForeignTable::new(socket, table).remove_chain(&chain(name), &SOURCES)
}

/// Returns a name such as `when/net/c1/eth0`.
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
