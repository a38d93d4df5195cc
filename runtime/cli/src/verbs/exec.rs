//! `tare exec`

use super::create::write_pid;
use crate::arguments::Arguments;
use crate::log::Log;
use crate::state_directory;
use tare_engine::exec::{Paused, ProcessSource, Request, prepare};
use tare_engine::run::{hold_signals, wait_for};
use tare_engine::{Error, Result, self_exe};
use tare_plan::context::Detach;
use tare_plan::exec::Overrides;
use tare_plan::spec::{Gid, Uid};
use tare_plan::tables::capabilities::{Capability, CapabilitySet};

/// Executes a program in a container and, unless detached, waits for its end and returns its exit code.
pub(crate) fn exec(arguments: &Arguments, log: &mut Log) -> Result<u8> {
    self_exe::protect()?;
    let detach = if arguments.is_set("detach") { Detach::Yes } else { Detach::No };
    if detach == Detach::No {
        hold_signals();
    }
    let subgroups = arguments.values("cgroup");
    let request = Request {
        source: source(arguments)?,
        subgroups: &subgroups,
        console_socket: arguments.value("console-socket"),
        pidfd_socket: arguments.value("pidfd-socket"),
        preserve_fds: arguments.number("preserve-fds")?.unwrap_or(0),
        paused: if arguments.is_set("ignore-paused") { Paused::Waits } else { Paused::Refused },
        detach,
    };
    let store = state_directory::open(arguments);
    let prepared = prepare(&store, arguments.id(), request, &mut |warning| log.warn(warning))?;
    if log.is_debug() {
        prepared.plan().to_string().lines().for_each(|line| log.debug(line.trim()));
    }
    let executed = prepared.execute()?;
    if let Err(error) = write_pid(arguments, &executed) {
        executed.abandon();
        return Err(error);
    }
    match detach {
        Detach::Yes => Ok(0),
        Detach::No => wait_for(executed).map(|code| u8::try_from(code).unwrap_or(u8::MAX)),
    }
}

/// The process: from a document, or the container's own with the options applied.
fn source(arguments: &Arguments) -> Result<ProcessSource> {
    if let Some(path) = arguments.value("process") {
        let read = std::fs::read(path);
        return read
            .map(ProcessSource::Document)
            .map_err(|error| Error::Usage(format!("cannot read the process {path}: {error}")));
    }
    let (user, group) = arguments.value("user").map(user).transpose()?.unwrap_or_default();
    let given = |long| arguments.value(long).filter(|text| !text.is_empty()).map(str::to_owned);
    let overrides = Overrides {
        args: arguments.operands.get(1..).unwrap_or_default().to_vec(),
        cwd: given("cwd"),
        env: arguments.values("env"),
        user,
        group,
        additional_gids: groups(&arguments.values("additional-gids"))?,
        terminal: arguments.is_set("tty"),
        no_new_privileges: arguments.value("no-new-privs").map(|value| value != "false"),
        apparmor_profile: given("apparmor"),
        selinux_label: given("process-label"),
        capabilities: capabilities(&arguments.values("cap"))?,
    };
    Ok(ProcessSource::Options(Box::new(overrides)))
}

/// Parses `UID` or `UID:GID`. Names are not looked up: that is the engine's work, in its image.
fn user(text: &str) -> Result<(Option<Uid>, Option<Gid>)> {
    let wrong = || Error::Usage(format!("invalid --user {text:?}: expected UID or UID:GID, as numbers"));
    let (user, group) = match text.split_once(':') {
        Some((user, group)) => (user, Some(group)),
        None => (text, None),
    };
    let uid = user.parse().ok().and_then(Uid::new).ok_or_else(wrong)?;
    let gid = group.map(|group| group.parse().ok().and_then(Gid::new).ok_or_else(wrong)).transpose()?;
    Ok((Some(uid), gid))
}

fn groups(given: &[String]) -> Result<Vec<Gid>> {
    let wrong = |text: &str| Error::Usage(format!("invalid --additional-gids {text:?}: expected a number"));
    given.iter().map(|text| text.parse().ok().and_then(Gid::new).ok_or_else(|| wrong(text))).collect()
}

fn capabilities(given: &[String]) -> Result<CapabilitySet> {
    let wrong = |name: &str| Error::Usage(format!("invalid --cap {name:?}: no capability has this name"));
    given.iter().map(|name| Capability::parse(name).ok_or_else(|| wrong(name))).collect()
}
