//! The verb `update`: changes the limits of an existing container, all of them or none.

use crate::cgroup::resctrl;
use crate::cgroup::values::Values;
use crate::cgroup::{self, write};
use crate::container::status::status;
use crate::container::store::Store;
use crate::error::{Error, Result};
use crate::fault::Fault;
use crate::probe;
use crate::slots::Slots;
use crate::systemd::unit;
use rustix::fd::BorrowedFd;
use std::ffi::CStr;
use tare_plan::place::Place;
use tare_plan::resctrl::Schemata;
use tare_plan::spec::{Mistake, Resources};
use tare_plan::step::{
    CgroupStep, ChangeUnit, CheckUse, LimitStep, LimitWrite, MakeResctrlGroup, Planned, Status, WriteCgroup,
};
use tare_plan::update::{ExistingContainer, Update};

/// The new limits.
#[derive(Clone, Copy, Debug)]
pub struct Limits<'a> {
    /// Limits of cgroups.
    pub resources: &'a Resources,
    /// The schemata of caches and memory bandwidth (resctrl).
    pub schemata: Schemata<'a>,
}

/// Changes the limits of a container. If the kernel refuses one, the limits that were written before it get their former values
/// back. `warn` receives warnings of the plan.
///
/// # Errors
/// When the container does not exist or is stopped, every mistake in the limits, or the limit that the kernel refuses.
pub fn update(store: &Store, id: &str, limits: Limits<'_>, warn: &mut dyn FnMut(&Mistake)) -> Result<()> {
    let Limits { resources, schemata } = limits;
    let entry = store.open(id)?;
    let record = entry.record()?;
    if matches!(status(&entry, &record), Status::Stopped | Status::Creating) {
        return Err(Error::NotRunning);
    }
    let values = Values::open(&record.cgroups);
    let cgroups = record.cgroups.iter().map(|cgroup| (cgroup.mount.as_str(), cgroup.path.as_str()));
    let container = ExistingContainer {
        cgroups: cgroups.collect(),
        cpu_max: values.text("cpu", "cpu.max"),
        unit: record.unit.as_ref(),
    };
    let mut host = probe::host()?;
    if let Some(unit) = &record.unit {
        probe::add_manager(&mut host, unit.manager)?;
    }
    let planned = tare_plan::update::update(resources, &host, &container).map_err(Error::Config)?;
    let config = crate::container::bundle::check(&entry.config()?)?;
    let group = tare_plan::resctrl::update(&config, &host, id, schemata).map_err(Error::Config)?;
    planned.warnings.iter().for_each(&mut *warn);
    carry_out(&planned, group.as_ref())
}

/// Opens the container's cgroups.
fn open(update: &Update) -> Result<Slots> {
    let mut slots = Slots::new(update.slots);
    for Planned { step, because } in &update.cgroups {
        let opened = cgroup::open(step).and_then(|directory| slots.put(step.slot, directory));
        opened.map_err(|fault| Error::step(&CgroupStep::Open(step.clone()), fault, *because))?;
    }
    Ok(slots)
}

/// Checks the current use, writes the limits, and then sets the same limits in systemd. Without the last step, systemd would write
/// its own values back at the next `daemon-reload`.
fn carry_out(update: &Update, group: Option<&MakeResctrlGroup>) -> Result<()> {
    let slots = open(update)?;
    update.checks.iter().try_for_each(|check| check_use(&slots, check))?;
    let mut written = Vec::new();
    write_all(&slots, writes(&slots, update)?, &mut written)
        .and_then(|()| update.unit.as_ref().map_or(Ok(()), change_unit))
        .and_then(|()| group.map_or(Ok(()), share))
        .inspect_err(|_| restore(&slots, &written))
}

/// Refuses a limit below the current use (`checkBeforeUpdate`): v2 would accept it, and the OOM killer would act on it.
fn check_use(slots: &Slots, check: &Planned<CheckUse>) -> Result<()> {
    let Planned { step, because } = check;
    let used = cgroup::used(slots, step);
    let used = used.map_err(|fault| Error::step(&LimitStep::CheckUse(step.clone()), fault, *because))?;
    step.refusal(used).map_or(Ok(()), |refusal| Err(Error::Usage(refusal)))
}

/// A limit with the file that this kernel has for it.
struct LimitFile<'plan> {
    planned: &'plan Planned<LimitWrite>,
    write: &'plan WriteCgroup,
}

/// Chooses the file of each limit.
fn writes<'plan>(slots: &Slots, update: &'plan Update) -> Result<Vec<LimitFile<'plan>>> {
    let choose = |planned: &'plan Planned<LimitWrite>| {
        let write = cgroup::choose_file(slots, &planned.step);
        let write = write.map_err(|fault| Error::step(&planned.step, fault, planned.because))?;
        Ok(LimitFile { planned, write })
    };
    update.limits.iter().map(choose).collect()
}

