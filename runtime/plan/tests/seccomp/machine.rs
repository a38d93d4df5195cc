//! The kernel's side: system calls as `struct seccomp_data`, and an interpreter of classic BPF
//! (linux/filter.h).

use tare_plan::seccomp::Instruction;
use tare_plan::tables::syscalls::Abi;

pub(crate) const ALLOW: u32 = 0x7fff_0000;
pub(crate) const KILL_THREAD: u32 = 0;
pub(crate) const ERRNO: u32 = 0x0005_0000;
pub(crate) const ENOSYS: u32 = ERRNO | 38;

/// A system call as a filter sees it (`struct seccomp_data`).
#[derive(Debug, Clone, Copy)]
pub(crate) struct Call {
    pub(crate) number: u32,
    pub(crate) audit: u32,
    pub(crate) args: [u64; 6],
}

impl Call {
    fn word(&self, offset: u32) -> u32 {
        let arg = |index: u32| self.args[(index / 8) as usize];
        match offset {
            0 => self.number,
            4 => self.audit,
            16..64 if offset.is_multiple_of(8) => arg(offset - 16) as u32,
            16..64 if (offset - 4).is_multiple_of(8) => (arg(offset - 16) >> 32) as u32,
            _ => panic!("load at {offset}"),
        }
    }
}

/// Runs a program. Returns its result and the number of instructions that ran.
pub(crate) fn run(program: &[Instruction], call: &Call) -> (u32, usize) {
    let (mut accumulator, mut at, mut steps) = (0, 0, 0);
    loop {
        let Instruction { code, jt, jf, k } = program[at];
        let branch = |holds: bool| usize::from(if holds { jt } else { jf });
        steps += 1;
        at += 1;
        match code {
            0x20 => accumulator = call.word(k),
            0x15 => at += branch(accumulator == k),
            0x25 => at += branch(accumulator > k),
            0x35 => at += branch(accumulator >= k),
            0x54 => accumulator &= k,
            0x05 => at += k as usize,
            0x06 => return (k, steps),
            _ => panic!("instruction {code:#x}"),
        }
    }
}

/// linux/audit.h, AUDIT_ARCH_*.
pub(crate) const fn audit(abi: Abi) -> u32 {
    match abi {
        Abi::X86_64 | Abi::X32 => 0xc000_003e,
        Abi::X86 => 0x4000_0003,
        Abi::Aarch64 => 0xc000_00b7,
        Abi::Arm => 0x4000_0028,
        Abi::Riscv64 => 0xc000_00f3,
    }
}
