//! The source of an attachment's addresses: previous plugins, our host-local in this process, or another IPAM plugin.

mod delegate;
pub mod host_local;

use crate::error::{Error, Result};
use crate::request::{Command, Request};
use crate::result::AddResult;
use delegate::Program;
use host_local::HostLocal;

/// The IPAM plugin of a configuration.
#[derive(Debug)]
pub enum Ipam {
    /// The configuration has no IPAM: the attachment has no addresses of its own.
    None,
    /// The previous plugins of the chain have assigned the addresses.
    Chain,
    /// The program in `CNI_PATH` is our host-local. It runs in this process, which saves an exec.
    HostLocal(HostLocal),
    /// Another program in `CNI_PATH`.
    Program(Program),
}

impl Ipam {
    /// Returns the plugin of `ipam.type`.
    ///
    /// # Errors
    /// The type is not a plain name, or is not in `CNI_PATH`.
    pub fn of(request: &Request) -> Result<Ipam> {
        let kind = request.root()?.section("ipam")?.text("type")?.to_owned();
        if kind.is_empty() {
            return Ok(Ipam::None);
        }
        let program = delegate::find(&kind, &request.environment.path)?;
        match kind == host_local::NAME && delegate::is_ours(&program) {
            true => Ok(Ipam::HostLocal(HostLocal)),
            false => Ok(Ipam::Program(Program { path: program })),
        }
    }

    /// Whether it leases addresses that must be released.
    pub fn gives(&self) -> bool {
        !matches!(self, Ipam::None | Ipam::Chain)
    }

    /// Leases addresses for the attachment.
    ///
    /// # Errors
    /// The plugin's error; a result without an address.
    pub fn add(&self, request: &Request) -> Result<AddResult> {
        let outcome = match self {
            Ipam::None => return Ok(AddResult::default()),
            Ipam::Chain => return Ok(request.previous()?.unwrap_or_default()),
            Ipam::HostLocal(host_local) => host_local.add(request)?,
            Ipam::Program(program) => program.add(request)?,
        };
        match outcome.ips.is_empty() {
            false => Ok(outcome),
            true => {
                self.del(request)?;
                Err(Error::config("IPAM plugin returned missing IP config").about("ipam"))
            }
        }
    }

    /// Releases all addresses of the attachment.
    ///
    /// # Errors
    /// The plugin's error.
    pub fn del(&self, request: &Request) -> Result<()> {
        match self {
            Ipam::None | Ipam::Chain => Ok(()),
            Ipam::HostLocal(host_local) => host_local.del(request),
            Ipam::Program(program) => program.run(request, Command::Del).map(drop),
        }
    }

    /// Checks that the attachment holds its addresses.
    ///
    /// # Errors
    /// It does not; the plugin's error.
    pub fn check(&self, request: &Request) -> Result<()> {
        match self {
            Ipam::None | Ipam::Chain => Ok(()),
            Ipam::HostLocal(host_local) => host_local.check(request),
            Ipam::Program(program) => program.run(request, Command::Check).map(drop),
        }
    }

    /// Checks that an address is free.
    ///
    /// # Errors
    /// None is free; the plugin's error.
    pub fn status(&self, request: &Request) -> Result<()> {
        match self {
            Ipam::None | Ipam::Chain => Ok(()),
            Ipam::HostLocal(host_local) => host_local.status(request),
            Ipam::Program(program) => program.run(request, Command::Status).map(drop),
        }
    }

    /// Releases the addresses of attachments that are not valid any more.
    ///
    /// # Errors
    /// The plugin's error.
    pub fn gc(&self, request: &Request) -> Result<()> {
        match self {
            Ipam::None | Ipam::Chain => Ok(()),
            Ipam::HostLocal(host_local) => host_local.gc(request),
            Ipam::Program(program) => program.run(request, Command::Gc).map(drop),
        }
    }
}
