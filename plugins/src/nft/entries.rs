//! The entries of an attachment in a table, with the record that `DEL` uses.
//!
//! A fact is a text such as `10.88.0.5/16`. A schema derives elements of sets from facts. `ADD` adds the elements and
//! records the facts under the attachment's name, in one transaction. `DEL` reads the facts and deletes the same
//! elements. Nothing is searched, so that the costs do not grow with the number of attachments, and `DEL` needs only
//! the attachment's name.

use super::batch::Batch;
use super::record::{facts_of, owner, pack, record_name};
use super::schema::{Added, Entry, OnConflict, Schema};
use crate::address::Cidr;
use crate::attachment::Attachment;
use crate::error::{Code, Error, Result};
use rustix::io::Errno;
use std::collections::BTreeSet;
use std::marker::PhantomData;
use tare_netlink::{Refusal, Socket};

/// The entries of one attachment in the table of a schema.
#[derive(Debug)]
pub struct AttachmentEntries<'a, S> {
    pub(super) socket: &'a mut Socket,
    pub(super) name: String,
    schema: PhantomData<S>,
}

/// The outcome of a transaction.
pub(super) enum TransactionOutcome {
    Done,
    /// An object is missing, or exists already; or the table has changed since it was read.
    Refused(Refusal),
}

/// Other programs may change tables at any time. An attempt takes some microseconds.
const ATTEMPTS: u32 = 1000;
/// Changes of other tables in the transaction of an `add`.
#[derive(Clone, Copy)]
pub struct ExtraChanges<'a> {
    /// Adds objects that may exist already.
    pub prerequisites: &'a dyn Fn(&mut Batch),
    /// Adds the new objects.
    pub additions: &'a dyn Fn(&mut Batch),
}

impl<'a, S: Schema> AttachmentEntries<'a, S> {
    /// Creates the handle for an attachment; changes nothing.
    pub fn of(socket: &'a mut Socket, attachment: &Attachment) -> Self {
        Self { socket, name: attachment.table_name(), schema: PhantomData }
    }

    /// Adds the entries of the facts and records the facts. Creates missing tables and sets in the same transaction.
    ///
    /// # Errors
    /// Code 102: the attachment has entries already; the kernel's error.
    pub fn add(&mut self, facts: &[String]) -> Result<Added> {
        self.add_with(facts, ExtraChanges { prerequisites: &|_| {}, additions: &|_| {} })
    }

    /// Like `add`, with changes of other tables in the same transaction.
    ///
    /// # Errors
    /// As those of `add`.
    pub fn add_with(&mut self, facts: &[String], extra: ExtraChanges<'_>) -> Result<Added> {
        let entries = entries_of::<S>(facts);
        let plain = self.transact(None, |batch, name| {
            put_all(batch, name, facts, &entries);
            (extra.additions)(batch);
        })?;
        let refusal = match plain {
            TransactionOutcome::Done => return Ok(Added::Done),
            TransactionOutcome::Refused(refusal) => refusal,
        };
        match refusal.errno {
            Errno::NOENT => self.add_and_build(facts, &entries, extra),
            Errno::EXIST => self.add_over(facts, &entries, extra),
            _ => Err(Error::refused(format!("add rules to table {}", S::TABLE), &refusal)),
        }
    }

    /// Adds the entries together with the missing table or sets.
    fn add_and_build(
        &mut self,
        facts: &[String],
        entries: &[Entry],
        extra: ExtraChanges<'_>,
    ) -> Result<Added> {
        let mut networks: Vec<Cidr> = entries.iter().filter_map(|entry| entry.network).collect();
        networks.sort();
        networks.dedup();
        for _ in 0..ATTEMPTS {
            let state = self.state()?;
            let missing = self.missing(&networks)?;
            let outcome = self.transact(Some(state.generation), |batch, name| {
                if state.table_use.is_none() {
                    batch.table();
                    S::build(batch);
                }
                missing.iter().for_each(|network| S::build_network(batch, *network));
                put_all(batch, name, facts, entries);
                (extra.prerequisites)(batch);
                (extra.additions)(batch);
            })?;
            match outcome {
                TransactionOutcome::Done => return Ok(Added::Done),
                TransactionOutcome::Refused(refusal) if is_race(refusal.errno) => {}
                TransactionOutcome::Refused(refusal) if refusal.errno == Errno::EXIST => {
                    return self.add_over(facts, entries, extra);
                }
                TransactionOutcome::Refused(refusal) => {
                    return Err(Error::refused(format!("build table {}", S::TABLE), &refusal));
                }
            }
        }
        Err(too_busy())
    }

