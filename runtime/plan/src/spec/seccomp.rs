//! The system call filter as config.json describes it.

use serde::de::SeqAccess;

use super::decode::{Decode, Seed, Slot};
use super::mistake::{Place, Report};
use super::object::object;
use crate::tables::syscalls::Syscall;
use crate::tables::vocabulary;

object! {
    /// A system call filter (config-linux.md, Seccomp).
    pub struct Seccomp {
        /// What happens to system calls that no rule matches.
        default_action: Action = "defaultAction",
        /// The error number of the default action; absent it is EPERM.
        default_errno_ret: Option<u32> = "defaultErrnoRet",
        /// The architectures whose calls the rules cover; calls of others are not let through.
        architectures: Vec<Arch> = "architectures",
        /// Flags of seccomp(2); `None` lets the runtime choose, an empty list sets none.
        flags: Option<Vec<SeccompFlag>> = "flags",
        /// The socket that gets the notification descriptor.
        listener_path: Option<String> = "listenerPath",
        /// What to tell the listener.
        listener_metadata: Option<String> = "listenerMetadata",
        /// The rules.
        syscalls: Vec<SyscallRule> = "syscalls",
    }
}

object! {
    /// What happens to some system calls, with some arguments (config-linux.md, Seccomp).
    pub struct SyscallRule {
        /// Their names; names unknown to an architecture do not exist there.
        names: SyscallNames = "names",
        /// What happens.
        action: Action = "action",
        /// The error number of the action; absent it is EPERM.
        errno_ret: Option<u32> = "errnoRet",
        /// Conditions on the arguments, which must all hold.
        args: Vec<ArgCondition> = "args",
    }
}

/// The names of system calls. They are looked up while the document is read, which spares a copy of each of the
/// hundreds of names.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SyscallNames {
    known: Vec<Syscall>,
    /// Names and their position in the list.
    unknown: Vec<(usize, String)>,
}

impl SyscallNames {
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.known.is_empty() && self.unknown.is_empty()
    }

    /// The calls that the table has.
    pub fn known(&self) -> &[Syscall] {
        &self.known
    }

    /// The names that the table lacks, each with its position in the list: newer ones, those of other architectures,
    /// misspelt ones.
    pub fn unknown(&self) -> &[(usize, String)] {
        &self.unknown
    }

    /// All names, in the order of the document.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        let mut known = self.known.iter();
        let mut unknown = self.unknown.iter().peekable();
        (0..self.known.len() + self.unknown.len()).filter_map(move |position| {
            let here = unknown.next_if(|(at, _)| *at == position);
            here.map(|(_, name)| name.as_str()).or_else(|| known.next().map(|call| call.name()))
        })
    }

    fn push(&mut self, index: usize, name: Name) {
        match name {
            Name::Known(call) => self.known.push(call),
            Name::Unknown(name) => self.unknown.push((index, name)),
        }
    }
}

impl<'a> FromIterator<&'a str> for SyscallNames {
    fn from_iter<I: IntoIterator<Item = &'a str>>(names: I) -> Self {
        let mut list = Self::default();
        names.into_iter().enumerate().for_each(|(index, name)| list.push(index, Name::new(name)));
        list
    }
}

impl serde::Serialize for SyscallNames {
    fn serialize<S: serde::Serializer>(&self, writer: S) -> Result<S::Ok, S::Error> {
        writer.collect_seq(self.iter())
    }
}

impl Decode for SyscallNames {
    const WANTED: &'static str = "an array";

    fn list<'de, A: SeqAccess<'de>>(
        mut list: A,
        at: &Place<'_>,
        report: &mut Report,
    ) -> Result<Slot<Self>, A::Error> {
        let mut names = Self::default();
        for index in 0.. {
            let place = at.index(index);
            let Some(slot) = list.next_element_seed(Seed::<Name>::new(&place, report))? else { break };
            if let Some(name) = slot.settle(&place, report) {
                names.push(index, name);
            }
        }
        Ok(Slot::Given(names))
    }
}

/// One name of a list, looked up.
enum Name {
    Known(Syscall),
    Unknown(String),
}

impl Name {
    fn new(name: &str) -> Self {
        Syscall::parse(name).map_or_else(|| Self::Unknown(name.to_owned()), Self::Known)
    }
}

impl Decode for Name {
    const WANTED: &'static str = "the name of a system call";

    fn text(value: &str, _: &Place<'_>, _: &mut Report) -> Slot<Self> {
        Slot::Given(Self::new(value))
    }
}

object! {
    /// A condition on an argument of a system call (config-linux.md, Seccomp).
    pub struct ArgCondition {
        /// The position, 0 to 5.
        index: u32 = "index",
        /// The value to compare with; the mask for `MaskedEqual`.
        value: u64 = "value",
        /// The value after masking, for `MaskedEqual`; absent it is 0.
        value_two: Option<u64> = "valueTwo",
        /// The comparison.
        op: Operator = "op",
    }
}

