//! Netlink (netlink(7)) for the runtime and the plugins: one codec, one socket, one exchange.
//!
//! The crate is synchronous and knows no protocol above the netlink header. Links, addresses, routes and nf_tables are built
//! on top of it, in `engine/src/parent/netdev.rs` and `plugins/src/rtnetlink`. Only [`link`] is shared by both.
//!
//! Written here rather than taken from crates.io: the codec crates know rtnetlink but not nf_tables, which half of our
//! messages belong to, and an asynchronous layer costs more than an `ADD` spends in the kernel's routing code.
//! `plugins/README.md` has the figures.

pub mod link;
mod listener;
mod message;
mod pending;
mod socket;

pub use listener::Listener;
pub use message::{
    ACK, Attributes, CREATE, DUMP, EXCLUSIVE, Message, NESTED, Op, REQUEST, Writer, attributes,
    encode_attributes, find, find_text, find_u32, flagged_attributes, read_u16, read_u32,
};
pub use pending::{Answer, Refusal};
pub use socket::{Error, RECEIVE_TIMEOUT, Socket};
