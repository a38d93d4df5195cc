//! Compiled filters against a model of the profile, for every system call number of every ABI.
//!
//! An interpreter of classic BPF runs the filter, and the model in `naive` reads the profile rule by rule.
//! Both have to agree, for the profiles of engines and for generated ones.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that can't go on should stop"
)]

mod machine;
mod naive;

use std::path::PathBuf;

use tare_plan::seccomp::{self, Filter};
use tare_plan::spec::{self, Action, Arch, ArgCondition, Operator, Seccomp, SeccompFlag, SyscallRule};
use tare_plan::tables::syscalls::{Abi, Syscall};

use machine::{ALLOW, Call, ERRNO, KILL_THREAD, audit, run};
use naive::expected;

/// Compares filter and model over all numbers of an ABI, with arguments around the values in the profile.
fn compare(profile: &Seccomp, filter: &Filter, abi: Abi, random: &mut Random) {
    let mut values = vec![0, 1, 2, 3, 5, 10, 18, 0xffff_ffff, 0x1_0000_0000, 0x1_0000_0001, u64::MAX];
    for arg in profile.syscalls.iter().flat_map(|rule| &rule.args) {
        values.extend([
            arg.value.wrapping_sub(1),
            arg.value,
            arg.value.wrapping_add(1),
            arg.value_two.unwrap_or(0),
        ]);
    }
    let base = if abi == Abi::X32 { Abi::X32_BIT } else { 0 };
    let private = if abi == Abi::Arm { Abi::ARM_PRIVATE } else { base };
    for number in (base..base + 600).chain(private..private + 8).chain([base + 0x3fff_fffe]) {
        for _ in 0..8 {
            let args = std::array::from_fn(|_| values[random.below(values.len())]);
            let call = Call { number, audit: audit(abi), args };
            assert_eq!(
                run(&filter.instructions, &call).0,
                expected(profile, abi, &call),
                "{abi:?} {call:x?}"
            );
        }
    }
}

/// A pseudo-random number generator (xorshift64*): a seed gives the same profiles every time.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % end
    }

    fn of<T: Copy>(&mut self, list: &[T]) -> T {
        list[self.below(list.len())]
    }
}

fn profile(default_action: Action, architectures: &[Arch], syscalls: Vec<SyscallRule>) -> Seccomp {
    Seccomp {
        default_action,
        default_errno_ret: None,
        architectures: architectures.to_vec(),
        flags: None,
        listener_path: None,
        listener_metadata: None,
        syscalls,
    }
}

fn rule(names: &[&str], action: Action) -> SyscallRule {
    let names = names.iter().copied().collect();
    SyscallRule { names, action, errno_ret: None, args: Vec::new() }
}

fn arg(index: u32, op: Operator, value: u64) -> ArgCondition {
    ArgCondition { index, op, value, value_two: None }
}

/// Generates a profile with rules that overlap, repeat and contradict each other, with and without
/// conditions.
fn generated(random: &mut Random, rules: usize) -> Seccomp {
    // Without the multiplexed calls that the model lacks.
    let calls: Vec<Syscall> =
        Syscall::all().filter(|call| !is_multiplexed_and_not_modelled(call.name())).collect();
    let actions: Vec<Action> =
        Action::ALL.iter().copied().filter(|action| *action != Action::Notify).collect();
    let values = [0, 1, 5, 40, 0xffff_ffff, 0x1_0000_0000, 0x1_0000_0001, 1 << 63];
    let mut made = profile(random.of(&actions), &[], Vec::new());
    made.architectures = Arch::ALL.iter().copied().filter(|_| random.below(2) == 0).collect();
    made.default_errno_ret = [None, Some(1), Some(38)][random.below(3)];
    for _ in 0..rules {
        let count = 1 + random.below(6);
        let names = (0..count).map(|_| random.of(&calls).name()).collect();
        let mut args = Vec::new();
        for index in (0..6).filter(|_| random.below(8) == 0).collect::<Vec<_>>() {
            for _ in 0..1 + random.below(4) / 3 {
                let (op, value) = (random.of(Operator::ALL), random.of(&values));
                args.push(ArgCondition { index, op, value, value_two: Some(random.of(&values)) });
            }
        }
        let errno_ret = [None, Some(1), Some(38)][random.below(3)];
        made.syscalls.push(SyscallRule { names, action: random.of(&actions), errno_ret, args });
    }
    made
}

