//! A schema: the content of a table, and the elements that follow from a fact about an attachment.

use super::batch::{Batch, Element, TableFamily, TableName};
use crate::address::Cidr;

/// A table of a plugin.
pub trait Schema {
    /// The name of the table.
    const TABLE: &'static str;
    /// The family of the table.
    const FAMILY: TableFamily = TableFamily::Inet;
    /// The chain with a rule for each network.
    const CHAIN: &'static str;
    /// The number of chains and sets that `build` creates.
    const FIXED: u32;
    /// The number of rules that `build` adds to that chain.
    const FIXED_RULES: u32;

    /// Returns the full name of the table.
    fn name() -> TableName {
        TableName { family: Self::FAMILY, table: Self::TABLE }
    }

    /// Creates chains, sets, and rules that use them.
    fn build(batch: &mut Batch);

    /// Creates the set of a network, named by [`network_set`], and its rule.
    fn build_network(batch: &mut Batch, network: Cidr);

    /// Returns the entries of a fact; none for an unknown fact.
    fn entries(fact: &str) -> Vec<Entry>;
}

/// An element and its set.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Entry {
    /// The name of the set.
    pub set: String,
    /// The network, if the set belongs to one.
    pub network: Option<Cidr>,
    /// The element.
    pub element: Element,
    /// What to do if another attachment has the element.
    pub on_conflict: OnConflict,
}

/// What to do with an element of another attachment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum OnConflict {
    /// Refuse the new attachment.
    Refuse,
    /// Give the element to the new attachment. The other one has lost the address.
    Replace,
}

/// The outcome of an `add`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Added {
    /// All entries were added.
    Done,
    /// No entry was added: another attachment has an element of this fact.
    Conflict {
        /// The fact.
        fact: String,
        /// The other attachment.
        owner: String,
    },
}

/// Returns the name of a network's set, with the characters that `nft` allows.
pub fn network_set(network: Cidr) -> String {
    format!("in/{}", network.network().to_string().replace(':', "_"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nft_can_read_the_name_of_a_networks_set() {
        assert_eq!(network_set(crate::address::parse("10.88.3.4/16").unwrap()), "in/10.88.0.0/16");
        assert_eq!(network_set(crate::address::parse("fd00::5/64").unwrap()), "in/fd00__/64");
    }
}
