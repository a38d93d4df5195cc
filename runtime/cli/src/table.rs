//! The command line as one table: parsing and help come from it, and man pages and completions can.

use crate::arguments::Arguments;
use crate::log::Log;
use crate::verbs;
use tare_engine::Result;

/// An option.
#[derive(Debug)]
pub(crate) struct Flag {
    /// Its name, without dashes.
    pub(crate) long: &'static str,
    /// Its letter.
    pub(crate) short: Option<char>,
    /// What its value is called; nothing for one that takes none.
    pub(crate) value: Option<&'static str>,
    /// What it does, in a few words.
    pub(crate) help: &'static str,
}

/// A verb.
#[derive(Debug)]
pub(crate) struct Verb {
    /// Its name.
    pub(crate) name: &'static str,
    /// What it is given after its options.
    pub(crate) operands: &'static str,
    /// What it does.
    pub(crate) summary: &'static str,
    /// A call that works.
    pub(crate) example: &'static str,
    /// How many operands it takes: at least, and at most.
    pub(crate) takes: (usize, usize),
    /// Its options.
    pub(crate) flags: &'static [Flag],
    /// What words after the first operand are.
    pub(crate) rest: Rest,
    /// The exit code when the runtime itself has failed.
    pub(crate) failed: u8,
    /// What carries it out; the number is the exit code.
    pub(crate) act: fn(&Arguments, &mut Log) -> Result<u8>,
}

/// The exit code of the runtime's own errors.
pub(crate) const FAILED: u8 = 1;

/// The same for `exec`, whose other codes are the program's.
const EXEC_FAILED: u8 = 255;

/// What words after a verb's first operand are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rest {
    /// Options and operands.
    Options,
    /// Operands, even those that begin with a dash: they are another program's.
    Operands,
}

const fn switch(long: &'static str, help: &'static str) -> Flag {
    Flag { long, short: None, value: None, help }
}

const fn option(long: &'static str, value: &'static str, help: &'static str) -> Flag {
    Flag { long, short: None, value: Some(value), help }
}

const fn lettered(flag: Flag, short: char) -> Flag {
    Flag { short: Some(short), ..flag }
}

/// Options that stand before the verb.
pub(crate) const GLOBAL: &[Flag] = &[
    switch("debug", "log what is done, step by step"),
    option("log", "FILE", "write the log here instead of to standard error"),
    option("log-format", "text|json", "the form of the log (text)"),
    option("root", "DIR", "where containers are recorded (/run/tare)"),
    option("criu", "PATH", "the program criu (criu)"),
    switch("systemd-cgroup", "let systemd make the cgroups, as units"),
    option("cgroup-manager", "cgroupfs|systemd|disabled", "who makes the cgroups (cgroupfs)"),
    option("rootless", "auto|true|false", "whether an ordinary user runs this (auto)"),
    lettered(switch("help", "print this"), 'h'),
    lettered(switch("version", "print the version"), 'v'),
];

const BUNDLE: Flag = lettered(option("bundle", "DIR", "the bundle (the current directory)"), 'b');
const CONSOLE: Flag = option("console-socket", "PATH", "the socket that gets the terminal's master");
const PID_FILE: Flag = option("pid-file", "FILE", "write the process's pid here");
const NO_PIVOT: Flag = switch("no-pivot", "do not use pivot_root (for a root on a ramdisk)");
const NO_KEYRING: Flag = switch("no-new-keyring", "keep the caller's session keyring");
const PRESERVE: Flag = option("preserve-fds", "N", "hand descriptors 3 to 2+N on to the container");
const PIDFD: Flag = option("pidfd-socket", "PATH", "the socket that gets a descriptor of the process");
const FORMAT: &str = "table|json";

const CREATE: &[Flag] = &[BUNDLE, CONSOLE, PIDFD, PID_FILE, NO_PIVOT, NO_KEYRING, PRESERVE];
const IMAGES: Flag = option("image-path", "DIR", "the directory of the images (checkpoint)");
const WORK: Flag = option("work-path", "DIR", "the directory of the log (that of the images)");
const TCP: Flag = switch("tcp-established", "keep connections");
const SOCKETS: Flag = switch("ext-unix-sk", "allow sockets whose other ends are outside");
const SHELL: Flag = switch("shell-job", "allow a job of a shell");
const LOCKS: Flag = switch("file-locks", "keep file locks");
const CGROUPS: Flag = option("manage-cgroups-mode", "MODE", "soft, full, strict or ignore (soft)");
const EMPTY: Flag = option("empty-ns", "network", "leave the network namespace empty");
const DEDUP: Flag = switch("auto-dedup", "punch replaced pages out of earlier images");
const LAZY: Flag = switch("lazy-pages", "bring pages when they are asked for");

