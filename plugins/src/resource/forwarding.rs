//! IP forwarding on the host. It is shared by all attachments and never turned off.

use super::differs;
use crate::address::Family;
use crate::declaration::{Resource, Undo};
use crate::error::Result;
use crate::host::{Host, Side};
use crate::sysctl::{IfMissing, Sysctl};

/// The families that the host forwards between its interfaces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Forwarding(pub Vec<Family>);

impl Resource for Forwarding {
    fn add(&self, host: &mut Host) -> Result<Undo> {
        for family in &self.0 {
            if !host.route(Side::Host)?.forwards(*family)? {
                let sysctl = Sysctl::new(name(*family), "1", IfMissing::Refuse);
                host.set_sysctls(Side::Host, &[sysctl])?;
            }
        }
        Ok(Undo::Nothing)
    }

    fn check(&self, host: &mut Host) -> Result<()> {
        for family in &self.0 {
            if !host.route(Side::Host)?.forwards(*family)? {
                return Err(differs(format!("sysctl {} is not 1", name(*family))));
            }
        }
        Ok(())
    }
}

fn name(family: Family) -> &'static str {
    match family {
        Family::V4 => "net/ipv4/ip_forward",
        Family::V6 => "net/ipv6/conf/all/forwarding",
    }
}
