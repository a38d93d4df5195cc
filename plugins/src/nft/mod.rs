//! nf_tables over netlink: rules are built once for a host, attachments are elements of sets, and what each attachment
//! has is noted in the same transaction, so neither `ADD` nor `DEL` grows with what is attached.

mod batch;
mod expression;
mod foreign;
mod inquiry;
mod ledger;
mod number;
mod record;
mod reply;
mod schema;
mod step;
mod wire;

pub use batch::{Batch, Chain, Element, End, Hook, Kind, Packets, Set};
pub use expression::{Rule, Verdict};
pub use foreign::Foreign;
pub use ledger::{Beside, Ledger};
pub use schema::{Added, Clash, Entry, Schema, network_set};
pub use step::{Header, Relation, Source, Step};
pub(crate) use wire::{accept, compare, jump, load_network, load_transport, mask, put};