const CHECKPOINT: &[Flag] = &[
    IMAGES,
    WORK,
    option("parent-path", "DIR", "an earlier dump, relative to the images"),
    switch("leave-running", "let the container go on"),
    TCP,
    switch("tcp-skip-in-flight", "leave out packets that are under way"),
    SOCKETS,
    SHELL,
    LAZY,
    option("status-fd", "N", "where criu tells that it is ready"),
    option("page-server", "ADDRESS:PORT", "who takes the pages"),
    LOCKS,
    switch("pre-dump", "dump memory only, for a later dump"),
    CGROUPS,
    EMPTY,
    DEDUP,
    switch("link-remap", "give open files without a name one"),
];
const RESTORE: &[Flag] = &[
    BUNDLE,
    CONSOLE,
    IMAGES,
    WORK,
    TCP,
    switch("tcp-close", "close connections"),
    SOCKETS,
    SHELL,
    LOCKS,
    CGROUPS,
    lettered(switch("detach", "do not wait for the container's end"), 'd'),
    PID_FILE,
    switch("no-subreaper", "leave orphans of the container to others"),
    NO_PIVOT,
    EMPTY,
    DEDUP,
    LAZY,
    option("lsm-profile", "PROFILE", "another profile of a security module"),
    option("lsm-mount-context", "CONTEXT", "another context for mounts"),
];
const EXEC: &[Flag] = &[
    CONSOLE,
    PIDFD,
    option("cwd", "DIR", "where the program works"),
    lettered(option("env", "NAME=VALUE", "one more variable"), 'e'),
    lettered(switch("tty", "give it a terminal"), 't'),
    lettered(option("user", "UID[:GID]", "who runs it"), 'u'),
    lettered(option("additional-gids", "GID", "one more group"), 'g'),
    lettered(option("process", "FILE", "the process.json that describes it"), 'p'),
    lettered(switch("detach", "do not wait for its end"), 'd'),
    PID_FILE,
    option("process-label", "LABEL", "its SELinux context"),
    option("apparmor", "PROFILE", "its AppArmor profile"),
    switch("no-new-privs", "let it never gain privileges"),
    lettered(option("cap", "CAPABILITY", "one more capability"), 'c'),
    PRESERVE,
    option("cgroup", "[CONTROLLER:]PATH", "a cgroup below the container's"),
    switch("ignore-paused", "wait until a paused container is resumed"),
    switch("no-subreaper", "accepted for callers that still give it"),
];
const RUN: &[Flag] = &[
    BUNDLE,
    CONSOLE,
    PIDFD,
    lettered(switch("detach", "do not wait for the container's end"), 'd'),
    switch("keep", "do not delete the container when it has ended"),
    PID_FILE,
    switch("no-subreaper", "leave orphans of the container to others"),
    NO_PIVOT,
    NO_KEYRING,
    PRESERVE,
];

const UPDATE: &[Flag] = &[
    lettered(option("resources", "FILE", "a resources document; - is standard input"), 'r'),
    option("blkio-weight", "N", "the weight of disk requests, 10 to 1000"),
    option("cpu-period", "US", "the period of the quota, in microseconds"),
    option("cpu-quota", "US", "processor time in each period; -1 is no limit"),
    option("cpu-burst", "US", "unused time that may be saved up"),
    option("cpu-rt-period", "US", "the period of real-time processes"),
    option("cpu-rt-runtime", "US", "real-time processor time in each period"),
    option("cpu-share", "N", "the weight of processor time, 1024 by default"),
    option("cpu-idle", "0|1", "1: only when nothing else runs"),
    option("cpuset-cpus", "LIST", "the processors, such as 0-3,7"),
    option("cpuset-mems", "LIST", "the memory nodes"),
    option("memory", "SIZE", "memory, such as 512M; -1 is no limit"),
    option("memory-reservation", "SIZE", "memory that is left to it under pressure"),
    option("memory-swap", "SIZE", "memory and swap together"),
    option("kernel-memory", "SIZE", "obsolete, and ignored"),
    option("kernel-memory-tcp", "SIZE", "obsolete, and ignored"),
    option("pids-limit", "N", "the most tasks; -1 is no limit"),
    option("l3-cache-schema", "SCHEMA", "the cache that it may use"),
    option("mem-bw-schema", "SCHEMA", "the memory bandwidth that it may use"),
];

