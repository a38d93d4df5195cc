//! The verb `checkpoint`: writes the processes of a container to image files, with criu.

use crate::container::record::Record;
use crate::container::status::status;
use crate::container::store::{Entry, Store};
use crate::criu::images::{self, Missing};
use crate::criu::message::{Features, Kind, Options, Request};
use crate::criu::options::Directories;
pub use crate::criu::options::{CriuOptions, PageServer, page_server};
use crate::criu::{Service, options, success};
use crate::error::{Error, Result};
use crate::mounts::root_dir::open_host;
use crate::probe;
use crate::verb::delete::destroy;
use rustix::fd::{AsFd, AsRawFd};
use rustix::fs::OFlags;
use std::ffi::CString;
use std::path::Path;
use tare_plan::criu::{ExternalNamespace, Externals, externals};
use tare_plan::spec::Checked;
use tare_plan::step::Status;

/// What to do with the container after the dump.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AfterDump {
    /// Kill and delete it.
    Delete,
    /// Leave it running (`--leave-running`).
    LeaveRunning,
}

/// The options of `checkpoint`.
#[derive(Debug)]
pub struct CheckpointOptions {
    /// The options that `restore` has too.
    pub criu: CriuOptions,
    /// What to do with the container.
    pub after: AfterDump,
    /// Dumps the memory only, as the base of a later dump, and leaves the container running.
    pub pre_dump: bool,
    /// The directory of an earlier dump, relative to that of the images.
    pub parent: Option<String>,
    /// The server that receives the memory pages.
    pub page_server: Option<PageServer>,
    /// The file descriptor on which criu reports that it is ready to serve pages.
    pub status_fd: Option<i32>,
    /// Skips TCP connections that are being established. The peer sends its packets again.
    pub tcp_skip_in_flight: bool,
    /// Creates temporary links to open files that have been deleted, so that they can be restored.
    pub link_remap: bool,
}

/// Dumps a running or paused container. `warn` receives the errors of poststop hooks.
///
/// # Errors
/// When the container does not exist or does not run, when criu is missing or too old, or when criu fails. The container keeps
/// running then.
pub fn checkpoint(
    store: &Store,
    id: &str,
    options: &CheckpointOptions,
    warn: &mut dyn FnMut(&Error),
) -> Result<()> {
    let entry = store.open(id)?;
    let record = entry.record()?;
    let status = status(&entry, &record);
    if !matches!(status, Status::Running | Status::Paused) {
        return Err(Error::State { verb: "checkpoint", id: id.to_owned(), status });
    }
    let config = crate::container::bundle::check(&entry.config()?)?;
    dump(&entry, &record, &config, options)?;
    if options.pre_dump || options.after == AfterDump::LeaveRunning {
        return Ok(());
    }
    destroy(entry, &record, warn)
}

/// Lets criu dump the processes of a container.
fn dump(entry: &Entry, record: &Record, config: &Checked, options: &CheckpointOptions) -> Result<()> {
    let given = &options.criu;
    check_parent(&given.images, options.parent.as_deref())?;
    let images = images::open(&given.images, Missing::Create)?;
    let work_path = given.work.as_deref().unwrap_or(&given.images);
    let work = images::open(work_path, Missing::Create)?;
    let pid = record.init.as_ref().map_or(0, |init| init.pid);
    // The runtime has inherited the status descriptor from its caller without close-on-exec, and criu inherits it likewise.
    let mut service = Service::start(given.program.as_deref(), &[])?;
    service.check_version()?;
    service.check_features(&Features {
        memory_tracking: options.pre_dump.then_some(true),
        lazy_pages: given.lazy_pages.then_some(true),
    })?;
    let externals = externals(config, &probe::host()?, entry.id(), "");
    let directories = Directories { images: images.as_raw_fd(), work: work.as_raw_fd() };
    let shared = options::shared(given, &externals, directories)?;
    let (kind, what) = if options.pre_dump { (Kind::PreDump, "PRE_DUMP") } else { (Kind::Dump, "DUMP") };
    let all = dump_options(shared, record, &externals, options);
    let request = Request { kind: kind.into(), options: Some(all), ..Request::default() };
    images::keep_descriptors(&given.images, pid)?;
    let response = service.serve(&request, &mut |_, _| Ok(()))?;
    success(response, what, &format!("{work_path}/dump.log")).map(drop)
}

/// Adds the options of a dump to the shared ones.
fn dump_options(
    shared: Options,
    record: &Record,
    externals: &Externals,
    options: &CheckpointOptions,
) -> Options {
    let init = record.init.as_ref().map(|init| init.pid);
    let mounts = match init {
        Some(pid) if !options.pre_dump => {
            let mounted = std::fs::read_to_string(format!("/proc/{pid}/mountinfo")).unwrap_or_default();
            let root = CString::new(format!("/proc/{pid}/root")).unwrap_or_default();
            let root = open_host(&root, OFlags::PATH).ok();
            options::dumped_mounts(externals, root.as_ref().map(AsFd::as_fd), &mounted)
        }
        _ => Vec::new(),
    };
    let name = |one: &ExternalNamespace| format!("{}[{}]:{}", one.kind, inode(&one.path), one.name);
    let external: Vec<String> = externals.namespaces.iter().map(name).collect();
    let freezer = record.cgroups.iter().find(|cgroup| cgroup.has("freezer")).or(record.cgroups.first());
    Options {
        pid: init,
        log_file: Some("dump.log".to_owned()),
        root: Some(record.rootfs.clone()),
        leave_running: Some(options.after == AfterDump::LeaveRunning),
        parent_images: options.parent.clone(),
        track_memory: (options.pre_dump || options.parent.is_some()).then_some(true),
        page_server: options.page_server.clone().map(Into::into),
        status: options.status_fd,
        tcp_skip_in_flight: Some(options.tcp_skip_in_flight),
        link_remap: Some(options.link_remap),
        external_mounts: mounts,
        external,
        freezer: freezer.map(|cgroup| format!("{}/{}", cgroup.mount, cgroup.path)),
        ..shared
    }
}

/// The inode of a namespace, by which criu identifies it.
fn inode(path: &str) -> u64 {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata(path).map_or(0, |file| file.ino())
}

/// Checks the directory of an earlier dump. Its path is relative to the images, so that both can be moved together.
fn check_parent(images: &str, parent: Option<&str>) -> Result<()> {
    let Some(parent) = parent else { return Ok(()) };
    if parent.starts_with('/') {
        return Err(Error::Usage(format!(
            "invalid --parent-path {parent:?}: expected a path relative to --image-path"
        )));
    }
    if Path::new(images).join(parent).is_dir() {
        return Ok(());
    }
    Err(Error::Usage(format!("invalid --parent-path {parent:?}: there is no such directory below {images}")))
}

#[cfg(test)]
mod tests {
    use super::check_parent;

    #[test]
    fn the_path_of_an_earlier_dump_is_relative_and_exists() {
        assert!(check_parent("/tmp", None).is_ok());
        assert!(check_parent("/tmp", Some("../tmp")).is_ok());
        for wrong in ["/tmp", "no-such-directory"] {
            assert!(check_parent("/tmp", Some(wrong)).unwrap_err().to_string().contains("--parent-path"));
        }
    }
}
