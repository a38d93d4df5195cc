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
use tare_plan::host::Host;
use tare_plan::plan::Plan;
use tare_plan::spec::{Mistake, Namespace, NamespaceKind, Spec};
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

/// What is written down before anything is made.
pub fn record(bundle: &Bundle, host: &Host, request: &Request<'_>) -> Record {
    let spec: &Spec = &bundle.config;
    let cgroups = cgroups(spec, host, request.id);
    let found: Vec<Cgroup> = cgroups.iter().filter(|cgroup| is_found(cgroup)).cloned().collect();
    // A slice that was there before it is not the container's to stop.
    let stays = |unit: &Unit| unit.name.ends_with(".slice") && !found.is_empty();
    let unit = tare_plan::unit_of(spec, host, request.id).filter(|unit| !stays(unit));
    let root = spec.root.as_ref().map_or("rootfs", |root| root.path.as_str());
    Record {
        id: request.id.to_owned(),
        bundle: bundle.path.clone(),
        rootfs: if root.starts_with('/') { root.to_owned() } else { format!("{}/{root}", bundle.path) },
        oci_version: spec.oci_version.clone(),
        annotations: spec.annotations.clone(),
        owner: rustix::process::geteuid().as_raw(),
        created: String::new(),
        init: None,
        cgroups,
        found,
        unit,
        pids: pids(spec),
        keyring: request.keyring,
        exit: None,
        resctrl: groups(spec, host, request.id),
        late_hooks: !spec.hooks.poststart.is_empty() || !spec.hooks.poststop.is_empty(),
    }
}

fn pids(spec: &Spec) -> Pids {
    let own = |namespace: &Namespace| {
        namespace.kind == NamespaceKind::Pid && namespace.path.as_deref().unwrap_or("").is_empty()
    };
    if spec.linux.namespaces.iter().any(own) { Pids::Own } else { Pids::Shared }
}

/// The directories that the container will have. The unified one comes first: by it all of the container is killed at once.
fn cgroups(spec: &Spec, host: &Host, id: &str) -> Vec<Cgroup> {
    let Some(path) = tare_plan::cgroup_path(spec, host, id) else { return Vec::new() };
    host.hierarchies
        .iter()
        .map(|hierarchy| Cgroup { mount: hierarchy.mount.clone(), path: path.clone() })
        .rev()
        .collect()
}

/// The groups of resctrl that are the container's own: those that were there before it stay.
fn groups(spec: &Spec, host: &Host, id: &str) -> Vec<String> {
    let own = tare_plan::resctrl::own_groups(spec, host, id).into_iter();
    own.filter(|group| !resctrl::is_there(group)).collect()
}

fn is_found(cgroup: &Cgroup) -> bool {
    CString::new(cgroup.mount.as_str()).is_ok_and(|mount| cgroup::is_there(&mount, &cgroup.path))
}