fn is_multiplexed_and_not_modelled(name: &str) -> bool {
    let modelled = ["socket", "connect", "accept", "accept4", "recv"];
    let multiplexed = [
        "bind",
        "listen",
        "getsockname",
        "getpeername",
        "socketpair",
        "send",
        "sendto",
        "recvfrom",
        "shutdown",
        "setsockopt",
        "getsockopt",
        "sendmsg",
        "recvmsg",
        "recvmmsg",
        "sendmmsg",
        "semop",
        "semget",
        "semctl",
        "semtimedop",
        "msgsnd",
        "msgrcv",
        "msgget",
        "msgctl",
        "shmat",
        "shmdt",
        "shmget",
        "shmctl",
    ];
    !modelled.contains(&name) && multiplexed.contains(&name)
}

fn sample(name: &str) -> Seccomp {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/samples").join(name);
    spec::load(&std::fs::read(path).unwrap()).unwrap().spec.linux.seccomp.unwrap()
}

// Docker, Podman and CRI profiles have rules for all three ABIs of x86.
#[test]
fn filters_of_engine_profiles_match_the_model() {
    let mut random = Random(1);
    for name in ["docker-18.json", "docker28-24.json", "podman-30.json", "podman5-36.json", "cri-13.json"] {
        let profile = sample(name);
        let filter = seccomp::compile_for(Arch::X86_64, &profile).unwrap();
        for abi in [Abi::X86_64, Abi::X86, Abi::X32] {
            compare(&profile, &filter, abi, &mut random);
        }
    }
}

#[test]
fn filters_of_generated_profiles_match_the_model() {
    let mut random = Random(0x7a5e);
    for round in 0..60 {
        let profile = generated(&mut random, 1 + round);
        for native in [Arch::X86_64, Arch::Aarch64] {
            let filter = seccomp::compile_for(native, &profile).unwrap();
            for abi in Abi::ALL {
                let listed = |arch: &Arch| seccomp::abi(*arch) == Some(abi);
                if profile.architectures.iter().chain([&native]).any(listed) {
                    compare(&profile, &filter, abi, &mut random);
                }
            }
        }
    }
}

// Comparisons in classic BPF jump 255 instructions at most.
#[test]
fn long_jumps_reach_their_target() {
    let mut random = Random(0xfa4);
    let calls: Vec<Syscall> = Syscall::all().filter(|call| call.number(Abi::X86_64).is_some()).collect();
    let rules = calls.iter().filter(|call| !is_multiplexed_and_not_modelled(call.name())).enumerate().map(
        |(index, call)| {
            let mut rule = rule(&[call.name()], if index % 2 == 0 { Action::Allow } else { Action::Trap });
            rule.args.push(arg(1, Operator::Greater, index as u64));
            rule
        },
    );
    let profile = profile(Action::Errno, &[], rules.collect());
    let filter = seccomp::compile_for(Arch::X86_64, &profile).unwrap();
    assert!(filter.instructions.len() > 2000);
    compare(&profile, &filter, Abi::X86_64, &mut random);
}

// The bound on instructions is what the binary search is for.
#[test]
fn the_filter_of_dockers_profile_is_small_and_fast() {
    let filter = seccomp::compile_for(Arch::X86_64, &sample("docker-18.json")).unwrap();
    assert!(filter.instructions.len() <= 360, "{} instructions", filter.instructions.len());
    for number in 0..470 {
        let call = Call { number, audit: audit(Abi::X86_64), args: [0; 6] };
        assert!(run(&filter.instructions, &call).1 <= 40, "{number}");
    }
}

// libseccomp, SCMP_FLTATR_ACT_BADARCH: the default is SCMP_ACT_KILL.
#[test]
fn calls_of_an_unlisted_architecture_kill_the_thread() {
    let filter =
        seccomp::compile_for(Arch::X86_64, &profile(Action::Allow, &[Arch::Mips], Vec::new())).unwrap();
    let ends = |abi, number| {
        let call = Call { number, audit: audit(abi), args: [0; 6] };
        run(&filter.instructions, &call).0 == KILL_THREAD
    };
    assert!(!ends(Abi::X86_64, 0));
    assert!(ends(Abi::X86, 0));
    assert!(ends(Abi::Aarch64, 0));
    assert!(ends(Abi::X32, Abi::X32_BIT), "x32 has the audit value of x86_64");
    assert!(!ends(Abi::X86_64, u32::MAX), "a tracer skips a call with number -1");
    assert_eq!(filter.warnings[0].place, "linux.seccomp.architectures[0]");
}

