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
    /// What carries it out; the number is the exit code.
    pub(crate) act: fn(&Arguments, &mut Log) -> Result<u8>,
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
    option("criu", "PATH", "accepted for callers that still give it"),
    switch("systemd-cgroup", "let systemd make the cgroups (not built yet)"),
    option("cgroup-manager", "cgroupfs|systemd|disabled", "who makes the cgroups (cgroupfs)"),
    option("rootless", "auto|true|false", "whether an ordinary user runs this (auto)"),
    lettered(switch("help", "print this"), 'h'),
    lettered(switch("version", "print the version"), 'v'),
];

const BUNDLE: Flag = lettered(option("bundle", "DIR", "the bundle (the current directory)"), 'b');
const CONSOLE: Flag = option("console-socket", "PATH", "the socket that gets the terminal's master");
const PID_FILE: Flag = option("pid-file", "FILE", "write the pid of the container's init here");
const NO_PIVOT: Flag = switch("no-pivot", "do not use pivot_root (for a root on a ramdisk)");
const NO_KEYRING: Flag = switch("no-new-keyring", "keep the caller's session keyring");
const PRESERVE: Flag = option("preserve-fds", "N", "hand descriptors 3 to 2+N on to the container");
const FORMAT: &str = "table|json";

const CREATE: &[Flag] = &[BUNDLE, CONSOLE, PID_FILE, NO_PIVOT, NO_KEYRING, PRESERVE];
const RUN: &[Flag] = &[
    BUNDLE,
    CONSOLE,
    lettered(switch("detach", "do not wait for the container's end"), 'd'),
    switch("keep", "do not delete the container when it has ended"),
    PID_FILE,
    switch("no-subreaper", "leave orphans of the container to others"),
    NO_PIVOT,
    NO_KEYRING,
    PRESERVE,
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
        act: verbs::check::check,
    },
    Verb {
        name: "create",
        operands: "ID",
        summary: "create a container, which then waits to be started",
        example: "tare create --bundle ./web web1",
        takes: (1, 1),
        flags: CREATE,
        act: verbs::create::create,
    },
    Verb {
        name: "delete",
        operands: "ID",
        summary: "delete a container that does not run",
        example: "tare delete --force web1",
        takes: (1, 1),
        flags: &[lettered(switch("force", "kill it first; one that does not exist is no error"), 'f')],
        act: verbs::delete::delete,
    },
    Verb {
        name: "features",
        operands: "",
        summary: "print what this runtime can do, as JSON",
        example: "tare features",
        takes: (0, 0),
        flags: &[],
        act: verbs::features::features,
    },
    Verb {
        name: "kill",
        operands: "ID [SIGNAL]",
        summary: "send a signal to a container's init (SIGTERM)",
        example: "tare kill web1 KILL",
        takes: (1, 2),
        flags: &[lettered(switch("all", "send it to every process of the container"), 'a')],
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
        act: verbs::list::list,
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
        act: verbs::plan::plan,
    },
    Verb {
        name: "run",
        operands: "ID",
        summary: "create and start a container, and wait for its end",
        example: "tare run --bundle ./web web1",
        takes: (1, 1),
        flags: RUN,
        act: verbs::run::run,
    },
    Verb {
        name: "spec",
        operands: "",
        summary: "write a config.json to begin with",
        example: "tare spec --bundle ./web",
        takes: (0, 0),
        flags: &[BUNDLE, switch("rootless", "for an ordinary user")],
        act: verbs::spec::spec,
    },
    Verb {
        name: "start",
        operands: "ID",
        summary: "start the program of a created container",
        example: "tare start web1",
        takes: (1, 1),
        flags: &[],
        act: verbs::start::start,
    },
    Verb {
        name: "state",
        operands: "ID",
        summary: "print the state of a container, as JSON",
        example: "tare state web1",
        takes: (1, 1),
        flags: &[],
        act: verbs::state::state,
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
