//! One transaction of nf_tables: all of it happens, or nothing (linux/netfilter/nf_tables.h).

use super::constants::{
    BEGIN, COUNTER, DELETE_CHAIN, DELETE_ELEMENT, DELETE_OBJECT, DELETE_RULE, DELETE_TABLE, END, NEW_CHAIN,
    NEW_ELEMENT, NEW_OBJECT, NEW_RULE, NEW_SET, NEW_TABLE,
};
use super::encode::put_value;
use super::rule::Rule;
use tare_netlink::{Attributes, CREATE, EXCLUSIVE, Op, Socket, Writer};

/// Which packets a table sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TableFamily {
    /// `NFPROTO_IPV4`
    Ipv4 = 2,
    /// `NFPROTO_IPV6`
    Ipv6 = 10,
    /// `NFPROTO_INET`: those of both protocols.
    Inet = 1,
    /// `NFPROTO_BRIDGE`: frames that a bridge passes on.
    Bridge = 7,
}

const SET_IS_MAP: u32 = 8;
const LIST_ELEMENT: u16 = 1;
/// Adds to the end of a chain.
const APPEND: u16 = 0x800;

/// Where in the path of a packet a chain is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hook {
    /// As it arrives, before it is routed.
    Prerouting = 0,
    /// As it is routed to a program of the host.
    Input = 1,
    /// As a program of the host sends it.
    Output = 3,
    /// As it leaves.
    Postrouting = 4,
}

/// A chain; without a hook it is only called by other chains.
#[derive(Clone, Copy, Debug)]
pub struct Chain<'a> {
    /// Its name.
    pub name: &'a str,
    /// Where it is called, and in which order among others there.
    pub hook: Option<(Hook, i32)>,
    /// What its rules do.
    pub kind: Kind,
}

/// Where in a chain a rule is added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Position {
    /// Before all others.
    First,
    /// After all others.
    Last,
}

/// What the rules of a chain with a hook do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Snat addresses; they see the first packet of each connection.
    Nat,
    /// Let through or drop; they see every packet.
    Filter,
}

/// A set, or with data a map. Types are those that `nft` knows, so that it prints elements as people read them.
#[derive(Clone, Debug)]
pub struct Set {
    /// Its name.
    pub name: String,
    /// The type of its keys, and their length in bytes.
    pub key: (u32, u32),
    /// The type of what its keys lead to, and the length in bytes.
    pub data: Option<(u32, u32)>,
}

/// An element of a set.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Element {
    /// Its key.
    pub key: Vec<u8>,
    /// What the key leads to; empty in a set that is no map.
    pub data: Vec<u8>,
}

/// A table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TableName {
    /// Its family; tables of two families may have the same name.
    pub family: TableFamily,
    /// Its name.
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

