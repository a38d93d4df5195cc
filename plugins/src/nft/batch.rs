//! A transaction of nf_tables, which the kernel applies completely or not at all (linux/netfilter/nf_tables.h).

use super::constants::{
    BEGIN, COUNTER, DELETE_CHAIN, DELETE_ELEMENT, DELETE_OBJECT, DELETE_RULE, DELETE_TABLE, END, NEW_CHAIN,
    NEW_ELEMENT, NEW_OBJECT, NEW_RULE, NEW_SET, NEW_TABLE, batch_attribute, chain_attribute,
    element_attribute, object_attribute, rule_attribute, set_attribute, table_attribute,
};
use super::encode::put_value;
use super::rule::Rule;
use tare_netlink::{Attributes, CREATE, EXCLUSIVE, Op, Socket, Writer};

/// The family of a table, which determines the packets it sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TableFamily {
    /// `NFPROTO_IPV4`
    Ipv4 = 2,
    /// `NFPROTO_IPV6`
    Ipv6 = 10,
    /// `NFPROTO_INET`: packets of IPv4 and IPv6.
    Inet = 1,
    /// `NFPROTO_BRIDGE`: frames that a bridge forwards.
    Bridge = 7,
}

const SET_IS_MAP: u32 = 8;
const LIST_ELEMENT: u16 = 1;
/// `NLM_F_APPEND`: adds a rule to the end of a chain.
const APPEND: u16 = 0x800;

/// The hook of a base chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hook {
    /// Incoming packets before routing.
    Prerouting = 0,
    /// Packets for the host itself.
    Input = 1,
    /// Packets that the host itself sends.
    Output = 3,
    /// Outgoing packets after routing.
    Postrouting = 4,
}

/// A chain. Without a hook, only jumps from other chains lead to it.
#[derive(Clone, Copy, Debug)]
pub struct Chain<'a> {
    /// The name.
    pub name: &'a str,
    /// The hook and the priority.
    pub hook: Option<(Hook, i32)>,
    /// The type.
    pub kind: Kind,
}

/// The position in a chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Position {
    /// Before all rules.
    First,
    /// After all rules.
    Last,
}

/// The type of a base chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Translates addresses. Sees only the first packet of each connection.
    Nat,
    /// Accepts or drops packets. Sees every packet.
    Filter,
}

/// A set, or a map if it has data. The types are those of `nft`, so that it prints readable elements.
#[derive(Clone, Debug)]
pub struct Set {
    /// The name.
    pub name: String,
    /// The type of the keys and their length in bytes.
    pub key: (u32, u32),
    /// The type of the data and its length in bytes.
    pub data: Option<(u32, u32)>,
}

/// An element of a set.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Element {
    /// The key.
    pub key: Vec<u8>,
    /// The data of the key; empty in a plain set.
    pub data: Vec<u8>,
}

/// The full name of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TableName {
    /// The family. Tables of different families may have the same name.
    pub family: TableFamily,
    /// The name.
    pub table: &'static str,
}

/// A transaction under construction.
#[derive(Debug)]
pub struct Batch {
    writer: Writer,
    family: TableFamily,
    table: &'static str,
    sets: u32,
}

/// Returns a `struct nfgenmsg`, the fixed part of every message.
pub(super) fn head(family: u8) -> [u8; 4] {
    [family, 0, 0, 0]
}

impl Batch {
    /// Begins a transaction on a table. With a generation the kernel refuses it (`ERESTART`) if anything in nf_tables has
    /// changed since the generation was read.
    pub(super) fn begin(socket: &Socket, target: TableName, generation: Option<u32>) -> Batch {
        let TableName { family, table } = target;
        let mut writer = socket.writer();
        writer.message(Op(BEGIN, 0), &[0, 0, 0, 10], |w| {
            if let Some(generation) = generation {
                w.number_be(batch_attribute::GENERATION, generation);
            }
        });
        Batch { writer, family, table, sets: 0 }
    }

    /// Ends the transaction. Returns the sequence number of the message whose acknowledgement confirms the commit.
    pub(super) fn end(mut self) -> (Writer, u32) {
        let acknowledged = self.writer.acknowledge_last();
        self.writer.message(Op(END, 0), &[0, 0, 0, 10], |_| {});
        (self.writer, acknowledged)
    }

    /// Adds the table.
    pub fn table(&mut self) {
        let table = self.table;
        self.writer.message(Op(NEW_TABLE, CREATE), &head(self.family as u8), |w| {
            w.text(table_attribute::NAME, table)
        });
    }

    /// Deletes the table with all its content.
    pub fn delete_table(&mut self) {
        let table = self.table;
        self.writer
            .message(Op(DELETE_TABLE, 0), &head(self.family as u8), |w| w.text(table_attribute::NAME, table));
    }

    /// Adds a chain.
    pub fn chain(&mut self, chain: Chain<'_>) {
        let table = self.table;
        self.writer.message(Op(NEW_CHAIN, CREATE), &head(self.family as u8), |w| {
            w.text(chain_attribute::TABLE, table);
            w.text(chain_attribute::NAME, chain.name);
            if let Some((hook, priority)) = chain.hook {
                w.nest(chain_attribute::HOOK, |w| {
                    w.number_be(chain_attribute::HOOK_NUMBER, hook as u32);
                    w.bytes(chain_attribute::HOOK_PRIORITY, &priority.to_be_bytes());
                });
                w.text(chain_attribute::TYPE, if chain.kind == Kind::Nat { "nat" } else { "filter" });
            }
        });
    }

