//! Errors: what, with what, why, and where in the configuration.

use crate::errno::{name, words};
use crate::fault::{Call, Fault};
use rustix::io::Errno;
use std::fmt;
use std::time::Duration;
use tare_plan::place::Place;
use tare_plan::spec::Mistake;
use tare_plan::step::Status;
use tare_sys::lock::LockError;

/// Why a verb failed.
///
/// Texts that callers parse are word for word runc's: containerd, Podman and Docker match them.
#[derive(Debug)]
pub enum Error {
    /// Mistakes in the configuration, all that were found.
    Config(Vec<Mistake>),
    /// A step failed.
    Step(Box<FailedStep>),
    /// The container's program cannot be executed.
    Program {
        /// The program's name, as in the configuration.
        name: String,
        /// Why.
        errno: Errno,
    },
    /// The container's program is a script or a dynamic executable, and its interpreter is missing.
    Interpreter {
        /// The program's name as the configuration has it.
        name: String,
    },
    /// An act outside of a plan failed.
    Act {
        /// The act, such as `open the bundle /b`.
        what: String,
        /// Why it failed.
        fault: Fault,
    },
    /// Init ended before it was ready.
    InitDied {
        /// How it ended.
        how: String,
    },
    /// No container has this id.
    NotFound(String),
    /// The container exists, but its record is missing or cannot be parsed.
    Damaged(String),
    /// A newer runtime has written the container's record.
    NewerRecord {
        /// The container ID.
        id: String,
        /// The version of the record.
        version: u64,
    },
    /// A container with this ID exists already.
    Exists(String),
    /// The ID is invalid.
    InvalidId(String),
    /// The verb does not apply to a container with this status.
    State {
        /// The verb, such as `start`.
        verb: &'static str,
        /// The container ID.
        id: String,
        /// The status of the container.
        status: Status,
    },
    /// Another process has held the container's lock for too long.
    LockTimeout {
        /// The ID of the container.
        id: String,
        /// How long this process waited.
        limit: Duration,
    },
    /// The container's init has ended.
    NotRunning,
    /// criu is missing or failed.
    Criu(String),
    /// The container is not paused.
    NotPaused,
    /// The cgroup of a new container exists and is frozen: a process that enters it stops.
    Frozen,
    /// An invalid command line.
    Usage(String),
}

/// A step that failed.
#[derive(Debug)]
pub struct FailedStep {
    /// The step in words.
    pub what: What,
    /// The fault.
    pub fault: Fault,
    /// The kernel's own message, if it has one.
    pub text: String,
    /// The place in the configuration that asks for the step.
    pub because: Place,
}

/// What failed, in words.
#[derive(Debug)]
pub enum What {
    /// An act: `mount devpts at /dev/pts`. The error reads "cannot …".
    Act(String),
    /// A thing that the configuration names: `root file system /b/rootfs`. The error reads "root file system …: reason".
    Thing(String),
}

impl fmt::Display for What {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Act(act) => write!(out, "cannot {act}"),
            Self::Thing(thing) => out.write_str(thing),
        }
    }
}

