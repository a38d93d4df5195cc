//! A table that others use as well: what leads where in it, and changes to it.

use super::batch::{Batch, TableName, head};
use super::constants::{GET_CHAIN, GET_RULE};
use super::encode::jumps;
use super::query::QUESTIONS_AT_ONCE;
use super::reply::found;
use crate::error::{Code, Error, Result};
use crate::rtnetlink::cannot_open;
use rustix::io::Errno;
use std::collections::BTreeSet;
use tare_netlink::{ACK, Answer, DUMP, Op, Refusal, Socket, Writer, find};

/// A table of somebody else's.
#[derive(Debug)]
pub struct ForeignTable<'a> {
    socket: &'a mut Socket,
    name: TableName,
}

/// So often what somebody else has changed is looked at anew.
const ATTEMPTS: u32 = 10;

impl<'a> ForeignTable<'a> {
    /// The table of a name.
    pub fn new(socket: &'a mut Socket, name: TableName) -> Self {
        Self { socket, name }
    }

    /// The number of a chain; `None` when there is none of that name.
    ///
    /// # Errors
    /// The kernel's.
    pub fn chain(&mut self, name: &str) -> Result<Option<u64>> {
        let mut writer = self.socket.writer();
        writer.message(Op(GET_CHAIN, ACK), &head(self.name.family as u8), |w| {
            w.text(1, self.name.table);
            w.text(3, name);
        });
        let answer = self.socket.exchange(&writer)?.pop();
        let replies = answer.map(found).transpose()?.flatten().unwrap_or_default();
        Ok(replies.first().and_then(|body| number(body, 2)))
    }

    /// Whether a rule of one chain leads to another one.
    ///
    /// # Errors
    /// The kernel's.
    pub fn leads(&mut self, from: &str, to: &str) -> Result<bool> {
        self.any(from, |rule| leads_to(rule, to))
    }

    /// Whether a rule of a chain is as wanted, by its expressions. Reads no further than it must: what leads to a shared
    /// chain stands before what each container has.
    ///
    /// # Errors
    /// The kernel's.
    pub fn any(&mut self, chain: &str, wanted: impl Fn(&[u8]) -> bool) -> Result<bool> {
        let Some(socket) = Socket::open_netfilter().map_err(cannot_open)? else { return Ok(false) };
        let writer = self.question(socket.writer(), chain);
        Ok(socket.search(&writer, |body| wanted(expressions_of(body)))?)
    }

    /// The expressions of each rule of a chain.
    ///
    /// # Errors
    /// The kernel's.
    pub fn rules(&mut self, chain: &str) -> Result<Vec<Vec<u8>>> {
        let writer = self.question(self.socket.writer(), chain);
        expressions(self.socket.exchange(&writer)?)
    }

    /// The expressions of each of these rules that is there, by its chain and its number.
    ///
    /// # Errors
    /// The kernel's.
    pub fn rules_numbered(&mut self, rules: &[(&str, u64)]) -> Result<Vec<Vec<u8>>> {
        expressions(self.numbered(rules)?)
    }

    /// The numbers of all rules of a chain that lead to another one.
    ///
    /// # Errors
    /// The kernel's.
    pub fn rules_to(&mut self, from: &str, to: &str) -> Result<Vec<u64>> {
        let writer = self.question(self.socket.writer(), from);
        leading(self.socket.exchange(&writer)?, to)
    }

    /// Those of some numbers that are rules of a chain and lead to another one.
    fn rules_among(&mut self, numbers: &[u64], from: &str, to: &str) -> Result<Vec<u64>> {
        let rules: Vec<(&str, u64)> = numbers.iter().map(|number| (from, *number)).collect();
        leading(self.numbered(&rules)?, to)
    }

    /// Takes out a chain and the rules of others that lead to it; those are named once for each rule that was made there
    /// right after the chain, and so has a number that follows. What is gone already is as good.
    ///
    /// # Errors
    /// The kernel's: a rule of somebody else's leads to the chain.
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
        Err(Error::new(Code::TryAgain, format!("cannot {what}: rules of somebody else's lead to it")))
    }

    /// With no numbers, all rules that lead to the chain go.
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

    /// Changes it, or refuses all of the change.
    ///
    /// # Errors
    /// The socket's.
    fn change(&mut self, build: impl FnOnce(&mut Batch)) -> Result<std::result::Result<(), Refusal>> {
        let mut batch = Batch::begin(self.socket, self.name, None);
        build(&mut batch);
        let (writer, acknowledged) = batch.end();
        let answers = self.socket.transact(&writer, acknowledged)?;
        Ok(answers.into_iter().find_map(|answer| answer.outcome.err()).map_or(Ok(()), Err))
    }

    /// What the kernel answers about rules by their chains and numbers.
    fn numbered(&mut self, rules: &[(&str, u64)]) -> Result<Vec<Answer>> {
        let mut answers = Vec::new();
        for some in rules.chunks(QUESTIONS_AT_ONCE) {
            let mut writer = self.socket.writer();
            for (chain, number) in some {
                writer.message(Op(GET_RULE, ACK), &head(self.name.family as u8), |w| {
                    w.text(1, self.name.table);
                    w.text(2, chain);
                    w.bytes(3, &number.to_be_bytes());
                });
            }
            answers.extend(self.socket.exchange(&writer)?);
        }
        Ok(answers)
    }

    /// Asks for all rules of a chain.
    fn question(&self, mut writer: Writer, chain: &str) -> Writer {
        writer.message(Op(GET_RULE, DUMP), &head(self.name.family as u8), |w| {
            w.text(1, self.name.table);
            w.text(2, chain);
        });
        writer
    }
}

/// What was told of rules that are there.
fn bodies(answers: Vec<Answer>) -> Result<Vec<Vec<u8>>> {
    let told: Vec<_> = answers.into_iter().map(found).collect::<Result<_>>()?;
    Ok(told.into_iter().flatten().flatten().collect())
}

fn expressions(answers: Vec<Answer>) -> Result<Vec<Vec<u8>>> {
    Ok(bodies(answers)?.iter().map(|body| expressions_of(body).to_vec()).collect())
}

fn leading(answers: Vec<Answer>, to: &str) -> Result<Vec<u64>> {
    let rules = bodies(answers)?;
    let rules = rules.iter().filter(|body| leads_to(expressions_of(body), to));
    Ok(rules.filter_map(|body| number(body, 3)).collect())
}

fn expressions_of(body: &[u8]) -> &[u8] {
    body.get(4..).and_then(|attributes| find(attributes, 4)).unwrap_or_default()
}

fn leads_to(expressions: &[u8], chain: &str) -> bool {
    jumps(expressions).any(|to| to == chain)
}

/// A number of eight bytes in network order.
fn number(body: &[u8], kind: u16) -> Option<u64> {
    find(body.get(4..)?, kind)?.try_into().ok().map(u64::from_be_bytes)
}
