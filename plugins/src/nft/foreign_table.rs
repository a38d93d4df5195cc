//! A table that other programs use too: queries about jumps, and changes.

use super::batch::{Batch, TableName, head};
use super::constants::{GET_CHAIN, GET_RULE, chain_attribute, rule_attribute};
use super::encode::jumps;
use super::query::QUERIES_AT_ONCE;
use super::reply::found;
use crate::error::{Code, Error, Result};
use crate::rtnetlink::cannot_open;
use rustix::io::Errno;
use std::collections::BTreeSet;
use tare_netlink::{ACK, Answer, DUMP, Op, Refusal, Socket, Writer, find};

/// A table of another program.
#[derive(Debug)]
pub struct ForeignTable<'a> {
    socket: &'a mut Socket,
    name: TableName,
}

/// How often a change is tried again after another program has changed the table.
const ATTEMPTS: u32 = 10;

impl<'a> ForeignTable<'a> {
    /// Creates the handle for a table; changes nothing.
    pub fn new(socket: &'a mut Socket, name: TableName) -> Self {
        Self { socket, name }
    }

    /// Returns the handle of a chain; `None` if it does not exist.
    ///
    /// # Errors
    /// The kernel's error.
    pub fn chain(&mut self, name: &str) -> Result<Option<u64>> {
        let mut writer = self.socket.writer();
        writer.message(Op(GET_CHAIN, ACK), &head(self.name.family as u8), |w| {
            w.text(chain_attribute::TABLE, self.name.table);
            w.text(chain_attribute::NAME, name);
        });
        let answer = self.socket.exchange(&writer)?.pop();
        let replies = answer.map(found).transpose()?.flatten().unwrap_or_default();
        Ok(replies.first().and_then(|body| number(body, chain_attribute::HANDLE)))
    }

    /// Whether a rule of one chain jumps to another chain.
    ///
    /// # Errors
    /// The kernel's error.
    pub fn leads(&mut self, from: &str, to: &str) -> Result<bool> {
        self.any(from, |rule| leads_to(rule, to))
    }

    /// Whether the expressions of a rule of a chain match. Stops at the first match: jumps to shared chains stand
    /// before the rules of the containers.
    ///
    /// # Errors
    /// The kernel's error.
    pub fn any(&mut self, chain: &str, wanted: impl Fn(&[u8]) -> bool) -> Result<bool> {
        let Some(socket) = Socket::open_netfilter().map_err(cannot_open)? else { return Ok(false) };
        let writer = self.put_dump(socket.writer(), chain);
        Ok(socket.search(&writer, |body| wanted(expressions_of(body)))?)
    }

    /// Returns the expressions of each rule of a chain.
    ///
    /// # Errors
    /// The kernel's error.
    pub fn rules(&mut self, chain: &str) -> Result<Vec<Vec<u8>>> {
        let writer = self.put_dump(self.socket.writer(), chain);
        expressions(self.socket.exchange(&writer)?)
    }

    /// Returns the expressions of those rules that exist, by chain and handle.
    ///
    /// # Errors
    /// The kernel's error.
    pub fn rules_numbered(&mut self, rules: &[(&str, u64)]) -> Result<Vec<Vec<u8>>> {
        expressions(self.numbered(rules)?)
    }

    /// Returns the handles of all rules of a chain that jump to another chain.
    ///
    /// # Errors
    /// The kernel's error.
    pub fn rules_to(&mut self, from: &str, to: &str) -> Result<Vec<u64>> {
        let writer = self.put_dump(self.socket.writer(), from);
        leading(self.socket.exchange(&writer)?, to)
    }

    /// Returns those handles that belong to rules of a chain that jump to another chain.
    fn rules_among(&mut self, numbers: &[u64], from: &str, to: &str) -> Result<Vec<u64>> {
        let rules: Vec<(&str, u64)> = numbers.iter().map(|number| (from, *number)).collect();
        leading(self.numbered(&rules)?, to)
    }