/// The result of a verb.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// The error of a step, without a message of the kernel.
    pub(crate) fn step(act: &impl fmt::Display, fault: Fault, because: Place) -> Self {
        Self::acted(act.to_string(), fault, String::new(), because)
    }

    /// The error of an act, with a message.
    pub(crate) fn acted(act: impl Into<String>, fault: Fault, text: String, because: Place) -> Self {
        Self::Step(Box::new(FailedStep { what: What::Act(act.into()), fault, text, because }))
    }

    /// The error of a thing that the configuration names.
    pub(crate) fn thing(thing: impl Into<String>, fault: Fault, because: Place) -> Self {
        let what = What::Thing(thing.into());
        Self::Step(Box::new(FailedStep { what, fault, text: String::new(), because }))
    }

    /// Whether a hook failed or exceeded its timeout.
    pub(crate) fn is_of_a_hook(&self) -> bool {
        let Self::Step(step) = self else { return false };
        matches!(step.fault.call, Call::Hook | Call::HookTimeout)
    }

    /// The error of an act outside of a plan.
    pub(crate) fn act(what: impl Into<String>, fault: Fault) -> Self {
        Self::Act { what: what.into(), fault }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Config(mistakes) => write_all(out, mistakes),
            Self::Step(step) => step.fmt(out),
            Self::Program { name, errno } => write_program(out, name, *errno),
            Self::Interpreter { name } => write!(
                out,
                "unable to start container process: exec: {name:?}: no such file or directory: its interpreter is missing"
            ),
            Self::Act { what, fault } => write!(out, "cannot {what}: {}", Reason(fault)),
            Self::InitDied { how } => write!(out, "the container's init ended before it was ready: {how}"),
            Self::NotFound(id) => write!(out, "container does not exist: {id:?}"),
            // Callers treat a damaged container like one that does not exist.
            Self::Damaged(id) => write!(
                out,
                "container does not exist: the record of {id:?} is missing or damaged; delete --force removes what is left"
            ),
            Self::NewerRecord { id, version } => {
                write!(
                    out,
                    "the record of container {id:?} has version {version}: use the newer tare that wrote it"
                )
            }
            Self::Exists(id) => write!(out, "container with given ID already exists: {id}"),
            Self::InvalidId(id) => write!(out, "invalid container ID format: {id:?}"),
            Self::State { verb, id, status } => write_state(out, verb, id, *status),
            Self::LockTimeout { id, limit } => {
                out.write_str(&LockError::timeout_message(*limit, &format!("of container {id}")))
            }
            Self::NotRunning => out.write_str("container not running"),
            Self::NotPaused => out.write_str("container not paused"),
            Self::Frozen => out.write_str("container's cgroup unexpectedly frozen"),
            Self::Usage(what) | Self::Criu(what) => out.write_str(what),
        }
    }
}

fn write_all(out: &mut fmt::Formatter<'_>, mistakes: &[Mistake]) -> fmt::Result {
    for (index, mistake) in mistakes.iter().enumerate() {
        let document = if mistake.place.is_empty() { "config.json: " } else { "" };
        write!(out, "{}{document}{mistake}", if index == 0 { "" } else { "; " })?;
    }
    Ok(())
}

/// Docker distinguishes exit codes 126 and 127 by these words. They are those of Go's exec.LookPath.
fn write_program(out: &mut fmt::Formatter<'_>, name: &str, errno: Errno) -> fmt::Result {
    write!(out, "unable to start container process: exec: {name:?}: ")?;
    match errno {
        Errno::NOENT if !name.contains('/') => out.write_str("executable file not found in $PATH"),
        Errno::NOENT => write!(out, "stat {name}: no such file or directory"),
        // execve(2) answers EACCES for a directory. Callers match either text.
        Errno::ISDIR => out.write_str("permission denied: it is a directory"),
        errno => out.write_str(&words(errno)),
    }
}

fn write_state(out: &mut fmt::Formatter<'_>, verb: &str, id: &str, status: Status) -> fmt::Result {
    match (verb, status) {
        ("start", Status::Stopped) => out.write_str("cannot start a container that has stopped"),
        ("start", Status::Running | Status::Paused) => {
            out.write_str("cannot start an already running container")
        }
        ("delete", _) => write!(out, "cannot delete container {id} that is not stopped: {}", status.name()),
        _ => write!(out, "cannot {verb} container {id} that is {}", status.name()),
    }
}

impl fmt::Display for FailedStep {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.fault.call {
            Call::Hook | Call::HookTimeout => self.write_hook(out)?,
            Call::Bus if !self.text.is_empty() => write!(out, "{}: {}", self.what, self.text)?,
            _ if self.text.is_empty() => write!(out, "{}: {}", self.what, Reason(&self.fault))?,
            _ => write!(out, "{}: {} ({})", self.what, self.text, name(self.fault.errno))?,
        }
        if self.because.is_named() {
            write!(out, ", because of {}", self.because)?;
            self.write_detail(out)?;
        }
        Ok(())
    }
}

impl FailedStep {
    /// runc's words: the kind of the hook and its index.
    fn write_hook(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (index, status) = (self.fault.detail >> 16, self.fault.detail & 0xffff);
        let (What::Act(act) | What::Thing(act)) = &self.what;
        let kind = act.trim_start_matches("run ").split(' ').next().unwrap_or_default();
        write!(out, "error running {kind} hook #{index}: ")?;
        if !self.text.is_empty() {
            write!(out, "{}: ", self.text)?;
        }
        match (self.fault.call, status >> 8, status & 0xff) {
            (Call::HookTimeout, ..) => out.write_str("it ran longer than its timeout and was killed"),
            (_, 127, 0) => out.write_str("exit status 127: no such file or directory"),
            (_, code, 0) => write!(out, "exit status {code}"),
            (_, _, signal) => write!(out, "signal {signal}"),
        }
    }

