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
use crate::fault::{Call, Fault};
use crate::parent::activation::Notice;
use crate::socket::connect_datagram;
use rustix::fd::{AsFd, OwnedFd};
use tare_plan::spec::Mistake;
use tare_plan::step::{HookKind, Status};

/// Starts the program of a created container. It runs when this returns.
///
/// # Errors
/// When there is no such container, when it is not waiting to be started, when its program can't be executed, or when a
/// hook fails.
pub fn start(store: &Store, id: &str) -> Result<()> {
    let entry = store.open(id)?;
    let record = entry.record()?;
    match status(&entry, &record) {
        Status::Created => release_and_await_notice(&entry, &record),
        status => Err(Error::State { verb: "start", id: id.to_owned(), status }),
    }
}

/// Starts it, and waits until it has given notice of being ready, where the caller asks for that (`NOTIFY_SOCKET`).
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

/// Tells init to go on, and hears whether it came to execute the program.
pub(crate) fn release(entry: &Entry, record: &Record) -> Result<()> {
    let reply = ask(entry).map_err(|fault| entry.error("start", fault))?;
    if let Some(failure) =
        channel::receive_failure(&reply, None).map_err(|fault| entry.error("start", fault))?
    {
        return Err(failed(entry, &failure));
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

/// Sends init the descriptor on which it answers.
fn ask(entry: &Entry) -> std::result::Result<OwnedFd, Fault> {
    let socket = connect_datagram(&entry.socket_path())?;
    let (here, there) = channel::pair()?;
    channel::send_descriptor(socket.as_fd(), b"s", there.as_fd())?;
    Ok(here)
}

/// Words a failure of init's last steps, of which there are few: the plan they stood in is gone.
fn failed(entry: &Entry, failure: &Failure) -> Error {
    let fault = failure.fault;
    let step = |act: &str, because| Error::step(&act, fault, because);
    match fault.call {
        Call::Execute => Error::Program { name: program(entry), errno: fault.errno },
        // Create looks programs up: where there is none to execute, there is no process.
        Call::FindProgram => {
            Error::Config(vec![Mistake::new("process", "process property must not be empty")])
        }
        Call::Hook | Call::HookTimeout => step("run startContainer hooks", HookKind::StartContainer.place()),
        Call::Seccomp => step("load the system call filter", tare_plan::place::Place::of("linux.seccomp")),
        _ => step("start the program", tare_plan::place::Place::of("process")),
    }
}

fn program(entry: &Entry) -> String {
    let config = entry.config().and_then(|bytes| bundle::check(&bytes));
    let process = config.ok().and_then(|config| config.process.clone());
    process.and_then(|process| process.args.into_iter().next()).unwrap_or_default()
}
