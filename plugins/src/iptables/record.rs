//! The record of an attachment's iptables rules: the lines that remove them, stored in a table of nf_tables.

use super::Lock;
use super::chains::Chains;
use super::change::{remove_chains, remove_from_legacy};
use super::legacy;
use super::nat::{self, ChainUpdate, OwnChain};
use super::program::changes_nf_tables;
use crate::address::Family;
use crate::attachment::Attachment;
use crate::error::{Error, Result};
use crate::host::Host;
use crate::nft::{Added, AttachmentEntries, Batch, ExtraChanges, Schema};
use std::marker::PhantomData;
use tare_netlink::Socket;

/// The recorded iptables rules of an attachment. The schema may define more facts, which are added and removed together
/// with the rules.
#[derive(Debug)]
pub struct RecordedChains<'a, S> {
    attachment: &'a Attachment,
    schema: PhantomData<S>,
}

/// A fact of the schema that belongs to another attachment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FactConflict {
    /// The fact.
    pub fact: String,
    /// The owner of the fact.
    pub owner: String,
}

/// The chains by which `DEL` finds the rules of the Go plugins, which have no record.
#[derive(Clone, Copy, Debug)]
pub struct ChainNames<'a> {
    /// The attachment's own chain.
    pub own: &'a str,
    /// The chain with the jump to the own chain.
    pub from: &'a str,
}

const PIECE: usize = 200;
const LINE: &str = "undo";

impl<'a, S: Schema> RecordedChains<'a, S> {
    /// Creates the handle for an attachment; changes nothing.
    pub fn of(attachment: &'a Attachment) -> Self {
        Self { attachment, schema: PhantomData }
    }

    /// Records the facts and the lines for the removal, then creates the chains. A failing call leaves nothing behind.
    ///
    /// # Errors
    /// Code 102: the attachment has rules already; the message of `iptables-restore`.
    pub fn add(
        &self,
        host: &mut Host,
        facts: &[String],
        chains: &[Chains],
    ) -> Result<std::result::Result<(), FactConflict>> {
        let _lock = Lock::take()?;
        let noted = [facts, &undo_facts(chains)].concat();
        let socket = host.netfilter()?;
        if chains.iter().all(Chains::is_known) && changes_nf_tables()? {
            return self.add_together(socket, &noted, chains);
        }
        if let Added::Conflict { fact, owner } =
            AttachmentEntries::<S>::of(socket, self.attachment).add(&noted)?
        {
            return Ok(Err(FactConflict { fact, owner }));
        }
        match chains.iter().try_for_each(|chains| chains.make(socket)) {
            Ok(()) => Ok(Ok(())),
            Err(error) => remove_recorded::<S>(socket, self.attachment.table_name()).and(Err(error)),
        }
    }

    /// Creates record and chains in one transaction.
    fn add_together(
        &self,
        socket: &mut Socket,
        noted: &[String],
        chains: &[Chains],
    ) -> Result<std::result::Result<(), FactConflict>> {
        let mut work = Vec::new();
        for chains in chains {
            self.clear(socket, chains)?;
            work.push(ChainUpdate::prepare(socket, chains)?);
        }
        let prerequisites = |batch: &mut Batch| work.iter().for_each(|work| work.put_prerequisites(batch));
        let additions = |batch: &mut Batch| work.iter().for_each(|work| work.put(batch));
        let extra = ExtraChanges { prerequisites: &prerequisites, additions: &additions };
        Ok(match AttachmentEntries::<S>::of(socket, self.attachment).add_with(noted, extra)? {
            Added::Conflict { fact, owner } => Err(FactConflict { fact, owner }),
            Added::Done => Ok(()),
        })
    }

    /// Removes rules without a record: the Go plugins leave them if they get no `DEL`.
    fn clear(&self, socket: &mut Socket, chains: &Chains) -> Result<()> {
        let is_left = nat::has_chain(socket, chains.family, &chains.own)?
            && AttachmentEntries::<S>::of(socket, self.attachment).facts()?.is_empty();
        match is_left {
            false => Ok(()),
            true => nat::remove_chain(
                socket,
                &OwnChain { family: chains.family, name: &chains.own },
                &chains.sources(),
            ),
        }
    }

    /// Removes all rules of the attachment and returns the facts of its record. Rules of the Go plugins have no record;
    /// they are found by the names of their chains.
    ///
    /// # Errors
    /// The message of `iptables-restore`; the record stays then.
    pub fn remove(&self, host: &mut Host, names: &ChainNames<'_>) -> Result<Vec<String>> {
        let Some(socket) = host.netfilter_if_any()? else { return Ok(Vec::new()) };
        let mut entries = AttachmentEntries::<S>::of(socket, self.attachment);
        if entries.facts()?.is_empty() {
            let facts = entries.remove()?;
            for family in [Family::V4, Family::V6] {
                nat::remove_chain(socket, &OwnChain { family, name: names.own }, &[names.from])?;
                remove_unrecorded(family, names.own)?;
            }
            return Ok(facts);
        }
        let _lock = Lock::take()?;
        remove_recorded::<S>(socket, self.attachment.table_name())
    }

