//! Queries of an attachment's entries in its table.

use super::batch::{Batch, head, put_elements};
use super::constants::{
    COUNTER, GET_CHAIN, GET_ELEMENT, GET_GENERATION, GET_OBJECT, GET_SET, GET_TABLE, chain_attribute,
    element_attribute, generation_attribute, object_attribute, set_attribute, table_attribute,
};
use super::encode::put_value;
use super::entries::{AttachmentEntries, TransactionOutcome};
use super::record::record_name;
use super::reply::{content_in, found, number_in, owner_in};
use super::schema::{Entry, Schema, network_set};
use crate::address::Cidr;
use crate::error::Result;
use tare_netlink::{ACK, Answer, DUMP, Op, Writer};

const NAMES_AT_ONCE: usize = 4;
/// The kernel allocates some kilobytes for each pending answer; a socket's receive buffer holds 200 of them.
pub(super) const QUERIES_AT_ONCE: usize = 16;

/// The use counts of the table.
pub(super) struct State {
    pub(super) generation: u32,
    pub(super) table_use: Option<u32>,
    chain_use: Option<u32>,
}

impl State {
    /// Whether the chain has its fixed rules and one rule for each network.
    pub(super) fn has_rules<S: Schema>(&self, networks: usize) -> bool {
        let rules = self.chain_use.and_then(|rules| rules.checked_sub(S::FIXED_RULES));
        rules.and_then(|rules| usize::try_from(rules).ok()).is_some_and(|rules| rules >= networks)
    }

    /// Whether the table has no records. The use count of a table counts chains, sets and records. The use count of the
    /// chain counts its rules: the fixed ones, and one for each network with its set. The rest are records, unless
    /// another program has changed the rules.
    pub(super) fn may_be_empty<S: Schema>(&self) -> bool {
        let (Some(table), Some(chain)) = (self.table_use, self.chain_use) else { return false };
        chain.checked_sub(S::FIXED_RULES).is_none_or(|networks| table <= S::FIXED + networks)
    }
}

impl<S: Schema> AttachmentEntries<'_, S> {
    /// Returns the names of all attachments with records.
    pub(super) fn names(&mut self) -> Result<Vec<String>> {
        let answers = self.ask(|w| {
            w.message(Op(GET_OBJECT, DUMP), &head(S::FAMILY as u8), |w| {
                w.text(object_attribute::TABLE, S::TABLE)
            })
        })?;
        let answers: Vec<_> = answers.into_iter().map(found).collect::<Result<_>>()?;
        let name = |body: Vec<u8>| {
            let attributes = body.get(4..)?;
            let table = tare_netlink::find_text(attributes, object_attribute::TABLE);
            let name = tare_netlink::find_text(attributes, object_attribute::NAME);
            (table == S::TABLE && name.split('/').count() <= 4).then_some(name)
        };
        Ok(answers.into_iter().flatten().flatten().filter_map(name).collect())
    }

    pub(super) fn transact(
        &mut self,
        generation: Option<u32>,
        build: impl FnOnce(&mut Batch, &str),
    ) -> Result<TransactionOutcome> {
        let mut batch = Batch::begin(self.socket, S::name(), generation);
        build(&mut batch, &self.name);
        let (writer, acknowledged) = batch.end();
        let answers = self.socket.transact(&writer, acknowledged)?;
        Ok(answers
            .into_iter()
            .find_map(|answer| answer.outcome.err())
            .map_or(TransactionOutcome::Done, TransactionOutcome::Refused))
    }

    fn ask(&mut self, build: impl FnOnce(&mut Writer)) -> Result<Vec<Answer>> {
        Ok(self.socket.request(build)?)
    }

    /// Returns the use counts and the generation for which they are valid.
    pub(super) fn state(&mut self) -> Result<State> {
        let answers = self.ask(|w| {
            w.message(Op(GET_GENERATION, ACK), &head(0), |_| {});
            w.message(Op(GET_TABLE, ACK), &head(S::FAMILY as u8), |w| {
                w.text(table_attribute::NAME, S::TABLE)
            });
            w.message(Op(GET_CHAIN, ACK), &head(S::FAMILY as u8), |w| {
                w.text(chain_attribute::TABLE, S::TABLE);
                w.text(chain_attribute::NAME, S::CHAIN);
            });
        })?;
        let mut numbers = answers
            .into_iter()
            .zip([generation_attribute::ID, table_attribute::USE, chain_attribute::USE])
            .map(|(answer, kind)| number_in(answer, kind));
        let mut next = || numbers.next().transpose().map(Option::flatten);
        let generation = next()?.unwrap_or(0);
        Ok(State { generation, table_use: next()?, chain_use: next()? })
    }

    pub(super) fn missing(&mut self, networks: &[Cidr]) -> Result<Vec<Cidr>> {
        let answers = self.ask_for_each(networks, |w, network| {
            w.message(Op(GET_SET, ACK), &head(S::FAMILY as u8), |w| {
                w.text(set_attribute::TABLE, S::TABLE);
                w.text(set_attribute::NAME, &network_set(*network));
            });
        })?;
        let there: Vec<_> = answers.into_iter().map(found).collect::<Result<_>>()?;
        Ok(networks.iter().zip(there).filter(|(_, set)| set.is_none()).map(|(network, _)| *network).collect())
    }

    /// Returns the owner of each entry; `None` for a missing one.
    pub(super) fn owners(&mut self, entries: &[Entry]) -> Result<Vec<Option<String>>> {
        let answers = self.ask_for_each(entries, |w, entry| {
            w.message(Op(GET_ELEMENT, ACK), &head(S::FAMILY as u8), |w| {
                put_elements(w, S::TABLE, &entry.set, |w| {
                    put_value(w, element_attribute::KEY, &entry.element.key)
                });
            });
        })?;
        answers.into_iter().map(|answer| Ok(found(answer)?.and_then(|replies| owner_in(&replies)))).collect()
    }

    /// Returns the contents of the attachment's records.
    pub(super) fn records(&mut self) -> Result<Vec<String>> {
        let mut contents = Vec::new();
        loop {
            let begin = contents.len();
            let names: Vec<String> =
                (begin..begin + NAMES_AT_ONCE).map(|number| record_name(&self.name, number)).collect();
            let answers = self.ask_for_each(&names, |w, name| {
                w.message(Op(GET_OBJECT, ACK), &head(S::FAMILY as u8), |w| {
                    w.text(object_attribute::TABLE, S::TABLE);
                    w.text(object_attribute::NAME, name);
                    w.number_be(object_attribute::TYPE, COUNTER);
                });
            })?;
            let found: Vec<_> = answers.into_iter().map(found).collect::<Result<_>>()?;
            contents.extend(found.into_iter().map_while(|replies| content_in(&replies?)));
            if contents.len() < begin + NAMES_AT_ONCE {
                return Ok(contents);
            }
        }
    }

    fn ask_for_each<T>(&mut self, things: &[T], put: impl Fn(&mut Writer, &T)) -> Result<Vec<Answer>> {
        let mut answers = Vec::new();
        for some in things.chunks(QUERIES_AT_ONCE) {
            answers.extend(self.ask(|w| some.iter().for_each(|thing| put(w, thing)))?);
        }
        Ok(answers)
    }
}