    /// Removes a chain and the jumps to it. `from` has one chain for each jump that was created right after the chain,
    /// and so has a consecutive handle. A missing chain is no error.
    ///
    /// # Errors
    /// The kernel's error: a rule of another program jumps to the chain.
    pub fn remove_chain(&mut self, name: &str, from: &[&str]) -> Result<()> {
        let what = format!("remove chain {name} from table {}", self.name.table);
        let made = u64::try_from(from.len()).unwrap_or(0);
        let from: BTreeSet<&str> = from.iter().copied().collect();
        for attempt in 0..ATTEMPTS {
            let Some(number) = self.chain(name)? else { return Ok(()) };
            let next = if attempt == 0 { (number + 1..=number + made).collect() } else { Vec::new() };
            match self.try_remove(name, &from, &next)? {
                Ok(()) => return Ok(()),
                Err(Refusal { errno: Errno::NOENT | Errno::BUSY, .. }) => {}
                Err(refusal) => return Err(Error::refused(&what, &refusal)),
            }
        }
        Err(Error::new(Code::TryAgain, format!("cannot {what}: rules of another program jump to it")))
    }

    /// Removes the chain and the jumps with these handles; without handles, all jumps.
    fn try_remove(
        &mut self,
        name: &str,
        from: &BTreeSet<&str>,
        numbers: &[u64],
    ) -> Result<std::result::Result<(), Refusal>> {
        let mut rules = Vec::new();
        for chain in from {
            let found = match numbers {
                [] => self.rules_to(chain, name)?,
                numbers => self.rules_among(numbers, chain, name)?,
            };
            rules.extend(found.into_iter().map(|number| (*chain, number)));
        }
        self.change(|batch| {
            rules.iter().for_each(|(chain, number)| batch.delete_rules(chain, Some(*number)));
            batch.delete_chain(name);
        })
    }

    /// Runs a transaction on the table.
    ///
    /// # Errors
    /// The socket's error.
    fn change(&mut self, build: impl FnOnce(&mut Batch)) -> Result<std::result::Result<(), Refusal>> {
        let mut batch = Batch::begin(self.socket, self.name, None);
        build(&mut batch);
        let (writer, acknowledged) = batch.end();
        let answers = self.socket.transact(&writer, acknowledged)?;
        Ok(answers.into_iter().find_map(|answer| answer.outcome.err()).map_or(Ok(()), Err))
    }

    /// Queries rules by chain and handle.
    fn numbered(&mut self, rules: &[(&str, u64)]) -> Result<Vec<Answer>> {
        let mut answers = Vec::new();
        for some in rules.chunks(QUERIES_AT_ONCE) {
            let mut writer = self.socket.writer();
            for (chain, number) in some {
                writer.message(Op(GET_RULE, ACK), &head(self.name.family as u8), |w| {
                    w.text(rule_attribute::TABLE, self.name.table);
                    w.text(rule_attribute::CHAIN, chain);
                    w.bytes(rule_attribute::HANDLE, &number.to_be_bytes());
                });
            }
            answers.extend(self.socket.exchange(&writer)?);
        }
        Ok(answers)
    }

    /// Adds a dump of all rules of a chain.
    fn put_dump(&self, mut writer: Writer, chain: &str) -> Writer {
        writer.message(Op(GET_RULE, DUMP), &head(self.name.family as u8), |w| {
            w.text(rule_attribute::TABLE, self.name.table);
            w.text(rule_attribute::CHAIN, chain);
        });
        writer
    }
}

/// Returns the bodies of the rules that exist.
fn bodies(answers: Vec<Answer>) -> Result<Vec<Vec<u8>>> {
    let replies: Vec<_> = answers.into_iter().map(found).collect::<Result<_>>()?;
    Ok(replies.into_iter().flatten().flatten().collect())
}

fn expressions(answers: Vec<Answer>) -> Result<Vec<Vec<u8>>> {
    Ok(bodies(answers)?.iter().map(|body| expressions_of(body).to_vec()).collect())
}

fn leading(answers: Vec<Answer>, to: &str) -> Result<Vec<u64>> {
    let rules = bodies(answers)?;
    let rules = rules.iter().filter(|body| leads_to(expressions_of(body), to));
    Ok(rules.filter_map(|body| number(body, rule_attribute::HANDLE)).collect())
}

fn expressions_of(body: &[u8]) -> &[u8] {
    body.get(4..).and_then(|attributes| find(attributes, rule_attribute::EXPRESSIONS)).unwrap_or_default()
}

fn leads_to(expressions: &[u8], chain: &str) -> bool {
    jumps(expressions).any(|to| to == chain)
}

/// Reads an 8-byte number in network byte order.
fn number(body: &[u8], kind: u16) -> Option<u64> {
    find(body.get(4..)?, kind)?.try_into().ok().map(u64::from_be_bytes)
}
