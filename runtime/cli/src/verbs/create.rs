//! `tare create`

use crate::arguments::Arguments;
use crate::log::Log;
use crate::state_directory;
use std::path::Path;
use tare_engine::create::{Bundle, Creation};
use tare_engine::parent::Created;
use tare_engine::{Error, Result, self_exe};
use tare_plan::context::Detach;
use tare_plan::context::{CgroupManager, Keyring, Request};
use tare_plan::step::EnterRoot;

/// Creates a container that waits for `start`.
pub(crate) fn create(arguments: &Arguments, log: &mut Log) -> Result<u8> {
    self_exe::protect()?;
    let created = make(arguments, log, Detach::Yes)?;
    publish_pid(arguments, created, log).map(|_created| 0)
}

/// Creates the container of `create` or `run`.
pub(crate) fn make(arguments: &Arguments, log: &mut Log, detach: Detach) -> Result<Created> {
    let bundle = open_bundle(arguments)?;
    let request = request(arguments, &bundle)?;
    let creation = Creation { bundle: &bundle, request: &request, detach };
    tare_engine::create::create(&state_directory::open(arguments), creation, log)
}

/// Reads the bundle of `--bundle`. Default: the current directory.
pub(crate) fn open_bundle(arguments: &Arguments) -> Result<Bundle> {
    Bundle::open(Path::new(arguments.value("bundle").unwrap_or(".")))
}

/// The request, from the options.
pub(crate) fn request<'text>(arguments: &'text Arguments, bundle: &'text Bundle) -> Result<Request<'text>> {
    let preserve_fds = arguments.number("preserve-fds")?.unwrap_or(0);
    Ok(Request {
        id: arguments.id(),
        bundle: &bundle.path,
        console_socket: arguments.value("console-socket"),
        pidfd_socket: arguments.value("pidfd-socket"),
        pivot: if arguments.is_set("no-pivot") { EnterRoot::Cover } else { EnterRoot::Pivot },
        keyring: if arguments.is_set("no-new-keyring") { Keyring::Inherited } else { Keyring::New },
        preserve_fds,
        cgroup_manager: cgroup_manager(arguments)?,
    })
}

/// The cgroup manager, from runc's option or from crun's.
pub(crate) fn cgroup_manager(arguments: &Arguments) -> Result<CgroupManager> {
    let systemd = arguments.is_global_set("systemd-cgroup");
    match arguments.global("cgroup-manager") {
        Some("systemd") => Ok(CgroupManager::Systemd),
        _ if systemd => Ok(CgroupManager::Systemd),
        None | Some("cgroupfs") => Ok(CgroupManager::Cgroupfs),
        Some("disabled") => Ok(CgroupManager::Disabled),
        Some(other) => {
            let expected = "expected cgroupfs, systemd or disabled";
            Err(Error::Usage(format!("invalid --cgroup-manager {other:?}: {expected}")))
        }
    }
}

/// Writes the pid of init to `--pid-file`. If that fails, the container is deleted.
pub(crate) fn publish_pid(arguments: &Arguments, created: Created, log: &mut Log) -> Result<Created> {
    match write_pid(arguments, &created) {
        Ok(()) => Ok(created),
        Err(error) => {
            tare_engine::delete::discard(created, &mut |warning| log.warn(warning))?;
            Err(error)
        }
    }
}

/// Writes the pid of a process to `--pid-file`: under another name first, so that a reader never sees half of it.
pub(crate) fn write_pid(arguments: &Arguments, created: &Created) -> Result<()> {
    let Some(path) = arguments.value("pid-file").map(Path::new) else { return Ok(()) };
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let next = path.with_file_name(format!(".{name}.{}", std::process::id()));
    let pid = created.init.pid.as_raw_nonzero().to_string();
    let written = std::fs::write(&next, pid).and_then(|()| std::fs::rename(&next, path));
    written.map_err(|error| {
        // The first error is the one to report.
        let _ = std::fs::remove_file(&next);
        Error::Usage(format!("cannot write the pid file {}: {error}", path.display()))
    })
}