/// Every verb, in alphabetical order.
pub(crate) const VERBS: &[Verb] = &[
    Verb {
        name: "check",
        operands: "[BUNDLE]",
        summary: "tell everything that is wrong with a configuration",
        example: "tare check --format json ./web",
        takes: (0, 1),
        flags: &[BUNDLE, lettered(option("format", "text|json", "the form of the answer (text)"), 'f')],
        rest: Rest::Options,
        failed: FAILED,
        act: verbs::check::check,
    },
    Verb {
        name: "checkpoint",
        operands: "ID",
        summary: "dump a container's processes to files, by criu",
        example: "tare checkpoint --image-path ./images web1",
        takes: (1, 1),
        flags: CHECKPOINT,
        rest: Rest::Options,
        failed: FAILED,
        act: verbs::checkpoint::checkpoint,
    },
    Verb {
        name: "completion",
        operands: "SHELL",
        summary: "print the completion for bash, zsh or fish",
        example: "tare completion bash > /etc/bash_completion.d/tare",
        takes: (1, 1),
        flags: &[],
        rest: Rest::Options,
        failed: FAILED,
        act: verbs::completion::completion,
    },
    Verb {
        name: "create",
        operands: "ID",
        summary: "create a container, which then waits to be started",
        example: "tare create --bundle ./web web1",
        takes: (1, 1),
        flags: CREATE,
        rest: Rest::Options,
        failed: FAILED,
        act: verbs::create::create,
    },
    Verb {
        name: "debug",
        operands: "ID",
        summary: "tell what an operator wants to know of a container",
        example: "tare debug web1",
        takes: (1, 1),
        flags: &[lettered(option("format", "text|json", "the form of the answer (text)"), 'f')],
        rest: Rest::Options,
        failed: FAILED,
        act: verbs::debug::debug,
    },
    Verb {
        name: "delete",
        operands: "ID",
        summary: "delete a container that does not run",
        example: "tare delete --force web1",
        takes: (1, 1),
        flags: &[lettered(switch("force", "kill it first; one that does not exist is no error"), 'f')],
        rest: Rest::Options,
        failed: FAILED,
        act: verbs::delete::delete,
    },
    Verb {
        name: "events",
        operands: "ID",
        summary: "tell what a container uses, and when its memory runs out",
        example: "tare events --stats web1",
        takes: (1, 1),
        flags: &[
            option("interval", "TIME", "how often, such as 500ms (5s)"),
            switch("stats", "tell what it uses now, and no more"),
        ],
        rest: Rest::Options,
        failed: FAILED,
        act: verbs::events::events,
    },
    Verb {
        name: "exec",
        operands: "ID PROGRAM [ARGUMENT…]",
        summary: "run one more program in a container",
        example: "tare exec --tty web1 sh",
        takes: (1, usize::MAX),
        flags: EXEC,
        rest: Rest::Operands,
        failed: EXEC_FAILED,
        act: verbs::exec::exec,
    },
    Verb {
        name: "features",
        operands: "",
        summary: "print what this runtime can do, as JSON",
        example: "tare features",
        takes: (0, 0),
        flags: &[],
        rest: Rest::Options,
        failed: FAILED,
        act: verbs::features::features,
    },
    Verb {
        name: "kill",
        operands: "ID [SIGNAL]",
        summary: "send a signal to a container's init (SIGTERM)",
        example: "tare kill web1 KILL",
        takes: (1, 2),
        flags: &[lettered(switch("all", "send it to every process of the container"), 'a')],
        rest: Rest::Options,
        failed: FAILED,
        act: verbs::kill::kill,
    },
    Verb {
        name: "list",
        operands: "",
        summary: "list all containers",
        example: "tare list --format json",
        takes: (0, 0),
        flags: &[
            lettered(option("format", FORMAT, "the form of the list (table)"), 'f'),
            lettered(switch("quiet", "print ids only"), 'q'),
        ],
        rest: Rest::Options,
        failed: FAILED,
        act: verbs::list::list,
    },
    Verb {
        name: "man",
        operands: "[VERB]",
        summary: "print a manual page",
        example: "tare man exec | man -l -",
        takes: (0, 1),
        flags: &[],
        rest: Rest::Options,
        failed: FAILED,
        act: verbs::completion::man,
    },
    Verb {
        name: "pause",
        operands: "ID",
        summary: "stop every process of a container where it is",
        example: "tare pause web1",
        takes: (1, 1),
        flags: &[],
        rest: Rest::Options,
        failed: FAILED,
        act: verbs::pause::pause,
    },
    Verb {
        name: "plan",
        operands: "[BUNDLE]",
        summary: "print every step that create would take, without taking any",
        example: "tare plan --format json ./web",
        takes: (0, 1),
        flags: &[
            BUNDLE,
            lettered(option("format", "text|json", "the form of the plan (text)"), 'f'),
            NO_PIVOT,
            NO_KEYRING,
        ],
        rest: Rest::Options,
        failed: FAILED,
        act: verbs::plan::plan,
    },
    Verb {
        name: "ps",
        operands: "ID [PS OPTIONS…]",
        summary: "list the processes of a container",
        example: "tare ps web1 -o pid,cmd",
        takes: (1, usize::MAX),
        flags: &[lettered(option("format", FORMAT, "the form of the list (table)"), 'f')],
        rest: Rest::Operands,
        failed: FAILED,
        act: verbs::ps::ps,
    },
    Verb {
        name: "restore",
        operands: "ID",
        summary: "bring a container back from files, by criu",
        example: "tare restore --image-path ./images --bundle ./web web1",
        takes: (1, 1),
        flags: RESTORE,
        rest: Rest::Options,
        failed: FAILED,
        act: verbs::checkpoint::restore,
    },
    Verb {
        name: "resume",
        operands: "ID",
        summary: "let a paused container go on",
        example: "tare resume web1",
        takes: (1, 1),
        flags: &[],
        rest: Rest::Options,
        failed: FAILED,
        act: verbs::pause::resume,
    },
    Verb {
        name: "run",
        operands: "ID",
        summary: "create and start a container, and wait for its end",
        example: "tare run --bundle ./web web1",
        takes: (1, 1),
        flags: RUN,
        rest: Rest::Options,
        failed: FAILED,
        act: verbs::run::run,
    },
    Verb {
        name: "spec",
        operands: "",
        summary: "write a config.json to begin with",
        example: "tare spec --bundle ./web",
        takes: (0, 0),
        flags: &[BUNDLE, switch("rootless", "for an ordinary user")],
        rest: Rest::Options,
        failed: FAILED,
        act: verbs::spec::spec,
    },
    Verb {
        name: "start",
        operands: "ID",
        summary: "start the program of a created container",
        example: "tare start web1",
        takes: (1, 1),
        flags: &[],
        rest: Rest::Options,
        failed: FAILED,
        act: verbs::start::start,
    },
    Verb {
        name: "state",
        operands: "ID",
        summary: "print the state of a container, as JSON",
        example: "tare state web1",
        takes: (1, 1),
        flags: &[],
        rest: Rest::Options,
        failed: FAILED,
        act: verbs::state::state,
    },
    Verb {
        name: "stats",
        operands: "[ID…]",
        summary: "show what containers use",
        example: "tare stats --watch web1",
        takes: (0, usize::MAX),
        flags: &[lettered(switch("watch", "draw the table anew every second"), 'w')],
        rest: Rest::Options,
        failed: FAILED,
        act: verbs::stats::stats,
    },
    Verb {
        name: "update",
        operands: "ID",
        summary: "change the limits of a container",
        example: "tare update --memory 512M web1",
        takes: (1, 1),
        flags: UPDATE,
        rest: Rest::Options,
        failed: FAILED,
        act: verbs::update::update,
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted_and_no_option_stands_twice() {
        assert!(VERBS.is_sorted_by_key(|verb| verb.name));
        for verb in VERBS {
            let mut names: Vec<_> = verb.flags.iter().map(|flag| flag.long).collect();
            names.sort_unstable();
            assert!(names.windows(2).all(|pair| pair[0] != pair[1]), "{}", verb.name);
        }
    }
}
