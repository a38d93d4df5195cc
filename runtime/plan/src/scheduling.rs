//! The scheduler, the I/O priority, the CPU affinity and the NUMA memory policy (config.md, "Linux Process";
//! config-linux.md, "Memory policy").
//!
//! A topic: the verbs and `cgroup` use it.

use crate::context::Context;
use crate::draft::Draft;
use crate::place::Place;
use crate::spec::{
    IoPriorityClass, MemoryPolicyFlag, MemoryPolicyMode, Process, SchedulerFlag, SchedulerPolicy, Spec,
};
use crate::step::{ChildStep, CpuSet, IoPriority, MemoryPolicy, ProcessStep, Scheduler};

/// Plans the scheduler and the I/O priority. The parent sets them, since init has no CAP_SYS_NICE over the
/// host in a user namespace (sched(7), ioprio_set(2)).
pub(crate) fn plan(draft: &mut Draft, process: &Process) {
    if let Some(scheduler) = &process.scheduler {
        let step = Scheduler {
            policy: scheduler.policy,
            number: policy_number(scheduler.policy),
            eperm_hint: is_real_time(scheduler.policy).then_some(NO_REAL_TIME_RUNTIME),
            flags: scheduler.flags.iter().fold(0, |all, flag| all | flag_bit(*flag)),
            nice: scheduler.nice.unwrap_or(0),
            priority: scheduler.priority.unwrap_or(0).unsigned_abs(),
            runtime_ns: scheduler.runtime.unwrap_or(0),
            deadline_ns: scheduler.deadline.unwrap_or(0),
            period_ns: scheduler.period.unwrap_or(0),
        };
        draft.after(ChildStep::Scheduler(step), Place::of("process.scheduler"));
    }
    if let Some(io) = &process.io_priority {
        let level = u16::try_from(io.priority.unwrap_or(0)).unwrap_or(0);
        let step = IoPriority { class: io.class, number: class_number(io.class), level };
        draft.after(ChildStep::IoPriority(step), Place::of("process.ioPriority"));
    }
}

/// Why the kernel refuses a real-time policy: with CONFIG_RT_GROUP_SCHED a new cgroup has no real-time
/// runtime (Documentation/scheduler/sched-rt-group.rst).
const NO_REAL_TIME_RUNTIME: &str =
    "the cgroup has no real-time runtime, which linux.resources.cpu.realtimeRuntime sets";

/// Whether a policy needs real-time runtime of the cgroup.
fn is_real_time(policy: SchedulerPolicy) -> bool {
    matches!(policy, SchedulerPolicy::Fifo | SchedulerPolicy::RoundRobin)
}

/// Refuses startContainer hooks with SCHED_DEADLINE: such a process cannot fork, except with the
/// reset-on-fork flag (sched(7)).
pub(crate) fn check_hooks(draft: &mut Draft, spec: &Spec) {
    let scheduler = spec.process.as_ref().and_then(|process| process.scheduler.as_ref());
    let Some(scheduler) = scheduler.filter(|_| !spec.hooks.start_container.is_empty()) else { return };
    if scheduler.policy == SchedulerPolicy::Deadline && !scheduler.flags.contains(&SchedulerFlag::ResetOnFork)
    {
        let place = Place::of("process.scheduler.flags");
        draft.refuse(
            place,
            "with SCHED_DEADLINE no process can fork, nor run a startContainer hook, without SCHED_FLAG_RESET_ON_FORK",
        );
    }
}

/// Plans the memory policy. Init sets it, since set_mempolicy(2) has no other target, and after it has joined
/// its cpuset, which limits the nodes.
pub(crate) fn memory_policy(draft: &mut Draft, context: &Context<'_>) {
    let Some(policy) = &context.spec.linux.memory_policy else { return };
    let place = Place::of("linux.memoryPolicy.nodes");
    let text = policy.nodes.as_deref().unwrap_or("");
    let Some(nodes) = mask(text) else {
        return draft.refuse(place, format!("memory nodes {text:?} are out of range: expected 0 to 1023"));
    };
    let flags = policy.flags.iter().fold(0, |all, flag| all | memory_flag_bit(*flag));
    let number = mode_number(policy.mode) | flags;
    let step = MemoryPolicy { mode: policy.mode, number, nodes };
    draft.init(ProcessStep::MemoryPolicy(step), Place::of("linux.memoryPolicy"));
}

/// The numbers of `linux/sched.h` (sched_setattr(2)).
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

/// `SCHED_FLAG_*` of `linux/sched.h`.
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

/// `MPOL_F_*` of `linux/mempolicy.h`.
fn memory_flag_bit(flag: MemoryPolicyFlag) -> u32 {
    match flag {
        MemoryPolicyFlag::NumaBalancing => 1 << 13,
        MemoryPolicyFlag::RelativeNodes => 1 << 14,
        MemoryPolicyFlag::StaticNodes => 1 << 15,
    }
}

/// Parses a list of CPUs such as `0-3,7`; `None` for a number that is too high, or another syntax.
pub(crate) fn cpu_set(list: &str) -> Option<CpuSet> {
    mask(list).map(|bits| CpuSet { bits })
}