/// The fixed part of every message to nf_tables.
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
                w.number_be(1, generation);
            }
        });
        Batch { writer, family, table, sets: 0 }
    }

    /// Ends it. The number is that of the message whose acknowledgement means that all is done.
    pub(super) fn end(mut self) -> (Writer, u32) {
        let acknowledged = self.writer.acknowledge_last();
        self.writer.message(Op(END, 0), &[0, 0, 0, 10], |_| {});
        (self.writer, acknowledged)
    }

    /// Makes the table.
    pub fn table(&mut self) {
        let table = self.table;
        self.writer.message(Op(NEW_TABLE, CREATE), &head(self.family as u8), |w| w.text(1, table));
    }

    /// Removes the table with all that is in it.
    pub fn delete_table(&mut self) {
        let table = self.table;
        self.writer.message(Op(DELETE_TABLE, 0), &head(self.family as u8), |w| w.text(1, table));
    }

    /// Makes a chain.
    pub fn chain(&mut self, chain: Chain<'_>) {
        let table = self.table;
        self.writer.message(Op(NEW_CHAIN, CREATE), &head(self.family as u8), |w| {
            w.text(1, table);
            w.text(3, chain.name);
            if let Some((hook, priority)) = chain.hook {
                w.nest(4, |w| {
                    w.number_be(1, hook as u32);
                    w.bytes(2, &priority.to_be_bytes());
                });
                w.text(7, if chain.kind == Kind::Nat { "nat" } else { "filter" });
            }
        });
    }

    /// Makes a set.
    pub fn set(&mut self, set: &Set) {
        let table = self.table;
        self.sets += 1;
        let id = self.sets;
        self.writer.message(Op(NEW_SET, CREATE), &head(self.family as u8), |w| {
            w.text(1, table);
            w.text(2, &set.name);
            w.number_be(3, if set.data.is_some() { SET_IS_MAP } else { 0 });
            w.number_be(4, set.key.0);
            w.number_be(5, set.key.1);
            if let Some((kind, length)) = set.data {
                w.number_be(6, kind);
                w.number_be(7, length);
            }
            w.number_be(10, id);
        });
    }

    /// Adds a rule to the end of a chain.
    pub fn rule(&mut self, chain: &str, rule: &Rule) {
        self.put_rule(chain, Position::Last, |w| w.nest(4, |w| rule.write(w)));
    }

    /// Adds a rule whose attributes are given to one end of a chain.
    pub(crate) fn put_rule(&mut self, chain: &str, position: Position, rule: impl FnOnce(&mut Attributes)) {
        let (table, place) = (self.table, if position == Position::Last { APPEND } else { 0 });
        self.writer.message(Op(NEW_RULE, CREATE | place), &head(self.family as u8), |w| {
            w.text(1, table);
            w.text(2, chain);
            rule(w);
        });
    }

    /// Removes a rule of a chain, or with no number all of them.
    pub(crate) fn delete_rules(&mut self, chain: &str, handle: Option<u64>) {
        let table = self.table;
        self.writer.message(Op(DELETE_RULE, 0), &head(self.family as u8), |w| {
            w.text(1, table);
            w.text(2, chain);
            if let Some(handle) = handle {
                w.bytes(3, &handle.to_be_bytes());
            }
        });
    }

    /// Removes a chain with its rules; refused with `EBUSY` while others lead to it.
    pub(crate) fn delete_chain(&mut self, chain: &str) {
        let table = self.table;
        self.writer.message(Op(DELETE_CHAIN, 0), &head(self.family as u8), |w| {
            w.text(1, table);
            w.text(3, chain);
        });
    }

    /// Messages about another table, in the same transaction.
    pub(crate) fn in_table(&mut self, other: TableName, messages: impl FnOnce(&mut Batch)) {
        let here = TableName { family: self.family, table: self.table };
        (self.family, self.table) = (other.family, other.table);
        messages(self);
        (self.family, self.table) = (here.family, here.table);
    }

    /// Adds an element; refused with `EEXIST` if there is one with its key.
    pub(super) fn element(&mut self, set: &str, element: &Element, comment: &str) {
        self.elements(Op(NEW_ELEMENT, CREATE | EXCLUSIVE), set, |w| {
            put_value(w, 1, &element.key);
            if !element.data.is_empty() {
                put_value(w, 2, &element.data);
            }
            put_comment(w, 6, comment);
        });
    }

    /// Removes an element; refused with `ENOENT` if there is none.
    pub(super) fn delete_element(&mut self, set: &str, key: &[u8]) {
        self.elements(Op(DELETE_ELEMENT, 0), set, |w| put_value(w, 1, key));
    }

    fn elements(&mut self, op: Op, set: &str, element: impl FnOnce(&mut Attributes)) {
        let table = self.table;
        self.writer.message(op, &head(self.family as u8), |w| put_elements(w, table, set, element));
    }

    /// Adds a record: a counter that counts nothing, whose comment is the content.
    pub(super) fn record(&mut self, name: &str, content: &str) {
        let table = self.table;
        self.writer.message(Op(NEW_OBJECT, CREATE | EXCLUSIVE), &head(self.family as u8), |w| {
            w.text(1, table);
            w.text(2, name);
            w.number_be(3, COUNTER);
            w.nest(4, |_| {});
            put_comment(w, 8, content);
        });
    }

    /// Removes a record.
    pub(super) fn delete_record(&mut self, name: &str) {
        let table = self.table;
        self.writer.message(Op(DELETE_OBJECT, 0), &head(self.family as u8), |w| {
            w.text(1, table);
            w.text(2, name);
            w.number_be(3, COUNTER);
        });
    }
}

/// The attributes that name one element of a set.
pub(super) fn put_elements(
    w: &mut Attributes,
    table: &str,
    set: &str,
    element: impl FnOnce(&mut Attributes),
) {
    w.text(1, table);
    w.text(2, set);
    w.nest(3, |w| w.nest(LIST_ELEMENT, element));
}

/// A comment as `nft` writes and prints it: a type, a length, and text that ends with a zero.
fn put_comment(w: &mut Attributes, kind: u16, comment: &str) {
    let text: Vec<u8> = comment.bytes().take(LONGEST_COMMENT).collect();
    let length = u8::try_from(text.len() + 1).unwrap_or(u8::MAX);
    let payload: Vec<u8> = [0, length].into_iter().chain(text).chain([0]).collect();
    w.bytes(kind, &payload);
}

/// The kernel takes 256 bytes of user data.
pub(super) const LONGEST_COMMENT: usize = 250;
