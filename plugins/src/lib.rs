//! The library that CNI plugins are written on: a plugin declares what should exist for an attachment, and `ADD` with
//! its undo, `DEL`, `CHECK`, `GC` and `STATUS` are derived from that one declaration.
//!
//! `plugins/README.md` shows how a plugin is written; `verbs` holds the derivation; `resource` has one file for each
//! kind of thing that can be declared.

pub mod address;
pub mod attachment;
pub mod condition;
mod conntrack;
pub mod declaration;
pub mod dns;
pub mod error;
mod hash;
pub mod host;
pub mod ipam;
pub mod iptables;
pub mod json;
mod lock;
pub mod netns;
pub mod nft;
pub mod plugin;
pub mod request;
pub mod resource;
pub mod result;
pub mod rtnetlink;
pub mod sysctl;
pub mod verbs;
pub mod version;

pub use verbs::run;
