//! The failure of a system call or a check, in a form that init can send without allocating.

use rustix::io::Errno;

macro_rules! calls {
    ($($(#[doc = $doc:literal])* $variant:ident = $text:literal,)*) => {
        /// What failed: a system call, or a check of the runtime.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u8)]
        pub enum Call { $($(#[doc = $doc])* $variant,)* }

        impl Call {
            const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// Its name in a message.
            pub fn text(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }
        }
    };
}

calls! {
    /// Opening a file or directory.
    Open = "open",
    /// read(2).
    Read = "read",
    /// write(2).
    Write = "write",
    /// stat(2).
    Stat = "stat",
    /// mkdir(2).
    MakeDirectory = "mkdir",
    /// rmdir(2).
    RemoveDirectory = "rmdir",
    /// bpf(2), loading a program.
    LoadProgram = "bpf load",
    /// bpf(2), attaching a program.
    AttachProgram = "bpf attach",
    /// The check that a limit is not below the current use.
    InUse = "check of the use",
    /// The check that an existing resctrl group has the configured schemata.
    Schemata = "check of the schemata",
    /// A call to systemd over D-Bus.
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
    /// fsconfig(2) with an option. The detail is the index of the option in the configuration.
    FsOption = "fsconfig option",
    /// fsconfig(2) that creates the superblock.
    FsCreate = "fsconfig create",
    /// fsmount(2).
    FsMount = "fsmount",
    /// open_tree(2).
    OpenTree = "open_tree",
    /// move_mount(2).
    MoveMount = "move_mount",
    /// mount_setattr(2).
    MountAttributes = "mount_setattr",
    /// mount_setattr(2) with an id mapping. The detail is the magic number of the file system.
    MapIds = "mount_setattr of an id mapping",
    /// umount2(2).
    Unmount = "umount",
    /// pivot_root(2).
    PivotRoot = "pivot_root",
    /// chroot(2).
    ChangeRoot = "chroot",
    /// chdir(2).
    ChangeDirectory = "chdir",
    /// The check that the working directory is inside the root.
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
    /// Setting the loopback interface up over netlink.
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
    /// capset(2) and the prctl(2) calls for capability sets.
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
    /// Freezing a cgroup.
    Freeze = "freezer",
    /// Waiting for a process.
    Wait = "wait",
    /// A hook. The detail has its index in bits 16 to 31, its exit code in 8 to 15, its signal in 0 to 7.
    Hook = "hook",
    /// The timeout of a hook. The detail has its index in bits 16 to 31.
    HookTimeout = "hook timeout",
    /// The lookup of the container's program.
    FindProgram = "look-up of the program",
    /// execve(2).
    Execute = "exec",
    /// The check that a mount target is outside procfs.
    InsideProcfs = "check that the target is outside /proc",
    /// The check that an existing cgroup holds no process.
    Occupied = "check of the cgroup",
    /// The check that a file is what the plan expects.
    Unexpected = "check of the kind of file",
    /// The read-back of a value.
    Verify = "read-back",
    /// A slot that no step has filled: a bug in the plan.
    Slot = "descriptor of the plan",
    /// The peer of a socket has closed it or does not answer.
    Peer = "wait for the other side",
}

impl Call {
    /// The call with this number, as it is sent over the channel.
    pub(crate) fn from_number(number: u8) -> Option<Self> {
        Self::ALL.get(usize::from(number)).copied()
    }
}

/// A failure: the call, the errno, and a detail whose meaning depends on the call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// What failed.
    pub call: Call,
    /// The errno.
    pub errno: Errno,
    /// More about the failure, for some calls.
    pub detail: u32,
}

impl Fault {
    /// A fault without a detail.
    pub(crate) fn new(call: Call, errno: Errno) -> Self {
        Self { call, errno, detail: 0 }
    }

    /// The same fault with a detail.
    pub(crate) fn detail(self, detail: u32) -> Self {
        Self { detail, ..self }
    }
}

/// Names the call that an errno comes from.
pub(crate) trait During<T> {
    /// Turns an errno into a fault of `call`.
    fn during(self, call: Call) -> Result<T, Fault>;
}

impl<T> During<T> for rustix::io::Result<T> {
    fn during(self, call: Call) -> Result<T, Fault> {
        self.map_err(|errno| Fault::new(call, errno))
    }
}
