//! The nat table of iptables-nft, changed over netlink in the same transaction as the record.
//!
//! The kernel numbers the chains and rules of a table consecutively. The jumps to an attachment's chain are created
//! right after it, and so have the next handles. `DEL` first tries these handles, and searches all rules only if
//! another program has recreated or moved them.

use super::chains::{Chains, Jump};
use super::encode;
use super::equivalence::is_equivalent;
use super::rule::Rule;
use crate::address::Family;
use crate::error::{Code, Error, Result};
use crate::nft::{Batch, Chain, ForeignTable, Hook, Kind, Position, TableFamily, TableName};
use tare_netlink::Socket;

const TABLE: &str = "nat";
/// The base chains, with the priorities `dstnat` and `srcnat`.
const BASE_CHAINS: [(&str, Hook, i32); 4] = [
    ("PREROUTING", Hook::Prerouting, -100),
    ("INPUT", Hook::Input, 100),
    ("OUTPUT", Hook::Output, -100),
    ("POSTROUTING", Hook::Postrouting, 100),
];

fn table_name(family: Family) -> TableName {
    let table_family = if family == Family::V4 { TableFamily::Ipv4 } else { TableFamily::Ipv6 };
    TableName { family: table_family, table: TABLE }
}

fn table(socket: &mut Socket, family: Family) -> ForeignTable<'_> {
    ForeignTable::new(socket, table_name(family))
}

/// Whether the table has a chain.
///
/// # Errors
/// The kernel's error.
pub(super) fn has_chain(socket: &mut Socket, family: Family, name: &str) -> Result<bool> {
    Ok(table(socket, family).chain(name)?.is_some())
}

/// The own chain of an attachment.
pub(super) struct OwnChain<'a> {
    pub(super) family: Family,
    pub(super) name: &'a str,
}

/// Chains to create, and the jumps to shared chains that are missing.
pub(super) struct ChainUpdate<'a> {
    chains: &'a Chains,
    jumps: Vec<&'a Jump>,
}

impl<'a> ChainUpdate<'a> {
    /// Finds the missing jumps.
    ///
    /// # Errors
    /// A chain of another program does not exist; the kernel's error.
    pub(super) fn prepare(socket: &mut Socket, chains: &'a Chains) -> Result<ChainUpdate<'a>> {
        let mut table = table(socket, chains.family);
        for name in chains.others() {
            if table.chain(name)?.is_none() {
                let msg = format!("there is no chain {name} in the nat table");
                return Err(Error::new(Code::Config, msg).about("externalSetMarkChain"));
            }
        }
        let mut jumps = Vec::new();
        for jump in &chains.shared_jumps {
            if !table.leads(&jump.from, &jump.to)? {
                jumps.push(jump);
            }
        }
        Ok(ChainUpdate { chains, jumps })
    }

    /// Adds base chains and shared chains. The kernel accepts those that exist.
    pub(super) fn put_prerequisites(&self, batch: &mut Batch) {
        let used = |name: &str| {
            let jumps = self.chains.shared_jumps.iter().chain(&self.chains.entries);
            jumps.clone().any(|jump| jump.from == name)
        };
        batch.in_table(table_name(self.chains.family), |batch| {
            batch.table();
            for (name, hook, priority) in BASE_CHAINS.into_iter().filter(|(name, ..)| used(name)) {
                batch.chain(Chain { name, hook: Some((hook, priority)), kind: Kind::Nat });
            }
            for name in &self.chains.shared_chains {
                batch.chain(Chain { name, hook: None, kind: Kind::Nat });
            }
        });
    }

    /// Adds the attachment's chain and rules, and the missing jumps to shared chains.
    pub(super) fn put(&self, batch: &mut Batch) {
        batch.in_table(table_name(self.chains.family), |batch| {
            for (name, rules) in &self.chains.fixed_chains {
                self.refill(batch, name, rules);
            }
            for jump in &self.jumps {
                self.lead(batch, jump);
            }
            let own = &self.chains.own;
            batch.chain(Chain { name: own, hook: None, kind: Kind::Nat });
            for jump in &self.chains.entries {
                self.lead(batch, jump);
            }
            batch.delete_rules(own, None);
            self.fill(batch, own, &self.chains.rules);
        });
    }

    fn refill(&self, batch: &mut Batch, name: &str, rules: &[Rule]) {
        batch.chain(Chain { name, hook: None, kind: Kind::Nat });
        batch.delete_rules(name, None);
        self.fill(batch, name, rules);
    }

    fn fill(&self, batch: &mut Batch, name: &str, rules: &[Rule]) {
        for rule in rules {
            batch.put_rule(name, Position::Last, |w| encode::write(w, self.chains.family, rule));
        }
    }

    fn lead(&self, batch: &mut Batch, jump: &Jump) {
        batch.put_rule(&jump.from, jump.position, |w| encode::write(w, self.chains.family, &jump.rule()));
    }
}

/// Whether everything exists with the encoding of this crate: the own chain, the rules created after it, and the jumps
/// to shared chains.
///
/// # Errors
/// The kernel's error.
pub(super) fn holds(socket: &mut Socket, chains: &Chains) -> Result<bool> {
    let is = |found: &Vec<u8>, rule: &Rule| is_equivalent(found, chains.family, rule);
    let are = |found: Vec<Vec<u8>>, rules: &[Rule]| {
        found.len() == rules.len() && found.iter().zip(rules).all(|(found, rule)| is(found, rule))
    };
    let mut table = table(socket, chains.family);
    let Some(number) = table.chain(&chains.own)? else { return Ok(false) };
    if !are(table.rules(&chains.own)?, &chains.rules) {
        return Ok(false);
    }
    let entries: Vec<Rule> = chains.entries.iter().map(Jump::rule).collect();
    let numbered: Vec<(&str, u64)> = chains.sources().into_iter().zip(number + 1..).collect();
    if !are(table.rules_numbered(&numbered)?, &entries) {
        return Ok(false);
    }
    for jump in &chains.shared_jumps {
        let rule = jump.rule();
        if !table.any(&jump.from, |found| is_equivalent(found, chains.family, &rule))? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Removes the own chain of an attachment and the jumps to it. `from` has one chain for each jump. A missing chain is
/// no error.
///
/// # Errors
/// The kernel's error: a rule of another program jumps to the chain.
pub(super) fn remove_chain(socket: &mut Socket, own: &OwnChain<'_>, from: &[&str]) -> Result<()> {
    table(socket, own.family).remove_chain(own.name, from)
}
