//! The plan of `update`: other limits for a container that exists.

use crate::cgroup::{self, limits, properties};
use crate::draft::Draft;
use crate::host::{CgroupVersion, Hierarchy, Host};
use crate::place::Place;
use crate::spec::{Mistake, Resources, check_resources};
use crate::step::{ChangeUnit, CheckUse, LimitStep, LimitWrite, OpenCgroup, Planned, Slot, Unit};

/// What has to be known of a container whose limits change.
#[derive(Clone, Debug, Default)]
pub struct Present<'text> {
    /// Its directories: the mount of each hierarchy, and the path relative to it.
    pub cgroups: Vec<(&'text str, &'text str)>,
    /// Its quota and period on v2, as `cpu.max` has them: one file takes both, and only one may be given.
    pub cpu_max: Option<String>,
    /// The unit that systemd has made for it.
    pub unit: Option<&'text Unit>,
}

/// An update: what each phase of it does, in order.
#[derive(Debug)]
pub struct Update {
    /// The container's directories, which are opened first.
    pub cgroups: Vec<Planned<OpenCgroup>>,
    /// Limits that must not be below the current use.
    pub checks: Vec<Planned<CheckUse>>,
    /// The limits that are written.
    pub limits: Vec<Planned<LimitWrite>>,
    /// What systemd is told of them, when the kernel has accepted all.
    pub unit: Option<ChangeUnit>,
    /// How many file descriptors the steps share.
    pub slots: usize,
    /// What is odd about the update on this host, without being wrong.
    pub warnings: Vec<Mistake>,
}

/// Plans new limits. What is not given stays as it is; device rules are left alone, since engines send one that denies all
/// and rely on that.
///
/// # Errors
/// Everything that is wrong with them, each with its place.
pub fn update(resources: &Resources, host: &Host, present: &Present<'_>) -> Result<Update, Vec<Mistake>> {
    check_resources(resources)?;
    let mut draft = Draft::default();
    let (opened, cgroups) = open(&mut draft, host, present);
    let wanted = complete(resources.clone(), &cgroups, present);
    if cgroups.is_empty() {
        limits::refuse_all(&mut draft, &wanted);
    } else {
        limits::plan(&mut draft, &cgroups, &wanted);
    }
    let unit = change_unit(&mut draft, host, present.unit, &wanted);
    if draft.mistakes.is_empty() { Ok(sort(draft, opened, unit)) } else { Err(draft.mistakes) }
}

/// Sorts the limits by phase.
fn sort(draft: Draft, cgroups: Vec<Planned<OpenCgroup>>, unit: Option<ChangeUnit>) -> Update {
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

/// Plans the new properties of the unit, so that systemd never writes the former values again.
fn change_unit(
    draft: &mut Draft,
    host: &Host,
    unit: Option<&Unit>,
    wanted: &Resources,
) -> Option<ChangeUnit> {
    let (systemd, unit) = host.systemd.as_ref().zip(unit)?;
    let properties = properties::limits(draft, host, systemd, wanted);
    (!properties.is_empty()).then(|| ChangeUnit { unit: unit.clone(), properties })
}

/// Plans the opening of the container's directories. Returns them with their hierarchies.
fn open<'host>(
    draft: &mut Draft,
    host: &'host Host,
    present: &Present<'_>,
) -> (Vec<Planned<OpenCgroup>>, Vec<(Slot, &'host Hierarchy)>) {
    let because = Place::of("linux.cgroupsPath");
    let mut cgroups = Vec::new();
    let mut opened = Vec::new();
    for hierarchy in &host.hierarchies {
        let Some((mount, path)) = present.cgroups.iter().find(|(mount, _)| *mount == hierarchy.mount) else {
            continue;
        };
        let slot = draft.slot();
        let (mount, path) = (draft.text(mount, because), draft.text(path, because));
        opened.push(Planned { step: OpenCgroup { slot, mount, path, fallback_init: None }, because });
        cgroups.push((slot, hierarchy));
    }
    (opened, cgroups)
}

/// Fills in what follows from what is given.
fn complete(mut wanted: Resources, cgroups: &[(Slot, &Hierarchy)], present: &Present<'_>) -> Resources {
    // Memory without limit is memory and swap without limit, as runc has it.
    if wanted.memory.limit == Some(-1) && wanted.memory.swap.unwrap_or(0) == 0 {
        let has_swap = cgroups.iter().any(|(_, hierarchy)| cgroup::has(hierarchy, "memory"));
        wanted.memory.swap = has_swap.then_some(-1);
    }
    let cpu = &mut wanted.cpu;
    let unified = cgroups
        .iter()
        .any(|(_, hierarchy)| hierarchy.version == CgroupVersion::V2 && cgroup::has(hierarchy, "cpu"));
    let (quota, period) = (cpu.quota.unwrap_or(0), cpu.period.unwrap_or(0));
    if unified && (quota == 0) != (period == 0) {
        let (now_quota, now_period) = present.cpu_max.as_deref().and_then(bandwidth).unwrap_or((-1, 0));
        cpu.quota = if quota == 0 { Some(now_quota) } else { cpu.quota };
        cpu.period = if period == 0 { Some(now_period) } else { cpu.period };
    }
    wanted
}

/// The quota, -1 for none, and the period of `cpu.max`, both in microseconds.
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
        let present = Present {
            cgroups: vec![("/sys/fs/cgroup", "c")],
            cpu_max: cpu_max.map(str::to_owned),
            unit: None,
        };
        let update = update(&load_resources(text.as_bytes()).unwrap(), host, &present).unwrap();
        update.limits.iter().map(|planned| planned.step.to_string()).collect()
    }

    #[test]
    fn a_period_alone_keeps_the_quota_of_v2() {
        let host = host(CgroupVersion::V2, &["cpu"]);
        let given = writes(r#"{"cpu": {"period": 50000}}"#, &host, Some("20000 100000\n"));
        assert_eq!(given, [r#"set cpu.max to "20000 50000""#]);
        let given = writes(r#"{"cpu": {"quota": -1}}"#, &host, Some("20000 50000\n"));
        assert_eq!(given, [r#"set cpu.max to "max 50000""#]);
    }

    #[test]
    fn memory_without_limit_has_swap_without_limit() {
        let given = writes(r#"{"memory": {"limit": -1}}"#, &host(CgroupVersion::V1, &["memory"]), None);
        assert_eq!(
            given,
            [r#"set memory.limit_in_bytes to "-1""#, r#"set memory.memsw.limit_in_bytes to "-1""#]
        );
    }

    #[test]
    fn a_weight_of_block_io_is_changed_for_the_scheduler_that_is_there() {
        let text = r#"{"blockIO": {"weight": 750}}"#;
        let given = writes(text, &host(CgroupVersion::V1, &["blkio"]), None);
        assert_eq!(given, [r#"set blkio.bfq.weight to "750", or blkio.weight to "750""#]);
        let given = writes(text, &host(CgroupVersion::V2, &["io"]), None);
        assert_eq!(given, [r#"set io.bfq.weight to "750", or io.weight to "default 7475""#]);
    }

    #[test]
    fn device_rules_are_left_alone() {
        let text = r#"{"devices": [{"allow": false, "access": "rwm"}], "pids": {"limit": 0}}"#;
        let given = writes(text, &host(CgroupVersion::V1, &["pids", "devices"]), None);
        assert_eq!(given, [r#"set pids.max to "1""#]);
    }
}
