//! The nat table of iptables-nft, changed over netlink as its programs would, in the transaction of the note.
//!
//! What an attachment has is told by numbers: the kernel counts chains and rules of a table up, so the rules that lead
//! to an attachment's chain, which are made right after it, have the numbers that follow. `DEL` asks for these, and
//! looks through all rules only when somebody else has made or moved them.

use super::chains::{Chains, Place, Way};
use super::expression;
use super::likeness::is_alike;
use super::rule::Rule;
use crate::address::Family;
use crate::error::{Code, Error, Result};
use crate::nft::{Batch, Chain, End, Foreign, Hook, Kind, Packets};
use tare_netlink::Socket;

const TABLE: &str = "nat";
/// The chains that packets come to by themselves; `dstnat` and `srcnat`.
const ENTRANCES: [(&str, Hook, i32); 4] = [
    ("PREROUTING", Hook::Prerouting, -100),
    ("INPUT", Hook::Input, 100),
    ("OUTPUT", Hook::Output, -100),
    ("POSTROUTING", Hook::Postrouting, 100),
];

fn packets(family: Family) -> Packets {
    if family == Family::V4 { Packets::Ipv4 } else { Packets::Ipv6 }
}

fn table(socket: &mut Socket, family: Family) -> Foreign<'_> {
    Foreign::new(socket, packets(family), TABLE)
}

/// Whether the table has a chain.
///
/// # Errors
/// The kernel's.
pub(super) fn has_chain(socket: &mut Socket, family: Family, name: &str) -> Result<bool> {
    Ok(table(socket, family).chain(name)?.is_some())
}

/// Chains that are about to be made, and the ways to shared ones that are missing.
pub(super) struct Work<'a> {
    chains: &'a Chains,
    ways: Vec<&'a Way>,
}

impl<'a> Work<'a> {
    /// Looks what is missing.
    ///
    /// # Errors
    /// A chain of somebody else's that is named does not exist; the kernel's.
    pub(super) fn prepare(socket: &mut Socket, chains: &'a Chains) -> Result<Work<'a>> {
        let mut table = table(socket, chains.family);
        for name in chains.others() {
            if table.chain(name)?.is_none() {
                let msg = format!("there is no chain {name} in the nat table");
                return Err(Error::new(Code::Config, msg).about("externalSetMarkChain"));
            }
        }
        let mut ways = Vec::new();
        for way in &chains.ways_in {
            if !table.leads(&way.from, &way.to)? {
                ways.push(way);
            }
        }
        Ok(Work { chains, ways })
    }

    /// What every use of the table needs; as good where it is there.
    pub(super) fn lay(&self, batch: &mut Batch) {
        let used = |name: &str| {
            let ways = self.chains.ways_in.iter().chain(&self.chains.entries);
            ways.clone().any(|way| way.from == name)
        };
        batch.elsewhere(packets(self.chains.family), TABLE, |batch| {
            batch.table();
            for (name, hook, priority) in ENTRANCES.into_iter().filter(|(name, ..)| used(name)) {
                batch.chain(Chain { name, hook: Some((hook, priority)), kind: Kind::Nat });
            }
            for name in &self.chains.gathering {
                batch.chain(Chain { name, hook: None, kind: Kind::Nat });
            }
        });
    }

    /// The attachment's own part, and what leads to shared chains where it is missing.
    pub(super) fn put(&self, batch: &mut Batch) {
        batch.elsewhere(packets(self.chains.family), TABLE, |batch| {
            for (name, rules) in &self.chains.refilled {
                self.refill(batch, name, rules);
            }
            for way in &self.ways {
                self.lead(batch, way);
            }
            let own = &self.chains.own;
            batch.chain(Chain { name: own, hook: None, kind: Kind::Nat });
            for way in &self.chains.entries {
                self.lead(batch, way);
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
            batch.put_rule(name, End::Last, |w| expression::write(w, self.chains.family, rule));
        }
    }

    fn lead(&self, batch: &mut Batch, way: &Way) {
        let end = if way.place == Place::First { End::First } else { End::Last };
        batch.put_rule(&way.from, end, |w| expression::write(w, self.chains.family, &way.rule()));
    }
}

/// Whether all of it is there just as it is made here: the attachment's own chain, the rules that were made right after
/// it, and the ways to shared chains.
///
/// # Errors
/// The kernel's.
pub(super) fn holds(socket: &mut Socket, chains: &Chains) -> Result<bool> {
    let is = |found: &Vec<u8>, rule: &Rule| is_alike(found, chains.family, rule);
    let are = |found: Vec<Vec<u8>>, rules: &[Rule]| {
        found.len() == rules.len() && found.iter().zip(rules).all(|(found, rule)| is(found, rule))
    };
    let mut table = table(socket, chains.family);
    let Some(number) = table.chain(&chains.own)? else { return Ok(false) };
    if !are(table.rules(&chains.own)?, &chains.rules) {
        return Ok(false);
    }
    let entries: Vec<Rule> = chains.entries.iter().map(Way::rule).collect();
    let numbered: Vec<(&str, u64)> = chains.sources().into_iter().zip(number + 1..).collect();
    if !are(table.rules_numbered(&numbered)?, &entries) {
        return Ok(false);
    }
    for way in &chains.ways_in {
        let rule = way.rule();
        if !table.any(&way.from, |found| is_alike(found, chains.family, &rule))? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Takes out an attachment's own chain and what leads to it from others, which are named once for each rule that was
/// made there. What is gone already is as good.
///
/// # Errors
/// The kernel's: a rule of somebody else's leads to the chain.
pub(super) fn take_out(socket: &mut Socket, (family, own): (Family, &str), from: &[&str]) -> Result<()> {
    table(socket, family).remove_chain(own, from)
}