    /// Removes the rules of attachments of a network that are not in `valid`.
    ///
    /// # Errors
    /// The message of `iptables-restore`.
    pub fn keep_only(host: &mut Host, network: &str, valid: &[Attachment]) -> Result<()> {
        let Some(socket) = host.netfilter_if_any()? else { return Ok(()) };
        let strangers = AttachmentEntries::<S>::strangers(socket, network, valid)?;
        if strangers.is_empty() {
            return AttachmentEntries::<S>::keep_only(socket, network, valid);
        }
        let _lock = Lock::take()?;
        let mut errors = Vec::new();
        for name in strangers {
            errors.extend(remove_recorded::<S>(socket, name).err());
        }
        Error::joined(errors).map_or(Ok(()), Err)
    }
}

/// Removes rules that the Go plugins have created with legacy iptables.
fn remove_unrecorded(family: Family, own: &str) -> Result<()> {
    if !legacy::has_chain(family, own)? {
        return Ok(());
    }
    let _lock = Lock::take()?;
    remove_from_legacy(family, own, &[])
}

fn remove_recorded<S: Schema>(socket: &mut Socket, name: String) -> Result<Vec<String>> {
    let facts = AttachmentEntries::<S>::named(socket, name.clone()).facts()?;
    for (family, lines) in [Family::V4, Family::V6].into_iter().zip(lines_of(&facts)) {
        if !lines.is_empty() {
            remove_chains(socket, family, &lines)?;
        }
    }
    AttachmentEntries::<S>::named(socket, name).remove()
}

/// Returns the lines for the removal, split into pieces that fit into a record each.
fn undo_facts(chains: &[Chains]) -> Vec<String> {
    let line = |chains: &Chains| {
        let number = if chains.family == Family::V4 { '4' } else { '6' };
        chains.undo().into_iter().map(move |line| format!("{number}{line}\n")).collect::<String>()
    };
    let text = encode(&chains.iter().map(line).collect::<String>());
    let bytes: Vec<char> = text.chars().collect();
    let pieces = bytes.chunks(PIECE).enumerate();
    pieces.map(|(number, piece)| format!("{LINE} {number:06} {}", piece.iter().collect::<String>())).collect()
}

/// Returns the lines of both families.
fn lines_of(facts: &[String]) -> [Vec<String>; 2] {
    let mut pieces: Vec<&str> = facts.iter().filter_map(|fact| fact.strip_prefix("undo ")).collect();
    pieces.sort_unstable();
    let text: String =
        pieces.iter().filter_map(|piece| piece.split_once(' ')).map(|(_, text)| text).collect();
    let text = decode(&text);
    ["4", "6"]
        .map(|number| text.lines().filter_map(|line| line.strip_prefix(number)).map(str::to_owned).collect())
}

/// Escapes characters that would end a record, or a string in the output of `nft`.
fn encode(text: &str) -> String {
    let special = |c: char| !(c.is_ascii_alphanumeric() || "-_./:!=[] ".contains(c));
    let mut out = String::new();
    for c in text.chars() {
        if special(c) {
            let mut buffer = [0; 4];
            c.encode_utf8(&mut buffer).bytes().for_each(|byte| out.push_str(&format!("%{byte:02x}")));
        } else {
            out.push(c);
        }
    }
    out
}

fn decode(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        let number = after.get(..2).and_then(|hex| std::str::from_utf8(hex).ok());
        match (first, number.and_then(|hex| u8::from_str_radix(hex, 16).ok())) {
            (b'%', Some(byte)) => {
                bytes.push(byte);
                rest = after.get(2..).unwrap_or_default();
            }
            _ => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn undo_lines_survive_recording() {
        let long = "x".repeat(300);
        let chains = |family| Chains {
            family,
            fixed_chains: Vec::new(),
            shared_chains: Vec::new(),
            shared_jumps: Vec::new(),
            own: "OWN".into(),
            rules: Vec::new(),
            entries: vec![super::super::Jump {
                from: "FROM".into(),
                position: super::super::Position::Last,
                matches: vec![super::super::Match::Comment(format!("a \"b\", 100% ü {long}"))],
                to: "OWN".into(),
            }],
        };
        let mut many = chains(Family::V6);
        many.entries = vec![many.entries[0].clone(); 600];
        let both = [chains(Family::V4), many];
        let noted = undo_facts(&both);
        assert!(noted.len() > 1000);
        assert!(noted.iter().all(|note| note.len() <= 250 && !note.contains(", ") && !note.contains('"')));
        assert_eq!(lines_of(&noted), both.map(|chains| chains.undo()));
    }
}
