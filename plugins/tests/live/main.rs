//! Live tests of the plugins. Each test creates network namespaces for hosts and containers, runs the plugins like a
//! runtime, sends packets, and compares the state of the kernel before and after. They need root, `ip` and `nft`.

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
