//! A library for CNI plugins. A plugin declares the resources of an attachment; the library derives `ADD` with its
//! undo, `DEL`, `CHECK`, `GC` and `STATUS` from the declaration.
//!
//! `plugins/README.md` shows how to write a plugin. `verbs` contains the derivation, `resource` has one file for each
//! kind of resource.

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
