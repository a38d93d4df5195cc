//! What a plugin says should exist for an attachment: the data from which every verb is derived.

use crate::attachment::Attachment;
use crate::error::Result;
use crate::host::{Host, Side};
use crate::ipam::Ipam;
use crate::request::Request;
use crate::result::AddResult;
use std::fmt::Debug;

/// A plugin: how its configuration is read and what it declares. Everything else is the library's.
pub trait Plugin {
    /// Its name, as programs call it.
    const NAME: &'static str;
    /// Its declared of the configuration, checked, with every default filled in.
    type Config;

    /// Reads its configuration.
    ///
    /// # Errors
    /// Whatever is wrong with it; nothing has been touched yet.
    fn read(request: &Request) -> Result<Self::Config>;

    /// What `DEL` and `GC` assume when the configuration can't be read any more: that everything may be there.
    fn unreadable() -> Self::Config;

    /// Where addresses come from.
    ///
    /// # Errors
    /// The program that the configuration names can't be found.
    fn ipam(request: &Request) -> Result<Ipam>;

    /// What should exist, given the result so far: of IPAM, or of the plugins before this one.
    ///
    /// # Errors
    /// The result lacks what the plugin builds upon.
    fn declare(config: &Self::Config, request: &Request, so_far: AddResult) -> Result<Declaration>;
}

/// A thing that should exist.
pub trait Resource: Debug {
    /// Makes it exist; says whether a failing `ADD` has something to undo. What fails leaves nothing behind.
    ///
    /// # Errors
    /// It can't be made.
    fn add(&self, host: &mut Host) -> Result<Undo>;

    /// Removes what belongs to the attachment; what is not there is as good. Things that attachments share stay.
    ///
    /// # Errors
    /// It is there and can't be removed.
    fn del(&self, host: &mut Host) -> Result<()> {
        let _ = host;
        Ok(())
    }

    /// Undoes an `add` of this very call.
    ///
    /// # Errors
    /// It can't be undone.
    fn undo(&self, host: &mut Host) -> Result<()> {
        self.del(host)
    }

    /// Whether it is as it should be.
    ///
    /// # Errors
    /// Code 100: what differs.
    fn check(&self, host: &mut Host) -> Result<()>;

    /// Removes what belongs to attachments of the network that are not in the list.
    ///
    /// # Errors
    /// It is there and can't be removed.
    fn gc(&self, host: &mut Host, network: &str, valid: &[Attachment]) -> Result<()> {
        let _ = (host, network, valid);
        Ok(())
    }
}

/// What a failing `ADD` does about a resource that was added before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Undo {
    /// Nothing: it was there already, or it harms nobody.
    Nothing,
    /// `Resource::undo`.
    Remove,
}

/// Everything an attachment should have, in the order in which it is made; what a failing `ADD` has made is undone in
/// the reverse order.
#[derive(Debug, Default)]
pub struct Declaration {
    pub(crate) resources: Vec<DeclaredResource>,
    pub(crate) interfaces: Vec<ListedInterface>,
    pub(crate) outcome: AddResult,
}

/// A resource, and whether the configuration wants it now.
#[derive(Debug)]
pub(crate) struct DeclaredResource {
    pub(crate) resource: Box<dyn Resource>,
    pub(crate) wanted: Wanted,
}

/// Whether the configuration wants a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// `ADD` makes it.
    Yes,
    /// `ADD` does not make it; `DEL` and `GC` remove it if it exists.
    No,
}

impl From<bool> for Wanted {
    fn from(wanted: bool) -> Self {
        if wanted { Wanted::Yes } else { Wanted::No }
    }
}

/// An interface that the result lists; its hardware address is filled in once it exists.
#[derive(Clone, Debug)]
pub(crate) struct ListedInterface {
    pub(crate) name: Option<String>,
    pub(crate) side: Side,
    pub(crate) addresses: Addresses,
}

/// Whether the result lists an interface's addresses as the kernel has them, or as the declaration does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Addresses {
    Declared,
    AsFound,
}

impl Declaration {
    /// A declaration whose result is this, with the interfaces listed below put before its own.
    pub fn resulting_in(outcome: AddResult) -> Self {
        Self { outcome, ..Self::default() }
    }

    /// Declares a resource.
    #[must_use]
    pub fn with(self, resource: impl Resource + 'static) -> Self {
        self.when(Wanted::Yes, resource)
    }

    /// Declares a resource if it is wanted; if not, `DEL` and `GC` still see to it that none is left.
    #[must_use]
    pub fn when(mut self, wanted: Wanted, resource: impl Resource + 'static) -> Self {
        self.resources.push(DeclaredResource { resource: Box::new(resource), wanted });
        self
    }

    /// Lists an interface in the result.
    #[must_use]
    pub fn listing(self, side: Side, name: impl Into<String>) -> Self {
        self.list(ListedInterface { name: Some(name.into()), side, addresses: Addresses::Declared })
    }

    /// Lists an interface in the result, and the addresses that the kernel gave it.
    #[must_use]
    pub fn listing_with_addresses(self, side: Side, name: impl Into<String>) -> Self {
        self.list(ListedInterface { name: Some(name.into()), side, addresses: Addresses::AsFound })
    }

    /// Lists the host's end of the veth pair, whose name is known once it exists.
    #[must_use]
    pub fn listing_host_end(self) -> Self {
        self.list(ListedInterface { name: None, side: Side::Host, addresses: Addresses::Declared })
    }

    fn list(mut self, listed: ListedInterface) -> Self {
        self.interfaces.push(listed);
        self
    }
}
