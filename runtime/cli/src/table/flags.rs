//! The options.

use super::Flag;

pub(super) const fn switch(long: &'static str, help: &'static str) -> Flag {
    Flag { long, short: None, value: None, default: None, help }
}

pub(super) const fn option(long: &'static str, value: &'static str, help: &'static str) -> Flag {
    Flag { long, short: None, value: Some(value), default: None, help }
}

impl Flag {
    /// The option with a letter.
    pub(super) const fn letter(self, short: char) -> Self {
        Self { short: Some(short), ..self }
    }

    /// The option with a default.
    pub(super) const fn default(self, default: &'static str) -> Self {
        Self { default: Some(default), ..self }
    }
}

/// Options before the verb.
pub(crate) const GLOBAL: &[Flag] = &[
    switch("debug", "Log every step"),
    option("log", "FILE", "Write the log to this file").default("standard error"),
    option("log-format", "FORMAT", "Format of the log: text or json").default("text"),
    option("root", "DIR", "State directory").default("/run/tare, or $XDG_RUNTIME_DIR/tare if rootless"),
    option("criu", "PATH", "The criu program").default("criu"),
    switch("systemd-cgroup", "Create cgroups as systemd units"),
    option("cgroup-manager", "NAME", "cgroupfs, systemd or disabled").default("cgroupfs"),
    option("rootless", "VALUE", "Accepted for compatibility with runc; has no effect"),
    switch("help", "Print this help").letter('h'),
    switch("version", "Print the version").letter('v'),
];

pub(super) const BUNDLE: Flag =
    option("bundle", "DIR", "Bundle directory").letter('b').default("current directory");
const CONSOLE: Flag = option("console-socket", "PATH", "Unix socket that receives the terminal's master fd");
const PID_FILE: Flag = option("pid-file", "FILE", "Write the pid of the process to this file");
pub(super) const NO_PIVOT: Flag =
    switch("no-pivot", "Do not use pivot_root, for a root file system on a ramdisk");
pub(super) const NO_KEYRING: Flag = switch("no-new-keyring", "Keep the caller's session keyring");
const PRESERVE: Flag =
    option("preserve-fds", "N", "Pass file descriptors 3..2+N to the container").default("0");
const PIDFD: Flag = option("pidfd-socket", "PATH", "Unix socket that receives a pidfd of the process");
const DETACH: Flag = switch("detach", "Do not wait for the process to end").letter('d');
const NO_SUBREAPER: Flag = switch("no-subreaper", "Do not reap orphaned processes of the container");

pub(super) const FORMAT_TEXT: Flag =
    option("format", "FORMAT", "Output format: text or json").letter('f').default("text");
pub(super) const FORMAT_TABLE: Flag =
    option("format", "FORMAT", "Output format: table or json").letter('f').default("table");

pub(super) const CREATE: &[Flag] = &[BUNDLE, CONSOLE, PIDFD, PID_FILE, NO_PIVOT, NO_KEYRING, PRESERVE];

pub(super) const RUN: &[Flag] = &[
    BUNDLE,
    CONSOLE,
    PIDFD,
    DETACH,
    switch("keep", "Do not delete the container after it ends"),
    PID_FILE,
    NO_SUBREAPER,
    NO_PIVOT,
    NO_KEYRING,
    PRESERVE,
];

pub(super) const EXEC: &[Flag] = &[
    CONSOLE,
    PIDFD,
    option("cwd", "DIR", "Working directory in the container"),
    option("env", "NAME=VALUE", "Add an environment variable; repeatable").letter('e'),
    switch("tty", "Allocate a terminal").letter('t'),
    option("user", "UID[:GID]", "User and group of the process").letter('u'),
    option("additional-gids", "GID", "Add a supplementary group; repeatable").letter('g'),
    option("process", "FILE", "Read the process from this process.json").letter('p'),
    DETACH,
    PID_FILE,
    option("process-label", "LABEL", "SELinux label of the process"),
    option("apparmor", "PROFILE", "AppArmor profile of the process"),
    switch("no-new-privs", "Set no_new_privs"),
    option("cap", "CAPABILITY", "Add a capability; repeatable").letter('c'),
    PRESERVE,
    option("cgroup", "[CONTROLLER:]PATH", "Sub-cgroup of the container to join; repeatable"),
    switch("ignore-paused", "In a paused container, wait until it is resumed"),
    switch("no-subreaper", "Accepted for compatibility with runc; has no effect"),
];

