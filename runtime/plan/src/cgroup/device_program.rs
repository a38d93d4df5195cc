//! Compiles the device rules to the eBPF program that v2 needs (config-linux.md, "Allowed Device list").
//!
//! The kernel runs the program for each access to a device, with the type and the numbers of the device and
//! the access: mknod, read, write, or several of them. For each kind of access the last matching rule
//! decides; without a rule it is denied. So the program checks the rules from the last to the first. A rule
//! that allows removes its kinds of access from those left to decide, and the program allows when none is
//! left. A rule that denies any of those left denies the whole access.

use crate::spec::{DeviceRule, Verdict};
use crate::step::ProgramInstruction;

/// Opcodes of eBPF (Documentation/bpf/standardization/instruction-set.rst of the kernel).
const LOAD_WORD: u8 = 0x61;
const AND: u8 = 0x57;
const SHIFT_RIGHT: u8 = 0x77;
const SET: u8 = 0xb7;
const SKIP: u8 = 0x05;
const SKIP_IF_EQUAL: u8 = 0x15;
const SKIP_IF_ANY_BIT: u8 = 0x45;
/// Compares the lower halves of 64-bit registers: an immediate of 32 bits would be sign-extended.
const SKIP_UNLESS_EQUAL: u8 = 0x56;
const EXIT: u8 = 0x95;

/// Registers. The kernel fixes the first two: the return value, and the pointer to `struct
/// bpf_cgroup_dev_ctx`. The others hold the fields of that struct.
const RESULT: u8 = 0;
const CONTEXT: u8 = 1;
const KIND: u8 = 2;
const ACCESS: u8 = 3;
const MAJOR: u8 = 4;
const MINOR: u8 = 5;
/// For operations without a register.
const UNUSED: u8 = 0;

/// `BPF_DEVCG_DEV_*` and `BPF_DEVCG_ACC_*` (linux/bpf.h).
const BLOCK: i32 = 1;
const CHARACTER: i32 = 2;
const MKNOD: i32 = 1;
const READ: i32 = 2;
const WRITE: i32 = 4;
const ALL_ACCESS: i32 = MKNOD | READ | WRITE;

/// A parsed rule. `None` matches every device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Rule {
    verdict: Verdict,
    kind: Option<i32>,
    major: Option<u32>,
    minor: Option<u32>,
    access: i32,
}

/// Compiles the rules of a configuration, followed by the lines that every container is allowed.
pub(super) fn compile(rules: &[DeviceRule], always: &[&str]) -> Vec<ProgramInstruction> {
    let given = rules.iter().map(of_config);
    let all: Vec<Rule> = given.chain(always.iter().map(|line| of_line(line))).collect();
    let mut program = vec![
        // access_type is (access << 16) | type.
        load(KIND, 0),
        alu(AND, KIND, 0xffff),
        load(ACCESS, 0),
        alu(SHIFT_RIGHT, ACCESS, 16),
        load(MAJOR, 4),
        load(MINOR, 8),
        // No access leaves nothing to deny.
        skip_if(SKIP_IF_EQUAL, ACCESS, 0, 1),
        skip(2),
    ];
    program.extend(return_verdict(Verdict::Allow));
    for rule in all.iter().rev() {
        rule.write(&mut program);
        if rule.decides_all() {
            // The verifier refuses a program with unreachable instructions.
            return program;
        }
    }
    program.extend(return_verdict(Verdict::Deny));
    program
}

impl Rule {
    /// Whether it decides every access to every device.
    fn decides_all(&self) -> bool {
        let Self { kind, major, minor, access, verdict: _ } = self;
        kind.is_none() && major.is_none() && minor.is_none() && *access == ALL_ACCESS
    }

