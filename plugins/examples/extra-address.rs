//! A complete plugin for a chain: adds the address of the key `address` to the interface of the previous plugins.
//!
//! ```json
//! {"type": "extra-address", "address": "10.99.0.7/32"}
//! ```

use std::process::ExitCode;
use tare_cni::address::Cidr;
use tare_cni::declaration::{Declaration, Plugin, Resource, Undo};
use tare_cni::error::{Code, Error, Result};
use tare_cni::host::{Host, Side};
use tare_cni::ipam::Ipam;
use tare_cni::request::Request;
use tare_cni::result::{AddResult, Ip};
use tare_cni::rtnetlink::Detection;

fn main() -> ExitCode {
    tare_cni::run::<ExtraAddress>()
}

struct ExtraAddress;

impl Plugin for ExtraAddress {
    const NAME: &'static str = "extra-address";
    /// `None` if the configuration can't be read.
    type Config = Option<Cidr>;

    fn read(request: &Request) -> Result<Self::Config> {
        Cidr::read(request.root()?.text("address")?, "address").map(Some)
    }

    fn unreadable() -> Self::Config {
        None
    }

    fn ipam(_: &Request) -> Result<Ipam> {
        Ok(Ipam::Chain)
    }

    fn declare(address: &Self::Config, request: &Request, mut so_far: AddResult) -> Result<Declaration> {
        let interface = request.attachment.interface.clone();
        let Some(address) = *address else { return Ok(Declaration::resulting_in(so_far)) };
        let place = so_far.interfaces.iter().position(|listed| listed.name == interface);
        let place = place.and_then(|place| i64::try_from(place).ok());
        so_far.ips.push(Ip { interface: place, address, gateway: None });
        Ok(Declaration::resulting_in(so_far).with(Address { interface, address }))
    }
}

/// The resource: an address of an interface inside the container.
#[derive(Debug)]
struct Address {
    interface: String,
    address: Cidr,
}

impl Resource for Address {
    fn add(&self, host: &mut Host) -> Result<Undo> {
        let index = host.link(Side::Container, &self.interface)?.index;
        let answer = host.route(Side::Container)?.add_address(index, self.address, Detection::AsSet)?;
        answer.map_err(|refusal| {
            Error::refused(format!("add address {} to {}", self.address, self.interface), &refusal)
        })?;
        Ok(Undo::Remove)
    }

    fn del(&self, host: &mut Host) -> Result<()> {
        if !host.has_container() {
            return Ok(());
        }
        match host.look_up(Side::Container, &self.interface)? {
            None => Ok(()),
            Some(link) => host.route(Side::Container)?.delete_address(link.index, self.address),
        }
    }

    fn check(&self, host: &mut Host) -> Result<()> {
        let index = host.link(Side::Container, &self.interface)?.index;
        let present = host.route(Side::Container)?.addresses(index)?;
        match present.iter().any(|assigned| assigned.cidr == self.address) {
            true => Ok(()),
            false => {
                Err(Error::new(Code::Differs, format!("{} lacks address {}", self.interface, self.address)))
            }
        }
    }
}