/// Sets the new limits in systemd.
fn change_unit(change: &ChangeUnit) -> Result<()> {
    unit::change(change).map_err(|refusal| unit::refused("change", &change.unit, refusal, Place::DEFAULT))
}

/// Writes the new schemata of the resctrl group.
fn share(group: &MakeResctrlGroup) -> Result<()> {
    let step = |fault| Error::step(&"change the resctrl group", fault, Place::of("linux.intelRdt"));
    resctrl::make(group).map(drop).map_err(step)
}

/// A written value, with the writes that restore the former one.
struct Written<'plan> {
    step: &'plan WriteCgroup,
    before: Vec<String>,
}

/// Writes all values.
///
/// Some limits depend on each other: `memory.limit_in_bytes` may not exceed `memory.memsw.limit_in_bytes`, in the old or the new
/// value. So a refused value is written again after the others, until a whole round has no success.
fn write_all<'plan>(
    slots: &Slots,
    mut left: Vec<LimitFile<'plan>>,
    written: &mut Vec<Written<'plan>>,
) -> Result<()> {
    while !left.is_empty() {
        let count = left.len();
        let mut errors = Vec::new();
        left.retain(|LimitFile { planned, write }| {
            let done = write_one(slots, write).map(|before| written.push(Written { step: write, before }));
            let error = done.map_err(|fault| Error::step(&planned.step, fault, planned.because)).err();
            let is_refused = error.is_some();
            errors.extend(error);
            is_refused
        });
        if errors.len() == count {
            return errors.into_iter().next().map_or(Ok(()), Err);
        }
    }
    Ok(())
}

/// Writes one value, and returns the writes that restore the former one.
fn write_one(slots: &Slots, step: &WriteCgroup) -> std::result::Result<Vec<String>, Fault> {
    let cgroup = slots.get(step.cgroup)?;
    let before = former(cgroup, &step.file, &step.value);
    write(cgroup, &step.file, step.value.as_bytes())?;
    Ok(before)
}

/// Restores the former values in reverse order. The caller returns the first error; an error of the restore would hide it.
fn restore(slots: &Slots, written: &[Written<'_>]) {
    for Written { step, before } in written.iter().rev() {
        let Ok(cgroup) = slots.get(step.cgroup) else { continue };
        for value in before {
            let _ = write(cgroup, &step.file, value.as_bytes());
        }
    }
}

/// Returns the writes that restore the current value of a file; none for a file that can't be read.
fn former(cgroup: BorrowedFd<'_>, file: &CStr, written: &CStr) -> Vec<String> {
    let Ok(text) = cgroup::read(cgroup, file) else { return Vec::new() };
    let text = String::from_utf8_lossy(&text);
    inverse(&file.to_string_lossy(), &written.to_string_lossy(), &text)
}

/// Returns the writes that undo a write, from the text of the file before it.
fn inverse(file: &str, written: &str, before: &str) -> Vec<String> {
    let mut words = written.split(' ');
    let (first, second) = (words.next().unwrap_or_default(), words.next());
    // A file with a line for each device or interface. A device without a line has no limit.
    if second.is_some() && file != "cpu.max" {
        let line = before.lines().find(|line| line.split(' ').next() == Some(first));
        let no_limit = match file {
            "io.max" => format!("{first} rbps=max wbps=max riops=max wiops=max"),
            "io.weight" => format!("{first} default"),
            "rdma.max" => format!("{first} hca_handle=max hca_object=max"),
            _ => format!("{first} 0"),
        };
        return vec![line.map_or(no_limit, str::to_owned)];
    }
    match file {
        "memory.oom_control" => {
            let disabled = crate::cgroup::values::keyed(before, "oom_kill_disable").unwrap_or(0);
            vec![disabled.to_string()]
        }
        // The kernel ignores a write of 0 bytes.
        _ if before.trim().is_empty() => vec!["\n".to_owned()],
        _ => vec![before.trim().to_owned()],
    }
}

#[cfg(test)]
mod tests {
    use super::inverse;

    #[test]
    fn a_write_is_undone_by_the_former_value() {
        assert_eq!(inverse("pids.max", "5", "max\n"), ["max"]);
        assert_eq!(inverse("cpu.max", "max 50000", "20000 100000\n"), ["20000 100000"]);
        assert_eq!(
            inverse("io.max", "8:0 rbps=1", "8:16 rbps=5 wbps=max\n"),
            ["8:0 rbps=max wbps=max riops=max wiops=max"]
        );
        let throttle = "blkio.throttle.read_bps_device";
        assert_eq!(inverse(throttle, "8:0 100", "8:0 50\n8:16 7\n"), ["8:0 50"]);
        assert_eq!(inverse(throttle, "8:0 100", ""), ["8:0 0"]);
        assert_eq!(inverse("io.weight", "8:0 100", "default 100\n"), ["8:0 default"]);
        assert_eq!(inverse("cpuset.cpus", "0", "\n"), ["\n"]);
        assert_eq!(inverse("memory.oom_control", "1", "oom_kill_disable 0\nunder_oom 0\n"), ["0"]);
    }
}
