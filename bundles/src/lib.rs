//! Makes bundles for any OCI runtime, from a root file system or from the project's own small program.
//!
//! * [`config`] builds `config.json`, starting from what Docker gives a container.
//! * [`bundle`] writes a bundle to a directory: root file system, layers, configuration.
//! * [`example`] has example bundles, each for one feature.
//! * [`network`] runs a CNI network configuration list against a network namespace.

pub mod bundle;
pub mod config;
pub mod example;
pub mod network;
