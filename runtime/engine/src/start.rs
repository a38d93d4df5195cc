//! The verb `start` (runtime.md, "Start").

use crate::bundle;
use crate::channel::{self, Failure};
use crate::error::{Error, FailedStep, Result};
use crate::fault::{Call, During, Fault};
use crate::hook::{self, PreparedHook};
use crate::record::Record;
use crate::socket::connect_datagram;
use crate::state::status;
use crate::store::{Entry, Store};
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{MemfdFlags, memfd_create};
use tare_plan::create::late_hooks;
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
        Status::Created => release(&entry, &record),
        status => Err(Error::State { verb: "start", id: id.to_owned(), status }),
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
    run_hooks(entry, record, HookKind::Poststart)
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
    let step = |act: &str, because| {
        Error::Step(Box::new(FailedStep { act: act.to_owned(), fault, text: String::new(), because }))
    };
    match fault.call {
        Call::Execute => Error::Program { name: program(entry), errno: fault.errno },
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

/// Runs the hooks that follow the container's start or deletion.
pub(crate) fn run_hooks(entry: &Entry, record: &Record, kind: HookKind) -> Result<()> {
    if !record.late_hooks {
        return Ok(());
    }
    let config = bundle::check(&entry.config()?)?;
    let hooks: Vec<_> =
        late_hooks(&config, kind).map_err(Error::Config)?.iter().map(PreparedHook::new).collect();
    let status = if kind == HookKind::Poststop { Status::Stopped } else { Status::Running };
    let ran = state_file(&record.state(status).to_string())
        .and_then(|state| hook::run_all(&hooks, state.as_fd(), None));
    ran.map_err(|fault| {
        let (act, because) = (format!("run {} hooks", kind.name()), kind.place());
        Error::Step(Box::new(FailedStep { act, fault, text: String::new(), because }))
    })
}

/// The state as a file in memory.
fn state_file(text: &str) -> std::result::Result<OwnedFd, Fault> {
    let file = memfd_create(c"state", MemfdFlags::CLOEXEC).during(Call::MakeFile)?;
    rustix::io::write(&file, text.as_bytes()).during(Call::Write)?;
    Ok(file)
}
