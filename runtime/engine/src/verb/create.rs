//! The verb `create` (runtime.md, "Create").

use crate::cgroup::freezer;
use crate::cgroup::resctrl;
use crate::cgroup::{self, Cgroup};
pub use crate::container::bundle::{Bundle, read};
use crate::container::record::{Pids, Record};
use crate::container::store::{Entry, Store};
use crate::error::{Error, Result};
use crate::parent::activation::Activation;
use crate::parent::{self, Created};
use crate::probe;
use std::ffi::CString;
use tare_plan::context::{CgroupManager, Request};
use tare_plan::footprint::{PidNamespace, footprint};
use tare_plan::host::Host;
use tare_plan::plan::Plan;
use tare_plan::spec::{Mistake, Spec};
use tare_plan::step::Unit;

/// Creates a container from a bundle. It exists, and waits, when this returns; on an error nothing is left of it.
///
/// `warn` is told what is odd without being wrong.
///
/// # Errors
/// Mistakes in the configuration, an id that is taken, or the step that failed.
pub fn create(
    store: &Store,
    bundle: &Bundle,
    request: &Request<'_>,
    warn: &mut dyn FnMut(&Mistake),
) -> Result<Created> {
    let activation = Activation::of_environment();
    if activation.variables.is_empty() {
        return create_with(&activation, store, (bundle, request), warn);
    }
    let mounts = activation.notifies.then(|| Activation::mount(&store.notify_directory(request.id)));
    let bundle = bundle.extended(&activation.variables, mounts.as_slice())?;
    let preserve_fds = request.preserve_fds.saturating_add(activation.sockets);
    create_with(&activation, store, (&bundle, &Request { preserve_fds, ..request.clone() }), warn)
}

fn create_with(
    activation: &Activation,
    store: &Store,
    (bundle, request): (&Bundle, &Request<'_>),
    warn: &mut dyn FnMut(&Mistake),
) -> Result<Created> {
    crate::parent::inherited::check(request.preserve_fds)?;
    let host = host(request)?;
    let plan = plan(bundle, &host, request)?;
    bundle.config.warnings().iter().chain(&plan.warnings).for_each(&mut *warn);
    let entry = store.reserve(request.id)?;
    if activation.notifies {
        entry.make_notify_directory()?;
    }
    let record = record(bundle, &host, request);
    make(bundle, &plan, record, entry)
}

/// The facts of the host as this request may use them: whose cgroups nobody makes has no hierarchies to make any in, and only who
/// wants units has a systemd.
///
/// # Errors
/// When the kernel does not say what this process may do; when there is no systemd, where it is wanted.
pub fn host(request: &Request<'_>) -> Result<Host> {
    let mut host = probe::host()?;
    match request.cgroup_manager {
        CgroupManager::Cgroupfs => {}
        CgroupManager::Disabled => host.hierarchies.clear(),
        CgroupManager::Systemd => probe::add_systemd(&mut host)?,
    }
    Ok(host)
}

/// Makes the container that `record` describes, by a plan of its bundle. The record is written before anything is made.
///
/// # Errors
/// A cgroup that was there before and is frozen; the step that failed. Nothing is left then.
pub fn make(bundle: &Bundle, plan: &Plan, record: Record, entry: Entry) -> Result<Created> {
    begin(bundle, &record, &entry)?;
    parent::carry_out(plan, record, entry)
}

/// Writes down what there will be to undo. In a cgroup that is frozen nothing could be made.
pub(crate) fn begin(bundle: &Bundle, record: &Record, entry: &Entry) -> Result<()> {
    if freezer::is_frozen(&record.found) {
        return Err(Error::Frozen);
    }
    entry.begin(record)?;
    entry.keep_config(&bundle.bytes)
}

/// Plans a container's creation without doing anything.
///
/// # Errors
/// Everything that can't be done of the configuration.
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
    let groups = footprint.resctrl_groups.into_iter().filter(|group| !resctrl::is_there(group));
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
        pids: match footprint.pid_namespace {
            PidNamespace::Own => Pids::Own,
            PidNamespace::Shared => Pids::Shared,
        },
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
    CString::new(cgroup.mount.as_str()).is_ok_and(|mount| cgroup::is_there(&mount, &cgroup.path))
}