// On 32-bit x86: socketcall 102 with SYS_SOCKET 1, ipc 117 with SHMAT 21.
#[test]
fn a_rule_for_a_socket_call_also_holds_through_socketcall() {
    let profile = profile(Action::Allow, &[Arch::X86], vec![rule(&["socket", "shmat"], Action::Errno)]);
    let filter = seccomp::compile_for(Arch::X86_64, &profile).unwrap();
    let answer = |number, first| {
        let call = Call { number, audit: audit(Abi::X86), args: [first, 0, 0, 0, 0, 0] };
        run(&filter.instructions, &call).0
    };
    assert_eq!(answer(359, 0), ERRNO | 1);
    assert_eq!(answer(102, 1), ERRNO | 1);
    assert_eq!(answer(102, 2), ALLOW);
    assert_eq!(answer(117, 21), ERRNO | 1);
}

// libseccomp drops the conditions of a call when it adds a rule without any.
#[test]
fn a_rule_without_conditions_counts_wherever_it_stands() {
    let mut conditional = rule(&["personality"], Action::Allow);
    conditional.args.push(arg(0, Operator::Equal, 0));
    let always = rule(&["personality"], Action::Trap);
    for rules in [vec![conditional.clone(), always.clone()], vec![always, conditional]] {
        let filter = seccomp::compile_for(Arch::X86_64, &profile(Action::Errno, &[], rules)).unwrap();
        let call = Call { number: 135, audit: audit(Abi::X86_64), args: [0; 6] };
        assert_eq!(run(&filter.instructions, &call).0, 0x0003_0000);
    }
}

// config-linux.md, Seccomp: unknown names are ignored, since profiles name calls of newer kernels.
#[test]
fn unknown_names_give_a_warning() {
    let filter = seccomp::compile_for(
        Arch::X86_64,
        &profile(Action::Errno, &[], vec![rule(&["read", "raed"], Action::Allow)]),
    );
    let filter = filter.unwrap();
    assert_eq!(filter.warnings.len(), 1);
    let warning = filter.warnings[0].to_string();
    assert_eq!(
        warning,
        "unknown system call \"raed\" is ignored, because of linux.seccomp.syscalls[0].names[1]"
    );
}

// linux/seccomp.h: TSYNC 1, LOG 2, SPEC_ALLOW 4.
#[test]
fn flags_have_the_bits_of_the_kernel() {
    let flags = |flags: Option<&[SeccompFlag]>| {
        let mut profile = profile(Action::Allow, &[], Vec::new());
        profile.flags = flags.map(<[SeccompFlag]>::to_vec);
        seccomp::compile_for(Arch::X86_64, &profile).unwrap().flags
    };
    assert_eq!(flags(None), 4, "without a list: SECCOMP_FILTER_FLAG_SPEC_ALLOW");
    assert_eq!(flags(Some(&[])), 0);
    assert_eq!(flags(Some(&[SeccompFlag::Tsync, SeccompFlag::Log, SeccompFlag::SpecAllow])), 7);
}

#[test]
fn unsupported_profiles_are_refused_with_their_place() {
    let refused = |profile: &Seccomp| seccomp::compile_for(Arch::X86_64, profile).unwrap_err()[0].clone();
    let notify = profile(Action::Allow, &[], vec![rule(&["mkdir"], Action::Notify)]);
    assert_eq!(refused(&notify).place, "linux.seccomp.syscalls[0].action");
    assert!(refused(&notify).what.starts_with("seccomp notify unsupported: "));

    let mut seventh = rule(&["mkdir"], Action::Allow);
    seventh.args.push(arg(6, Operator::Equal, 0));
    let what = refused(&profile(Action::Errno, &[], vec![seventh]));
    assert_eq!(what.place, "linux.seccomp.syscalls[0].args[0].index");

    let long = (0..2000).map(|value| {
        let mut rule = rule(&["mkdir"], Action::Allow);
        rule.args.push(arg(1, Operator::Equal, value));
        rule
    });
    let what = refused(&profile(Action::Errno, &[], long.collect()));
    assert_eq!(what.place, "linux.seccomp.syscalls");
    assert!(what.what.ends_with("the kernel takes 4096"), "{what}");
}
