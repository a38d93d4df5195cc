//! What a container has on the host besides its processes: removed again unless it is kept.

use crate::cgroup::resctrl;
use crate::cgroup::{self, Cgroup};
use crate::container::record::Record;
use crate::fault::Fault;
use crate::systemd::bus::Refusal;
use crate::systemd::unit;
use rustix::fd::OwnedFd;
use rustix::process::Pid;
use tare_plan::step::{MakeResctrlGroup, StartUnit, Unit};

/// The cgroups, resctrl groups and unit made so far.
#[derive(Default)]
pub(crate) struct Made {
    cgroups: Vec<Cgroup>,
    /// The resctrl groups, in the order in which they can be removed.
    groups: Vec<String>,
    /// The unit that systemd has started.
    unit: Option<Unit>,
}

impl Made {
    /// Starts with the cgroups of a record: they may exist from the first step on.
    pub(crate) fn of(record: &Record) -> Self {
        Self { cgroups: record.own_cgroups(), groups: Vec::new(), unit: None }
    }

    /// Asks systemd to start a unit around `init`. A unit that exists already belongs to another container, with all its
    /// processes.
    pub(crate) fn start_unit(&mut self, step: &StartUnit, init: Pid) -> Result<(), Refusal> {
        self.unit = Some(step.unit.clone());
        unit::start(step, init).inspect_err(|refusal| {
            if refusal.is(".UnitExists") {
                self.cgroups.clear();
                self.unit = None;
            }
        })
    }

    /// Makes a resctrl group if it does not exist, and opens it.
    pub(crate) fn make_group(&mut self, step: &MakeResctrlGroup) -> Result<OwnedFd, Fault> {
        let group = resctrl::make(step)?;
        if group.made {
            let path = format!("{}/{}", step.mount.to_string_lossy(), step.path.to_string_lossy());
            // A monitoring group lies in the group made before it, so it is removed first.
            self.groups.insert(0, path);
        }
        Ok(group.directory)
    }

    /// Removes all of it and kills every process in it.
    pub(crate) fn remove(&mut self) -> Result<(), Fault> {
        let removed = cgroup::destroy(&std::mem::take(&mut self.cgroups));
        if let Some(unit) = self.unit.take() {
            // The unit ends with its last process. Stopping it makes systemd forget a failed one.
            let _stopped = unit::stop(&unit);
        }
        std::mem::take(&mut self.groups).iter().try_for_each(|group| resctrl::remove(group)).and(removed)
    }

    /// Keeps all of it.
    pub(crate) fn keep(&mut self) {
        self.cgroups.clear();
        self.groups.clear();
        self.unit = None;
    }
}

impl Drop for Made {
    fn drop(&mut self) {
        // This path is only taken after an error, and that error is the one to report.
        let _ = self.remove();
    }
}
