//! The verb `exec`: one more process in a container that exists.

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

/// What the process is.
#[derive(Debug)]
pub enum Wanted {
    /// That of a process.json, unread (`--process`).
    Document(Vec<u8>),
    /// The container's own, changed by options.
    Options(Box<Overrides>),
}

/// What is asked of `exec`.
#[derive(Debug)]
pub struct Request<'text> {
    /// The process.
    pub wanted: Wanted,
    /// Directories below the container's cgroups (`--cgroup`).
    pub subgroups: &'text [String],
    /// The socket that gets the terminal's master.
    pub console_socket: Option<&'text str>,
    /// The socket that gets a descriptor of the process.
    pub pidfd_socket: Option<&'text str>,
    /// How many descriptors from 3 on the process keeps.
    pub preserve_fds: u32,
    /// What becomes of it in a paused container.
    pub paused: Paused,
    /// Whether the caller leaves when the process runs.
    pub detach: Detach,
}

/// A container as `exec` finds it, and the process that is to be made in it.
pub struct Prepared {
    entry: Entry,
    record: Record,
    plan: Plan,
    paused: Paused,
}

impl Prepared {
    /// The steps that will be taken.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Makes the process. It executes its program when this returns.
    ///
    /// # Errors
    /// The step that failed; nothing is left of the process then.
    pub fn execute(self) -> Result<Created> {
        parent::execute(&self.plan, self.record, self.entry, self.paused)
    }
}

/// Plans a process in a container that runs or waits to be started.
///
/// `warn` is told what is odd without being wrong.
///
/// # Errors
/// When there is no such container, when it has ended or is paused, and every mistake in the process.
pub fn prepare(
    store: &Store,
    id: &str,
    request: Request<'_>,
    warn: &mut dyn FnMut(&Mistake),
) -> Result<Prepared> {
    crate::parent::inherited::check(request.preserve_fds)?;
    let entry = store.look(id)?;
    let record = entry.record()?;
    refuse(status(&entry, &record), request.paused)?;
    let config = bundle::check(&entry.config()?)?;
    let process = process(&config, request.wanted)?;
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

/// The words are runc's, which callers know.
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

fn process(config: &Checked, wanted: Wanted) -> Result<CheckedProcess> {
    let own = config.process.as_ref().ok_or_else(|| {
        Error::Config(vec![Mistake::new("process", "the container's configuration has none")])
    })?;
    let loaded = match wanted {
        Wanted::Document(bytes) => spec::load_process(&bytes)
            .map(|LoadedProcess { process, warnings }| (inherit(process, own), warnings)),
        Wanted::Options(overrides) => Ok((overrides.apply(own), Vec::new())),
    };
    let check = |(process, warnings): (Process, _)| spec::check_process(LoadedProcess { process, warnings });
    loaded.and_then(check).map_err(Error::Config)
}
