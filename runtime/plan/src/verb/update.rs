//! The plan of `update`: new limits for an existing container.

use crate::cgroup::{self, limits, properties};
use crate::draft::Draft;
use crate::host::{CgroupVersion, Hierarchy, Host};
use crate::place::Place;
use crate::spec::{Mistake, Resources, check_resources};
use crate::step::{ChangeUnit, CheckUse, LimitStep, LimitWrite, OpenCgroup, Planned, Slot, Unit};

/// The container to update.
#[derive(Clone, Debug, Default)]
pub struct ExistingContainer<'text> {
    /// Its cgroups: the mount of each hierarchy, and the path relative to it.
    pub cgroups: Vec<(&'text str, &'text str)>,
    /// The content of `cpu.max` on v2. That file takes quota and period together, and an update may change
    /// one of them.
    pub cpu_max: Option<String>,
    /// Its systemd unit.
    pub unit: Option<&'text Unit>,
}

/// An update, by its phases in order.
#[derive(Debug)]
pub struct Update {
    /// The cgroups to open.
    pub cgroups: Vec<Planned<OpenCgroup>>,
    /// The limits that must not be below the current use.
    pub checks: Vec<Planned<CheckUse>>,
    /// The limits to write.
    pub limits: Vec<Planned<LimitWrite>>,
    /// The new properties of the unit, sent to systemd when the kernel has accepted all limits.
    pub unit: Option<ChangeUnit>,
    /// How many file descriptors the steps share.
    pub slots: usize,
    /// Warnings: limits that have no effect on this host.
    pub warnings: Vec<Mistake>,
}

/// Plans new limits. A limit that is not given stays. Device rules are ignored, as with runc: engines send a
/// rule that denies all devices with every update.
///
/// # Errors
/// Every mistake in the limits, with its place.
pub fn update(
    resources: &Resources,
    host: &Host,
    container: &ExistingContainer<'_>,
) -> Result<Update, Vec<Mistake>> {
    check_resources(resources)?;
    let mut draft = Draft::default();
    let (opened, cgroups) = open(&mut draft, host, container);
    let resources = complete(resources.clone(), &cgroups, container);
    if cgroups.is_empty() {
        limits::refuse_all(&mut draft, &resources);
    } else {
        limits::plan(&mut draft, &cgroups, &resources);
    }
    let unit = change_unit(&mut draft, host, container.unit, &resources);
    if draft.mistakes.is_empty() { Ok(by_phase(draft, opened, unit)) } else { Err(draft.mistakes) }
}

/// Sorts the steps by phase.
fn by_phase(draft: Draft, cgroups: Vec<Planned<OpenCgroup>>, unit: Option<ChangeUnit>) -> Update {
    let (mut checks, mut limits) = (Vec::new(), Vec::new());
    let slots = draft.slots();
    for Planned { step, because } in draft.limits {
        match step {
            LimitStep::CheckUse(step) => checks.push(Planned { step, because }),
            LimitStep::Write(step) => limits.push(Planned { step, because }),
        }
    }
    Update { cgroups, checks, limits, unit, slots, warnings: draft.warnings }
}

/// Plans the new properties of the unit. Without them systemd could write the former values again.
fn change_unit(
    draft: &mut Draft,
    host: &Host,
    unit: Option<&Unit>,
    resources: &Resources,
) -> Option<ChangeUnit> {
    let (systemd, unit) = host.systemd.as_ref().zip(unit)?;
    let properties = properties::limits(draft, host, systemd, resources);
    (!properties.is_empty()).then(|| ChangeUnit { unit: unit.clone(), properties })
}

