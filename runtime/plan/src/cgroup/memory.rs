//! Limits of memory (config-linux.md, "Memory"). Zero means unset, as Docker writes it.

use super::limit::{Cgroups, Limit, is_v2, set};
use crate::draft::Draft;
use crate::place::Place;
use crate::spec::Memory;
use crate::step::{CheckUse, LimitStep, LimitedMemory};

/// Plans what is set.
pub(super) fn plan(draft: &mut Draft, cgroups: &Cgroups<'_>, memory: &Memory) {
    let limit = memory.limit.unwrap_or(0);
    let v2 = is_v2(cgroups, "memory");
    if v2 && limit == 0 && memory.swap.is_some_and(|swap| swap > 0) {
        let place = Place::of("linux.resources.memory.swap");
        return draft.refuse(place, "unable to set swap limit without memory limit");
    }
    if v2 && memory.check_before_update == Some(true) {
        check_use(draft, cgroups, memory);
    }
    let low = or_max(memory.reservation.unwrap_or(0));
    let swap = swap_alone(limit, memory.swap.unwrap_or(0));
    let table = [
        (
            memory.limit,
            "memory.limit_in_bytes",
            Some(("memory.max", or_max(limit))),
            "linux.resources.memory.limit",
        ),
        (
            memory.swap,
            "memory.memsw.limit_in_bytes",
            Some(("memory.swap.max", swap)),
            "linux.resources.memory.swap",
        ),
        (
            memory.reservation,
            "memory.soft_limit_in_bytes",
            Some(("memory.low", low)),
            "linux.resources.memory.reservation",
        ),
        (memory.kernel_tcp, "memory.kmem.tcp.limit_in_bytes", None, "linux.resources.memory.kernelTCP"),
    ];
    for (value, file, v2, place) in table {
        if let Some(value) = value.filter(|value| *value != 0) {
            let v1 = Some((file, value.to_string()));
            set(draft, cgroups, Limit { controller: "memory", v1, v2, place: Place::of(place) });
        }
    }
    behaviour(draft, cgroups, memory);
}

/// Where the configuration asks for it, no limit goes below what is in use; on v1 the kernel refuses that itself.
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

/// What is no limit in bytes, and has no file on v2.
fn behaviour(draft: &mut Draft, cgroups: &Cgroups<'_>, memory: &Memory) {
    if memory.kernel.is_some_and(|value| value != 0) {
        draft.warn(
            Place::of("linux.resources.memory.kernel"),
            "the limit of kernel memory is obsolete and ignored",
        );
    }
    if let Some(value) = memory.swappiness {
        let place = Place::of("linux.resources.memory.swappiness");
        let v1 = Some(("memory.swappiness", value.to_string()));
        set(draft, cgroups, Limit { controller: "memory", v1, v2: None, place });
    }
    if memory.disable_oom_killer == Some(true) {
        let place = Place::of("linux.resources.memory.disableOOMKiller");
        let v1 = Some(("memory.oom_control", "1".to_owned()));
        set(draft, cgroups, Limit { controller: "memory", v1, v2: None, place });
    }
}

/// v2 counts swap alone, where the configuration counts memory and swap together.
pub(super) fn swap_alone(limit: i64, both: i64) -> String {
    if both < 0 || limit < 0 { "max".to_owned() } else { (both - limit).max(0).to_string() }
}

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
    }
}
