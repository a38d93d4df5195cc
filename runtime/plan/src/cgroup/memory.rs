//! Memory limits (config-linux.md, "Memory"). Zero means unset: Docker writes it so.

use super::limit::{Cgroups, Limit, Line, is_v2, set};
use crate::draft::Draft;
use crate::place::Place;
use crate::spec::Memory;
use crate::step::{CheckUse, LimitStep, LimitedMemory};

/// Plans the memory limits. The limit comes before memory+swap: v1 refuses memory+swap below the limit, and a
/// new cgroup is unlimited.
pub(super) fn plan(draft: &mut Draft, cgroups: &Cgroups<'_>, memory: &Memory) {
    let limit = memory.limit.unwrap_or(0);
    let is_v2 = is_v2(cgroups, "memory");
    // v2 has no file for memory+swap. Without the memory limit there is nothing to subtract from it.
    if is_v2 && limit == 0 && memory.swap.is_some_and(|swap| swap > 0) {
        let place = Place::of("linux.resources.memory.swap");
        return draft.refuse(place, "unable to set swap limit without memory limit");
    }
    if is_v2 && memory.check_before_update == Some(true) {
        check_use(draft, cgroups, memory);
    }
    // memory.low protects memory from reclaim. v1's soft limit is the closest that it has, and runc maps the
    // two alike.
    let low = or_max(memory.reservation.unwrap_or(0));
    let swap = swap_alone(limit, memory.swap.unwrap_or(0));
    let table = [
        (
            memory.limit,
            "memory.limit_in_bytes",
            Some(Line::new("memory.max", or_max(limit))),
            "linux.resources.memory.limit",
        ),
        (
            memory.swap,
            "memory.memsw.limit_in_bytes",
            Some(Line::new("memory.swap.max", swap)),
            "linux.resources.memory.swap",
        ),
        (
            memory.reservation,
            "memory.soft_limit_in_bytes",
            Some(Line::new("memory.low", low)),
            "linux.resources.memory.reservation",
        ),
        (memory.kernel_tcp, "memory.kmem.tcp.limit_in_bytes", None, "linux.resources.memory.kernelTCP"),
    ];
    for (value, file, v2, place) in table {
        if let Some(value) = value.filter(|value| *value != 0) {
            let v1 = Some(Line::new(file, value));
            set(draft, cgroups, Limit { controller: "memory", v1, v2, place: Place::of(place) });
        }
    }
    reclaim(draft, cgroups, memory);
}

/// Plans the checks of `checkBeforeUpdate`: no limit may be below the current use. On v1 the kernel refuses
/// such a limit itself.
fn check_use(draft: &mut Draft, cgroups: &Cgroups<'_>, memory: &Memory) {
    let Some((slot, _)) = cgroups.iter().find(|(_, hierarchy)| super::has(hierarchy, "memory")) else {
        return;
    };
    let (current, swap) = (c"memory.current".to_owned(), c"memory.swap.current".to_owned());
    let limits = [
        (memory.limit, "linux.resources.memory.limit", LimitedMemory::Memory, vec![current.clone()]),
        (memory.swap, "linux.resources.memory.swap", LimitedMemory::MemoryAndSwap, vec![current, swap]),
    ];
    for (limit, place, limited, files) in limits {
        if let Some(limit) = limit.and_then(|limit| u64::try_from(limit).ok()).filter(|limit| *limit != 0) {
            let step = CheckUse { cgroup: *slot, files, limit, limited };
            draft.limit(LimitStep::CheckUse(step), Place::of(place));
        }
    }
}

/// Plans the settings that only v1 has: swappiness and the OOM killer. Warns of the kernel memory limit,
/// which the kernel no longer has.
fn reclaim(draft: &mut Draft, cgroups: &Cgroups<'_>, memory: &Memory) {
    if memory.kernel.is_some_and(|value| value != 0) {
        draft.warn(
            Place::of("linux.resources.memory.kernel"),
            "the kernel memory limit is obsolete and is ignored",
        );
    }
    if let Some(value) = memory.swappiness {
        let place = Place::of("linux.resources.memory.swappiness");
        let v1 = Some(Line::new("memory.swappiness", value));
        set(draft, cgroups, Limit { controller: "memory", v1, v2: None, place });
    }
    if memory.disable_oom_killer == Some(true) {
        let place = Place::of("linux.resources.memory.disableOOMKiller");
        let v1 = Some(Line::new("memory.oom_control", 1));
        set(draft, cgroups, Limit { controller: "memory", v1, v2: None, place });
    }
}

/// Converts the limit of memory+swap to the limit of swap that v2 has. Negative values mean no limit.
pub(super) fn swap_alone(limit: i64, both: i64) -> String {
    if both < 0 || limit < 0 { "max".to_owned() } else { (both - limit).max(0).to_string() }
}

/// Returns a limit in the syntax of v2. A negative one is none.
fn or_max(value: i64) -> String {
    if value < 0 { "max".to_owned() } else { value.to_string() }
}

#[cfg(test)]
mod tests {
    use super::swap_alone;

    #[test]
    fn swap_is_counted_without_memory_on_v2() {
        assert_eq!(swap_alone(100, 250), "150");
        assert_eq!(swap_alone(100, 100), "0");
        assert_eq!(swap_alone(100, -1), "max");
        assert_eq!(swap_alone(-1, 100), "max");
        assert_eq!(swap_alone(100, 50), "0");
    }
}
