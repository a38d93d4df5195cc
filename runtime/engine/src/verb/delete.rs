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

/// Which containers are deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Force {
    /// Those that run no program: stopped ones, and those that have not been started.
    Stopped,
    /// All; one that is not there needs no deletion.
    Any,
}

/// Deletes a container: kills what is left of it, removes what create made, and runs its poststop hooks.
///
/// Interrupted at any point, it can be asked again.
///
/// # Errors
/// When there is no such container or it runs; when something of it can't be removed. A poststop hook that fails is told
/// to `warn` and changes nothing.
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

/// Deletes a container that has just been created.
///
/// # Errors
/// As [`delete`].
pub fn discard(created: Created, warn: &mut dyn FnMut(&Error)) -> Result<()> {
    let Created { entry, record, init, terminal } = created;
    drop(terminal);
    // Whoever made it is its parent and has to take its exit status.
    let _ended = pidfd_send_signal(&init.pidfd, Signal::KILL);
    let _reaped = waitid(WaitId::PidFd(init.pidfd.as_fd()), WaitIdOptions::EXITED);
    destroy(entry, &record, warn)
}

/// Undoes all that create made, and removes the record last.
pub(crate) fn destroy(mut entry: Entry, record: &Record, warn: &mut dyn FnMut(&Error)) -> Result<()> {
    stop(&entry, record)?;
    cgroup::destroy(&record.own_cgroups()).map_err(|fault| entry.error("remove the cgroup of", fault))?;
    if let Some(unit) = record.own_unit() {
        // Its cgroup is gone, which systemd sees by itself; only the memory of a failure may be left.
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

/// A directory without a record that can be read: create was killed before it wrote one, and so before it made anything,
/// or the record was damaged since. The cgroup's name is written down apart, for the second case.
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

    /// A cgroup with a process that is no container's.
    struct Stranger {
        cgroup: Cgroup,
        process: Child,
    }

    impl Stranger {
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

    impl Drop for Stranger {
        fn drop(&mut self) {
            let _ = self.process.kill();
            let _ = self.process.wait();
            let _ = cgroup::destroy(std::slice::from_ref(&self.cgroup));
        }
    }

    #[test]
    fn a_container_that_was_never_created_takes_no_stranger_along() {
        if !rustix::process::geteuid().is_root() {
            test_report::skip!("it needs root");
        }
        let name = format!("tare-stranger-{}", std::process::id());
        let mut stranger = Stranger::new(&name);
        let root = std::env::temp_dir().join(&name);
        let store = Store::new(root.to_string_lossy());
        let mut entry = store.reserve("half").unwrap();
        let cgroups = vec![stranger.cgroup.clone()];
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
                pids: crate::container::record::Pids::Own,
                keyring: tare_plan::context::Keyring::New,
                exit: None,
                resctrl: Vec::new(),
                late_hooks: false,
            })
            .unwrap();
        entry.keep();
        drop(entry);
        delete(&store, "half", Force::Any, &mut |_| ()).unwrap();
        assert!(stranger.process.try_wait().unwrap().is_none(), "the stranger was killed");
        std::fs::remove_dir(root).unwrap();
    }
}
