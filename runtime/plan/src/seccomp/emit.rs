//! The assembler of filters. It writes a program from the last instruction to the first, because classic BPF
//! only jumps forward.

use super::Instruction;

/// BPF_LD | BPF_W | BPF_ABS: loads a word of `struct seccomp_data`.
pub(super) const LOAD: u16 = 0x20;
/// BPF_JMP | BPF_JEQ | BPF_K: compares for equality.
pub(super) const IF_EQUAL: u16 = 0x15;
/// BPF_JMP | BPF_JGE | BPF_K: compares for greater or equal.
pub(super) const IF_AT_LEAST: u16 = 0x35;
/// BPF_JMP | BPF_JA: jumps.
const JUMP: u16 = 0x05;
/// BPF_RET | BPF_K: returns a value.
const RETURN: u16 = 0x06;

/// The longest jump of a comparison: its offsets have 8 bits. A plain jump has 32.
const LONGEST_JUMP: usize = u8::MAX as usize;

/// The target of a jump: a return of a value (the program may have several of the same), or an instruction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Target {
    Return(u32),
    At(Label),
}

/// The targets of a comparison.
#[derive(Debug, Clone, Copy)]
pub(super) struct Branch {
    pub(super) yes: Target,
    pub(super) no: Target,
}

/// An instruction that is written: the number of instructions after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Label(usize);

/// A program, up to now.
#[derive(Debug, Default)]
pub(super) struct Assembler {
    /// The instructions, the last one first.
    reversed: Vec<Instruction>,
    /// For each returned value, the return that was written last and is nearest.
    returns: Vec<(u32, Label)>,
}

impl Assembler {
    /// Returns the program.
    pub(super) fn finish(mut self) -> Vec<Instruction> {
        self.reversed.reverse();
        self.reversed
    }

    /// Writes a load of a word that continues at `then`.
    pub(super) fn load(&mut self, offset: u32, then: Target) -> Label {
        self.fall_through_to(then);
        self.push(Instruction { code: LOAD, jt: 0, jf: 0, k: offset })
    }

    /// Writes a comparison of the loaded word with `k`.
    pub(super) fn compare(&mut self, code: u16, k: u32, mut branch: Branch) -> Label {
        loop {
            // A jump that brings one target near moves the other one away, so both are looked up again.
            match (self.distance(branch.yes), self.distance(branch.no)) {
                (Some(jt), Some(jf)) => return self.push(Instruction { code, jt, jf, k }),
                (None, _) => branch.yes = self.bring_near(branch.yes),
                (_, None) => branch.no = self.bring_near(branch.no),
            }
        }
    }

    /// Writes a return.
    pub(super) fn push_return(&mut self, value: u32) -> Label {
        let label = self.push(Instruction { code: RETURN, jt: 0, jf: 0, k: value });
        match self.returns.iter_mut().find(|(known, _)| *known == value) {
            Some((_, nearest)) => *nearest = label,
            None => self.returns.push((value, label)),
        }
        label
    }

    /// Writes instructions that fall through to those written before.
    pub(super) fn prepend(&mut self, instructions: &[Instruction]) {
        self.reversed.extend(instructions.iter().rev());
    }

    /// Returns the label of the instruction written last.
    pub(super) fn here(&self) -> Label {
        Label(self.reversed.len().saturating_sub(1))
    }

    fn push(&mut self, instruction: Instruction) -> Label {
        self.reversed.push(instruction);
        self.here()
    }

    /// Makes the target what the next instruction falls through to.
    fn fall_through_to(&mut self, target: Target) {
        match target {
            Target::At(label) if label == self.here() => {}
            Target::At(label) => {
                self.jump(label);
            }
            Target::Return(value) => {
                self.push_return(value);
            }
        }
    }

    /// Returns the number of instructions between a comparison written now and the target; `None` if they are
    /// too many, or if there is no return of the value yet.
    fn distance(&self, target: Target) -> Option<u8> {
        let Label(label) = match target {
            Target::At(label) => label,
            Target::Return(value) => self.returns.iter().find(|(known, _)| *known == value)?.1,
        };
        let skipped = self.reversed.len().checked_sub(label + 1)?;
        u8::try_from(skipped).ok().filter(|_| skipped <= LONGEST_JUMP)
    }

    /// Writes a return of the value or a jump to the label. Returns that instruction as the new target.
    fn bring_near(&mut self, target: Target) -> Target {
        match target {
            Target::Return(value) => Target::At(self.push_return(value)),
            Target::At(label) => Target::At(self.jump(label)),
        }
    }

    fn jump(&mut self, Label(label): Label) -> Label {
        let skipped = self.reversed.len().saturating_sub(label + 1);
        self.push(Instruction { code: JUMP, jt: 0, jf: 0, k: u32::try_from(skipped).unwrap_or(u32::MAX) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOTHING: Instruction = Instruction { code: LOAD, jt: 0, jf: 0, k: 0 };

    /// The program of a comparison whose `yes` target is `distance` instructions away.
    fn compared(distance: usize) -> Vec<Instruction> {
        let mut assembler = Assembler::default();
        let far = assembler.push_return(1);
        assembler.prepend(&vec![NOTHING; distance - 1]);
        let near = assembler.push_return(2);
        assembler.compare(IF_EQUAL, 7, Branch { yes: Target::At(far), no: Target::At(near) });
        assembler.finish()
    }

    #[test]
    fn a_comparison_jumps_255_instructions_at_most() {
        assert_eq!(compared(255)[0], Instruction { code: IF_EQUAL, jt: 255, jf: 0, k: 7 });
    }

    #[test]
    fn a_target_farther_away_is_reached_by_a_jump() {
        let program = compared(256);
        // The jump stands between the comparison and the other target, which is now one instruction farther.
        assert_eq!(program[0], Instruction { code: IF_EQUAL, jt: 0, jf: 1, k: 7 });
        assert_eq!(program[1], Instruction { code: JUMP, jt: 0, jf: 0, k: 256 });
        assert_eq!(program[2 + 256], Instruction { code: RETURN, jt: 0, jf: 0, k: 1 });
    }

    #[test]
    fn a_return_is_shared_while_it_is_near() {
        let mut assembler = Assembler::default();
        let branch = Branch { yes: Target::Return(1), no: Target::Return(2) };
        assembler.compare(IF_EQUAL, 1, branch);
        assembler.compare(IF_EQUAL, 2, branch);
        let returns = assembler.finish().iter().filter(|one| one.code == RETURN).count();
        assert_eq!(returns, 2);
    }

    #[test]
    fn a_load_falls_through_or_jumps() {
        let mut assembler = Assembler::default();
        let far = assembler.push_return(1);
        let near = assembler.push_return(2);
        assembler.load(0, Target::At(near));
        assembler.load(4, Target::At(far));
        let codes: Vec<(u16, u32)> = assembler.finish().iter().map(|one| (one.code, one.k)).collect();
        assert_eq!(codes, [(LOAD, 4), (JUMP, 2), (LOAD, 0), (RETURN, 2), (RETURN, 1)]);
    }
}