const IMAGES: Flag = option("image-path", "DIR", "Directory of the image files").default("checkpoint");
const WORK: Flag = option("work-path", "DIR", "Directory of criu's log").default("the image directory");
const TCP: Flag = switch("tcp-established", "Keep established TCP connections");
const SOCKETS: Flag = switch("ext-unix-sk", "Allow Unix sockets with a peer outside the container");
const SHELL: Flag = switch("shell-job", "Allow a container attached to the caller's terminal");
const LOCKS: Flag = switch("file-locks", "Keep file locks");
const CGROUPS: Flag =
    option("manage-cgroups-mode", "MODE", "Cgroup mode: soft, full, strict or ignore").default("soft");
const EMPTY: Flag = option("empty-ns", "network", "Leave out the contents of the network namespace");
const DEDUP: Flag = switch("auto-dedup", "Deduplicate memory images");
const LAZY: Flag = switch("lazy-pages", "Transfer memory pages on demand (userfaultfd)");

pub(super) const CHECKPOINT: &[Flag] = &[
    IMAGES,
    WORK,
    option("parent-path", "DIR", "Directory of an earlier pre-dump, relative to the images"),
    switch("leave-running", "Leave the container running"),
    TCP,
    switch("tcp-skip-in-flight", "Leave out TCP packets in flight"),
    SOCKETS,
    SHELL,
    LAZY,
    option("status-fd", "FD", "File descriptor on which criu reports that lazy pages are ready"),
    option("page-server", "ADDRESS:PORT", "Send memory pages to this page server"),
    LOCKS,
    switch("pre-dump", "Dump memory only and leave the container running"),
    CGROUPS,
    EMPTY,
    DEDUP,
    switch("link-remap", "Keep open files that have been unlinked"),
];

pub(super) const RESTORE: &[Flag] = &[
    BUNDLE,
    CONSOLE,
    IMAGES,
    WORK,
    TCP,
    switch("tcp-close", "Close TCP connections"),
    SOCKETS,
    SHELL,
    LOCKS,
    CGROUPS,
    DETACH,
    PID_FILE,
    NO_SUBREAPER,
    NO_PIVOT,
    EMPTY,
    DEDUP,
    LAZY,
    option("lsm-profile", "TYPE:NAME", "Replace the LSM profile"),
    option("lsm-mount-context", "CONTEXT", "Replace the LSM mount context"),
];

pub(super) const UPDATE: &[Flag] = &[
    option("resources", "FILE", "Read the limits from this JSON file; - is standard input").letter('r'),
    option("blkio-weight", "N", "Weight of block I/O, 10 to 1000"),
    option("cpu-period", "US", "Period of the CPU quota in microseconds"),
    option("cpu-quota", "US", "CPU time in each period in microseconds; -1 for no limit"),
    option("cpu-burst", "US", "Unused quota that may accumulate, in microseconds"),
    option("cpu-rt-period", "US", "Period of real-time tasks in microseconds"),
    option("cpu-rt-runtime", "US", "CPU time of real-time tasks in each period, in microseconds"),
    option("cpu-share", "N", "CPU weight relative to other containers"),
    option("cpu-idle", "0|1", "1 for SCHED_IDLE: run only when nothing else does"),
    option("cpuset-cpus", "LIST", "CPUs, such as 0-3,7"),
    option("cpuset-mems", "LIST", "Memory nodes"),
    option("memory", "SIZE", "Memory limit, such as 512M; -1 for no limit"),
    option("memory-reservation", "SIZE", "Memory reserved under pressure (soft limit)"),
    option("memory-swap", "SIZE", "Memory and swap together; -1 for no limit"),
    option("kernel-memory", "SIZE", "Obsolete; ignored"),
    option("kernel-memory-tcp", "SIZE", "Obsolete; ignored"),
    option("pids-limit", "N", "Maximum number of tasks; -1 for no limit"),
    option("l3-cache-schema", "SCHEMA", "L3 cache schema (resctrl)"),
    option("mem-bw-schema", "SCHEMA", "Memory bandwidth schema (resctrl)"),
];
