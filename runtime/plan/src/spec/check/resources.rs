//! Checks of the cgroup's limits that hold for cgroup v1 and v2 alike.

use super::{each, lists};
use crate::spec::mistake::{Place, Report};
use crate::spec::{BlockIo, Cpu, DeviceRule, Memory, Resources};

pub(super) fn check(resources: &Resources, at: &Place<'_>, report: &mut Report) {
    each(&resources.devices, &at.key("devices"), |rule, place| device_rule(rule, place, report));
    memory(&resources.memory, &at.key("memory"), report);
    cpu(&resources.cpu, &at.key("cpu"), report);
    block_io(&resources.block_io, &at.key("blockIO"), report);
    each(&resources.hugepage_limits, &at.key("hugepageLimits"), |limit, place| {
        if !is_page_size(&limit.page_size) {
            let what = format!("invalid hugepage size {:?}: expected such as \"2MB\"", limit.page_size);
            report.wrong(&place.key("pageSize"), what);
        }
    });
    for (name, limit) in &resources.rdma {
        let place = at.key("rdma");
        if limit.hca_handles.is_none() && limit.hca_objects.is_none() {
            report.wrong(&place.key(name), "neither hcaHandles nor hcaObjects is given");
        }
    }
    unified(resources, &at.key("unified"), report);
}

/// config-linux.md, Allowed Device list. Older callers write -1 for all numbers.
fn device_rule(rule: &DeviceRule, at: &Place<'_>, report: &mut Report) {
    if let Some(kind) = rule.kind.as_deref().filter(|kind| !matches!(*kind, "a" | "b" | "c")) {
        report
            .wrong(&at.key("type"), format!("invalid device type {kind:?}: expected \"a\", \"b\" or \"c\""));
    }
    if let Some(access) =
        rule.access.as_deref().filter(|access| access.bytes().any(|way| !b"rwm".contains(&way)))
    {
        report.wrong(
            &at.key("access"),
            format!("invalid device access {access:?}: expected letters of \"rwm\""),
        );
    }
    for (key, number) in [("major", rule.major), ("minor", rule.minor)] {
        if let Some(number) = number.filter(|number| !(-1..=i64::from(u32::MAX)).contains(number)) {
            report.wrong(
                &at.key(key),
                format!("{key} number {number} is out of range: expected 0 to 4294967295"),
            );
        }
    }
}

/// config-linux.md, Memory. Docker writes 0 for no limit, so only positive limits are compared.
fn memory(memory: &Memory, at: &Place<'_>, report: &mut Report) {
    for (key, limit) in [
        ("limit", memory.limit),
        ("reservation", memory.reservation),
        ("swap", memory.swap),
        ("kernel", memory.kernel),
        ("kernelTCP", memory.kernel_tcp),
    ] {
        if let Some(limit) = limit.filter(|limit| *limit < -1) {
            report.wrong(&at.key(key), format!("memory limit {limit} is out of range: expected -1 or more"));
        }
    }
    let (limit, swap) = (memory.limit.unwrap_or(0), memory.swap.unwrap_or(0));
    if limit > 0 && swap > 0 && swap < limit {
        let what = format!("memory+swap limit {swap} must not be less than memory limit {limit}");
        report.wrong(&at.key("swap"), what);
    }
    if let Some(swappiness) = memory.swappiness.filter(|swappiness| *swappiness > 100) {
        let what = format!("invalid memory swappiness {swappiness}: expected 0 to 100");
        report.wrong(&at.key("swappiness"), what);
    }
}

/// config-linux.md, CPU. The kernel refuses a burst above the quota.
fn cpu(cpu: &Cpu, at: &Place<'_>, report: &mut Report) {
    for (key, list) in [("cpus", &cpu.cpus), ("mems", &cpu.mems)] {
        if let Some(list) = list.as_deref().filter(|list| !lists::is_list(list)) {
            report.wrong(&at.key(key), format!("invalid list {list:?}: expected such as \"0-3,7\""));
        }
    }
    if let Some(idle) = cpu.idle.filter(|idle| !matches!(idle, 0 | 1)) {
        report.wrong(&at.key("idle"), format!("invalid cpu idle {idle}: expected 0 or 1"));
    }
    let quota = cpu.quota.and_then(|quota| u64::try_from(quota).ok()).filter(|quota| *quota > 0);
    if let (Some(quota), Some(burst)) = (quota, cpu.burst)
        && burst > quota
    {
        report.wrong(&at.key("burst"), format!("cpu burst {burst} must not be more than quota {quota}"));
    }
}

/// config-linux.md, Block IO.
fn block_io(io: &BlockIo, at: &Place<'_>, report: &mut Report) {
    each(&io.weight_device, &at.key("weightDevice"), |device, place| {
        if device.weight.is_none() && device.leaf_weight.is_none() {
            report.wrong(place, "neither weight nor leafWeight is given");
        }
        numbers(device.major, device.minor, place, report);
    });
    for (key, list) in [
        ("throttleReadBpsDevice", &io.throttle_read_bps_device),
        ("throttleWriteBpsDevice", &io.throttle_write_bps_device),
        ("throttleReadIOPSDevice", &io.throttle_read_iops_device),
        ("throttleWriteIOPSDevice", &io.throttle_write_iops_device),
    ] {
        each(list, &at.key(key), |device, place| numbers(device.major, device.minor, place, report));
    }
}

/// Checks the numbers of one block device.
fn numbers(major: i64, minor: i64, at: &Place<'_>, report: &mut Report) {
    for (key, number) in [("major", major), ("minor", minor)] {
        if number < 0 {
            report.wrong(&at.key(key), format!("{key} number {number} is out of range: expected 0 or more"));
        }
    }
}

/// Whether a size of huge pages matches the specification's JSON schema: `[1-9][0-9]*[KMG]B`.
fn is_page_size(size: &str) -> bool {
    let number = size.strip_suffix('B').and_then(|size| size.strip_suffix(['K', 'M', 'G'])).unwrap_or("");
    !number.is_empty() && !number.starts_with('0') && number.bytes().all(|byte| byte.is_ascii_digit())
}

/// config-linux.md, Unified. A key is a file name: a slash would lead to another cgroup.
fn unified(resources: &Resources, at: &Place<'_>, report: &mut Report) {
    for name in resources.unified.keys() {
        let place = at.key(name);
        if name.contains('/') {
            report.wrong(&place, format!("unified resource {name:?} must be a file name (no slashes)"));
        } else if !name.contains('.') || name.starts_with('.') || name.ends_with('.') {
            report
                .wrong(&place, format!("unified resource {name:?} must be in the form CONTROLLER.PARAMETER"));
        }
    }
}
