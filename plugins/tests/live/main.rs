//! Live tests of the plugins: each builds namespaces of its own for hosts and containers, runs the programs as a
//! runtime does, sends packets, and compares what the kernel holds before and after. They need root, `ip` and `nft`.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that meets what it did not expect fails, and says where"
)]

mod backend;
mod bridge;
mod chain;
mod crash;
mod host_device;
mod host_local;
mod iptables;
mod port;
mod portmap;
mod protocol;
mod sctp;
mod stage;
mod verbs;
mod vlan;
