//! nf_tables over netlink: rules are built once for a host, attachments are elements of sets, and what each attachment
//! has is noted in the same transaction, so neither `ADD` nor `DEL` grows with what is attached.

mod batch;
mod constants;
mod encode;
mod entries;
mod expression;
mod foreign_table;
mod query;
mod record;
mod reply;
mod rule;
mod schema;

pub use batch::{Batch, Chain, Element, Hook, Kind, Position, Set, TableFamily, TableName};
pub use encode::{CmpOp, Verdict};
pub(crate) use encode::{accept, compare, jump, load_network, load_transport, mask, put};
pub use entries::{AttachmentEntries, ExtraChanges};
pub use expression::{Expression, Header, Source};
pub use foreign_table::ForeignTable;
pub use rule::Rule;
pub use schema::{Added, Entry, OnConflict, Schema, network_set};
