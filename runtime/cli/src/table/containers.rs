//! Verbs that change a container.

use super::flags::{self, switch};
use super::{
    Action, BUNDLE_FILES, CREATE_VARIABLES, Entry, Exit, PATH, Rest, STATE_FILES, STATE_VARIABLES, USER,
    Verb, XDG_RUNTIME_DIR,
};

/// What the verbs have in common.
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

const CRIU_VARIABLES: &[Entry] = &[XDG_RUNTIME_DIR, USER, PATH];

const IMAGES: Entry =
    Entry { name: "./checkpoint/", text: "The image files, unless --image-path names another directory." };
const CRIU_CONFIG: Entry = Entry {
    name: "/etc/criu/runc.conf",
    text: "Options of criu itself. The annotation org.criu.config names another file.",
};

pub(super) const CHECKPOINT: Verb = Verb {
    action: Action::Checkpoint,
    name: "checkpoint",
    summary: "Write a container's processes to image files with criu",
    description: &[
        "Writes the memory and kernel state of every process of a running or paused container to image files, with criu. Afterwards the container is deleted, unless --leave-running or --pre-dump keeps it running. tare restore continues it from the image files, on this host or another.",
        "With --pre-dump only memory is written. A later checkpoint that names this one by --parent-path writes only the pages that changed, so that the container is stopped for a shorter time.",
        "When the checkpoint fails, the container runs on.",
    ],
    examples: &[
        Entry {
            name: "tare checkpoint --image-path ./images web1",
            text: "Write the container to ./images and delete it.",
        },
        Entry {
            name: "tare checkpoint --pre-dump --image-path ./first web1",
            text: "Write its memory ahead of a checkpoint.",
        },
    ],
    flags: flags::CHECKPOINT,
    environment: CRIU_VARIABLES,
    files: &[super::STATE_DIRECTORY, IMAGES, CRIU_CONFIG],
    also: &["restore"],
    ..CONTAINER
};

pub(super) const CREATE: Verb = Verb {
    action: Action::Create,
    name: "create",
    summary: "Create a container that waits for start",
    description: &[
        "Reads config.json from the bundle, plans every step, and carries the plan out: namespaces, cgroups, mounts, devices, the user, capabilities. Then the container's init waits for tare start before it executes the container's program.",
        "ID is 1 to 255 letters, digits, or characters of \"_+-.\". No other container in the same state directory may have it.",
        "A container with a terminal needs --console-socket: the runtime sends the terminal's master file descriptor to that socket.",
        "When create fails, nothing is left of the container. When it is killed, tare delete --force ID removes what is left.",
    ],
    examples: &[
        Entry { name: "tare create --bundle ./web web1", text: "Create the container web1." },
        Entry {
            name: "tare create --bundle ./web --pid-file /run/web1.pid web1",
            text: "Write the pid of its init to a file as well.",
        },
    ],
    flags: flags::CREATE,
    environment: CREATE_VARIABLES,
    files: BUNDLE_FILES,
    also: &["start", "run", "plan", "check", "delete"],
    ..CONTAINER
};

pub(super) const DELETE: Verb = Verb {
    action: Action::Delete,
    name: "delete",
    summary: "Delete a stopped container",
    description: &[
        "Removes the container's cgroups and its state, and runs its poststop hooks. A container that was created and not started is killed first. A running or paused one is refused.",
        "With --force any container is killed and deleted, also one that is half created or whose record is damaged; a container that does not exist is no error.",
    ],
    examples: &[
        Entry { name: "tare delete web1", text: "Delete a stopped container." },
        Entry { name: "tare delete --force web1", text: "Kill it first." },
    ],
    flags: &[switch("force", "Kill a running container; ignore one that does not exist").letter('f')],
    also: &["kill", "state"],
    ..CONTAINER
};

pub(super) const EXEC: Verb = Verb {
    action: Action::Exec,
    name: "exec",
    operands: "ID PROGRAM [ARGUMENT…]",
    summary: "Execute a program in a container",
    description: &[
        "Executes a program in the namespaces and cgroups of a created or running container, as its user and with its environment, unless options say otherwise. Words after PROGRAM are its arguments, even with a leading dash.",
        "With --process the whole process comes from a JSON file in the form of process in config.json, and PROGRAM is left out.",
        "Unless --detach is given, exec waits for the program, forwards signals to it, and exits with its exit code.",
    ],
    examples: &[
        Entry { name: "tare exec --tty web1 sh", text: "Start a shell in the container." },
        Entry {
            name: "tare exec --user 33:33 --env DEBUG=1 web1 id",
            text: "Execute a program as another user.",
        },
    ],
    takes: (1, usize::MAX),
    flags: flags::EXEC,
    rest: Rest::Operands,
    exit: Exit::Program,
    also: &["run", "ps"],
    ..CONTAINER
};

