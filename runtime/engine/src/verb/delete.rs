//! The verb `delete` (runtime.md, "Delete").

use crate::cgroup::resctrl;
use crate::cgroup::{self, Cgroup};
use crate::container::hooks::run_hooks;
use crate::container::record::Record;
use crate::container::status::status;
use crate::container::stop::stop;
use crate::container::store::{Entry, Store};
use crate::error::{Error, Result};
use crate::parent::Created;
use crate::systemd::unit;
use rustix::fd::AsFd;
use rustix::process::{Signal, WaitId, WaitIdOptions, pidfd_send_signal, waitid};
use tare_plan::place::Place;
use tare_plan::step::{HookKind, Status};

/// The containers that `delete` may delete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Force {
    /// Stopped and created ones, which run no program.
    Stopped,
    /// All (`--force`). A missing container is no error then.
    Any,
}

/// Deletes a container: kills its remaining processes, removes what `create` has made, and runs its poststop hooks.
///
/// An interrupted `delete` can be repeated.
///
/// # Errors
/// When the container does not exist or runs, or when a part of it can't be removed. A failed poststop hook is a warning.
pub fn delete(store: &Store, id: &str, force: Force, warn: &mut dyn FnMut(&Error)) -> Result<()> {
    let entry = match store.open(id) {
        Err(Error::NotFound(_)) if force == Force::Any => return Ok(()),
        answer => answer?,
    };
    let record = match entry.record() {
        Err(newer @ Error::NewerRecord { .. }) => return Err(newer),
        Err(_) => return delete_unrecorded(entry, force),
        Ok(record) => record,
    };
    let status = status(&entry, &record);
    if force == Force::Stopped && matches!(status, Status::Running | Status::Paused) {
        return Err(Error::State { verb: "delete", id: id.to_owned(), status });
    }
    destroy(entry, &record, warn)
}

/// Deletes a new container whose parent is this process.
///
/// # Errors
/// As [`delete`].
pub fn discard(created: Created, warn: &mut dyn FnMut(&Error)) -> Result<()> {
    let Created { entry, record, init, terminal } = created;
    drop(terminal);
    // The parent has to reap init: a zombie would keep the cgroup busy. A SIGKILL ends the wait. Both fail if init is reaped.
    let _killed = pidfd_send_signal(&init.pidfd, Signal::KILL);
    let _reaped = waitid(WaitId::PidFd(init.pidfd.as_fd()), WaitIdOptions::EXITED);
    destroy(entry, &record, warn)
}

/// Undoes `create`, and removes the state directory last.
pub(crate) fn destroy(mut entry: Entry, record: &Record, warn: &mut dyn FnMut(&Error)) -> Result<()> {
    stop(&entry, record)?;
    cgroup::destroy(&record.own_cgroups()).map_err(|fault| entry.error("remove the cgroup of", fault))?;
    if let Some(unit) = record.own_unit() {
        // systemd notices the removed cgroup and stops the unit by itself, but a failed unit would keep its name.
        let stopped = unit::stop(unit);
        stopped.unwrap_or_else(|refusal| warn(&unit::refused("stop", unit, refusal, Place::DEFAULT)));
    }
    let groups = record.resctrl.iter().try_for_each(|group| resctrl::remove(group));
    groups.map_err(|fault| entry.error("remove the resctrl group of", fault))?;
    if record.init.is_some() {
        run_hooks(&entry, record, HookKind::Poststop).iter().for_each(&mut *warn);
    }
    entry.remove()
}

/// Deletes a container without a readable record.
///
/// Either `create` was killed before it wrote the record, and so before it changed anything, or the record is damaged. For the second
/// case the name of the cgroup is in a symbolic link.
fn delete_unrecorded(mut entry: Entry, force: Force) -> Result<()> {
    if force == Force::Stopped {
        return Err(Error::Damaged(entry.id().to_owned()));
    }
    if let Some(path) = entry.cgroup() {
        let hierarchies = crate::probe::host()?.hierarchies.into_iter().rev();
        let cgroups: Vec<Cgroup> =
            hierarchies.map(|hierarchy| Cgroup { mount: hierarchy.mount, path: path.clone() }).collect();
        cgroup::destroy(&cgroups).map_err(|fault| entry.error("remove the cgroup of", fault))?;
    }
    entry.remove()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Child, Command};

    /// A cgroup with a process of another program.
    struct ForeignProcess {
        cgroup: Cgroup,
        process: Child,
    }

    impl ForeignProcess {
        fn new(name: &str) -> Self {
            let mount = crate::probe::host().unwrap().hierarchies[0].mount.clone();
            let cgroup = Cgroup { mount, path: name.to_owned() };
            let directory = format!("{}/{}", cgroup.mount, cgroup.path);
            std::fs::create_dir(&directory).unwrap();
            let process = Command::new("sleep").arg("60").spawn().unwrap();
            std::fs::write(format!("{directory}/cgroup.procs"), process.id().to_string()).unwrap();
            Self { cgroup, process }
        }
    }

    impl Drop for ForeignProcess {
        fn drop(&mut self) {
            let _ = self.process.kill();
            let _ = self.process.wait();
            let _ = cgroup::destroy(std::slice::from_ref(&self.cgroup));
        }
    }

    #[test]
    fn an_unfinished_container_does_not_kill_foreign_processes() {
        if !rustix::process::geteuid().is_root() {
            test_report::skip!("it needs root");
        }
        let name = format!("tare-foreign-{}", std::process::id());
        let mut foreign = ForeignProcess::new(&name);
        let root = std::env::temp_dir().join(&name);
        let store = Store::new(root.to_string_lossy());
        let mut entry = store.reserve("half").unwrap();
        let cgroups = vec![foreign.cgroup.clone()];
        entry
            .begin(&Record {
                id: "half".to_owned(),
                bundle: "/b".to_owned(),
                rootfs: "/b/rootfs".to_owned(),
                oci_version: "1.3.0".to_owned(),
                annotations: std::collections::BTreeMap::new(),
                owner: 0,
                created: String::new(),
                init: None,
                cgroups: cgroups.clone(),
                found: cgroups,
                unit: None,
                pid_namespace: tare_plan::footprint::PidNamespace::Own,
                keyring: tare_plan::context::Keyring::New,
                exit: None,
                resctrl: Vec::new(),
                late_hooks: false,
            })
            .unwrap();
        entry.keep();
        drop(entry);
        delete(&store, "half", Force::Any, &mut |_| ()).unwrap();
        assert!(foreign.process.try_wait().unwrap().is_none(), "the foreign process was killed");
        std::fs::remove_dir(root).unwrap();
    }
}