vocabulary! {
    /// What happens to a system call.
    pub enum Action: "seccomp action" {
        /// Let through.
        Allow = "SCMP_ACT_ALLOW",
        /// Fails with an error number.
        Errno = "SCMP_ACT_ERRNO",
        /// Ends the thread: the older name.
        Kill = "SCMP_ACT_KILL",
        /// Ends the process.
        KillProcess = "SCMP_ACT_KILL_PROCESS",
        /// Ends the thread.
        KillThread = "SCMP_ACT_KILL_THREAD",
        /// Let through, and logged.
        Log = "SCMP_ACT_LOG",
        /// A listener decides.
        Notify = "SCMP_ACT_NOTIFY",
        /// A tracer is told.
        Trace = "SCMP_ACT_TRACE",
        /// Raises SIGSYS.
        Trap = "SCMP_ACT_TRAP",
    }
}

vocabulary! {
    /// A comparison of an argument with a value.
    pub enum Operator: "seccomp operator" {
        /// Equal.
        Equal = "SCMP_CMP_EQ",
        /// Greater or equal.
        GreaterEqual = "SCMP_CMP_GE",
        /// Greater.
        Greater = "SCMP_CMP_GT",
        /// Less or equal.
        LessEqual = "SCMP_CMP_LE",
        /// Less.
        Less = "SCMP_CMP_LT",
        /// Equal under a mask.
        MaskedEqual = "SCMP_CMP_MASKED_EQ",
        /// Not equal.
        NotEqual = "SCMP_CMP_NE",
    }
}

vocabulary! {
    /// A flag of seccomp(2).
    pub enum SeccompFlag: "seccomp flag" {
        /// The filter holds for all threads.
        Tsync = "SECCOMP_FILTER_FLAG_TSYNC",
        /// Actions other than allow are logged.
        Log = "SECCOMP_FILTER_FLAG_LOG",
        /// The mitigation against speculative store bypass stays off.
        SpecAllow = "SECCOMP_FILTER_FLAG_SPEC_ALLOW",
        /// A notified call can be interrupted by a fatal signal only.
        WaitKillableRecv = "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV",
    }
}

vocabulary! {
    /// An architecture of system calls.
    pub enum Arch: "seccomp architecture" {
        /// 64-bit Arm.
        Aarch64 = "SCMP_ARCH_AARCH64",
        /// 32-bit Arm.
        Arm = "SCMP_ARCH_ARM",
        /// LoongArch.
        Loongarch64 = "SCMP_ARCH_LOONGARCH64",
        /// Motorola 68000.
        M68k = "SCMP_ARCH_M68K",
        /// MIPS, 32 bits.
        Mips = "SCMP_ARCH_MIPS",
        /// MIPS, 64 bits.
        Mips64 = "SCMP_ARCH_MIPS64",
        /// MIPS, 64 bits with 32-bit pointers.
        Mips64n32 = "SCMP_ARCH_MIPS64N32",
        /// MIPS, little endian, 32 bits.
        Mipsel = "SCMP_ARCH_MIPSEL",
        /// MIPS, little endian, 64 bits.
        Mipsel64 = "SCMP_ARCH_MIPSEL64",
        /// MIPS, little endian, 64 bits with 32-bit pointers.
        Mipsel64n32 = "SCMP_ARCH_MIPSEL64N32",
        /// PA-RISC.
        Parisc = "SCMP_ARCH_PARISC",
        /// PA-RISC, 64 bits.
        Parisc64 = "SCMP_ARCH_PARISC64",
        /// PowerPC.
        Ppc = "SCMP_ARCH_PPC",
        /// PowerPC, 64 bits.
        Ppc64 = "SCMP_ARCH_PPC64",
        /// PowerPC, 64 bits, little endian.
        Ppc64le = "SCMP_ARCH_PPC64LE",
        /// RISC-V, 64 bits.
        Riscv64 = "SCMP_ARCH_RISCV64",
        /// S/390.
        S390 = "SCMP_ARCH_S390",
        /// S/390, 64 bits.
        S390x = "SCMP_ARCH_S390X",
        /// SuperH.
        Sh = "SCMP_ARCH_SH",
        /// SuperH, big endian.
        Sheb = "SCMP_ARCH_SHEB",
        /// x86, 64 bits with 32-bit pointers.
        X32 = "SCMP_ARCH_X32",
        /// x86, 32 bits.
        X86 = "SCMP_ARCH_X86",
        /// x86, 64 bits.
        X86_64 = "SCMP_ARCH_X86_64",
    }
}
