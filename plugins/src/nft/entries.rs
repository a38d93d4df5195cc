//! A table in which attachments have entries, and a record of them that `DEL` goes by.
//!
//! A fact is a text such as `10.88.0.5/16`. A schema says which elements of which sets follow from a fact. `ADD` puts
//! the elements in and notes the facts under the attachment's name, in one transaction; `DEL` reads the facts and takes
//! out the same elements. Nothing is searched, so neither grows with the number of attachments, and nothing but the
//! attachment's name is needed to remove what it has.

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

/// What one transaction came to.
pub(super) enum TransactionOutcome {
    Done,
    /// Something that it refers to is not there, or is there already; or the table changed since it was looked at.
    Refused(Refusal),
}

/// A busy machine changes its tables all the time; each attempt costs some microseconds.
const ATTEMPTS: u32 = 1000;
/// What goes into the transaction of an `add` about other tables.
#[derive(Clone, Copy)]
pub struct ExtraChanges<'a> {
    /// What may have to be made first; as good where it is there.
    pub prerequisites: &'a dyn Fn(&mut Batch),
    /// What is added.
    pub additions: &'a dyn Fn(&mut Batch),
}

impl<'a, S: Schema> AttachmentEntries<'a, S> {
    /// The entries of an attachment.
    pub fn of(socket: &'a mut Socket, attachment: &Attachment) -> Self {
        Self { socket, name: attachment.table_name(), schema: PhantomData }
    }

    /// Adds what follows from the facts, and notes them; builds what is missing first, all in one transaction.
    ///
    /// # Errors
    /// Code 102: the attachment has entries already; the kernel's.
    pub fn add(&mut self, facts: &[String]) -> Result<Added> {
        self.add_with(facts, ExtraChanges { prerequisites: &|_| {}, additions: &|_| {} })
    }

    /// The same with something in other tables, all or nothing of both.
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

    /// The same with the table, or the sets of networks, that are not there yet.
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

    /// An element is there already: of an attachment that lives, or of one whose container died without a `DEL`.
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

    /// Takes out all that the attachment has, and the table with the last attachment; returns the facts.
    ///
    /// # Errors
    /// The kernel's.
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
            // Only what is still ours: another attachment may have been given the address since.
            let owners = self.owners(entries)?;
            let name = self.name.clone();
            let ours = entries.iter().zip(&owners).filter(|(_, owner)| owner.as_ref() == Some(&name));
            let outcome = self.transact(None, |batch, name| {
                ours.for_each(|(entry, _)| batch.delete_element(&entry.set, &entry.element.key));
                (0..records).for_each(|number| batch.delete_record(&record_name(name, number)));
            })?;
            match outcome {
                TransactionOutcome::Done => return Ok(()),
                // Another DEL of the same attachment was faster.
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

    /// The table is of no use to anybody once no attachment has a record in it.
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

    /// The facts that are noted.
    ///
    /// # Errors
    /// The kernel's.
    pub fn facts(&mut self) -> Result<Vec<String>> {
        Ok(facts_of(&self.records()?))
    }

    /// The entries of an attachment that `strangers` has named.
    pub fn named(socket: &'a mut Socket, name: String) -> Self {
        Self { socket, name, schema: PhantomData }
    }

    /// Which facts lack an entry that should follow from them; all of them where the rules are gone that look them up.
    ///
    /// # Errors
    /// The kernel's.
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

    /// Takes out what attachments of a network have that are not in the list.
    ///
    /// # Errors
    /// The kernel's.
    pub fn keep_only(socket: &'a mut Socket, network: &str, valid: &[Attachment]) -> Result<()> {
        for name in Self::strangers(socket, network, valid)? {
            AttachmentEntries::<S>::named(socket, name).remove()?;
        }
        // One whose DEL was killed just before its end leaves a table that nobody is in.
        AttachmentEntries::<S>::named(socket, String::new()).remove_empty_table()
    }

    /// The attachments of a network that have entries and are not in the list, as `named` knows them.
    ///
    /// # Errors
    /// The kernel's.
    pub fn strangers(socket: &mut Socket, network: &str, valid: &[Attachment]) -> Result<Vec<String>> {
        let valid: Vec<String> = valid.iter().map(Attachment::table_name).collect();
        let ours = Attachment::table_prefixes(network);
        let mut names = AttachmentEntries::<S>::named(socket, String::new()).names()?;
        let is_ours = |name: &String| ours.iter().any(|prefix| name.starts_with(prefix));
        names.retain(|name| is_ours(name) && !valid.contains(name));
        Ok(names)
    }
}

/// Something changed while it was being looked at.
fn is_race(errno: Errno) -> bool {
    /// Not an error that programs see elsewhere; nf_tables answers it to a stale generation.
    const RESTART: i32 = 85;
    errno.raw_os_error() == RESTART || errno == Errno::AGAIN
}

fn too_busy() -> Error {
    Error::new(Code::TryAgain, "the tables of nftables change faster than they can be read")
}

/// Two facts may lead to one element: two ports of the host to one of the container.
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