    /// Adds a set.
    pub fn set(&mut self, set: &Set) {
        let table = self.table;
        self.sets += 1;
        let id = self.sets;
        self.writer.message(Op(NEW_SET, CREATE), &head(self.family as u8), |w| {
            w.text(set_attribute::TABLE, table);
            w.text(set_attribute::NAME, &set.name);
            w.number_be(set_attribute::FLAGS, if set.data.is_some() { SET_IS_MAP } else { 0 });
            w.number_be(set_attribute::KEY_TYPE, set.key.0);
            w.number_be(set_attribute::KEY_LENGTH, set.key.1);
            if let Some((kind, length)) = set.data {
                w.number_be(set_attribute::DATA_TYPE, kind);
                w.number_be(set_attribute::DATA_LENGTH, length);
            }
            w.number_be(set_attribute::ID, id);
        });
    }

    /// Adds a rule to the end of a chain.
    pub fn rule(&mut self, chain: &str, rule: &Rule) {
        self.put_rule(chain, Position::Last, |w| w.nest(rule_attribute::EXPRESSIONS, |w| rule.write(w)));
    }

    /// Adds a rule from its attributes.
    pub(crate) fn put_rule(&mut self, chain: &str, position: Position, rule: impl FnOnce(&mut Attributes)) {
        let (table, place) = (self.table, if position == Position::Last { APPEND } else { 0 });
        self.writer.message(Op(NEW_RULE, CREATE | place), &head(self.family as u8), |w| {
            w.text(rule_attribute::TABLE, table);
            w.text(rule_attribute::CHAIN, chain);
            rule(w);
        });
    }

    /// Deletes a rule of a chain; without a handle, all rules.
    pub(crate) fn delete_rules(&mut self, chain: &str, handle: Option<u64>) {
        let table = self.table;
        self.writer.message(Op(DELETE_RULE, 0), &head(self.family as u8), |w| {
            w.text(rule_attribute::TABLE, table);
            w.text(rule_attribute::CHAIN, chain);
            if let Some(handle) = handle {
                w.bytes(rule_attribute::HANDLE, &handle.to_be_bytes());
            }
        });
    }

    /// Deletes a chain with its rules; refused with `EBUSY` if other rules jump to it.
    pub(crate) fn delete_chain(&mut self, chain: &str) {
        let table = self.table;
        self.writer.message(Op(DELETE_CHAIN, 0), &head(self.family as u8), |w| {
            w.text(chain_attribute::TABLE, table);
            w.text(chain_attribute::NAME, chain);
        });
    }

    /// Adds messages about another table to the same transaction.
    pub(crate) fn in_table(&mut self, other: TableName, messages: impl FnOnce(&mut Batch)) {
        let here = TableName { family: self.family, table: self.table };
        (self.family, self.table) = (other.family, other.table);
        messages(self);
        (self.family, self.table) = (here.family, here.table);
    }

    /// Adds an element; refused with `EEXIST` if the key exists.
    pub(super) fn element(&mut self, set: &str, element: &Element, comment: &str) {
        self.elements(Op(NEW_ELEMENT, CREATE | EXCLUSIVE), set, |w| {
            put_value(w, element_attribute::KEY, &element.key);
            if !element.data.is_empty() {
                put_value(w, element_attribute::DATA, &element.data);
            }
            put_comment(w, element_attribute::USER_DATA, comment);
        });
    }

    /// Deletes an element; refused with `ENOENT` if the key does not exist.
    pub(super) fn delete_element(&mut self, set: &str, key: &[u8]) {
        self.elements(Op(DELETE_ELEMENT, 0), set, |w| put_value(w, element_attribute::KEY, key));
    }

    fn elements(&mut self, op: Op, set: &str, element: impl FnOnce(&mut Attributes)) {
        let table = self.table;
        self.writer.message(op, &head(self.family as u8), |w| put_elements(w, table, set, element));
    }

    /// Adds a record: a counter object that no rule uses, with the content as its comment.
    pub(super) fn record(&mut self, name: &str, content: &str) {
        let table = self.table;
        self.writer.message(Op(NEW_OBJECT, CREATE | EXCLUSIVE), &head(self.family as u8), |w| {
            w.text(object_attribute::TABLE, table);
            w.text(object_attribute::NAME, name);
            w.number_be(object_attribute::TYPE, COUNTER);
            w.nest(object_attribute::DATA, |_| {});
            put_comment(w, object_attribute::USER_DATA, content);
        });
    }

    /// Deletes a record.
    pub(super) fn delete_record(&mut self, name: &str) {
        let table = self.table;
        self.writer.message(Op(DELETE_OBJECT, 0), &head(self.family as u8), |w| {
            w.text(object_attribute::TABLE, table);
            w.text(object_attribute::NAME, name);
            w.number_be(object_attribute::TYPE, COUNTER);
        });
    }
}

/// Adds the attributes that name one element of a set.
pub(super) fn put_elements(
    w: &mut Attributes,
    table: &str,
    set: &str,
    element: impl FnOnce(&mut Attributes),
) {
    w.text(element_attribute::TABLE, table);
    w.text(element_attribute::SET, set);
    w.nest(element_attribute::LIST, |w| w.nest(LIST_ELEMENT, element));
}

/// Adds a comment in the format of `nft`: type, length, and text with a terminating NUL.
fn put_comment(w: &mut Attributes, kind: u16, comment: &str) {
    let text: Vec<u8> = comment.bytes().take(LONGEST_COMMENT).collect();
    let length = u8::try_from(text.len() + 1).unwrap_or(u8::MAX);
    let payload: Vec<u8> = [0, length].into_iter().chain(text).chain([0]).collect();
    w.bytes(kind, &payload);
}

/// The kernel accepts 256 bytes of user data.
pub(super) const LONGEST_COMMENT: usize = 250;
