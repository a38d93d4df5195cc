//! Verbs that change no container.

use super::flags::{self, option, switch};
use super::{
    Action, CONFIG, Entry, Exit, PATH, Rest, STATE_FILES, STATE_VARIABLES, USER, Verb, XDG_RUNTIME_DIR,
};

/// What the verbs about one container have in common.
const CONTAINER: Verb = Verb {
    action: Action::State,
    name: "",
    operands: "ID",
    summary: "",
    description: &[],
    examples: &[],
    takes: (1, 1),
    flags: &[],
    rest: Rest::Options,
    exit: Exit::Plain,
    environment: STATE_VARIABLES,
    files: STATE_FILES,
    also: &[],
};

/// What the verbs about the program itself have in common.
const PROGRAM: Verb = Verb { operands: "", takes: (0, 0), environment: &[], files: &[], ..CONTAINER };

pub(super) const CHECK: Verb = Verb {
    action: Action::Check,
    name: "check",
    operands: "[BUNDLE]",
    summary: "Check a bundle's config.json and report every problem",
    description: &[
        "Checks config.json against the OCI runtime specification and against this host, and reports every mistake with its place in the file, not only the first. Warnings name what is odd and still works. Nothing is changed, and no privileges are needed.",
        "BUNDLE is a directory with a config.json.",
    ],
    examples: &[
        Entry { name: "tare check ./web", text: "Report problems, one a line." },
        Entry { name: "tare check --format json ./web", text: "Report them as JSON." },
    ],
    takes: (0, 1),
    flags: &[flags::BUNDLE, flags::FORMAT_TEXT],
    exit: Exit::Findings,
    files: &[CONFIG],
    also: &["plan", "spec"],
    ..PROGRAM
};

pub(super) const COMPLETION: Verb = Verb {
    action: Action::Completion,
    name: "completion",
    operands: "SHELL",
    summary: "Print the completion script for bash, zsh or fish",
    description: &[
        "Prints a script that completes verbs, options and container IDs in a shell: bash, zsh or fish.",
    ],
    examples: &[Entry {
        name: "tare completion bash > /etc/bash_completion.d/tare",
        text: "Install the completion for bash.",
    }],
    takes: (1, 1),
    also: &["man"],
    ..PROGRAM
};

pub(super) const DEBUG: Verb = Verb {
    action: Action::Debug,
    name: "debug",
    summary: "Show a container's namespaces, mounts, capabilities and limits",
    description: &[
        "Shows what an operator looks for when a container misbehaves: its state, the reason for its end (exit code, OOM killer), each limit of its cgroups next to the configured one, its namespaces, capabilities, mounts and open file descriptors.",
        "A container that has ended shows its state, its limits and the reason for its end.",
    ],
    examples: &[
        Entry { name: "tare debug web1", text: "Show all that is known of the container." },
        Entry { name: "tare debug --format json web1", text: "Show it as JSON." },
    ],
    flags: &[flags::FORMAT_TEXT],
    also: &["state", "stats", "plan"],
    ..CONTAINER
};

pub(super) const EVENTS: Verb = Verb {
    action: Action::Events,
    name: "events",
    summary: "Print resource usage at an interval, and OOM kills, as JSON",
    description: &[
        "Prints one JSON object a line, in runc's form: the resource usage of a container at each interval (type stats), and each kill by the OOM killer (type oom). It ends with the container.",
        "With --stats it prints the usage once.",
    ],
    examples: &[
        Entry { name: "tare events --stats web1", text: "Print the usage once." },
        Entry { name: "tare events --interval 1m web1", text: "Print it every minute." },
    ],
    flags: &[
        option("interval", "TIME", "Interval, such as 500ms or 1m30s").default("5s"),
        switch("stats", "Print the resource usage once"),
    ],
    also: &["stats", "update"],
    ..CONTAINER
};

pub(super) const FEATURES: Verb = Verb {
    action: Action::Features,
    name: "features",
    summary: "Print the features of this runtime as JSON",
    description: &[
        "Prints the versions of the specification, namespaces, capabilities, mount options, seccomp actions and more that this runtime knows, in the form of features.md of the OCI runtime specification.",
    ],
    examples: &[Entry { name: "tare features", text: "Print the features." }],
    also: &["check"],
    ..PROGRAM
};

