//! The loopback interface of a container's network namespace.

use super::differs;
use crate::address::Cidr;
use crate::declaration::{Resource, Undo};
use crate::error::{Error, Result};
use crate::host::{Host, Side};

/// `lo`, which exists in every network namespace, set up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Loopback;

/// The name in every network namespace.
pub const NAME: &str = "lo";

impl Resource for Loopback {
    fn add(&self, host: &mut Host) -> Result<Undo> {
        let link = host.link(Side::Container, NAME)?;
        for Cidr { address, .. } in addresses(host)? {
            if !address.is_loopback() {
                let msg = format!("loopback interface found with non-loopback address \"{address}\"");
                return Err(Error::config(msg));
            }
        }
        host.route(Side::Container)?.set_up(link.index)?;
        Ok(Undo::Nothing)
    }

    fn del(&self, host: &mut Host) -> Result<()> {
        if !host.has_container() {
            return Ok(());
        }
        let link = host.link(Side::Container, NAME)?;
        host.route(Side::Container)?.set_down(link.index)
    }

    fn check(&self, host: &mut Host) -> Result<()> {
        match host.link(Side::Container, NAME)?.is_up() {
            true => Ok(()),
            false => Err(differs("loopback interface is down")),
        }
    }
}

/// Returns the addresses of the interface.
pub(crate) fn addresses(host: &mut Host) -> Result<Vec<Cidr>> {
    let index = host.link(Side::Container, NAME)?.index;
    Ok(host.route(Side::Container)?.addresses(index)?.iter().map(|assigned| assigned.cidr).collect())
}
