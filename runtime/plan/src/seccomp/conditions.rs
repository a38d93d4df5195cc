//! Conditions on arguments, as blocks of instructions that fall through where they hold.

use seccompiler::{BpfProgram, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompRule};

use super::Instruction;
use crate::spec::{ArgCondition, Operator};
use crate::tables::syscalls::Abi;

/// A comparison of one argument.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Condition {
    pub(super) index: u8,
    pub(super) operator: SeccompCmpOp,
    pub(super) value: u64,
}

impl Condition {
    /// The condition of a profile; `None` if no call has such an argument.
    pub(super) fn new(written: &ArgCondition) -> Option<Self> {
        let index = u8::try_from(written.index).ok().filter(|index| *index <= LAST_ARGUMENT)?;
        let operator = match written.op {
            Operator::Equal => SeccompCmpOp::Eq,
            Operator::GreaterEqual => SeccompCmpOp::Ge,
            Operator::Greater => SeccompCmpOp::Gt,
            Operator::LessEqual => SeccompCmpOp::Le,
            Operator::Less => SeccompCmpOp::Lt,
            Operator::NotEqual => SeccompCmpOp::Ne,
            Operator::MaskedEqual => SeccompCmpOp::MaskedEq(written.value),
        };
        let value =
            if written.op == Operator::MaskedEqual { written.value_two.unwrap_or(0) } else { written.value };
        Some(Self { index, operator, value })
    }

    /// The first argument is this.
    pub(super) const fn first_is(value: u64) -> Self {
        Self { index: 0, operator: SeccompCmpOp::Eq, value }
    }
}

/// The index of the last of a system call's six arguments.
const LAST_ARGUMENT: u8 = 5;

/// The block of some conditions: it falls through where all hold, and skips one instruction more where one does not.
pub(super) fn block(
    conditions: &[Condition],
    abi: Abi,
) -> Result<Vec<Instruction>, seccompiler::BackendError> {
    let length = match abi {
        Abi::X86 | Abi::X32 | Abi::Arm => SeccompCmpArgLen::Dword,
        Abi::X86_64 | Abi::Aarch64 | Abi::Riscv64 => SeccompCmpArgLen::Qword,
    };
    let conditions = conditions
        .iter()
        .map(|condition| {
            SeccompCondition::new(
                condition.index,
                length.clone(),
                condition.operator.clone(),
                condition.value,
            )
        })
        .collect::<Result<Vec<_>, _>>()?;
    let block: BpfProgram = SeccompRule::new(conditions)?.into();
    // A block opens with two jumps, into it and past it, that serve chains of another layout; nothing leads back to them.
    let instructions = block.into_iter().skip(2);
    Ok(instructions.map(|i| Instruction { code: i.code, jt: i.jt, jf: i.jf, k: i.k }).collect())
}