/// Plans the opening of the container's cgroups. Returns them with their hierarchies.
fn open<'host>(
    draft: &mut Draft,
    host: &'host Host,
    container: &ExistingContainer<'_>,
) -> (Vec<Planned<OpenCgroup>>, Vec<(Slot, &'host Hierarchy)>) {
    let because = Place::of("linux.cgroupsPath");
    let mut cgroups = Vec::new();
    let mut opened = Vec::new();
    for hierarchy in &host.hierarchies {
        let Some((mount, path)) = container.cgroups.iter().find(|(mount, _)| *mount == hierarchy.mount)
        else {
            continue;
        };
        let slot = draft.slot();
        let (mount, path) = (draft.text(mount, because), draft.text(path, because));
        opened.push(Planned { step: OpenCgroup { slot, mount, path, fallback_init: None }, because });
        cgroups.push((slot, hierarchy));
    }
    (opened, cgroups)
}

/// Adds the limits that follow from those given.
fn complete(
    mut resources: Resources,
    cgroups: &[(Slot, &Hierarchy)],
    container: &ExistingContainer<'_>,
) -> Resources {
    // Without memory limit there is no limit of memory+swap either, as with runc.
    if resources.memory.limit == Some(-1) && resources.memory.swap.unwrap_or(0) == 0 {
        let has_swap = cgroups.iter().any(|(_, hierarchy)| cgroup::has(hierarchy, "memory"));
        resources.memory.swap = has_swap.then_some(-1);
    }
    let cpu = &mut resources.cpu;
    let unified = cgroups
        .iter()
        .any(|(_, hierarchy)| hierarchy.version == CgroupVersion::V2 && cgroup::has(hierarchy, "cpu"));
    let (quota, period) = (cpu.quota.unwrap_or(0), cpu.period.unwrap_or(0));
    if unified && (quota == 0) != (period == 0) {
        let (now_quota, now_period) = container.cpu_max.as_deref().and_then(bandwidth).unwrap_or((-1, 0));
        cpu.quota = if quota == 0 { Some(now_quota) } else { cpu.quota };
        cpu.period = if period == 0 { Some(now_period) } else { cpu.period };
    }
    resources
}

/// Parses `cpu.max`: the quota, -1 for none, and the period, both in microseconds.
fn bandwidth(text: &str) -> Option<(i64, u64)> {
    let (quota, period) = text.trim().split_once(' ')?;
    let quota = if quota == "max" { -1 } else { quota.parse().ok()? };
    Some((quota, period.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::load_resources;

    fn host(version: CgroupVersion, controllers: &[&str]) -> Host {
        let controllers = controllers.iter().map(|name| (*name).to_owned()).collect();
        let mount = "/sys/fs/cgroup".to_owned();
        Host { hierarchies: vec![Hierarchy { mount, version, controllers }], ..Host::default() }
    }

    fn writes(text: &str, host: &Host, cpu_max: Option<&str>) -> Vec<String> {
        let container = ExistingContainer {
            cgroups: vec![("/sys/fs/cgroup", "c")],
            cpu_max: cpu_max.map(str::to_owned),
            unit: None,
        };
        let update = update(&load_resources(text.as_bytes()).unwrap(), host, &container).unwrap();
        update.limits.iter().map(|planned| planned.step.to_string()).collect()
    }

    #[test]
    fn a_period_alone_keeps_the_quota_on_v2() {
        let host = host(CgroupVersion::V2, &["cpu"]);
        let given = writes(r#"{"cpu": {"period": 50000}}"#, &host, Some("20000 100000\n"));
        assert_eq!(given, [r#"set cpu.max to "20000 50000""#]);
        let given = writes(r#"{"cpu": {"quota": -1}}"#, &host, Some("20000 50000\n"));
        assert_eq!(given, [r#"set cpu.max to "max 50000""#]);
    }

    #[test]
    fn no_memory_limit_means_no_swap_limit() {
        let given = writes(r#"{"memory": {"limit": -1}}"#, &host(CgroupVersion::V1, &["memory"]), None);
        assert_eq!(
            given,
            [r#"set memory.limit_in_bytes to "-1""#, r#"set memory.memsw.limit_in_bytes to "-1""#]
        );
    }

    #[test]
    fn a_block_io_weight_is_written_for_the_scheduler_in_use() {
        let text = r#"{"blockIO": {"weight": 750}}"#;
        let given = writes(text, &host(CgroupVersion::V1, &["blkio"]), None);
        assert_eq!(given, [r#"set blkio.bfq.weight to "750", or blkio.weight to "750""#]);
        let given = writes(text, &host(CgroupVersion::V2, &["io"]), None);
        assert_eq!(given, [r#"set io.bfq.weight to "750", or io.weight to "default 7475""#]);
    }

    #[test]
    fn device_rules_are_ignored() {
        let text = r#"{"devices": [{"allow": false, "access": "rwm"}], "pids": {"limit": 0}}"#;
        let given = writes(text, &host(CgroupVersion::V1, &["pids", "devices"]), None);
        assert_eq!(given, [r#"set pids.max to "1""#]);
    }
}
