//! The verb `start` (runtime.md, "Start").

use crate::activation::Notice;
use crate::bundle;
use crate::channel::{self, Failure};
use crate::delete::stop;
use crate::error::{Error, Result};
use crate::fault::{Call, Fault};
use crate::hook::{self, PreparedHook};
use crate::process::ProcessId;
use crate::record::Record;
use crate::socket::connect_datagram;
use crate::state::status;
use crate::store::{Entry, Store};
use rustix::fd::{AsFd, OwnedFd};
use tare_plan::create::late_hooks;
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

/// Runs the hooks that follow the container's start or deletion, and returns what went wrong. A poststart hook that
/// fails is the last to run, a poststop hook is not (runtime.md, "Lifecycle").
pub(crate) fn run_hooks(entry: &Entry, record: &Record, kind: HookKind) -> Vec<Error> {
    if !record.late_hooks {
        return Vec::new();
    }
    try_hooks(entry, record, kind).unwrap_or_else(|error| vec![error])
}

fn try_hooks(entry: &Entry, record: &Record, kind: HookKind) -> Result<Vec<Error>> {
    let config = bundle::check(&entry.config()?)?;
    let hooks = late_hooks(&config, kind).map_err(Error::Config)?;
    let status = if kind == HookKind::Poststop { Status::Stopped } else { Status::Running };
    let state = hook::state_file(&record.state(status).to_string());
    let state = state.map_err(|fault| entry.error("write the state of", fault))?;
    let mut failed = Vec::new();
    for (index, planned) in hooks.iter().enumerate() {
        if let Err(fault) = hook::run(&PreparedHook::new(planned), state.as_fd(), None) {
            let fault = fault.detail((index as u32) << 16 | fault.detail);
            let (act, text) = (format!("run {} hooks", kind.name()), hook::path_of(&hooks, &fault));
            failed.push(Error::acted(act, fault, text, kind.place()));
            if kind == HookKind::Poststart {
                break;
            }
        }
    }
    Ok(failed)
}
