//! The program that decides about devices on v2, from the rules (config-linux.md, "Allowed Device list").
//!
//! The kernel calls it with the type and numbers of a device and with what is wanted of it: to make a node, to read, to write.
//! For each of those three the last rule that speaks of it decides; without any it is denied. So the rules are gone through from
//! the last to the first: one that allows takes what it speaks of off what is left, one that denies any of it ends it.

use crate::spec::{DeviceRule, Verdict};
use crate::step::ProgramInstruction;

/// Operations of eBPF (Documentation/bpf/standardization/instruction-set.rst of the kernel).
const LOAD_WORD: u8 = 0x61;
const AND: u8 = 0x57;
const SHIFT_RIGHT: u8 = 0x77;
const SET: u8 = 0xb7;
const SKIP: u8 = 0x05;
const SKIP_IF_EQUAL: u8 = 0x15;
const SKIP_IF_ANY_BIT: u8 = 0x45;
/// Of the lower halves, so that numbers of 32 bits compare as they are.
const SKIP_UNLESS_EQUAL: u8 = 0x56;
const EXIT: u8 = 0x95;

/// Registers: the answer, where the question is, and what is loaded from it.
const ANSWER: u8 = 0;
const QUESTION: u8 = 1;
const KIND: u8 = 2;
const WANTED: u8 = 3;
const MAJOR: u8 = 4;
const MINOR: u8 = 5;

/// `BPF_DEVCG_DEV_*` and `BPF_DEVCG_ACC_*`.
const BLOCK: i32 = 1;
const CHARACTER: i32 = 2;
const MAKE: i32 = 1;
const READ: i32 = 2;
const WRITE: i32 = 4;
const EVERYTHING: i32 = MAKE | READ | WRITE;

/// A rule, understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Rule {
    allow: bool,
    kind: Option<i32>,
    major: Option<u32>,
    minor: Option<u32>,
    access: i32,
}

/// Compiles the rules of a configuration, and after them those lines that are always allowed.
pub(super) fn compile(rules: &[DeviceRule], always: &[&str]) -> Vec<ProgramInstruction> {
    let given = rules.iter().map(of_config);
    let all: Vec<Rule> = given.chain(always.iter().map(|line| of_line(line))).collect();
    let mut program = vec![
        instruction(LOAD_WORD, (KIND, QUESTION), 0, 0),
        operation(AND, KIND, 0xffff),
        instruction(LOAD_WORD, (WANTED, QUESTION), 0, 0),
        operation(SHIFT_RIGHT, WANTED, 16),
        instruction(LOAD_WORD, (MAJOR, QUESTION), 4, 0),
        instruction(LOAD_WORD, (MINOR, QUESTION), 8, 0),
        // Nothing is wanted: there is nothing to deny.
        instruction(SKIP_IF_EQUAL, (WANTED, 0), 1, 0),
        instruction(SKIP, (0, 0), 2, 0),
    ];
    answer(&mut program, 1);
    for rule in all.iter().rev() {
        rule.write(&mut program);
        if rule.decides_all() {
            // What came after it could not be reached, which the kernel refuses.
            return program;
        }
    }
    answer(&mut program, 0);
    program
}

impl Rule {
    /// Whether nothing is left to decide after it.
    fn decides_all(&self) -> bool {
        *self == Self { allow: self.allow, kind: None, major: None, minor: None, access: EVERYTHING }
    }

    fn write(&self, program: &mut Vec<ProgramInstruction>) {
        let mut decision = Vec::new();
        match (self.allow, self.access) {
            (_, EVERYTHING) => {}
            (true, access) => {
                decision.push(operation(AND, WANTED, EVERYTHING & !access));
                decision.push(instruction(SKIP_IF_EQUAL, (WANTED, 0), 1, 0));
                decision.push(instruction(SKIP, (0, 0), 2, 0));
            }
            (false, access) => {
                decision.push(instruction(SKIP_IF_ANY_BIT, (WANTED, 0), 1, access));
                decision.push(instruction(SKIP, (0, 0), 2, 0));
            }
        }
        answer(&mut decision, i32::from(self.allow));
        let numbers = [(MINOR, self.minor), (MAJOR, self.major)];
        let numbers = numbers.map(|(register, number)| (register, number.map(u32::cast_signed)));
        for (register, wanted) in numbers.into_iter().chain([(KIND, self.kind)]) {
            if let Some(wanted) = wanted {
                let past = i16::try_from(decision.len()).unwrap_or(i16::MAX);
                decision.insert(0, instruction(SKIP_UNLESS_EQUAL, (register, 0), past, wanted));
            }
        }
        program.append(&mut decision);
    }
}

fn answer(program: &mut Vec<ProgramInstruction>, value: i32) {
    program.push(operation(SET, ANSWER, value));
    program.push(instruction(EXIT, (0, 0), 0, 0));
}

fn operation(code: u8, to: u8, immediate: i32) -> ProgramInstruction {
    instruction(code, (to, 0), 0, immediate)
}

fn instruction(code: u8, (to, from): (u8, u8), offset: i16, immediate: i32) -> ProgramInstruction {
    ProgramInstruction { code, to, from, offset, immediate }
}

