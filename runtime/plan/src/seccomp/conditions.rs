//! Conditions on arguments, as instructions that fall through where all conditions hold.

use seccompiler::{BackendError, BpfProgram, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompRule};

use super::Instruction;
use crate::spec::{ArgCondition, Operator};
use crate::tables::syscalls::Abi;

/// The index of the last of a system call's six arguments.
const LAST_ARGUMENT: u8 = 5;

/// A comparison of one argument.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Condition {
    pub(super) index: u8,
    pub(super) operator: SeccompCmpOp,
    pub(super) value: u64,
}

impl Condition {
    /// Converts a condition of a profile; `None` if no system call has such an argument.
    pub(super) fn new(written: &ArgCondition) -> Option<Self> {
        let index = u8::try_from(written.index).ok().filter(|index| *index <= LAST_ARGUMENT)?;
        let operator = match written.op {
            Operator::Equal => SeccompCmpOp::Eq,
            Operator::GreaterEqual => SeccompCmpOp::Ge,
            Operator::Greater => SeccompCmpOp::Gt,
            Operator::LessEqual => SeccompCmpOp::Le,
            Operator::Less => SeccompCmpOp::Lt,
            Operator::NotEqual => SeccompCmpOp::Ne,
            // Here the profile's `value` is the mask, and `valueTwo` the value to compare with
            // (seccomp_rule_add(3)).
            Operator::MaskedEqual => SeccompCmpOp::MaskedEq(written.value),
        };
        let value =
            if written.op == Operator::MaskedEqual { written.value_two.unwrap_or(0) } else { written.value };
        Some(Self { index, operator, value })
    }

    /// The condition that the first argument has this value.
    pub(super) const fn first_is(value: u64) -> Self {
        Self { index: 0, operator: SeccompCmpOp::Eq, value }
    }
}

/// Compiles conditions. The instructions fall through where all hold, and skip the next instruction where one
/// does not.
pub(super) fn compile(conditions: &[Condition], abi: Abi) -> Result<Vec<Instruction>, BackendError> {
    // The kernel extends the arguments of 32-bit ABIs to 64 bits; libseccomp compares their low halves there.
    let length = match abi {
        Abi::X86 | Abi::X32 | Abi::Arm => SeccompCmpArgLen::Dword,
        Abi::X86_64 | Abi::Aarch64 | Abi::Riscv64 => SeccompCmpArgLen::Qword,
    };
    let conditions = conditions
        .iter()
        .map(|condition| {
            let Condition { index, operator, value } = condition.clone();
            SeccompCondition::new(index, length.clone(), operator, value)
        })
        .collect::<Result<Vec<_>, _>>()?;
    let program: BpfProgram = SeccompRule::new(conditions)?.into();
    // seccompiler starts a rule with two jumps, into it and past it, for its own layout of rules. Nothing
    // jumps to them here.
    let instructions = program.into_iter().skip(2);
    Ok(instructions.map(|i| Instruction { code: i.code, jt: i.jt, jf: i.jf, k: i.k }).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(op: Operator) -> ArgCondition {
        ArgCondition { index: 1, value: 6, value_two: Some(9), op }
    }

    // seccomp_rule_add(3): for SCMP_CMP_MASKED_EQ the first datum is the mask and the second one the value.
    #[test]
    fn a_masked_comparison_takes_its_mask_from_value_and_its_value_from_value_two() {
        let condition = Condition::new(&written(Operator::MaskedEqual)).unwrap();
        assert_eq!(condition, Condition { index: 1, operator: SeccompCmpOp::MaskedEq(6), value: 9 });
    }

    #[test]
    fn other_comparisons_ignore_value_two() {
        let condition = Condition::new(&written(Operator::Less)).unwrap();
        assert_eq!(condition, Condition { index: 1, operator: SeccompCmpOp::Lt, value: 6 });
    }

    #[test]
    fn a_system_call_has_six_arguments() {
        let with_index = |index| Condition::new(&ArgCondition { index, ..written(Operator::Equal) });
        assert!(with_index(5).is_some());
        assert_eq!(with_index(6), None);
        assert_eq!(with_index(256), None);
    }
}
