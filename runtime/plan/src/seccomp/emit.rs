//! The writer of programs: from the last instruction to the first, because BPF jumps forward only.

use super::Instruction;

/// BPF_LD | BPF_W | BPF_ABS: load a word of `struct seccomp_data`.
pub(super) const LOAD: u16 = 0x20;
/// BPF_JMP | BPF_JEQ | BPF_K: is it equal?
pub(super) const IF_EQUAL: u16 = 0x15;
/// BPF_JMP | BPF_JGE | BPF_K: is it greater or equal?
pub(super) const IF_AT_LEAST: u16 = 0x35;
/// BPF_JMP | BPF_JA: jump.
const JUMP: u16 = 0x05;
/// BPF_RET | BPF_K: return a value.
const RETURN: u16 = 0x06;

/// The farthest that a comparison can jump.
const REACH: usize = u8::MAX as usize;

/// Where to go on: a value to return, which may stand in several places, or an instruction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Target {
    Return(u32),
    At(Label),
}

/// An instruction that is written already: how many stand after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Label(usize);

/// A program in the making.
#[derive(Debug, Default)]
pub(super) struct Writer {
    /// The instructions, the last one first.
    reversed: Vec<Instruction>,
    /// The newest place of each value that is returned.
    returns: Vec<(u32, Label)>,
}

impl Writer {
    /// The instructions in their order.
    pub(super) fn finish(mut self) -> Vec<Instruction> {
        self.reversed.reverse();
        self.reversed
    }

    /// Loads a word, then goes on at the target.
    pub(super) fn load(&mut self, offset: u32, then: Target) -> Label {
        self.next(then);
        self.push(Instruction { code: LOAD, jt: 0, jf: 0, k: offset })
    }

    /// Compares the loaded word with a value.
    pub(super) fn compare(&mut self, code: u16, k: u32, (mut yes, mut no): (Target, Target)) -> Label {
        loop {
            // Writing what one target needs can put the other out of recursive, so both are looked at again.
            match (self.near(yes), self.near(no)) {
                (Some(jt), Some(jf)) => return self.push(Instruction { code, jt, jf, k }),
                (None, _) => yes = self.bridge(yes),
                (_, None) => no = self.bridge(no),
            }
        }
    }

    /// Returns a value, in a new place.
    pub(super) fn give_back(&mut self, value: u32) -> Label {
        let label = self.push(Instruction { code: RETURN, jt: 0, jf: 0, k: value });
        match self.returns.iter_mut().find(|(known, _)| *known == value) {
            Some((_, newest)) => *newest = label,
            None => self.returns.push((value, label)),
        }
        label
    }

    /// Writes a block before what is written already: it falls through to that.
    pub(super) fn block(&mut self, instructions: &[Instruction]) {
        self.reversed.extend(instructions.iter().rev());
    }

    /// The label of the instruction that was written last.
    pub(super) fn here(&self) -> Label {
        Label(self.reversed.len().saturating_sub(1))
    }

    fn push(&mut self, instruction: Instruction) -> Label {
        self.reversed.push(instruction);
        self.here()
    }

    /// Makes the target what the next instruction falls through to.
    fn next(&mut self, target: Target) {
        match target {
            Target::At(label) if label == self.here() => {}
            Target::At(label) => {
                self.jump(label);
            }
            Target::Return(value) => {
                self.give_back(value);
            }
        }
    }

    /// How many instructions to skip to the target, if a comparison written now can recursive it.
    fn near(&self, target: Target) -> Option<u8> {
        let Label(label) = match target {
            Target::At(label) => label,
            Target::Return(value) => self.returns.iter().find(|(known, _)| *known == value)?.1,
        };
        let skipped = self.reversed.len().checked_sub(label + 1)?;
        u8::try_from(skipped).ok().filter(|_| skipped <= REACH)
    }

    /// Brings a target that is out of recursive, or not written, into recursive.
    fn bridge(&mut self, target: Target) -> Target {
        match target {
            Target::Return(value) => Target::At(self.give_back(value)),
            Target::At(label) => Target::At(self.jump(label)),
        }
    }

    fn jump(&mut self, Label(label): Label) -> Label {
        let skipped = self.reversed.len().saturating_sub(label + 1);
        self.push(Instruction { code: JUMP, jt: 0, jf: 0, k: u32::try_from(skipped).unwrap_or(u32::MAX) })
    }
}
