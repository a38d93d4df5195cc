//! `tare checkpoint` and `tare restore`

use super::create::{open_bundle, publish_pid, request};
use crate::arguments::Arguments;
use crate::log::Log;
use crate::state_directory;
use tare_engine::checkpoint::{AfterDump, CheckpointOptions, CriuOptions, page_server};
use tare_engine::run::{AfterEnd, adopt_orphans, hold_signals, wait_for_restored};
use tare_engine::{Error, Result, restore as engine};
use tare_plan::context::Detach;

/// The default directory of image files.
const IMAGES: &str = "checkpoint";

/// Writes a container's processes to image files.
pub(crate) fn checkpoint(arguments: &Arguments, log: &mut Log) -> Result<u8> {
    let leaves = arguments.is_set("leave-running");
    let options = CheckpointOptions {
        criu: criu_options(arguments)?,
        after: if leaves { AfterDump::LeaveRunning } else { AfterDump::Delete },
        pre_dump: arguments.is_set("pre-dump"),
        parent: arguments.value("parent-path").filter(|path| !path.is_empty()).map(str::to_owned),
        page_server: arguments.value("page-server").map(page_server).transpose()?,
        status_fd: arguments.number("status-fd")?,
        tcp_skip_in_flight: arguments.is_set("tcp-skip-in-flight"),
        link_remap: arguments.is_set("link-remap"),
    };
    let store = state_directory::open(arguments);
    let warn = &mut |warning: &Error| log.warn(warning);
    tare_engine::checkpoint::checkpoint(&store, arguments.id(), &options, warn).map(|()| 0)
}

/// Restores a container from image files and, unless detached, waits for its end and returns its exit code.
pub(crate) fn restore(arguments: &Arguments, log: &mut Log) -> Result<u8> {
    let detach = if arguments.is_set("detach") { Detach::Yes } else { Detach::No };
    if detach == Detach::No {
        hold_signals();
        if !arguments.is_set("no-subreaper") {
            adopt_orphans()?;
        }
    }
    let bundle = open_bundle(arguments)?;
    let request = request(arguments, &bundle)?;
    let given = |long| arguments.value(long).map(str::to_owned);
    let options = engine::RestoreOptions {
        criu: criu_options(arguments)?,
        request,
        detach,
        tcp_close: arguments.is_set("tcp-close"),
        lsm_profile: given("lsm-profile"),
        lsm_mount_context: given("lsm-mount-context"),
    };
    let restored = engine::restore(&state_directory::open(arguments), &bundle, &options)?;
    let restored = publish_pid(arguments, restored, log)?;
    match detach {
        Detach::Yes => Ok(0),
        Detach::No => {
            let code = wait_for_restored(restored, AfterEnd::Delete, &mut |warning| log.warn(warning))?;
            Ok(u8::try_from(code).unwrap_or(u8::MAX))
        }
    }
}

fn criu_options(arguments: &Arguments) -> Result<CriuOptions> {
    let given = |long| arguments.value(long).filter(|text| !text.is_empty()).map(str::to_owned);
    let empty_network = match arguments.value("empty-ns") {
        None => false,
        Some("network") => true,
        Some(other) => {
            return Err(Error::Usage(format!(
                "namespace {other:?} is not supported by --empty-ns: expected network"
            )));
        }
    };
    Ok(CriuOptions {
        program: arguments.global("criu").map(str::to_owned),
        images: given("image-path").unwrap_or_else(|| IMAGES.to_owned()),
        work: given("work-path"),
        tcp_established: arguments.is_set("tcp-established"),
        external_unix_sockets: arguments.is_set("ext-unix-sk"),
        shell_job: arguments.is_set("shell-job"),
        file_locks: arguments.is_set("file-locks"),
        cgroups_mode: given("manage-cgroups-mode"),
        empty_network,
        auto_dedup: arguments.is_set("auto-dedup"),
        lazy_pages: arguments.is_set("lazy-pages"),
    })
}
