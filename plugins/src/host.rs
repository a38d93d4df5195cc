//! The machine as a plugin sees it: two sides of an attachment, and what has been learned about each so far.

use crate::error::{Code, Error, Result};
use crate::netns::Netns;
use crate::request::{Command, Request};
use crate::rtnetlink::{Link, LinkMonitor, Route, cannot_open};
use crate::sysctl::{Sysctl, Sysctls};
use std::collections::BTreeMap;
use tare_netlink::Socket;

/// Where a thing is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Side {
    /// The namespace the plugin was started in.
    Host,
    /// The namespace of `CNI_NETNS`.
    Container,
}

/// The two sides, with sockets that are opened when first needed.
#[derive(Debug)]
pub struct Host {
    home: Netns,
    container: Option<Netns>,
    routes: BTreeMap<Side, Route>,
    netfilter: Option<Socket>,
    sysctls: Option<Sysctls>,
    links: BTreeMap<(Side, String), Link>,
    /// The name that the host's end of the veth pair was given or found under.
    pub(crate) host_end: Option<String>,
}

impl Host {
    /// Opens the namespaces of a request. For `DEL` the container's may be gone.
    ///
    /// # Errors
    /// Code 8: the namespace is missing, or is the plugin's own, which an attachment can't be made in.
    pub fn open(request: &Request) -> Result<Host> {
        let home = Netns::own()?;
        let path = &request.environment.netns;
        let container = match request.command {
            Command::Add | Command::Check => Some(Netns::open(path)?),
            Command::Del => Netns::open_if_there(path),
            Command::Gc | Command::Status => None,
        };
        if let Some(container) = &container
            && !request.environment.may_be_own_netns()
            && home.is(container)?
        {
            return Err(Error::new(
                Code::Netns,
                "plugin's netns and netns from CNI_NETNS should not be the same",
            ));
        }
        let (routes, links) = (BTreeMap::new(), BTreeMap::new());
        Ok(Host { home, container, routes, netfilter: None, sysctls: None, links, host_end: None })
    }

    /// Whether the container's namespace is there.
    pub fn has_container(&self) -> bool {
        self.container.is_some()
    }

    /// The descriptor of the container's namespace.
    ///
    /// # Errors
    /// There is none.
    pub fn container_descriptor(&self) -> Result<u32> {
        self.container.as_ref().map(Netns::descriptor).ok_or_else(no_container)
    }

    /// The descriptor of the host's namespace.
    pub fn home_descriptor(&self) -> u32 {
        self.home.descriptor()
    }

    /// The socket for links, addresses and routes of a side.
    ///
    /// # Errors
    /// The kernel's.
    pub fn route(&mut self, side: Side) -> Result<&mut Route> {
        if !self.routes.contains_key(&side) {
            let route = self.inside(side, Route::open)?;
            self.routes.insert(side, route);
        }
        self.routes.get_mut(&side).ok_or_else(no_container)
    }

    /// Subscribes to notifications about the links of a side.
    ///
    /// # Errors
    /// The kernel's.
    pub fn monitor(&self, side: Side) -> Result<LinkMonitor> {
        self.inside(side, LinkMonitor::open)
    }

    /// The socket for netfilter on the host.
    ///
    /// # Errors
    /// Code 2: the kernel has none; the kernel's.
    pub fn netfilter(&mut self) -> Result<&mut Socket> {
        let missing = || Error::new(Code::Unsupported, "this kernel has no nf_tables");
        self.netfilter_if_any()?.ok_or_else(missing)
    }

    /// The same where the kernel may have none, and so no rules that are to be removed.
    ///
    /// # Errors
    /// The kernel's.
    pub fn netfilter_if_any(&mut self) -> Result<Option<&mut Socket>> {
        if self.netfilter.is_none() {
            self.netfilter = Socket::open_netfilter().map_err(cannot_open)?;
        }
        Ok(self.netfilter.as_mut())
    }

    /// The link of a name as it was last seen, or as the kernel has it.
    ///
    /// # Errors
    /// There is none; the kernel's.
    pub fn link(&mut self, side: Side, name: &str) -> Result<Link> {
        if let Some(link) = self.links.get(&(side, name.to_owned())) {
            return Ok(link.clone());
        }
        let found = self.look_up(side, name)?;
        found.ok_or_else(|| Error::new(Code::Differs, format!("interface {name} does not exist")))
    }

    /// The link of a name as the kernel has it now; it is remembered.
    ///
    /// # Errors
    /// The kernel's.
    pub fn look_up(&mut self, side: Side, name: &str) -> Result<Option<Link>> {
        let found = self.route(side)?.link(name)?;
        match &found {
            Some(link) => self.links.insert((side, name.to_owned()), link.clone()),
            None => self.links.remove(&(side, name.to_owned())),
        };
        Ok(found)
    }

    /// Sees to it that sysctls of a side have these values.
    ///
    /// # Errors
    /// One can't be written. One that is not there is skipped if the kernel may lack it, as with IPv6 turned off.
    pub fn set_sysctls(&mut self, side: Side, sysctls: &[Sysctl]) -> Result<()> {
        let tree = match self.sysctls.take() {
            Some(tree) => tree,
            None => Sysctls::open()?,
        };
        let outcome = self.inside(side, || sysctls.iter().try_for_each(|sysctl| tree.set(sysctl)));
        self.sysctls = Some(tree);
        outcome
    }

    /// Gives back what sysctls were looked up in, which takes the kernel as long as its busiest processor is at its work:
    /// to be done before there is much of that.
    pub fn close_sysctls(&mut self) {
        self.sysctls = None;
    }

    fn inside<T>(&self, side: Side, act: impl FnOnce() -> Result<T>) -> Result<T> {
        match side {
            Side::Host => act(),
            Side::Container => self.container.as_ref().ok_or_else(no_container)?.run(&self.home, act),
        }
    }
}

fn no_container() -> Error {
    Error::new(Code::Netns, "the network namespace of the container is gone")
}