/// A rule about every type is one about every device, whatever else it says, as on v1.
fn of_config(rule: &DeviceRule) -> Rule {
    let kind = match rule.kind.as_deref() {
        Some("b") => Some(BLOCK),
        Some("c") => Some(CHARACTER),
        _ => None,
    };
    if kind.is_none() {
        return Rule {
            allow: rule.allow == Verdict::Allow,
            kind,
            major: None,
            minor: None,
            access: EVERYTHING,
        };
    }
    let number = |number: Option<i64>| number.and_then(|number| u32::try_from(number).ok());
    let access = access_of(rule.access.as_deref().unwrap_or("rwm"));
    Rule {
        allow: rule.allow == Verdict::Allow,
        kind,
        major: number(rule.major),
        minor: number(rule.minor),
        access,
    }
}

/// A line such as `c 1:3 rwm`.
fn of_line(line: &str) -> Rule {
    let mut words = line.split([' ', ':']);
    let kind = if words.next() == Some("b") { BLOCK } else { CHARACTER };
    let mut number = || words.next().and_then(|number| number.parse().ok());
    let (major, minor) = (number(), number());
    Rule { allow: true, kind: Some(kind), major, minor, access: access_of(words.next().unwrap_or("rwm")) }
}

fn access_of(letters: &str) -> i32 {
    letters.chars().fold(0, |access, letter| {
        access
            | match letter {
                'r' => READ,
                'w' => WRITE,
                _ => MAKE,
            }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs a program as the kernel does; `None` is a program that it would not take.
    fn run(program: &[ProgramInstruction], question: [u32; 3]) -> Option<u64> {
        let mut registers = [0_u64; 11];
        let mut at = 0_usize;
        for _ in 0..=program.len() {
            let now = program.get(at)?;
            let (to, from) = (usize::from(now.to), usize::from(now.from));
            let immediate = i64::from(now.immediate).cast_unsigned();
            let past = usize::try_from(now.offset).ok()?;
            at += 1;
            match now.code {
                LOAD_WORD => registers[to] = u64::from(question[past / 4 + from - 1]),
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

    fn question(kind: i32, (major, minor): (u32, u32), access: i32) -> [u32; 3] {
        [(access << 16 | kind).cast_unsigned(), major, minor]
    }

    fn rule(allow: bool, kind: &str, numbers: (Option<i64>, Option<i64>), access: &str) -> DeviceRule {
        let (major, minor) = numbers;
        let allow = if allow { Verdict::Allow } else { Verdict::Deny };
        DeviceRule { allow, kind: Some(kind.to_owned()), major, minor, access: Some(access.to_owned()) }
    }

    /// What the rules mean, said in another way: for each way the last that speaks of it.
    fn meaning(rules: &[DeviceRule], kind: i32, numbers: (u32, u32), access: i32) -> bool {
        [MAKE, READ, WRITE].into_iter().filter(|way| access & way != 0).all(|way| {
            let speaks = |rule: &&Rule| {
                rule.kind.is_none_or(|other| other == kind)
                    && rule.major.is_none_or(|major| major == numbers.0)
                    && rule.minor.is_none_or(|minor| minor == numbers.1)
                    && rule.access & way != 0
            };
            let all: Vec<Rule> = rules.iter().map(of_config).collect();
            all.iter().rev().find(speaks).is_some_and(|rule| rule.allow)
        })
    }

    fn check(rules: &[DeviceRule]) {
        let program = compile(rules, &[]);
        for kind in [BLOCK, CHARACTER] {
            for numbers in [(1, 3), (1, 5), (8, 0), (10, 229), (u32::MAX, 0)] {
                for access in 0..=EVERYTHING {
                    let answer = run(&program, question(kind, numbers, access));
                    let wanted = u64::from(meaning(rules, kind, numbers, access));
                    assert_eq!(answer, Some(wanted), "{rules:?} {kind} {numbers:?} {access}");
                }
            }
        }
    }

    #[test]
    fn the_last_rule_about_each_way_decides() {
        let all = (None, None);
        let (null, disk) = ((Some(1), Some(3)), (Some(8), Some(0)));
        check(&[]);
        check(&[rule(true, "c", null, "r")]);
        check(&[rule(true, "c", null, "rwm"), rule(false, "c", null, "w")]);
        check(&[rule(false, "c", null, "w"), rule(true, "c", (Some(1), None), "rw")]);
        check(&[rule(true, "a", all, "rwm"), rule(false, "b", disk, "m")]);
        check(&[rule(true, "c", null, "rwm"), rule(false, "a", all, "rwm"), rule(true, "b", disk, "rw")]);
        check(&[rule(true, "c", (Some(i64::from(u32::MAX)), Some(-1)), "rwm")]);
        check(&[rule(true, "c", (None, Some(229)), "mr"), rule(true, "c", (Some(10), None), "w")]);
    }

    #[test]
    fn nothing_stands_behind_a_rule_about_everything() {
        let rules = [rule(true, "c", (Some(1), Some(3)), "rwm"), rule(false, "a", (None, None), "rwm")];
        assert_eq!(compile(&rules, &[]), compile(&rules[1..], &[]));
    }

    #[test]
    fn what_is_always_allowed_comes_last() {
        let program =
            compile(&[rule(false, "a", (None, None), "rwm")], &["c *:* m", "c 1:3 rwm", "c 136:* rw"]);
        let ask = |numbers, access| run(&program, question(CHARACTER, numbers, access));
        assert_eq!(ask((1, 3), READ | WRITE), Some(1));
        assert_eq!(ask((136, 7), READ), Some(1));
        assert_eq!(ask((1, 11), MAKE), Some(1));
        assert_eq!(ask((1, 11), READ), Some(0));
    }
}
