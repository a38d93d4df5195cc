//! The plugins: each reads its configuration and declares what should exist. The programs in `src/bin` only name them.

mod backend;
mod bridge;
mod host_device;
mod host_local;
mod loopback;
mod portmap;
mod vlan;

pub use bridge::Bridge;
pub use host_device::HostDevice;
pub use host_local::HostLocal;
pub use loopback::Loopback;
pub use portmap::Portmap;
