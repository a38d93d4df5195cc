//! The verb `checkpoint`: a container's processes as files, by criu.

use crate::container::record::Record;
use crate::container::status::status;
use crate::container::store::{Entry, Store};
use crate::criu::images::{self, Missing};
use crate::criu::message::{Features, Kind, Options, Request};
use crate::criu::options::Directories;
pub use crate::criu::options::{Common, page_server};
use crate::criu::{Service, options, success};
use crate::error::{Error, Result};
use crate::mounts::inside::open_host;
use crate::probe;
use crate::verb::delete::destroy;
use rustix::fd::{AsFd, AsRawFd};
use rustix::fs::OFlags;
use std::ffi::CString;
use std::path::Path;
use tare_plan::criu::{ExternalNamespace, Externals, externals};
use tare_plan::spec::Checked;
use tare_plan::step::Status;

/// What becomes of the container when it has been dumped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Afterwards {
    /// It ends and is deleted.
    Deleted,
    /// It goes on (`--leave-running`).
    Running,
}

/// What is asked of `checkpoint`.
#[derive(Debug)]
pub struct Asked {
    /// What both verbs take.
    pub common: Common,
    /// What becomes of it.
    pub afterwards: Afterwards,
    /// Only its memory is dumped, for a later dump to build on, and it goes on.
    pub pre_dump: bool,
    /// The directory of an earlier dump, relative to that of the images.
    pub parent: Option<String>,
    /// Who takes the pages: an address and a port.
    pub page_server: Option<(String, i32)>,
    /// The number of the descriptor on which criu says that it is ready to serve pages.
    pub status_fd: Option<i32>,
    /// Packets that are under way are left to be sent again.
    pub tcp_skip_in_flight: bool,
    /// Files that are open and have no name get one.
    pub link_remap: bool,
}

/// Dumps a container that runs or is paused.
///
/// # Errors
/// When there is no such container, when it does not run, when criu is missing or too old, and what criu itself says; the
/// container goes on then.
pub fn checkpoint(store: &Store, id: &str, asked: &Asked, warn: &mut dyn FnMut(&Error)) -> Result<()> {
    let entry = store.open(id)?;
    let record = entry.record()?;
    let status = status(&entry, &record);
    if !matches!(status, Status::Running | Status::Paused) {
        return Err(Error::State { verb: "checkpoint", id: id.to_owned(), status });
    }
    let config = crate::container::bundle::check(&entry.config()?)?;
    dump(&entry, &record, &config, asked)?;
    if asked.pre_dump || asked.afterwards == Afterwards::Running {
        return Ok(());
    }
    destroy(entry, &record, warn)
}

fn dump(entry: &Entry, record: &Record, config: &Checked, asked: &Asked) -> Result<()> {
    let common = &asked.common;
    check_parent(&common.images, asked.parent.as_deref())?;
    let images = images::open(&common.images, Missing::Made)?;
    let work_path = common.work.as_deref().unwrap_or(&common.images);
    let work = images::open(work_path, Missing::Made)?;
    let pid = record.init.as_ref().map_or(0, |init| init.pid);
    // The descriptor for the status has been inherited from the caller, and is handed on as it came.
    let mut service = Service::start(common.criu.as_deref(), &[])?;
    service.check_version()?;
    service.check_features(&Features {
        memory_tracking: asked.pre_dump.then_some(true),
        lazy_pages: common.lazy_pages.then_some(true),
    })?;
    let externals = externals(config, &probe::host()?, entry.id(), "");
    let directories = Directories { images: images.as_raw_fd(), work: work.as_raw_fd() };
    let options = options::common(common, &externals, directories)?;
    let (kind, what) = if asked.pre_dump { (Kind::PreDump, "PRE_DUMP") } else { (Kind::Dump, "DUMP") };
    let options = own_options(options, record, &externals, asked);
    let request = Request { kind: kind.into(), options: Some(options), ..Request::default() };
    images::keep_descriptors(&common.images, pid)?;
    let response = service.serve(&request, &mut |_, _| Ok(()))?;
    success(response, what, &format!("{work_path}/dump.log")).map(drop)
}

/// The options that only a dump has.
fn own_options(options: Options, record: &Record, externals: &Externals, asked: &Asked) -> Options {
    let init = record.init.as_ref().map(|init| init.pid);
    let mounts = match init {
        Some(pid) if !asked.pre_dump => {
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
        leave_running: Some(asked.afterwards == Afterwards::Running),
        parent_images: asked.parent.clone(),
        track_memory: (asked.pre_dump || asked.parent.is_some()).then_some(true),
        page_server: asked.page_server.clone().map(options::page_server_message),
        status: asked.status_fd,
        tcp_skip_in_flight: Some(asked.tcp_skip_in_flight),
        link_remap: Some(asked.link_remap),
        external_mounts: mounts,
        external,
        freezer: freezer.map(|cgroup| format!("{}/{}", cgroup.mount, cgroup.path)),
        ..options
    }
}

/// The number by which criu knows a namespace.
fn inode(path: &str) -> u64 {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata(path).map_or(0, |file| file.ino())
}

/// An earlier dump is found from the images' own directory, so that both can be moved together.
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
    fn the_path_of_an_earlier_dump_is_relative_and_there() {
        assert!(check_parent("/tmp", None).is_ok());
        assert!(check_parent("/tmp", Some("../tmp")).is_ok());
        for wrong in ["/tmp", "no-such-directory"] {
            assert!(check_parent("/tmp", Some(wrong)).unwrap_err().to_string().contains("--parent-path"));
        }
    }
}
