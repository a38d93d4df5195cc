//! The verb `exec`: one more process in an existing container.

use crate::container::bundle;
use crate::container::record::Record;
use crate::container::status::status;
use crate::container::store::{Entry, Store};
use crate::error::{Error, Result};
pub use crate::parent::Paused;
use crate::parent::{self, Created};
use crate::probe;
use tare_plan::context::{Detach, check_terminal};
use tare_plan::exec::{Overrides, inherit};
use tare_plan::plan::Plan;
use tare_plan::spec::{self, Checked, CheckedProcess, LoadedProcess, Mistake, Process};
use tare_plan::step::Status;

/// Where the description of the process comes from.
#[derive(Debug)]
pub enum ProcessSource {
    /// A process.json document, unparsed (`--process`).
    Document(Vec<u8>),
    /// The container's own process, changed by options.
    Options(Box<Overrides>),
}

/// The options of `exec`.
#[derive(Debug)]
pub struct Request<'text> {
    /// The process.
    pub source: ProcessSource,
    /// Directories below the container's cgroups (`--cgroup`).
    pub subgroups: &'text [String],
    /// The console socket, which gets the terminal's master.
    pub console_socket: Option<&'text str>,
    /// The socket that gets a pidfd of the process.
    pub pidfd_socket: Option<&'text str>,
    /// How many file descriptors from 3 on the process keeps.
    pub preserve_fds: u32,
    /// Whether it works in a paused container.
    pub paused: Paused,
    /// Whether the caller leaves when the process runs.
    pub detach: Detach,
}

/// A container that was found, and the plan of the new process.
pub struct Prepared {
    entry: Entry,
    record: Record,
    plan: Plan,
    paused: Paused,
}

impl Prepared {
    /// The plan.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Carries the plan out. The process executes its program when this returns.
    ///
    /// # Errors
    /// The failed step. Nothing is left of the process then.
    pub fn execute(self) -> Result<Created> {
        parent::execute(&self.plan, self.record, self.entry, self.paused)
    }
}

/// Plans a process in a running or created container.
///
/// `warn` takes the warnings about the process.
///
/// # Errors
/// No such container; a container that has stopped or is paused; every mistake in the process.
pub fn prepare(
    store: &Store,
    id: &str,
    request: Request<'_>,
    warn: &mut dyn FnMut(&Mistake),
) -> Result<Prepared> {
    crate::parent::inherited::check(request.preserve_fds)?;
    let entry = store.open_unlocked(id)?;
    let record = entry.record()?;
    refuse(status(&entry, &record), request.paused)?;
    let config = bundle::check(&entry.config()?)?;
    let process = process(&config, request.source)?;
    let checked = check_terminal(&process, request.detach, request.console_socket);
    checked.map_err(|what| Error::Usage(what.to_owned()))?;
    let cgroups = record.cgroups.iter().map(|cgroup| (cgroup.mount.as_str(), cgroup.path.as_str()));
    let asked = tare_plan::exec::Request {
        id,
        init: record.init.as_ref().map_or(0, |init| init.pid),
        cgroups: cgroups.collect(),
        subgroups: request.subgroups,
        console_socket: request.console_socket,
        pidfd_socket: request.pidfd_socket,
        keyring: record.keyring,
        preserve_fds: request.preserve_fds,
    };
    let plan = tare_plan::exec::exec(&config, &process, &probe::host()?, &asked).map_err(Error::Config)?;
    process.warnings().iter().chain(&plan.warnings).for_each(&mut *warn);
    Ok(Prepared { entry, record, plan, paused: request.paused })
}

/// The words are runc's: callers match them.
fn refuse(status: Status, paused: Paused) -> Result<()> {
    match (status, paused) {
        (Status::Stopped | Status::Creating, _) => {
            Err(Error::Usage("cannot exec in a stopped container".to_owned()))
        }
        (Status::Paused, Paused::Refused) => Err(Error::Usage(
            "cannot exec in a paused container (use --ignore-paused to override)".to_owned(),
        )),
        _ => Ok(()),
    }
}

fn process(config: &Checked, source: ProcessSource) -> Result<CheckedProcess> {
    let own = config.process.as_ref().ok_or_else(|| {
        Error::Config(vec![Mistake::new("process", "the container's configuration has none")])
    })?;
    let loaded = match source {
        ProcessSource::Document(bytes) => spec::load_process(&bytes)
            .map(|LoadedProcess { process, warnings }| (inherit(process, own), warnings)),
        ProcessSource::Options(overrides) => Ok((overrides.apply(own), Vec::new())),
    };
    let check = |(process, warnings): (Process, _)| spec::check_process(LoadedProcess { process, warnings });
    loaded.and_then(check).map_err(Error::Config)
}