    /// Handles an element that exists already. It belongs to a running container, or to one that ended without a `DEL`.
    fn add_over(&mut self, facts: &[String], entries: &[Entry], extra: ExtraChanges<'_>) -> Result<Added> {
        if !self.records()?.is_empty() {
            let msg =
                format!("{} is attached already: it has rules in table {}", owner(&self.name), S::TABLE);
            return Err(Error::new(Code::Exists, msg));
        }
        let owners = self.owners(entries)?;
        let mut taken = Vec::new();
        for (entry, name) in entries.iter().zip(owners).filter_map(|(entry, name)| Some((entry, name?))) {
            if entry.on_conflict == OnConflict::Refuse {
                let of = |fact: &&String| S::entries(fact).contains(entry);
                let fact = facts.iter().find(of).cloned().unwrap_or_default();
                return Ok(Added::Conflict { fact, owner: owner(&name).to_owned() });
            }
            taken.push(entry);
        }
        let outcome = self.transact(None, |batch, name| {
            taken.iter().for_each(|entry| batch.delete_element(&entry.set, &entry.element.key));
            put_all(batch, name, facts, entries);
            (extra.prerequisites)(batch);
            (extra.additions)(batch);
        })?;
        match outcome {
            TransactionOutcome::Done => Ok(Added::Done),
            TransactionOutcome::Refused(refusal) => {
                Err(Error::refused(format!("replace elements in table {}", S::TABLE), &refusal))
            }
        }
    }

    /// Removes all entries of the attachment, and the table with the last attachment. Returns the facts.
    ///
    /// # Errors
    /// The kernel's error.
    pub fn remove(&mut self) -> Result<Vec<String>> {
        let records = self.records()?;
        let facts = facts_of(&records);
        if !records.is_empty() {
            self.remove_entries(&entries_of::<S>(&facts), records.len())?;
        }
        self.remove_empty_table()?;
        Ok(facts)
    }

    fn remove_entries(&mut self, entries: &[Entry], records: usize) -> Result<()> {
        for _ in 0..ATTEMPTS {
            // Only elements that still belong to the attachment: the address may have been leased again.
            let owners = self.owners(entries)?;
            let name = self.name.clone();
            let ours = entries.iter().zip(&owners).filter(|(_, owner)| owner.as_ref() == Some(&name));
            let outcome = self.transact(None, |batch, name| {
                ours.for_each(|(entry, _)| batch.delete_element(&entry.set, &entry.element.key));
                (0..records).for_each(|number| batch.delete_record(&record_name(name, number)));
            })?;
            match outcome {
                TransactionOutcome::Done => return Ok(()),
                // Another DEL of the same attachment came first.
                TransactionOutcome::Refused(Refusal { errno: Errno::NOENT, .. })
                    if self.records()?.is_empty() =>
                {
                    return Ok(());
                }
                TransactionOutcome::Refused(Refusal { errno: Errno::NOENT, .. }) => {}
                TransactionOutcome::Refused(refusal) => {
                    return Err(Error::refused(format!("remove rules from table {}", S::TABLE), &refusal));
                }
            }
        }
        Err(too_busy())
    }

