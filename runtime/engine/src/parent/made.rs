//! What is made of a container outside of its own processes: taken back unless it is kept.

use crate::cgroup::resctrl;
use crate::cgroup::{self, Cgroup};
use crate::container::record::Record;
use crate::fault::Fault;
use crate::systemd::bus::Refusal;
use crate::systemd::unit;
use rustix::fd::OwnedFd;
use rustix::process::Pid;
use tare_plan::step::{MakeResctrlGroup, StartUnit, Unit};

/// All that was made so far.
#[derive(Default)]
pub(crate) struct Made {
    cgroups: Vec<Cgroup>,
    /// Groups of resctrl, in the order in which they can be removed.
    groups: Vec<String>,
    /// The unit that systemd has made.
    unit: Option<Unit>,
}

impl Made {
    /// What making the container of a record begins with: its cgroups may be there from the first step on.
    pub(crate) fn of(record: &Record) -> Self {
        Self { cgroups: record.own_cgroups(), groups: Vec::new(), unit: None }
    }

    /// Lets systemd make a unit around `init`. One that is there is somebody else's, with all that is in it.
    pub(crate) fn start_unit(&mut self, step: &StartUnit, init: Pid) -> Result<(), Refusal> {
        self.unit = Some(step.unit.clone());
        unit::start(step, init).inspect_err(|refusal| {
            if refusal.is(".UnitExists") {
                self.cgroups.clear();
                self.unit = None;
            }
        })
    }

    /// Makes a group of resctrl where it is missing, and opens it.
    pub(crate) fn make_group(&mut self, step: &MakeResctrlGroup) -> Result<OwnedFd, Fault> {
        let group = resctrl::make(step)?;
        if group.made {
            let path = format!("{}/{}", step.mount.to_string_lossy(), step.path.to_string_lossy());
            // The one made last lies in the one before, and goes first.
            self.groups.insert(0, path);
        }
        Ok(group.directory)
    }

    /// Takes all of it back, with every process that is in it.
    pub(crate) fn remove(&mut self) -> Result<(), Fault> {
        let removed = cgroup::destroy(&std::mem::take(&mut self.cgroups));
        if let Some(unit) = self.unit.take() {
            // With its last process it is over anyway; what is left then is that it is remembered.
            let _over = unit::stop(&unit);
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
        // The way out that nothing takes on purpose; the error that led here is the one to tell.
        let _ = self.remove();
    }
}
