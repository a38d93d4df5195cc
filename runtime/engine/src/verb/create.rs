//! The verb `create` (runtime.md, "Create").

use crate::cgroup::freezer;
use crate::cgroup::resctrl;
use crate::cgroup::{self, Cgroup};
pub use crate::container::bundle::{Bundle, read};
use crate::container::record::Record;
use crate::container::store::{Entry, Store};
use crate::error::{Error, Result};
use crate::parent::activation::Activation;
use crate::parent::{self, Created};
use crate::probe;
use std::ffi::CString;
use tare_plan::context::{self, CgroupManager, Detach, Request};
use tare_plan::footprint::footprint;
use tare_plan::host::Host;
use tare_plan::plan::Plan;
use tare_plan::spec::{Mistake, Spec};
use tare_plan::step::Unit;

/// What a caller hears while a container is created.
pub trait Observer {
    /// Takes a warning about the configuration.
    fn warn(&mut self, warning: &Mistake);
    /// Takes the plan, before any of it is carried out.
    fn plan(&mut self, plan: &Plan);
}

/// A container to create.
#[derive(Clone, Copy)]
pub struct Creation<'a> {
    /// Its bundle.
    pub bundle: &'a Bundle,
    /// The caller's options.
    pub request: &'a Request<'a>,
    /// Whether the caller leaves when the container exists.
    pub detach: Detach,
}

/// Creates a container. It exists and waits when this returns. On an error nothing is left of it.
///
/// # Errors
/// An id that is invalid or taken, mistakes in the configuration, a terminal without a console socket or the reverse, the
/// step that failed.
pub fn create(store: &Store, creation: Creation<'_>, observer: &mut dyn Observer) -> Result<Created> {
    store.check_free(creation.request.id)?;
    check_terminal(creation)?;
    let activation = Activation::of_environment();
    if activation.variables.is_empty() {
        return create_with(&activation, store, creation, observer);
    }
    let Creation { bundle, request, .. } = creation;
    let mounts = activation.notifies.then(|| Activation::mount(&store.notify_directory(request.id)));
    let bundle = bundle.extended(&activation.variables, mounts.as_slice())?;
    let preserve_fds = request.preserve_fds.saturating_add(activation.sockets);
    let request = Request { preserve_fds, ..request.clone() };
    create_with(&activation, store, Creation { bundle: &bundle, request: &request, ..creation }, observer)
}

/// Checks that there is a console socket exactly where a detached process has a terminal.
pub(crate) fn check_terminal(creation: Creation<'_>) -> Result<()> {
    let Creation { bundle, request, detach } = creation;
    let Some(process) = &bundle.config.process else { return Ok(()) };
    let checked = context::check_terminal(process, detach, request.console_socket);
    checked.map_err(|what| Error::Usage(what.to_owned()))
}

fn create_with(
    activation: &Activation,
    store: &Store,
    creation: Creation<'_>,
    observer: &mut dyn Observer,
) -> Result<Created> {
    let Creation { bundle, request, .. } = creation;
    crate::parent::inherited::check(request.preserve_fds)?;
    bundle.config.warnings().iter().for_each(|warning| observer.warn(warning));
    let host = host(request)?;
    let plan = plan(bundle, &host, request)?;
    plan.warnings.iter().for_each(|warning| observer.warn(warning));
    observer.plan(&plan);
    let entry = store.reserve(request.id)?;
    if activation.notifies {
        entry.make_notify_directory()?;
    }
    let record = record(bundle, &host, request);
    make(bundle, &plan, record, entry)
}

/// The facts of the host, for this request. With `--cgroup-manager=disabled` there is no hierarchy to create a cgroup in, and
/// only `--systemd-cgroup` asks systemd for its facts.
///
/// # Errors
/// When the privileges of this process cannot be read, and when systemd is asked for and does not answer.
pub fn host(request: &Request<'_>) -> Result<Host> {
    let mut host = probe::host()?;
    match request.cgroup_manager {
        CgroupManager::Cgroupfs => {}
        CgroupManager::Disabled => host.hierarchies.clear(),
        CgroupManager::Systemd => probe::add_systemd(&mut host)?,
    }
    Ok(host)
}

/// Creates the container of `record`, by the plan of its bundle. The record is written before anything is made.
///
/// # Errors
/// An existing cgroup that is frozen; the failed step. Nothing is left then.
pub fn make(bundle: &Bundle, plan: &Plan, record: Record, entry: Entry) -> Result<Created> {
    begin(bundle, &record, &entry)?;
    parent::carry_out(plan, record, entry)
}

/// Writes the record. In a frozen cgroup no process would run, so that is refused first.
pub(crate) fn begin(bundle: &Bundle, record: &Record, entry: &Entry) -> Result<()> {
    if freezer::is_frozen(&record.found) {
        return Err(Error::Frozen);
    }
    entry.begin(record)?;
    entry.keep_config(&bundle.bytes)
}

/// Plans the creation of a container and changes nothing.
///
/// # Errors
/// Everything in the configuration that cannot be done.
pub fn plan(bundle: &Bundle, host: &Host, request: &Request<'_>) -> Result<Plan> {
    tare_plan::create::create(&bundle.config, host, request).map_err(Error::Config)
}

/// The record that is written before anything is made.
pub fn record(bundle: &Bundle, host: &Host, request: &Request<'_>) -> Record {
    let spec: &Spec = &bundle.config;
    let footprint = footprint(spec, host, request);
    let cgroups = footprint.cgroup.as_deref().map(|path| cgroups(host, path)).unwrap_or_default();
    let found: Vec<Cgroup> = cgroups.iter().filter(|cgroup| is_found(cgroup)).cloned().collect();
    // A slice that existed before the container is not stopped with it.
    let stays = |unit: &Unit| unit.name.ends_with(".slice") && !found.is_empty();
    let unit = footprint.unit.filter(|unit| !stays(unit));
    // Nor is a resctrl group that existed before it removed with it.
    let groups = footprint.resctrl_groups.into_iter().filter(|group| !resctrl::exists(group));
    Record {
        id: request.id.to_owned(),
        bundle: bundle.path.clone(),
        rootfs: footprint.rootfs,
        oci_version: spec.oci_version.clone(),
        annotations: spec.annotations.clone(),
        owner: rustix::process::geteuid().as_raw(),
        created: String::new(),
        init: None,
        cgroups,
        found,
        unit,
        pid_namespace: footprint.pid_namespace,
        keyring: request.keyring,
        exit: None,
        resctrl: groups.collect(),
        late_hooks: footprint.has_late_hooks,
    }
}

/// The directories that the container will have. The v2 one comes first: all of the container is killed through it.
fn cgroups(host: &Host, path: &str) -> Vec<Cgroup> {
    let directory = |mount: &str| Cgroup { mount: mount.to_owned(), path: path.to_owned() };
    host.hierarchies.iter().rev().map(|hierarchy| directory(&hierarchy.mount)).collect()
}

fn is_found(cgroup: &Cgroup) -> bool {
    CString::new(cgroup.mount.as_str()).is_ok_and(|mount| cgroup::exists(&mount, &cgroup.path))
}