/// Parses a list such as `0-3,7` to a bit mask (cpuset(7), "List format").
fn mask<const WORDS: usize>(list: &str) -> Option<[u64; WORDS]> {
    let mut mask = [0; WORDS];
    for part in list.split(',').map(str::trim).filter(|part| !part.is_empty()) {
        let (low, high) = part.split_once('-').unwrap_or((part, part));
        let (low, high) = (low.parse::<usize>().ok()?, high.parse::<usize>().ok()?);
        // Checked before the loop, so that a huge range takes no time.
        mask.get(high / 64)?;
        for number in low..=high {
            *mask.get_mut(number / 64)? |= 1 << (number % 64);
        }
    }
    Some(mask)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::step::NODE_WORDS;

    #[test]
    fn a_list_is_a_bit_mask_of_limited_size() {
        let nodes = mask::<NODE_WORDS>("0-2, 64").unwrap();
        assert_eq!((nodes[0], nodes[1], nodes[2]), (0b111, 1, 0));
        assert_eq!(mask(""), Some([0; NODE_WORDS]));
        assert_eq!(mask::<NODE_WORDS>("1023").unwrap()[15], 1 << 63);
        assert_eq!(mask::<NODE_WORDS>("1024"), None);
        assert_eq!(mask::<NODE_WORDS>("a"), None);
        assert_eq!(mask::<NODE_WORDS>("0-4294967295"), None);
    }

    // libc has the numbers of the kernel's headers.
    #[test]
    fn policies_and_flags_have_the_numbers_of_the_kernel() {
        let policies = [
            (SchedulerPolicy::Other, libc::SCHED_OTHER),
            (SchedulerPolicy::Fifo, libc::SCHED_FIFO),
            (SchedulerPolicy::RoundRobin, libc::SCHED_RR),
            (SchedulerPolicy::Batch, libc::SCHED_BATCH),
            (SchedulerPolicy::Idle, libc::SCHED_IDLE),
            (SchedulerPolicy::Deadline, libc::SCHED_DEADLINE),
        ];
        for (policy, number) in policies {
            assert_eq!(policy_number(policy), number.cast_unsigned(), "{policy}");
        }
        let flags = [
            (SchedulerFlag::ResetOnFork, libc::SCHED_FLAG_RESET_ON_FORK),
            (SchedulerFlag::Reclaim, libc::SCHED_FLAG_RECLAIM),
            (SchedulerFlag::DeadlineOverrun, libc::SCHED_FLAG_DL_OVERRUN),
            (SchedulerFlag::KeepPolicy, libc::SCHED_FLAG_KEEP_POLICY),
            (SchedulerFlag::KeepParams, libc::SCHED_FLAG_KEEP_PARAMS),
            (SchedulerFlag::UtilClampMin, libc::SCHED_FLAG_UTIL_CLAMP_MIN),
            (SchedulerFlag::UtilClampMax, libc::SCHED_FLAG_UTIL_CLAMP_MAX),
        ];
        for (flag, bit) in flags {
            assert_eq!(flag_bit(flag), u64::from(bit.cast_unsigned()), "{flag}");
        }
    }

    #[test]
    fn memory_policies_have_the_numbers_of_the_kernel() {
        let modes = [
            (MemoryPolicyMode::Default, libc::MPOL_DEFAULT),
            (MemoryPolicyMode::Preferred, libc::MPOL_PREFERRED),
            (MemoryPolicyMode::Bind, libc::MPOL_BIND),
            (MemoryPolicyMode::Interleave, libc::MPOL_INTERLEAVE),
            (MemoryPolicyMode::Local, libc::MPOL_LOCAL),
        ];
        for (mode, number) in modes {
            assert_eq!(mode_number(mode), number.cast_unsigned(), "{mode}");
        }
        let flags = [
            (MemoryPolicyFlag::NumaBalancing, libc::MPOL_F_NUMA_BALANCING),
            (MemoryPolicyFlag::RelativeNodes, libc::MPOL_F_RELATIVE_NODES),
            (MemoryPolicyFlag::StaticNodes, libc::MPOL_F_STATIC_NODES),
        ];
        for (flag, bit) in flags {
            assert_eq!(memory_flag_bit(flag), bit.cast_unsigned(), "{flag}");
        }
    }

    // ioprio_set(2) and linux/ioprio.h. sched(7): only SCHED_FIFO and SCHED_RR take real-time runtime of the
    // cgroup.
    #[test]
    fn classes_and_real_time_policies_are_those_of_the_kernel() {
        let classes = [IoPriorityClass::RealTime, IoPriorityClass::BestEffort, IoPriorityClass::Idle];
        assert_eq!(classes.map(class_number), [1, 2, 3]);
        let real_time = [SchedulerPolicy::Fifo, SchedulerPolicy::RoundRobin, SchedulerPolicy::Deadline];
        assert_eq!(real_time.map(is_real_time), [true, true, false]);
        assert!(!is_real_time(SchedulerPolicy::Other));
    }
}
