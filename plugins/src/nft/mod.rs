//! nf_tables over netlink: rules are built once for a host, attachments are elements of sets, and what each attachment
//! has is noted in the same transaction, so neither `ADD` nor `DEL` grows with what is attached.

mod batch;
mod expression;
mod ledger;
mod record;
mod reply;
mod schema;

pub use batch::{Batch, Chain, Element, Hook, Kind, Packets, Set};
pub use expression::{Rule, Verdict};
pub use ledger::{Ledger, has_chain};
pub use schema::{Added, Clash, Entry, Schema, network_set};