    /// Appends the rule to the program: the checks whether it matches, where each skips the rest, and the
    /// decision.
    fn write(&self, program: &mut Vec<ProgramInstruction>) {
        let mut rule = Vec::new();
        match (self.verdict, self.access) {
            // Whatever the access is, the rule decides it.
            (_, ALL_ACCESS) => {}
            (Verdict::Allow, access) => {
                // Skips the return of two instructions, unless nothing is left to decide.
                rule.push(alu(AND, ACCESS, ALL_ACCESS & !access));
                rule.push(skip_if(SKIP_IF_EQUAL, ACCESS, 0, 1));
                rule.push(skip(2));
            }
            (Verdict::Deny, access) => {
                rule.push(skip_if(SKIP_IF_ANY_BIT, ACCESS, access, 1));
                rule.push(skip(2));
            }
        }
        rule.extend(return_verdict(self.verdict));
        // Each check goes in front of the rest, so it can count the instructions to skip.
        let numbers = [(MINOR, self.minor), (MAJOR, self.major)];
        let numbers = numbers.map(|(register, number)| (register, number.map(u32::cast_signed)));
        for (register, expected) in numbers.into_iter().chain([(KIND, self.kind)]) {
            if let Some(expected) = expected {
                let rest = i16::try_from(rule.len()).unwrap_or(i16::MAX);
                rule.insert(0, skip_if(SKIP_UNLESS_EQUAL, register, expected, rest));
            }
        }
        program.append(&mut rule);
    }
}

/// Two instructions that return a verdict: 1 allows, 0 denies.
fn return_verdict(verdict: Verdict) -> [ProgramInstruction; 2] {
    let value = i32::from(verdict == Verdict::Allow);
    let exit = ProgramInstruction { code: EXIT, to: UNUSED, from: UNUSED, offset: 0, immediate: 0 };
    [alu(SET, RESULT, value), exit]
}

/// Loads the 32-bit field of the context at an offset.
fn load(to: u8, offset: i16) -> ProgramInstruction {
    ProgramInstruction { code: LOAD_WORD, to, from: CONTEXT, offset, immediate: 0 }
}

/// Applies an arithmetic operation to a register and an immediate.
fn alu(code: u8, to: u8, immediate: i32) -> ProgramInstruction {
    ProgramInstruction { code, to, from: UNUSED, offset: 0, immediate }
}

/// Skips instructions.
fn skip(offset: i16) -> ProgramInstruction {
    ProgramInstruction { code: SKIP, to: UNUSED, from: UNUSED, offset, immediate: 0 }
}

/// Skips instructions if a comparison of a register with an immediate holds.
fn skip_if(code: u8, register: u8, immediate: i32, offset: i16) -> ProgramInstruction {
    ProgramInstruction { code, to: register, from: UNUSED, offset, immediate }
}

/// Parses a rule of the configuration. A rule for type `a` matches every device and every access, whatever
/// its other fields are, as on v1.
fn of_config(rule: &DeviceRule) -> Rule {
    let kind = match rule.kind.as_deref() {
        Some("b") => Some(BLOCK),
        Some("c") => Some(CHARACTER),
        _ => None,
    };
    if kind.is_none() {
        return Rule { verdict: rule.allow, kind, major: None, minor: None, access: ALL_ACCESS };
    }
    let number = |number: Option<i64>| number.and_then(|number| u32::try_from(number).ok());
    let access = access_of(rule.access.as_deref().unwrap_or("rwm"));
    Rule { verdict: rule.allow, kind, major: number(rule.major), minor: number(rule.minor), access }
}

/// Parses an allowed line such as `c 1:3 rwm`.
fn of_line(line: &str) -> Rule {
    let mut words = line.split([' ', ':']);
    let kind = if words.next() == Some("b") { BLOCK } else { CHARACTER };
    let mut number = || words.next().and_then(|number| number.parse().ok());
    let (major, minor) = (number(), number());
    let verdict = Verdict::Allow;
    Rule { verdict, kind: Some(kind), major, minor, access: access_of(words.next().unwrap_or("rwm")) }
}

