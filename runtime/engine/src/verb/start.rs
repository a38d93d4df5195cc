//! The verb `start` (runtime.md, "Start").

use crate::channel::{self, Failure};
use crate::container::bundle;
use crate::container::hooks::run_hooks;
use crate::container::process::ProcessId;
use crate::container::record::Record;
use crate::container::status::status;
use crate::container::stop::stop;
use crate::container::store::{Entry, Store};
use crate::error::{Error, Result};
use crate::fault::Fault;
use crate::parent::activation::Notice;
use crate::parent::failure;
use crate::socket::connect_datagram;
use crate::verb::create;
use rustix::fd::{AsFd, OwnedFd};
use tare_plan::context::{CgroupManager, Request};
use tare_plan::plan::Plan;
use tare_plan::step::{EnterRoot, HookKind, Status};

/// Starts the program of a created container. The program runs when this returns.
///
/// # Errors
/// No such container; a container that does not wait for `start`; a program that cannot be executed; a failed hook.
pub fn start(store: &Store, id: &str) -> Result<()> {
    let entry = store.open(id)?;
    let record = entry.record()?;
    match status(&entry, &record) {
        Status::Created => release_and_await_notice(&entry, &record),
        status => Err(Error::State { verb: "start", id: id.to_owned(), status }),
    }
}

/// Starts the container. With `NOTIFY_SOCKET`, waits until it is ready.
pub(crate) fn release_and_await_notice(entry: &Entry, record: &Record) -> Result<()> {
    let init = record.init.as_ref();
    let Some(notice) = Notice::listen(entry, init.map_or(0, |init| init.pid))? else {
        return release(entry, record);
    };
    let process = init.map(ProcessId::open).transpose();
    let process = process.map_err(|fault| entry.error("start", fault))?.flatten();
    release(entry, record)?;
    entry.unlock();
    match process {
        Some(process) => notice.wait(process.as_fd()).map_err(|fault| entry.error("hear from", fault)),
        None => Ok(()),
    }
}

/// Lets init go on, and waits until it executes the program or fails.
pub(crate) fn release(entry: &Entry, record: &Record) -> Result<()> {
    let reply = ask(entry).map_err(|fault| entry.error("start", fault))?;
    if let Some(failure) =
        channel::receive_failure(&reply, None).map_err(|fault| entry.error("start", fault))?
    {
        return Err(failed(entry, record, &failure));
    }
    let told = run_hooks(entry, record, HookKind::Poststart).into_iter().next();
    match told {
        None => Ok(()),
        // A container whose poststart hook fails is stopped (runtime.md, "Lifecycle", step 9).
        Some(error) => {
            stop(entry, record)?;
            Err(error)
        }
    }
}

/// Sends init a socket on which it reports a failure. execve(2) closes it, so its end without a message means success.
fn ask(entry: &Entry) -> std::result::Result<OwnedFd, Fault> {
    let socket = connect_datagram(&entry.socket_path())?;
    let (here, there) = channel::pair()?;
    channel::send_descriptor(socket.as_fd(), b"s", there.as_fd())?;
    Ok(here)
}

/// The error of a step that init carries out after `start`. The plan is made again from the kept configuration.
fn failed(entry: &Entry, record: &Record, failure: &Failure) -> Error {
    let error = planned_again(entry, record).ok().and_then(|plan| {
        let planned = tare_plan::start::steps(&plan).get(failure.step)?;
        Some(failure::of_init(planned, &plan.program, failure))
    });
    error.unwrap_or_else(|| entry.error("start the program of", failure.fault))
}

/// Plans the creation of a container that exists, from the kept configuration and record.
fn planned_again(entry: &Entry, record: &Record) -> Result<Plan> {
    let config = bundle::check(&entry.config()?)?;
    let cgroup_manager = match (&record.unit, record.cgroups.is_empty()) {
        (Some(_), _) => CgroupManager::Systemd,
        (None, true) => CgroupManager::Disabled,
        (None, false) => CgroupManager::Cgroupfs,
    };
    let request = Request {
        id: &record.id,
        bundle: &record.bundle,
        console_socket: None,
        pidfd_socket: None,
        pivot: EnterRoot::Pivot,
        keyring: record.keyring,
        preserve_fds: 0,
        cgroup_manager,
    };
    let host = create::host(&request)?;
    tare_plan::create::create(&config, &host, &request).map_err(Error::Config)
}
