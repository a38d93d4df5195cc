//! The plugins. Each reads its configuration and declares resources. The programs in `src/bin` only call them.

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
