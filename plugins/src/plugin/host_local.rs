//! `host-local`: leases addresses.

use crate::declaration::{Declaration, Plugin};
use crate::error::Result;
use crate::ipam::{Ipam, host_local};
use crate::request::Request;
use crate::result::AddResult;

/// The plugin.
#[derive(Clone, Copy, Debug)]
pub struct HostLocal;

impl Plugin for HostLocal {
    const NAME: &'static str = host_local::NAME;
    type Config = ();

    fn read(_: &Request) -> Result<()> {
        Ok(())
    }

    fn unreadable() {}

    fn ipam(_: &Request) -> Result<Ipam> {
        Ok(Ipam::HostLocal(host_local::HostLocal))
    }

    fn declare((): &(), _: &Request, so_far: AddResult) -> Result<Declaration> {
        Ok(Declaration::resulting_in(so_far))
    }
}
