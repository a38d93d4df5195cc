//! The seccomp profile of config.json.

use serde::de::SeqAccess;

use super::decode::{Decode, Parsed, Scalar, Seed, Unexpected, mismatch};
use super::mistake::{Place, Report};
use super::object::object;
use crate::tables::syscalls::Syscall;
use crate::tables::vocabulary;

object! {
    /// A seccomp profile (config-linux.md, Seccomp).
    pub struct Seccomp {
        /// The action for system calls that no rule matches.
        default_action: Action = "defaultAction",
        /// The error number of the default action. Default: EPERM.
        default_errno_ret: Option<u32> = "defaultErrnoRet",
        /// The architectures that the rules cover next to the native one. The calls of all others are
        /// blocked.
        architectures: Vec<Arch> = "architectures",
        /// The flags of seccomp(2). An absent list is the runtime's choice, an empty one is no flag.
        flags: Option<Vec<SeccompFlag>> = "flags",
        /// The socket to which the runtime sends the notification file descriptor.
        listener_path: Option<String> = "listenerPath",
        /// Data for the agent at that socket.
        listener_metadata: Option<String> = "listenerMetadata",
        /// The rules.
        syscalls: Vec<SyscallRule> = "syscalls",
    }
}

object! {
    /// A rule: an action for some system calls (config-linux.md, Seccomp).
    pub struct SyscallRule {
        /// The names of the system calls. A name that an architecture lacks is ignored for that architecture.
        names: SyscallNames = "names",
        /// The action.
        action: Action = "action",
        /// The error number of the action. Default: EPERM.
        errno_ret: Option<u32> = "errnoRet",
        /// Conditions on the arguments. All must hold; of several on one argument, any.
        args: Vec<ArgCondition> = "args",
    }
}

/// The names of system calls. The reader looks them up at once, which saves the copies of some hundred names.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SyscallNames {
    known: Vec<Syscall>,
    /// Names with their position in the list.
    unknown: Vec<(usize, String)>,
}

impl SyscallNames {
    /// Whether the list is empty.
    pub fn is_empty(&self) -> bool {
        self.known.is_empty() && self.unknown.is_empty()
    }

    /// The system calls that the table has.
    pub fn known(&self) -> &[Syscall] {
        &self.known
    }

    /// The names that the table lacks, each with its position in the list: newer calls, calls of other
    /// architectures, misspellings.
    pub fn unknown(&self) -> &[(usize, String)] {
        &self.unknown
    }

    /// All names in the order of the document.
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
    const EXPECTED: &'static str = "an array";

    fn list<'de, A: SeqAccess<'de>>(
        mut list: A,
        at: &Place<'_>,
        report: &mut Report,
    ) -> Result<Parsed<Self>, A::Error> {
        let mut names = Self::default();
        for index in 0.. {
            let place = at.index(index);
            let Some(name) = list.next_element_seed(Seed::<Name>::new(&place, report))? else { break };
            if let Some(name) = name.or_default(&place, report) {
                names.push(index, name);
            }
        }
        Ok(Parsed::Value(names))
    }
}

/// One name of a list.
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
    const EXPECTED: &'static str = "the name of a system call";

    fn scalar(value: Scalar<'_>, at: &Place<'_>, report: &mut Report) -> Parsed<Self> {
        match value {
            Scalar::Text(name) => Parsed::Value(Self::new(name)),
            other => mismatch(Self::EXPECTED, Unexpected::Scalar(other), at, report),
        }
    }
}

object! {
    /// A condition on an argument of a system call (config-linux.md, Seccomp).
    pub struct ArgCondition {
        /// The position of the argument, 0 to 5.
        index: u32 = "index",
        /// The value to compare the argument with; the mask for `MaskedEqual`.
        value: u64 = "value",
        /// The value of the masked argument, for `MaskedEqual`. Default: 0.
        value_two: Option<u64> = "valueTwo",
        /// The comparison.
        op: Operator = "op",
    }
}

vocabulary! {
    /// An action of a filter (seccomp(2), seccomp_rule_add(3)).
    pub enum Action: "seccomp action" {
        /// The call runs.
        Allow = "SCMP_ACT_ALLOW",
        /// The call fails with an error number.
        Errno = "SCMP_ACT_ERRNO",
        /// Kills the thread: the older name of `KillThread`.
        Kill = "SCMP_ACT_KILL",
        /// Kills the process.
        KillProcess = "SCMP_ACT_KILL_PROCESS",
        /// Kills the thread.
        KillThread = "SCMP_ACT_KILL_THREAD",
        /// The call runs, and the kernel logs it.
        Log = "SCMP_ACT_LOG",
        /// A seccomp agent decides (seccomp_unotify(2)).
        Notify = "SCMP_ACT_NOTIFY",
        /// A tracer decides (ptrace(2)).
        Trace = "SCMP_ACT_TRACE",
        /// The thread gets SIGSYS.
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
        /// Equal after a mask is applied.
        MaskedEqual = "SCMP_CMP_MASKED_EQ",
        /// Not equal.
        NotEqual = "SCMP_CMP_NE",
    }
}

vocabulary! {
    /// A flag of seccomp(2).
    pub enum SeccompFlag: "seccomp flag" {
        /// Install the filter for all threads.
        Tsync = "SECCOMP_FILTER_FLAG_TSYNC",
        /// Log all actions other than allow.
        Log = "SECCOMP_FILTER_FLAG_LOG",
        /// Do not turn on the mitigation of Speculative Store Bypass.
        SpecAllow = "SECCOMP_FILTER_FLAG_SPEC_ALLOW",
        /// Once an agent has received a call, only a fatal signal interrupts it.
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
