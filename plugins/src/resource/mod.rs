//! The resources that a plugin can declare, one kind in each file.

mod access_rules;
mod bridge;
mod container;
mod forwarding;
mod gateway;
mod loopback;
mod mac_spoof_check;
mod masquerade;
mod masquerade_iptables;
mod moved_device;
mod port;
mod port_mapping;
mod port_mappings;
mod port_mappings_iptables;
mod veth;
mod vlan;

pub use access_rules::Conditions;
pub use bridge::Bridge;
pub use container::{ContainerInterface, DuplicateDetection};
pub use forwarding::Forwarding;
pub use gateway::{Conflict, Gateways};
pub use loopback::{Loopback, NAME as LOOPBACK};
pub use mac_spoof_check::MacSpoofCheck;
pub use masquerade::Masquerade;
pub use masquerade_iptables::IptablesMasquerade;
pub use moved_device::{Device, MovedDevice};
pub use port_mapping::{Access, PortMapping, Snat, Transport};
pub use port_mappings::PortMappings;
pub use port_mappings_iptables::{IptablesPortMappings, Mark};
pub use veth::{PortSettings, Veth};
pub use vlan::{DefaultVlan, VlanInterface, Vlans};

use crate::error::{Code, Error};

/// Returns an error of `CHECK`.
fn differs(msg: impl Into<String>) -> Error {
    Error::new(Code::Differs, msg)
}
