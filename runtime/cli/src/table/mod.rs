//! The command line as one table: parsing, help, man pages and completions come from it.
//!
//! The table is data. [`crate::verbs`] carries out an [`Action`].

mod containers;
mod flags;
mod inspection;

pub(crate) use flags::GLOBAL;

/// An option.
#[derive(Debug)]
pub(crate) struct Flag {
    /// Its name, without dashes.
    pub(crate) long: &'static str,
    /// Its letter.
    pub(crate) short: Option<char>,
    /// The name of its value; `None` for an option without one.
    pub(crate) value: Option<&'static str>,
    /// The value without the option.
    pub(crate) default: Option<&'static str>,
    /// What it does, in a few words.
    pub(crate) help: &'static str,
}

impl Flag {
    /// What it does, with its default.
    pub(crate) fn help(&self) -> String {
        match self.default {
            Some(default) => format!("{}. Default: {default}", self.help),
            None => self.help.to_owned(),
        }
    }
}

/// A verb.
#[derive(Debug)]
pub(crate) struct Verb {
    /// What carries it out.
    pub(crate) action: Action,
    /// Its name.
    pub(crate) name: &'static str,
    /// Its operands.
    pub(crate) operands: &'static str,
    /// What it does, in one line.
    pub(crate) summary: &'static str,
    /// What it does, in paragraphs.
    pub(crate) description: &'static [&'static str],
    /// Commands that work; the first is shown by `--help`.
    pub(crate) examples: &'static [Entry],
    /// The least and the greatest number of operands.
    pub(crate) takes: (usize, usize),
    /// Its options.
    pub(crate) flags: &'static [Flag],
    /// How words after the first operand are read.
    pub(crate) rest: Rest,
    /// Its exit codes.
    pub(crate) exit: Exit,
    /// The environment variables that it reads.
    pub(crate) environment: &'static [Entry],
    /// The files that it reads or writes.
    pub(crate) files: &'static [Entry],
    /// Related verbs.
    pub(crate) also: &'static [&'static str],
}

/// A command, a variable or a path, and what is to know about it.
#[derive(Debug)]
pub(crate) struct Entry {
    /// The command, variable or path.
    pub(crate) name: &'static str,
    /// What is to know about it.
    pub(crate) text: &'static str,
}

/// Every verb by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    Check,
    Checkpoint,
    Completion,
    Create,
    Debug,
    Delete,
    Events,
    Exec,
    Features,
    Kill,
    List,
    Man,
    Pause,
    Plan,
    Ps,
    Restore,
    Resume,
    Run,
    Spec,
    Start,
    State,
    Stats,
    Update,
}

/// How words after a verb's first operand are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rest {
    /// As options and operands.
    Options,
    /// As operands, even with a leading dash: they belong to another program.
    Operands,
}

/// What the exit code of a verb means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// 0 or 1.
    Plain,
    /// 1 also for mistakes in the configuration.
    Findings,
    /// That of the container's init.
    Container,
    /// That of the program in the container; 255 for the runtime's own errors.
    Program,
}

/// The exit code of the runtime's own errors.
pub(crate) const FAILED: u8 = 1;

impl Exit {
    /// The exit code when the runtime itself fails.
    pub(crate) fn failed(self) -> u8 {
        match self {
            Self::Plain | Self::Findings | Self::Container => FAILED,
            Self::Program => 255,
        }
    }
}

/// Every verb, in alphabetical order.
pub(crate) const VERBS: &[Verb] = &[
    inspection::CHECK,
    containers::CHECKPOINT,
    inspection::COMPLETION,
    containers::CREATE,
    inspection::DEBUG,
    containers::DELETE,
    inspection::EVENTS,
    containers::EXEC,
    inspection::FEATURES,
    containers::KILL,
    inspection::LIST,
    inspection::MAN,
    containers::PAUSE,
    inspection::PLAN,
    inspection::PS,
    containers::RESTORE,
    containers::RESUME,
    containers::RUN,
    inspection::SPEC,
    containers::START,
    inspection::STATE,
    inspection::STATS,
    containers::UPDATE,
];

/// Finds a verb by its name.
pub(crate) fn find(name: &str) -> Option<&'static Verb> {
    VERBS.iter().find(|verb| verb.name == name)
}

/// The variables of a verb that opens the state directory.
pub(crate) const STATE_VARIABLES: &[Entry] = &[XDG_RUNTIME_DIR, USER];

const XDG_RUNTIME_DIR: Entry = Entry {
    name: "XDG_RUNTIME_DIR",
    text: "For a rootless user, the directory above the state directory and the socket of the user's systemd.",
};
const USER: Entry = Entry {
    name: "USER",
    text: "In a user namespace, root counts as a rootless user unless this is \"root\".",
};
const PATH: Entry =
    Entry { name: "PATH", text: "Where programs are looked up. Without it, the usual system directories." };

/// The variables of a verb that creates a container.
const CREATE_VARIABLES: &[Entry] = &[
    XDG_RUNTIME_DIR,
    USER,
    Entry {
        name: "LISTEN_FDS, LISTEN_PID",
        text: "The sockets of socket activation (sd_listen_fds(3)): they are passed to the container.",
    },
    Entry {
        name: "NOTIFY_SOCKET",
        text: "The socket of sd_notify(3): start waits for the container's READY=1 and forwards it.",
    },
    Entry {
        name: "DBUS_SESSION_BUS_ADDRESS, DBUS_SYSTEM_BUS_ADDRESS",
        text: "With --systemd-cgroup, the bus of the user's and of the system's systemd.",
    },
];

const STATE_DIRECTORY: Entry = Entry {
    name: "/run/tare/ID/",
    text: "The state of a container: record.json, the kept config.json and the socket start. For a rootless user it is below $XDG_RUNTIME_DIR/tare; --root names another directory.",
};
const CONFIG: Entry =
    Entry { name: "BUNDLE/config.json", text: "The configuration of the container (runtime-spec)." };

/// The files of a verb that opens the state directory.
pub(crate) const STATE_FILES: &[Entry] = &[STATE_DIRECTORY];
const BUNDLE_FILES: &[Entry] = &[CONFIG, STATE_DIRECTORY];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted_and_every_option_is_unique() {
        assert!(VERBS.is_sorted_by_key(|verb| verb.name));
        for verb in VERBS {
            let mut names: Vec<_> = verb.flags.iter().map(|flag| flag.long).collect();
            names.sort_unstable();
            assert!(names.windows(2).all(|pair| pair[0] != pair[1]), "{}", verb.name);
        }
    }

    #[test]
    fn an_action_has_the_name_of_its_verb() {
        for verb in VERBS {
            assert_eq!(format!("{:?}", verb.action).to_lowercase(), verb.name);
        }
    }

    #[test]
    fn related_verbs_exist() {
        for name in VERBS.iter().flat_map(|verb| verb.also) {
            assert!(find(name).is_some(), "{name}");
        }
    }
}
