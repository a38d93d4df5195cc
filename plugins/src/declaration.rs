//! What a plugin declares for an attachment. All verbs are derived from this data.

use crate::attachment::Attachment;
use crate::error::Result;
use crate::host::{Host, Side};
use crate::ipam::Ipam;
use crate::request::Request;
use crate::result::AddResult;
use std::fmt::Debug;

/// A plugin. It reads its configuration and declares resources; the library does everything else.
pub trait Plugin {
    /// The name of the program.
    const NAME: &'static str;
    /// The plugin's keys of the configuration, checked, with all defaults filled in.
    type Config;

    /// Reads the configuration. Nothing has been changed yet.
    ///
    /// # Errors
    /// The configuration is invalid.
    fn read(request: &Request) -> Result<Self::Config>;

    /// Returns the configuration that `DEL` and `GC` assume if the real one can't be read: every resource may exist.
    fn unreadable() -> Self::Config;

    /// Returns the IPAM plugin.
    ///
    /// # Errors
    /// The program that the configuration names can't be found.
    fn ipam(request: &Request) -> Result<Ipam>;

    /// Declares the resources of an attachment. `so_far` is the result of IPAM or of the previous plugins.
    ///
    /// # Errors
    /// The result lacks what the plugin needs.
    fn declare(config: &Self::Config, request: &Request, so_far: AddResult) -> Result<Declaration>;
}

/// Something that an attachment needs: an interface, an address, a rule.
pub trait Resource: Debug {
    /// Creates the resource and returns whether a failing `ADD` must undo it. A failing call leaves nothing behind.
    ///
    /// # Errors
    /// The resource can't be created.
    fn add(&self, host: &mut Host) -> Result<Undo>;

    /// Removes what belongs to the attachment. A missing resource is no error. Resources that attachments share stay.
    ///
    /// # Errors
    /// The resource exists and can't be removed.
    fn del(&self, host: &mut Host) -> Result<()> {
        let _ = host;
        Ok(())
    }

    /// Undoes an `add` of this call.
    ///
    /// # Errors
    /// The resource can't be removed.
    fn undo(&self, host: &mut Host) -> Result<()> {
        self.del(host)
    }

    /// Checks the resource.
    ///
    /// # Errors
    /// Code 100: a difference.
    fn check(&self, host: &mut Host) -> Result<()>;

    /// Removes what belongs to attachments of the network that are not in `valid`.
    ///
    /// # Errors
    /// The resource exists and can't be removed.
    fn gc(&self, host: &mut Host, network: &str, valid: &[Attachment]) -> Result<()> {
        let _ = (host, network, valid);
        Ok(())
    }
}

/// What a failing `ADD` does with a resource that it has added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Undo {
    /// The resource stays: it existed before, or does no harm.
    Nothing,
    /// The resource is removed by [`Resource::undo`].
    Remove,
}

/// All resources of an attachment in the order of their creation. A failing `ADD` undoes them in reverse order.
#[derive(Debug, Default)]
pub struct Declaration {
    pub(crate) resources: Vec<DeclaredResource>,
    pub(crate) interfaces: Vec<ListedInterface>,
    pub(crate) outcome: AddResult,
}

/// A resource, and whether the configuration wants it.
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

/// An interface to list in the result. Its hardware address is filled in once it exists.
#[derive(Clone, Debug)]
pub(crate) struct ListedInterface {
    pub(crate) name: Option<String>,
    pub(crate) side: Side,
    pub(crate) addresses: Addresses,
}

/// Where the listed addresses of an interface come from: the declaration or the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Addresses {
    Declared,
    AsFound,
}

impl Declaration {
    /// Starts a declaration. The interfaces listed later come before those of `outcome`.
    pub fn resulting_in(outcome: AddResult) -> Self {
        Self { outcome, ..Self::default() }
    }

    /// Declares a resource.
    #[must_use]
    pub fn with(self, resource: impl Resource + 'static) -> Self {
        self.when(Wanted::Yes, resource)
    }

    /// Declares a resource that may be unwanted. `DEL` and `GC` remove it in any case.
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

    /// Lists an interface in the result together with the addresses that the kernel has assigned to it.
    #[must_use]
    pub fn listing_with_addresses(self, side: Side, name: impl Into<String>) -> Self {
        self.list(ListedInterface { name: Some(name.into()), side, addresses: Addresses::AsFound })
    }

    /// Lists the host end of the veth pair. Its name is known once it exists.
    #[must_use]
    pub fn listing_host_end(self) -> Self {
        self.list(ListedInterface { name: None, side: Side::Host, addresses: Addresses::Declared })
    }

    fn list(mut self, listed: ListedInterface) -> Self {
        self.interfaces.push(listed);
        self
    }
}