    /// Deletes the table if no attachment has a record in it.
    fn remove_empty_table(&mut self) -> Result<()> {
        for _ in 0..ATTEMPTS {
            let state = self.state()?;
            if !state.may_be_empty::<S>() || !self.names()?.is_empty() {
                return Ok(());
            }
            match self.transact(Some(state.generation), |batch, _| batch.delete_table())? {
                TransactionOutcome::Done => return Ok(()),
                TransactionOutcome::Refused(refusal)
                    if is_race(refusal.errno) || refusal.errno == Errno::NOENT => {}
                TransactionOutcome::Refused(refusal) => {
                    return Err(Error::refused(format!("remove table {}", S::TABLE), &refusal));
                }
            }
        }
        Err(too_busy())
    }

    /// Returns the recorded facts.
    ///
    /// # Errors
    /// The kernel's error.
    pub fn facts(&mut self) -> Result<Vec<String>> {
        Ok(facts_of(&self.records()?))
    }

    /// Creates the handle for an attachment by the table name that `strangers` has returned.
    pub fn named(socket: &'a mut Socket, name: String) -> Self {
        Self { socket, name, schema: PhantomData }
    }

    /// Returns the facts without their entries; all facts if the rules of the table are missing.
    ///
    /// # Errors
    /// The kernel's error.
    pub fn missing_facts(&mut self, facts: &[String]) -> Result<Vec<String>> {
        let networks: BTreeSet<Cidr> =
            entries_of::<S>(facts).iter().filter_map(|entry| entry.network).collect();
        if !self.state()?.has_rules::<S>(networks.len()) {
            return Ok(facts.to_vec());
        }
        let mut missing = Vec::new();
        for fact in facts {
            let owners = self.owners(&S::entries(fact))?;
            if owners.iter().any(|owner| owner.as_ref() != Some(&self.name)) {
                missing.push(fact.clone());
            }
        }
        Ok(missing)
    }

    /// Removes the entries of attachments of a network that are not in `valid`.
    ///
    /// # Errors
    /// The kernel's error.
    pub fn keep_only(socket: &'a mut Socket, network: &str, valid: &[Attachment]) -> Result<()> {
        for name in Self::strangers(socket, network, valid)? {
            AttachmentEntries::<S>::named(socket, name).remove()?;
        }
        // A DEL that was killed just before its end leaves an empty table.
        AttachmentEntries::<S>::named(socket, String::new()).remove_empty_table()
    }

    /// Returns the table names of the network's attachments that have entries and are not in `valid`.
    ///
    /// # Errors
    /// The kernel's error.
    pub fn strangers(socket: &mut Socket, network: &str, valid: &[Attachment]) -> Result<Vec<String>> {
        let valid: Vec<String> = valid.iter().map(Attachment::table_name).collect();
        let ours = Attachment::table_prefixes(network);
        let mut names = AttachmentEntries::<S>::named(socket, String::new()).names()?;
        let is_ours = |name: &String| ours.iter().any(|prefix| name.starts_with(prefix));
        names.retain(|name| is_ours(name) && !valid.contains(name));
        Ok(names)
    }
}

/// Whether the table has changed since it was read.
fn is_race(errno: Errno) -> bool {
    /// `ERESTART`, for which rustix has no name: nf_tables returns it for a stale generation.
    const RESTART: i32 = 85;
    errno.raw_os_error() == RESTART || errno == Errno::AGAIN
}

fn too_busy() -> Error {
    Error::new(Code::TryAgain, "the tables of nftables change faster than this plugin can read them")
}

/// Two facts may have the same element: two ports of the host can lead to one port of the container.
fn entries_of<S: Schema>(facts: &[String]) -> Vec<Entry> {
    let mut entries: Vec<Entry> = facts.iter().flat_map(|fact| S::entries(fact)).collect();
    entries.sort();
    entries.dedup();
    entries
}

fn put_all(batch: &mut Batch, name: &str, facts: &[String], entries: &[Entry]) {
    for (number, content) in pack(facts).iter().enumerate() {
        batch.record(&record_name(name, number), content);
    }
    entries.iter().for_each(|entry| batch.element(&entry.set, &entry.element, name));
}