pub(super) const KILL: Verb = Verb {
    action: Action::Kill,
    name: "kill",
    operands: "ID [SIGNAL]",
    summary: "Send a signal to a container's init. Default: SIGTERM",
    description: &[
        "Sends a signal to the init of a container. SIGNAL is a name, with or without SIG, or a number.",
        "With --all every process in the container's cgroups gets the signal. Without a pid namespace of its own, a container's processes outlive its init: SIGKILL then goes to all of them.",
        "SIGKILL also thaws a paused container, so that its processes end.",
    ],
    examples: &[
        Entry { name: "tare kill web1 KILL", text: "Kill the container's init." },
        Entry { name: "tare kill --all web1 HUP", text: "Send SIGHUP to all its processes." },
    ],
    takes: (1, 2),
    flags: &[switch("all", "Send the signal to every process of the container").letter('a')],
    also: &["delete", "pause"],
    ..CONTAINER
};

pub(super) const PAUSE: Verb = Verb {
    action: Action::Pause,
    name: "pause",
    summary: "Freeze all processes of a container",
    description: &[
        "Freezes every process of a created or running container with the cgroup freezer. Its status is \"paused\" until tare resume thaws it. The container needs a cgroup.",
    ],
    examples: &[Entry { name: "tare pause web1", text: "Freeze the container." }],
    also: &["resume"],
    ..CONTAINER
};

pub(super) const RESTORE: Verb = Verb {
    action: Action::Restore,
    name: "restore",
    summary: "Restore a container from image files with criu",
    description: &[
        "Creates a container from the image files of tare checkpoint, with criu. The bundle must be the one that the container was created from, or one like it.",
        "Unless --detach is given, restore waits for the container's init, forwards signals to it, exits with its exit code, and deletes the container.",
    ],
    examples: &[
        Entry {
            name: "tare restore --image-path ./images --bundle ./web web1",
            text: "Restore a container and wait for it.",
        },
        Entry {
            name: "tare restore --detach --image-path ./images --bundle ./web web1",
            text: "Restore it in the background.",
        },
    ],
    flags: flags::RESTORE,
    exit: Exit::Container,
    environment: CRIU_VARIABLES,
    files: &[super::CONFIG, super::STATE_DIRECTORY, IMAGES, CRIU_CONFIG],
    also: &["checkpoint"],
    ..CONTAINER
};

pub(super) const RESUME: Verb = Verb {
    action: Action::Resume,
    name: "resume",
    summary: "Thaw all processes of a paused container",
    description: &["Thaws every process of a container that tare pause has frozen."],
    examples: &[Entry { name: "tare resume web1", text: "Thaw the container." }],
    also: &["pause"],
    ..CONTAINER
};

pub(super) const RUN: Verb = Verb {
    action: Action::Run,
    name: "run",
    summary: "Create and start a container, and wait for it to end",
    description: &[
        "Does what tare create and tare start do. Unless --detach is given, run then waits for the container's init, forwards signals to it, exits with its exit code, and deletes the container; --keep leaves it as stopped.",
        "If the container has a terminal and run waits, the caller's own terminal serves it.",
    ],
    examples: &[
        Entry { name: "tare run --bundle ./web web1", text: "Run a container in the foreground." },
        Entry { name: "tare run --detach --bundle ./web web1", text: "Run it in the background." },
    ],
    flags: flags::RUN,
    exit: Exit::Container,
    environment: CREATE_VARIABLES,
    files: BUNDLE_FILES,
    also: &["create", "start", "exec"],
    ..CONTAINER
};

pub(super) const START: Verb = Verb {
    action: Action::Start,
    name: "start",
    summary: "Start a created container",
    description: &[
        "Lets the init of a created container execute the program that config.json names, and runs the startContainer and poststart hooks.",
        "An error in the program's execution is reported here, such as a filter that forbids execve.",
    ],
    examples: &[Entry { name: "tare start web1", text: "Start the container." }],
    also: &["create", "run"],
    ..CONTAINER
};

pub(super) const UPDATE: Verb = Verb {
    action: Action::Update,
    name: "update",
    summary: "Change the resource limits of a container",
    description: &[
        "Changes limits of a container's cgroups. A limit comes from an option or, with --resources, from a JSON document in the form of linux.resources in config.json; the options for cgroup limits are then ignored. Limits that are not named stay as they are.",
        "SIZE is a number of bytes with an optional suffix k, m, g, t or p, in powers of 1024.",
    ],
    examples: &[
        Entry { name: "tare update --memory 512M web1", text: "Set the memory limit." },
        Entry { name: "tare update --cpu-quota 50000 --cpu-period 100000 web1", text: "Allow half a CPU." },
    ],
    flags: flags::UPDATE,
    also: &["stats", "events"],
    ..CONTAINER
};
