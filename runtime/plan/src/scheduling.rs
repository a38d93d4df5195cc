//! When the process runs, when its disk requests are served, and from where its memory comes (config.md, "Linux Process";
//! config-linux.md, "Memory policy").

use crate::context::Context;
use crate::draft::Draft;
use crate::place::Place;
use crate::spec::{
    IoPriorityClass, MemoryPolicyFlag, MemoryPolicyMode, Process, SchedulerFlag, SchedulerPolicy, Spec,
};
use crate::step::{ChildStep, CpuSet, IoPriority, MemoryPolicy, ProcessStep, Scheduler};

/// Plans the scheduler and the I/O priority. The parent sets them: in a user namespace init has no right to.
pub(crate) fn plan(draft: &mut Draft, process: &Process) {
    if let Some(asked) = &process.scheduler {
        let step = Scheduler {
            policy: asked.policy,
            number: policy_number(asked.policy),
            eperm_hint: is_real_time(asked.policy).then_some(NO_REAL_TIME_SHARE),
            flags: asked.flags.iter().fold(0, |all, flag| all | flag_bit(*flag)),
            nice: asked.nice.unwrap_or(0),
            priority: asked.priority.unwrap_or(0).unsigned_abs(),
            runtime_ns: asked.runtime.unwrap_or(0),
            deadline_ns: asked.deadline.unwrap_or(0),
            period_ns: asked.period.unwrap_or(0),
        };
        draft.after(ChildStep::Scheduler(step), Place::of("process.scheduler"));
    }
    if let Some(asked) = &process.io_priority {
        let level = u16::try_from(asked.priority.unwrap_or(0)).unwrap_or(0);
        let step = IoPriority { class: asked.class, number: class_number(asked.class), level };
        draft.after(ChildStep::IoPriority(step), Place::of("process.ioPriority"));
    }
}

/// Why a real-time policy is refused: with group scheduling, a cgroup has no real-time share of its own.
const NO_REAL_TIME_SHARE: &str =
    "the cgroup has no real-time share, which linux.resources.cpu.realtimeRuntime gives it";

/// Whether a policy takes a real-time share of the cgroup.
fn is_real_time(policy: SchedulerPolicy) -> bool {
    matches!(policy, SchedulerPolicy::Fifo | SchedulerPolicy::RoundRobin)
}

/// A process under a deadline may make no other, unless it gives that up for them (sched(7)): no hook could be started.
pub(crate) fn check_hooks(draft: &mut Draft, spec: &Spec) {
    let asked = spec.process.as_ref().and_then(|process| process.scheduler.as_ref());
    let Some(asked) = asked.filter(|_| !spec.hooks.start_container.is_empty()) else { return };
    if asked.policy == SchedulerPolicy::Deadline && !asked.flags.contains(&SchedulerFlag::ResetOnFork) {
        let place = Place::of("process.scheduler.flags");
        draft.refuse(
            place,
            "under SCHED_DEADLINE no startContainer hook can be started without SCHED_FLAG_RESET_ON_FORK",
        );
    }
}

/// Plans the memory policy, which a process can set for itself alone, and which counts within the nodes that its cpuset
/// has.
pub(crate) fn memory_policy(draft: &mut Draft, context: &Context<'_>) {
    let Some(asked) = &context.spec.linux.memory_policy else { return };
    let place = Place::of("linux.memoryPolicy.nodes");
    let text = asked.nodes.as_deref().unwrap_or("");
    let Some(nodes) = mask(text) else {
        return draft.refuse(place, format!("memory nodes {text:?} are out of range: expected 0 to 1023"));
    };
    let flags = asked.flags.iter().fold(0, |all, flag| all | memory_flag_bit(*flag));
    let number = mode_number(asked.mode) | flags;
    let step = MemoryPolicy { mode: asked.mode, number, nodes };
    draft.init(ProcessStep::MemoryPolicy(step), Place::of("linux.memoryPolicy"));
}

/// The numbers of `linux/sched.h`.
fn policy_number(policy: SchedulerPolicy) -> u32 {
    match policy {
        SchedulerPolicy::Other => 0,
        SchedulerPolicy::Fifo => 1,
        SchedulerPolicy::RoundRobin => 2,
        SchedulerPolicy::Batch => 3,
        SchedulerPolicy::Isochronous => 4,
        SchedulerPolicy::Idle => 5,
        SchedulerPolicy::Deadline => 6,
    }
}

fn flag_bit(flag: SchedulerFlag) -> u64 {
    match flag {
        SchedulerFlag::ResetOnFork => 0x01,
        SchedulerFlag::Reclaim => 0x02,
        SchedulerFlag::DeadlineOverrun => 0x04,
        SchedulerFlag::KeepPolicy => 0x08,
        SchedulerFlag::KeepParams => 0x10,
        SchedulerFlag::UtilClampMin => 0x20,
        SchedulerFlag::UtilClampMax => 0x40,
    }
}

/// The numbers of `linux/ioprio.h`.
fn class_number(class: IoPriorityClass) -> u16 {
    match class {
        IoPriorityClass::RealTime => 1,
        IoPriorityClass::BestEffort => 2,
        IoPriorityClass::Idle => 3,
    }
}

/// The numbers of `linux/mempolicy.h`.
fn mode_number(mode: MemoryPolicyMode) -> u32 {
    match mode {
        MemoryPolicyMode::Default => 0,
        MemoryPolicyMode::Preferred => 1,
        MemoryPolicyMode::Bind => 2,
        MemoryPolicyMode::Interleave => 3,
        MemoryPolicyMode::Local => 4,
        MemoryPolicyMode::PreferredMany => 5,
        MemoryPolicyMode::WeightedInterleave => 6,
    }
}

fn memory_flag_bit(flag: MemoryPolicyFlag) -> u32 {
    match flag {
        MemoryPolicyFlag::NumaBalancing => 1 << 13,
        MemoryPolicyFlag::RelativeNodes => 1 << 14,
        MemoryPolicyFlag::StaticNodes => 1 << 15,
    }
}

/// The processors of a list such as `0-3,7`; nothing for one that has too high a number, or none that can be read.
pub(crate) fn processors(list: &str) -> Option<CpuSet> {
    mask(list).map(|bits| CpuSet { bits })
}

/// The bits of a list such as `0-3,7`; nothing for one that has too high a number.
fn mask<const WORDS: usize>(list: &str) -> Option<[u64; WORDS]> {
    let mut mask = [0; WORDS];
    for part in list.split(',').map(str::trim).filter(|part| !part.is_empty()) {
        let (low, high) = part.split_once('-').unwrap_or((part, part));
        let (low, high) = (low.parse::<usize>().ok()?, high.parse::<usize>().ok()?);
        // The highest is looked at first, so that a range without end takes no time.
        mask.get(high / 64)?;
        for node in low..=high {
            *mask.get_mut(node / 64)? |= 1 << (node % 64);
        }
    }
    Some(mask)
}

#[cfg(test)]
mod tests {
    use super::mask;
    use crate::step::NODE_WORDS;

    #[test]
    fn nodes_are_bits_and_too_high_a_one_is_refused() {
        let nodes = mask::<NODE_WORDS>("0-2, 64").unwrap();
        assert_eq!((nodes[0], nodes[1], nodes[2]), (0b111, 1, 0));
        assert_eq!(mask(""), Some([0; NODE_WORDS]));
        assert_eq!(mask::<NODE_WORDS>("1024"), None);
        assert_eq!(mask::<NODE_WORDS>("0-4294967295"), None);
    }
}