    fn write_detail(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.fault.call {
            Call::FsOption => write!(out, ".options[{}]", self.fault.detail),
            Call::Hook | Call::HookTimeout => write!(out, "[{}]", self.fault.detail >> 16),
            _ => Ok(()),
        }
    }
}

impl std::error::Error for Error {}

/// The reason of a fault, in words.
struct Reason<'fault>(&'fault Fault);

impl fmt::Display for Reason<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let errno = self.0.errno;
        match self.0.call {
            Call::InsideProcfs => out.write_str("it is inside /proc"),
            Call::Unexpected => out.write_str("it is not what it should be"),
            Call::Occupied => out.write_str("container's cgroup is not empty"),
            Call::OutsideRoot => {
                out.write_str("it is outside of the container's root, possible container breakout detected")
            }
            Call::InUse => out.write_str("rejecting memory limit, more is in use"),
            Call::Schemata => {
                out.write_str("the group is there already and its schemata are not those that are asked for")
            }
            Call::Verify => out.write_str("what was set is not what the kernel has"),
            Call::MapIds if errno == Errno::INVAL => write_unmappable(out, self.0.detail),
            Call::Slot => out.write_str("the plan uses a descriptor that no step has opened"),
            Call::Freeze if errno == Errno::NODEV => out.write_str("it has no cgroup that could be frozen"),
            // A source that does not exist is the user's mistake, so no system call is named.
            Call::OpenTree if matches!(errno, Errno::NOENT | Errno::NOTDIR | Errno::ACCESS) => {
                out.write_str(&words(errno))
            }
            Call::Peer if errno == Errno::TIMEDOUT => out.write_str("the other side does not answer"),
            Call::Peer => out.write_str("the other side is gone"),
            call => write!(out, "{}: {} ({})", call.text(), words(errno), name(errno)),
        }
    }
}

/// Names the file system that does not support id-mapped mounts.
fn write_unmappable(out: &mut fmt::Formatter<'_>, kind: u32) -> fmt::Result {
    let known = FILE_SYSTEMS.iter().find(|(number, _)| *number == kind);
    match known {
        Some((_, name)) => write!(out, "ids can't be mapped on {name}")?,
        None => write!(out, "ids can't be mapped on a file system of type {kind:#x}")?,
    }
    out.write_str(", or on one that is mounted below (EINVAL)")
}

/// File systems by their magic numbers (statfs(2)).
const FILE_SYSTEMS: &[(u32, &str)] = &[
    (0x0000_1cd1, "devpts"),
    (0x0000_6969, "nfs"),
    (0x0000_9fa0, "proc"),
    (0x0000_ef53, "ext4"),
    (0x0102_1994, "tmpfs"),
    (0x0102_1997, "9p"),
    (0x0027_e0eb, "cgroup"),
    (0x1980_0202, "mqueue"),
    (0x5846_5342, "xfs"),
    (0x6265_6572, "sysfs"),
    (0x6367_7270, "cgroup2"),
    (0x6573_5546, "fuse"),
    (0x6e73_6673, "nsfs"),
    (0x794c_7630, "overlay"),
    (0x9123_683e, "btrfs"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_step_says_what_why_and_where() {
        let step = FailedStep {
            what: What::Act("mount devpts at /dev/pts".to_owned()),
            fault: Fault::new(Call::FsOption, Errno::INVAL).detail(1),
            text: "devpts: Unknown parameter 'bogus'".to_owned(),
            because: Place::at("mounts[#]", 2),
        };
        let said = Error::Step(Box::new(step)).to_string();
        assert_eq!(
            said,
            "cannot mount devpts at /dev/pts: devpts: Unknown parameter 'bogus' (EINVAL), because of mounts[2].options[1]"
        );
    }

    #[test]
    fn a_missing_program_has_the_words_that_docker_looks_for() {
        let of = |name: &str, errno| Error::Program { name: name.to_owned(), errno }.to_string();
        assert!(of("nope", Errno::NOENT).ends_with("exec: \"nope\": executable file not found in $PATH"));
        assert!(
            of("/nope", Errno::NOENT).ends_with("exec: \"/nope\": stat /nope: no such file or directory")
        );
        assert!(of("/etc", Errno::ISDIR).ends_with("exec: \"/etc\": permission denied: it is a directory"));
        assert!(of("/x", Errno::ACCESS).ends_with("exec: \"/x\": permission denied"));
    }
}
