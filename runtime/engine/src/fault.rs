//! What went wrong in a step, in a form that can be sent from a process that must not allocate.

use rustix::io::Errno;

macro_rules! calls {
    ($($(#[doc = $doc:literal])* $variant:ident = $text:literal,)*) => {
        /// What was being done when an error came: a system call, or a check of ours.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u8)]
        pub enum Call { $($(#[doc = $doc])* $variant,)* }

        impl Call {
            const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The words for it in a message.
            pub fn text(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }
        }
    };
}

calls! {
    /// Opening a file or directory.
    Open = "open",
    /// Reading.
    Read = "read",
    /// Writing.
    Write = "write",
    /// Looking at what a path or descriptor is.
    Stat = "stat",
    /// mkdir(2).
    MakeDirectory = "mkdir",
    /// rmdir(2).
    RemoveDirectory = "rmdir",
    /// bpf(2) that loads a program.
    LoadProgram = "bpf load",
    /// bpf(2) that attaches a program.
    AttachProgram = "bpf attach",
    /// A limit that is below what is in use.
    InUse = "check of the use",
    /// A class of service that is there has other shares than the configuration says.
    Schemata = "check of the schemata",
    /// Asking systemd over its bus.
    Bus = "systemd's bus",
    /// Creating an empty file.
    MakeFile = "create",
    /// mknod(2).
    MakeNode = "mknod",
    /// symlink(2).
    Symlink = "symlink",
    /// chmod(2).
    Mode = "chmod",
    /// chown(2).
    Owner = "chown",
    /// mount(2).
    Mount = "mount",
    /// fsopen(2).
    FsOpen = "fsopen",
    /// fsconfig(2) with an option; the detail is its index in the list that the configuration has.
    FsOption = "fsconfig option",
    /// fsconfig(2) that makes the superblock.
    FsCreate = "fsconfig create",
    /// fsmount(2).
    FsMount = "fsmount",
    /// open_tree(2).
    OpenTree = "open_tree",
    /// move_mount(2).
    MoveMount = "move_mount",
    /// mount_setattr(2).
    MountAttributes = "mount_setattr",
    /// mount_setattr(2) that maps ids; the detail is the number of the file system's type.
    MapIds = "mount_setattr of an id mapping",
    /// umount2(2).
    Unmount = "umount",
    /// pivot_root(2).
    PivotRoot = "pivot_root",
    /// chroot(2).
    ChangeRoot = "chroot",
    /// chdir(2).
    ChangeDirectory = "chdir",
    /// The working directory is not inside the root.
    OutsideRoot = "check of the working directory",
    /// setns(2).
    SetNamespace = "setns",
    /// unshare(2).
    Unshare = "unshare",
    /// clone3(2).
    Clone = "clone3",
    /// sethostname(2).
    Hostname = "sethostname",
    /// setdomainname(2).
    Domainname = "setdomainname",
    /// Bringing lo up over netlink.
    Loopback = "netlink",
    /// Moving a network device over netlink.
    NetDevice = "netlink",
    /// setsid(2).
    Session = "setsid",
    /// keyctl(2).
    Keyring = "keyctl",
    /// ioctl(2) of a terminal.
    Terminal = "ioctl of a terminal",
    /// setresuid(2).
    SetUser = "setresuid",
    /// setresgid(2).
    SetGroup = "setresgid",
    /// setgroups(2).
    SetGroups = "setgroups",
    /// capset(2) and its kin.
    SetCapabilities = "capset",
    /// prctl(2).
    Prctl = "prctl",
    /// prlimit(2).
    Rlimit = "prlimit",
    /// sched_setattr(2).
    Scheduler = "sched_setattr",
    /// ioprio_set(2).
    IoPriority = "ioprio_set",
    /// set_mempolicy(2).
    MemoryPolicy = "set_mempolicy",
    /// seccomp(2).
    Seccomp = "seccomp",
    /// A socket call.
    Socket = "socket",
    /// dup3(2).
    Duplicate = "dup",
    /// close_range(2).
    Close = "close_range",
    /// Freezing the processes of a cgroup.
    Freeze = "freezer",
    /// Waiting for a process.
    Wait = "wait",
    /// A hook's program; the detail is its index and its exit code or signal.
    Hook = "hook",
    /// A hook ran longer than its timeout; the detail is its index.
    HookTimeout = "hook timeout",
    /// Looking for the container's program.
    FindProgram = "look-up of the program",
    /// execve(2).
    Execute = "exec",
    /// A path that is, or lies in, a procfs where none may be.
    InsideProcfs = "check that the target is outside /proc",
    /// A cgroup that was there before holds processes.
    Occupied = "check of the cgroup",
    /// Something that is not what the plan expects.
    Unexpected = "check of the kind of file",
    /// A value read back differs from the one set.
    Verify = "read-back",
    /// A step that uses a descriptor no step has opened: a mistake in the plan.
    Slot = "descriptor of the plan",
    /// The other side is gone or silent.
    Peer = "wait for the other side",
}

impl Call {
    /// The call with this number, as sent over a channel.
    pub(crate) fn from_number(number: u8) -> Option<Self> {
        Self::ALL.get(usize::from(number)).copied()
    }
}

/// A failure: the call, the kernel's answer, and a number whose meaning the call gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// What was being done.
    pub call: Call,
    /// What the kernel said.
    pub errno: Errno,
    /// More, for some calls.
    pub detail: u32,
}

impl Fault {
    /// A fault without detail.
    pub(crate) fn new(call: Call, errno: Errno) -> Self {
        Self { call, errno, detail: 0 }
    }

    /// The same fault with a detail.
    pub(crate) fn detail(self, detail: u32) -> Self {
        Self { detail, ..self }
    }
}

/// Names the call that an errno came from.
pub(crate) trait During<T> {
    /// Turns the errno into a fault of `call`.
    fn during(self, call: Call) -> Result<T, Fault>;
}

impl<T> During<T> for rustix::io::Result<T> {
    fn during(self, call: Call) -> Result<T, Fault> {
        self.map_err(|errno| Fault::new(call, errno))
    }
}