pub(super) const LIST: Verb = Verb {
    action: Action::List,
    name: "list",
    operands: "",
    summary: "List containers",
    description: &[
        "Lists the containers in the state directory, in the order of their IDs. With --format json the list is an array of objects as tare state prints them, with the owner's name; null if it is empty.",
    ],
    examples: &[
        Entry { name: "tare list", text: "List containers in a table." },
        Entry { name: "tare list --quiet", text: "List their IDs." },
    ],
    takes: (0, 0),
    flags: &[flags::FORMAT_TABLE, switch("quiet", "Print IDs only").letter('q')],
    also: &["state", "ps"],
    ..CONTAINER
};

pub(super) const MAN: Verb = Verb {
    action: Action::Man,
    name: "man",
    operands: "[VERB]",
    summary: "Print a man page",
    description: &["Prints the man page tare(8) or, with VERB, the page of that verb, in troff for man(1)."],
    examples: &[Entry { name: "tare man exec | man -l -", text: "Read the page of exec." }],
    takes: (0, 1),
    also: &["completion"],
    ..PROGRAM
};

pub(super) const PLAN: Verb = Verb {
    action: Action::Plan,
    name: "plan",
    operands: "[BUNDLE]",
    summary: "Print every step of create without taking any",
    description: &[
        "Prints the plan that tare create would carry out: the steps of the parent and of the container's init, each with the place in config.json that asks for it. Nothing is changed, and no privileges are needed.",
        "BUNDLE is a directory with a config.json.",
    ],
    examples: &[
        Entry { name: "tare plan ./web", text: "Print the plan." },
        Entry { name: "tare --systemd-cgroup plan ./web", text: "Print it with the systemd unit." },
    ],
    takes: (0, 1),
    flags: &[flags::BUNDLE, flags::FORMAT_TEXT, flags::NO_PIVOT, flags::NO_KEYRING],
    files: &[CONFIG],
    also: &["check", "create"],
    ..PROGRAM
};

pub(super) const PS: Verb = Verb {
    action: Action::Ps,
    name: "ps",
    operands: "ID [PS OPTIONS…]",
    summary: "List the processes of a container",
    description: &[
        "Runs ps(1) and prints its lines about the processes of a container. PS OPTIONS replace -ef; the output must have a column PID. With --format json it prints an array of pids.",
    ],
    examples: &[
        Entry { name: "tare ps web1", text: "List the processes." },
        Entry { name: "tare ps web1 -o pid,cmd", text: "List pids and commands only." },
    ],
    takes: (1, usize::MAX),
    flags: &[flags::FORMAT_TABLE],
    rest: Rest::Operands,
    environment: &[XDG_RUNTIME_DIR, USER, PATH],
    also: &["list", "exec"],
    ..CONTAINER
};

pub(super) const SPEC: Verb = Verb {
    action: Action::Spec,
    name: "spec",
    summary: "Write a template config.json",
    description: &[
        "Writes a config.json to start from: a shell in a read-only root file system, with its own namespaces and few capabilities. An existing file is not replaced.",
        "With --rootless it maps the caller to root of a user namespace, shares the host's network, and sets no limits.",
    ],
    examples: &[
        Entry { name: "tare spec --bundle ./web", text: "Write ./web/config.json." },
        Entry { name: "tare spec --rootless", text: "Write a config.json for a rootless container." },
    ],
    flags: &[flags::BUNDLE, switch("rootless", "For a rootless container")],
    files: &[CONFIG],
    also: &["check", "create"],
    ..PROGRAM
};

pub(super) const STATE: Verb = Verb {
    action: Action::State,
    name: "state",
    summary: "Print the state of a container as JSON",
    description: &[
        "Prints the state of a container in runc's form: ociVersion, id, pid, status, bundle, rootfs, created, annotations and owner. The status is creating, created, running, paused or stopped; the pid is 0 for a stopped container.",
    ],
    examples: &[Entry { name: "tare state web1", text: "Print the state." }],
    also: &["list", "debug"],
    ..CONTAINER
};

pub(super) const STATS: Verb = Verb {
    action: Action::Stats,
    name: "stats",
    operands: "[ID…]",
    summary: "Show the resource usage of containers",
    description: &[
        "Shows CPU, memory, tasks and block I/O of the named containers, or of all that run. On a terminal it is a table, which --watch redraws every second; otherwise it is one JSON object a line for each container.",
        "The column PRESSURE names the resource that tasks waited for most in the last 10 seconds (PSI, cgroup v2).",
    ],
    examples: &[
        Entry { name: "tare stats", text: "Show all running containers." },
        Entry { name: "tare stats --watch web1", text: "Show one, and redraw the table every second." },
    ],
    takes: (0, usize::MAX),
    flags: &[switch("watch", "Redraw the table every second").letter('w')],
    also: &["events", "debug", "update"],
    ..CONTAINER
};
