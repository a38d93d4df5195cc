//! host-local: leases addresses from configured ranges, and stores the leases as files in the Go plugin's format.

mod index;
mod pool;
mod range;
mod resolv;
mod store;

use crate::address::Cidr;
use crate::attachment::Attachment;
use crate::error::{Code, Error, Result};
use crate::json::Section;
use crate::request::Request;
use crate::result::{AddResult, Ip};
use crate::verbs;
use pool::Pool;
use range::RangeSet;
use std::net::IpAddr;
use std::path::PathBuf;
use store::Store;

/// The value of `ipam.type`.
pub const NAME: &str = "host-local";

/// The default of `ipam.dataDir`.
const DATA: &str = "/var/lib/cni/networks";

/// The plugin. All its data is in the request.
#[derive(Clone, Copy, Debug)]
pub struct HostLocal;

/// A leased address of a range set.
struct Lease {
    address: IpAddr,
    network: Cidr,
    gateway: IpAddr,
}

impl HostLocal {
    /// Leases one address of every range set.
    ///
    /// # Errors
    /// Code 7 for the configuration; 101 if no address is free or the requested one is leased.
    pub fn add(&self, request: &Request) -> Result<AddResult> {
        let pool = Pool::read(request)?;
        let store = Store::create(&directory(request)?)?;
        let mut taken = Vec::new();
        let outcome = lease_all(&pool, &store, &owner(&request.attachment), &mut taken);
        if outcome.is_err() {
            // Only the leases of this call are released. Those that the attachment held before stay.
            taken.iter().try_for_each(|lease: &Lease| store.forget(lease.address))?;
        }
        outcome?;
        let addresses: Vec<IpAddr> = taken.iter().map(|lease| lease.address).collect();
        store.note_held(&owner(&request.attachment), &addresses);
        Ok(AddResult {
            ips: taken.iter().map(Lease::ip).collect(),
            routes: pool.routes,
            dns: pool.dns,
            ..AddResult::default()
        })
    }

    /// Releases all leases of the attachment, independent of the configured ranges.
    ///
    /// # Errors
    /// The file system's error.
    pub fn del(&self, request: &Request) -> Result<()> {
        match Store::open(&directory(request)?)? {
            None => Ok(()),
            Some(store) => store.release(&owner(&request.attachment), &request.attachment.container),
        }
    }

    /// Checks that the attachment holds a lease.
    ///
    /// # Errors
    /// Code 100: it holds none.
    pub fn check(&self, request: &Request) -> Result<()> {
        let known = match Store::open(&directory(request)?)? {
            None => false,
            Some(store) => store.knows(&owner(&request.attachment), &request.attachment.container)?,
        };
        match known {
            true => Ok(()),
            false => Err(Error::new(
                Code::Differs,
                format!(
                    "host-local: Failed to find address added by container {}",
                    request.attachment.container
                ),
            )),
        }
    }

    /// Checks that every range set has a free address.
    ///
    /// # Errors
    /// Code 50: one has none.
    pub fn status(&self, request: &Request) -> Result<()> {
        let pool = Pool::read(request)?;
        let Some(store) = Store::open(&directory(request)?)? else { return Ok(()) };
        let leased = store.leased()?;
        match pool.sets.iter().find(|set| set.candidates(None).all(|(address, _)| leased.contains(&address)))
        {
            None => Ok(()),
            Some(set) => Err(Error::new(Code::Unavailable, no_address(set))),
        }
    }

    /// Releases the leases of attachments that are not valid any more.
    ///
    /// # Errors
    /// The list of valid attachments is invalid; the file system's error.
    pub fn gc(&self, request: &Request) -> Result<()> {
        let valid = verbs::valid_attachments(request)?;
        let Some(store) = Store::open(&directory(request)?)? else { return Ok(()) };
        store.keep_only(|lease| {
            valid.iter().any(|attachment| lease == owner(attachment) || lease == attachment.container)
        })
    }
}

impl Lease {
    fn ip(&self) -> Ip {
        let address = Cidr { address: self.address, length: self.network.length };
        Ip { interface: None, address, gateway: Some(self.gateway) }
    }
}

/// Returns the content of the attachment's lease files.
fn owner(attachment: &Attachment) -> String {
    format!("{}\r\n{}", attachment.container, attachment.interface)
}

fn directory(request: &Request) -> Result<PathBuf> {
    let ipam: Section<'_> = request.root()?.section("ipam")?;
    let base = match ipam.text("dataDir")? {
        "" => DATA,
        given => given,
    };
    Ok(PathBuf::from(base).join(&request.attachment.network))
}

fn no_address(set: &RangeSet) -> String {
    format!("no IP addresses available in range set: {set}")
}

/// Leases an address of each set. `taken` contains the leases to release if this fails.
fn lease_all(pool: &Pool, store: &Store, owner: &str, taken: &mut Vec<Lease>) -> Result<()> {
    let mut requested = pool.requested.clone();
    let held = store.held_by(owner)?;
    for (number, set) in pool.sets.iter().enumerate() {
        let wanted = requested.iter().position(|address| set.range_of(*address).is_some());
        let lease = match wanted.map(|place| requested.remove(place)) {
            Some(address) => lease_requested(set, store, owner, address),
            None => lease_next(set, store, owner, &held),
        };
        let lease = lease.map_err(|error| error.within(&format!("failed to allocate for range {number}")))?;
        let address = lease.address;
        taken.push(lease);
        store.note_last(number, address)?;
    }
    match requested.is_empty() {
        true => Ok(()),
        false => {
            let left: Vec<String> = requested.iter().map(ToString::to_string).collect();
            let msg = format!("failed to allocate all requested IPs: {}", left.join(" "));
            Err(Error::new(Code::Exhausted, msg))
        }
    }
}

fn lease_requested(set: &RangeSet, store: &Store, owner: &str, address: IpAddr) -> Result<Lease> {
    let refused = |msg: String| Err(Error::new(Code::Exhausted, msg));
    let Some(range) = set.range_of(address) else {
        return refused(format!("{address} not in range set {set}"));
    };
    if range.gateway == address {
        return refused(format!("requested ip {address} is subnet's gateway"));
    }
    if !store.reserve(address, owner)? {
        return refused(format!("requested IP address {address} is not available in range set {set}"));
    }
    Ok(Lease { address, network: range.subnet, gateway: range.gateway })
}

/// Leases the next address after the last leased one, so that a released address is reused as late as possible.
fn lease_next(set: &RangeSet, store: &Store, owner: &str, held: &[IpAddr]) -> Result<Lease> {
    if let Some(address) = held.iter().find(|address| set.range_of(**address).is_some()) {
        let id = owner.split("\r\n").next().unwrap_or_default();
        let msg = format!("{address} has been allocated to {id}, duplicate allocation is not allowed");
        return Err(Error::new(Code::Exists, msg));
    }
    let mut refused = 0;
    let mut leased = None;
    for (address, range) in set.candidates(store.last(set)?) {
        if refused == TRIES && leased.is_none() {
            leased = Some(store.leased()?);
        }
        if leased.as_ref().is_some_and(|leased| leased.contains(&address)) {
            continue;
        }
        if store.reserve(address, owner)? {
            return Ok(Lease { address, network: range.subnet, gateway: range.gateway });
        }
        refused += 1;
    }
    Err(Error::new(Code::Exhausted, no_address(set)))
}

/// After this many leased addresses in a row, the directory is read instead of trying each address.
const TRIES: usize = 8;
