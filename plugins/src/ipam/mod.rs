//! Where an attachment's addresses come from: the plugins before, our own host-local without an exec, or another program.

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
    /// The configuration names none: the attachment has no addresses of its own.
    None,
    /// The plugins before this one in the chain gave it what it has.
    Chain,
    /// The program in `CNI_PATH` is ours; its work is done in this process.
    HostLocal(HostLocal),
    /// Another program of `CNI_PATH`, to be run.
    Program(Program),
}

impl Ipam {
    /// The one that `ipam.type` names.
    ///
    /// # Errors
    /// Not a plain name, or not in `CNI_PATH`.
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

    /// Whether it gives addresses that are to be given back.
    pub fn gives(&self) -> bool {
        !matches!(self, Ipam::None | Ipam::Chain)
    }

    /// Obtains addresses for the attachment.
    ///
    /// # Errors
    /// The plugin's own; and a result without an address.
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

    /// Gives back whatever the attachment holds.
    ///
    /// # Errors
    /// The plugin's own.
    pub fn del(&self, request: &Request) -> Result<()> {
        match self {
            Ipam::None | Ipam::Chain => Ok(()),
            Ipam::HostLocal(host_local) => host_local.del(request),
            Ipam::Program(program) => program.run(request, Command::Del).map(drop),
        }
    }

    /// Whether the attachment holds its addresses.
    ///
    /// # Errors
    /// It does not; or the plugin's own.
    pub fn check(&self, request: &Request) -> Result<()> {
        match self {
            Ipam::None | Ipam::Chain => Ok(()),
            Ipam::HostLocal(host_local) => host_local.check(request),
            Ipam::Program(program) => program.run(request, Command::Check).map(drop),
        }
    }

    /// Whether another address could be had.
    ///
    /// # Errors
    /// It could not; or the plugin's own.
    pub fn status(&self, request: &Request) -> Result<()> {
        match self {
            Ipam::None | Ipam::Chain => Ok(()),
            Ipam::HostLocal(host_local) => host_local.status(request),
            Ipam::Program(program) => program.run(request, Command::Status).map(drop),
        }
    }

    /// Gives back what attachments hold that are no longer valid.
    ///
    /// # Errors
    /// The plugin's own.
    pub fn gc(&self, request: &Request) -> Result<()> {
        match self {
            Ipam::None | Ipam::Chain => Ok(()),
            Ipam::HostLocal(host_local) => host_local.gc(request),
            Ipam::Program(program) => program.run(request, Command::Gc).map(drop),
        }
    }
}
