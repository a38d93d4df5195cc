//! The host and container side of an attachment, with open sockets and cached links.

use crate::error::{Code, Error, Result};
use crate::netns::Netns;
use crate::request::{Command, Request};
use crate::rtnetlink::{Link, LinkMonitor, Route, cannot_open};
use crate::sysctl::{Sysctl, Sysctls};
use std::collections::BTreeMap;
use tare_netlink::Socket;

/// A side of an attachment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Side {
    /// The network namespace in which the plugin was started.
    Host,
    /// The network namespace of `CNI_NETNS`.
    Container,
}

/// Both sides. Sockets are opened on first use.
#[derive(Debug)]
pub struct Host {
    home: Netns,
    container: Option<Netns>,
    routes: BTreeMap<Side, Route>,
    netfilter: Option<Socket>,
    sysctls: Option<Sysctls>,
    links: BTreeMap<(Side, String), Link>,
    /// The name under which the host end of the veth pair was created or found.
    pub(crate) host_end: Option<String>,
}

impl Host {
    /// Opens the namespaces of a request. For `DEL` the container's namespace may be gone.
    ///
    /// # Errors
    /// Code 8: the namespace is missing, or is the plugin's own.
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

    /// Whether the container's namespace exists.
    pub fn has_container(&self) -> bool {
        self.container.is_some()
    }

    /// Returns the file descriptor of the container's namespace.
    ///
    /// # Errors
    /// The namespace does not exist.
    pub fn container_descriptor(&self) -> Result<u32> {
        self.container.as_ref().map(Netns::descriptor).ok_or_else(no_container)
    }

    /// Returns the file descriptor of the host's namespace.
    pub fn home_descriptor(&self) -> u32 {
        self.home.descriptor()
    }

    /// Returns the rtnetlink socket of a side.
    ///
    /// # Errors
    /// The kernel's error.
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
    /// The kernel's error.
    pub fn monitor(&self, side: Side) -> Result<LinkMonitor> {
        self.inside(side, LinkMonitor::open)
    }

    /// Returns the netfilter socket of the host.
    ///
    /// # Errors
    /// Code 2: the kernel has no nf_tables; the kernel's error.
    pub fn netfilter(&mut self) -> Result<&mut Socket> {
        let missing = || Error::new(Code::Unsupported, "this kernel has no nf_tables");
        self.netfilter_if_any()?.ok_or_else(missing)
    }

    /// Like `netfilter`, but `None` if the kernel has no nf_tables, and so no rules to remove.
    ///
    /// # Errors
    /// The kernel's error.
    pub fn netfilter_if_any(&mut self) -> Result<Option<&mut Socket>> {
        if self.netfilter.is_none() {
            self.netfilter = Socket::open_netfilter().map_err(cannot_open)?;
        }
        Ok(self.netfilter.as_mut())
    }

    /// Returns the link with a name from the cache or from the kernel.
    ///
    /// # Errors
    /// The link does not exist; the kernel's error.
    pub fn link(&mut self, side: Side, name: &str) -> Result<Link> {
        if let Some(link) = self.links.get(&(side, name.to_owned())) {
            return Ok(link.clone());
        }
        let found = self.look_up(side, name)?;
        found.ok_or_else(|| Error::new(Code::Differs, format!("interface {name} does not exist")))
    }

    /// Reads the link with a name from the kernel and caches it.
    ///
    /// # Errors
    /// The kernel's error.
    pub fn look_up(&mut self, side: Side, name: &str) -> Result<Option<Link>> {
        let found = self.route(side)?.link(name)?;
        match &found {
            Some(link) => self.links.insert((side, name.to_owned()), link.clone()),
            None => self.links.remove(&(side, name.to_owned())),
        };
        Ok(found)
    }

    /// Sets sysctls of a side.
    ///
    /// # Errors
    /// A sysctl can't be written. A missing one is an error only if `IfMissing` says so, since IPv6 may be off.
    pub fn set_sysctls(&mut self, side: Side, sysctls: &[Sysctl]) -> Result<()> {
        let tree = match self.sysctls.take() {
            Some(tree) => tree,
            None => Sysctls::open()?,
        };
        let outcome = self.inside(side, || sysctls.iter().try_for_each(|sysctl| tree.set(sysctl)));
        self.sysctls = Some(tree);
        outcome
    }

    /// Unmounts the private procfs. The kernel then waits for an RCU grace period, which is short while its CPUs are
    /// idle: call this before the bridge gets busy.
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