fn access_of(letters: &str) -> i32 {
    letters.chars().fold(0, |access, letter| {
        access
            | match letter {
                'r' => READ,
                'w' => WRITE,
                _ => MKNOD,
            }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs a program as the kernel does. `None` is a program that the verifier would refuse.
    fn run(program: &[ProgramInstruction], context: [u32; 3]) -> Option<u64> {
        let mut registers = [0_u64; 11];
        let mut at = 0_usize;
        for _ in 0..=program.len() {
            let now = program.get(at)?;
            let (to, from) = (usize::from(now.to), usize::from(now.from));
            let immediate = i64::from(now.immediate).cast_unsigned();
            let past = usize::try_from(now.offset).ok()?;
            at += 1;
            match now.code {
                LOAD_WORD => registers[to] = u64::from(context[past / 4 + from - 1]),
                AND => registers[to] &= immediate,
                SHIFT_RIGHT => registers[to] >>= immediate,
                SET => registers[to] = immediate,
                SKIP => at += past,
                SKIP_IF_EQUAL if registers[to] == immediate => at += past,
                SKIP_IF_ANY_BIT if registers[to] & immediate != 0 => at += past,
                SKIP_UNLESS_EQUAL if registers[to] as u32 != immediate as u32 => at += past,
                EXIT => return Some(registers[0]),
                _ => {}
            }
        }
        None
    }

    /// A `struct bpf_cgroup_dev_ctx`.
    fn context(kind: i32, (major, minor): (u32, u32), access: i32) -> [u32; 3] {
        [(access << 16 | kind).cast_unsigned(), major, minor]
    }

    fn rule(allow: Verdict, kind: &str, numbers: (Option<i64>, Option<i64>), access: &str) -> DeviceRule {
        let (major, minor) = numbers;
        DeviceRule { allow, kind: Some(kind.to_owned()), major, minor, access: Some(access.to_owned()) }
    }

    /// The verdict by another algorithm: for each kind of access, the last matching rule.
    fn verdict(rules: &[DeviceRule], kind: i32, numbers: (u32, u32), access: i32) -> bool {
        [MKNOD, READ, WRITE].into_iter().filter(|one| access & one != 0).all(|one| {
            let matches = |rule: &&Rule| {
                rule.kind.is_none_or(|other| other == kind)
                    && rule.major.is_none_or(|major| major == numbers.0)
                    && rule.minor.is_none_or(|minor| minor == numbers.1)
                    && rule.access & one != 0
            };
            let all: Vec<Rule> = rules.iter().map(of_config).collect();
            all.iter().rev().find(matches).is_some_and(|rule| rule.verdict == Verdict::Allow)
        })
    }

    fn check(rules: &[DeviceRule]) {
        let program = compile(rules, &[]);
        for kind in [BLOCK, CHARACTER] {
            for numbers in [(1, 3), (1, 5), (8, 0), (10, 229), (u32::MAX, 0)] {
                for access in 0..=ALL_ACCESS {
                    let result = run(&program, context(kind, numbers, access));
                    let expected = u64::from(verdict(rules, kind, numbers, access));
                    assert_eq!(result, Some(expected), "{rules:?} {kind} {numbers:?} {access}");
                }
            }
        }
    }

    #[test]
    fn the_last_matching_rule_decides_each_kind_of_access() {
        let all = (None, None);
        let (null, disk) = ((Some(1), Some(3)), (Some(8), Some(0)));
        check(&[]);
        check(&[rule(Verdict::Allow, "c", null, "r")]);
        check(&[rule(Verdict::Allow, "c", null, "rwm"), rule(Verdict::Deny, "c", null, "w")]);
        check(&[rule(Verdict::Deny, "c", null, "w"), rule(Verdict::Allow, "c", (Some(1), None), "rw")]);
        check(&[rule(Verdict::Allow, "a", all, "rwm"), rule(Verdict::Deny, "b", disk, "m")]);
        check(&[
            rule(Verdict::Allow, "c", null, "rwm"),
            rule(Verdict::Deny, "a", all, "rwm"),
            rule(Verdict::Allow, "b", disk, "rw"),
        ]);
        check(&[rule(Verdict::Allow, "c", (Some(i64::from(u32::MAX)), Some(-1)), "rwm")]);
        check(&[
            rule(Verdict::Allow, "c", (None, Some(229)), "mr"),
            rule(Verdict::Allow, "c", (Some(10), None), "w"),
        ]);
    }

    #[test]
    fn a_program_ends_with_a_rule_about_all_devices() {
        let rules = [
            rule(Verdict::Allow, "c", (Some(1), Some(3)), "rwm"),
            rule(Verdict::Deny, "a", (None, None), "rwm"),
        ];
        assert_eq!(compile(&rules, &[]), compile(&rules[1..], &[]));
    }

    #[test]
    fn the_default_devices_override_a_denial_of_all() {
        let program = compile(
            &[rule(Verdict::Deny, "a", (None, None), "rwm")],
            &["c *:* m", "c 1:3 rwm", "c 136:* rw"],
        );
        let ask = |numbers, access| run(&program, context(CHARACTER, numbers, access));
        assert_eq!(ask((1, 3), READ | WRITE), Some(1));
        assert_eq!(ask((136, 7), READ), Some(1));
        assert_eq!(ask((1, 11), MKNOD), Some(1));
        assert_eq!(ask((1, 11), READ), Some(0));
    }
}
