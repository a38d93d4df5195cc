//! What a table is built of, and which elements follow from a fact about an attachment.

use super::batch::{Batch, Element, TableFamily, TableName};
use crate::address::Cidr;

/// A table of ours.
pub trait Schema {
    /// Its name.
    const TABLE: &'static str;
    /// What it sees.
    const FAMILY: TableFamily = TableFamily::Inet;
    /// The chain that gets a rule for each network.
    const CHAIN: &'static str;
    /// How many chains and sets it is built with.
    const FIXED: u32;
    /// How many rules that chain is built with.
    const FIXED_RULES: u32;

    /// Returns its full name.
    fn name() -> TableName {
        TableName { family: Self::FAMILY, table: Self::TABLE }
    }

    /// Builds it: chains, sets, and rules that refer to them.
    fn build(batch: &mut Batch);

    /// Adds the set of a network, called as `network_set` says, and its rule.
    fn build_network(batch: &mut Batch, network: Cidr);

    /// What follows from a fact; nothing from one that is not understood.
    fn entries(fact: &str) -> Vec<Entry>;
}

/// An element, and the set that it is in.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Entry {
    /// The set's name.
    pub set: String,
    /// The network, if the set is that of one.
    pub network: Option<Cidr>,
    /// The element.
    pub element: Element,
    /// What becomes of it when another attachment has it.
    pub on_conflict: OnConflict,
}

/// What becomes of an element that another attachment has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum OnConflict {
    /// The new attachment is refused.
    Refuse,
    /// It is the new attachment's from now on: the other one lost the address.
    Replace,
}

/// What became of an `add`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Added {
    /// All of it is in.
    Done,
    /// Nothing is: an element that follows from this fact belongs to this attachment.
    Conflict {
        /// The fact.
        fact: String,
        /// Whose it is.
        owner: String,
    },
}

/// The name of a network's set, made of what `nft` allows in names.
pub fn network_set(network: Cidr) -> String {
    format!("in/{}", network.network().to_string().replace(':', "_"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_networks_set_is_one_that_nft_reads() {
        assert_eq!(network_set(crate::address::parse("10.88.3.4/16").unwrap()), "in/10.88.0.0/16");
        assert_eq!(network_set(crate::address::parse("fd00::5/64").unwrap()), "in/fd00__/64");
    }
}
