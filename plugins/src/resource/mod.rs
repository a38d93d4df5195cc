//! The kinds of things that a plugin can declare, one file each.

mod bridge;
mod container;
mod forwarding;
mod gate;
mod gateway;
mod lent;
mod loopback;
mod masquerade;
mod masquerade_iptables;
mod port;
mod publication;
mod published;
mod published_iptables;
mod sender;
mod veth;
mod vlan;

pub use bridge::Bridge;
pub use container::{ContainerInterface, DuplicateDetection};
pub use forwarding::Forwarding;
pub use gate::Conditions;
pub use gateway::{Conflict, Gateways};
pub use lent::{Device, Lent};
pub use loopback::{Loopback, NAME as LOOPBACK};
pub use masquerade::Masquerade;
pub use masquerade_iptables::MasqueradeByIptables;
pub use publication::{Access, Publication, Rewrite, Transport};
pub use published::Published;
pub use published_iptables::{Mark, PublishedByIptables};
pub use sender::TrueSender;
pub use veth::{PortSettings, Veth};
pub use vlan::{DefaultVlan, VlanInterface, Vlans};

use crate::error::{Code, Error};

/// `CHECK` found that something is not as it should be.
fn differs(msg: impl Into<String>) -> Error {
    Error::new(Code::Differs, msg)
}
