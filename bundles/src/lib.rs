//! Bundles: what an OCI runtime runs, made from a root file system or from our own small program.
//!
//! * [`config`] builds `config.json`, starting from what Docker gives a container.
//! * [`bundle`] lays a bundle out in a directory: root file system, layers, configuration.
//! * [`example`] holds ready bundles, each showing one thing.
//! * [`network`] runs a CNI network configuration list against a network namespace.
//!
//! OCI images (`--from ARCHIVE`) will unpack into [`bundle::Layers`]; named networks will store lists that
//! [`network::List`] reads. Neither exists yet.

pub mod bundle;
pub mod config;
pub mod example;
pub mod network;
