//! `loopback`: sets `lo` of the container up, for any `CNI_IFNAME`.

use crate::declaration::{Declaration, Plugin};
use crate::error::Result;
use crate::host::Side;
use crate::ipam::Ipam;
use crate::request::Request;
use crate::resource;
use crate::result::AddResult;

/// The plugin.
#[derive(Clone, Copy, Debug)]
pub struct Loopback;

impl Plugin for Loopback {
    const NAME: &'static str = "loopback";
    type Config = ();

    fn read(_: &Request) -> Result<()> {
        Ok(())
    }

    fn unreadable() {}

    fn ipam(_: &Request) -> Result<Ipam> {
        Ok(Ipam::Chain)
    }

    /// In a chain the result of the previous plugins is returned unchanged.
    fn declare((): &(), request: &Request, so_far: AddResult) -> Result<Declaration> {
        let declaration = Declaration::resulting_in(so_far).with(resource::Loopback);
        match request.root()?.has("prevResult") {
            true => Ok(declaration),
            false => Ok(declaration.listing_with_addresses(Side::Container, resource::LOOPBACK)),
        }
    }
}
