//! The bed: the namespaces that one check runs in. Whatever the check starts, mounts or writes dies with them.
//!
//! ```text
//! runner -> namespaces (makes them) -> first (process 1: mounts, reaps) -> check
//! ```
//!
//! Each dies with the one before it, and when process 1 dies the kernel ends every process of the bed. Cgroups
//! alone belong to no namespace: they bear the check's marker in their names, and the runner removes those.

use std::fs::File;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use clap::ValueEnum;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::Signal;
use nix::sys::stat::{Mode, SFlag, makedev, mknod};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::Pid;

use crate::subject::Subject;

/// Where a check's own files lie.
const FILES: &str = "/tmp/bed";
/// Where cgroups are mounted.
const CGROUPS: &str = "/sys/fs/cgroup";
/// The devices that every container has, and their numbers.
const DEVICES: &[(&str, u64, u64)] =
    &[("null", 1, 3), ("zero", 1, 5), ("full", 1, 7), ("random", 1, 8), ("urandom", 1, 9), ("tty", 5, 0)];
/// With what markers begin; the runner's process id and a number follow.
const MARK: &str = "conformance-";

/// Where a process stands on the way into a bed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Stage {
    /// Makes the namespaces and waits for process 1 of them.
    Namespaces,
    /// Is process 1: mounts what the bed needs and reaps.
    First,
    /// Runs the check.
    Check,
}

impl Stage {
    /// The word on the command line.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Namespaces => "namespaces",
            Self::First => "first",
            Self::Check => "check",
        }
    }
}

/// What a check runs on.
#[derive(Debug)]
pub(crate) struct Bed {
    /// What is checked.
    pub(crate) subject: Subject,
    /// The text that cgroups, ids and whatever else outlives a namespace must bear, with a dash behind it.
    pub(crate) marker: String,
}

impl Bed {
    /// A directory for the check's own files, on a file system in memory.
    #[expect(clippy::unused_self, reason = "only who has a bed has the directory")]
    pub(crate) fn files(&self) -> &'static Path {
        Path::new(FILES)
    }
}

/// The marker of the runner's next check.
pub(crate) fn marker(number: usize) -> String {
    format!("{MARK}{}-{number}", std::process::id())
}

/// Makes the namespaces, starts process 1 of them by the words, and ends as it does.
pub(crate) fn namespaces(words: &[String]) -> Result<ExitCode> {
    set_pdeathsig(Signal::SIGKILL)?;
    let own = std::env::current_exe()?;
    let all = CloneFlags::CLONE_NEWNS
        | CloneFlags::CLONE_NEWPID
        | CloneFlags::CLONE_NEWNET
        | CloneFlags::CLONE_NEWIPC
        | CloneFlags::CLONE_NEWUTS;
    unshare(all).context("a bed needs root: unshare")?;
    let code = Command::new(own).args(words).status()?.code();
    Ok(code.and_then(|code| u8::try_from(code).ok()).map_or(ExitCode::FAILURE, ExitCode::from))
}

/// As process 1: mounts what the bed needs, starts the check by the words, and reaps until it has ended.
pub(crate) fn first(words: &[String], subject: &Subject) -> Result<ExitCode> {
    set_pdeathsig(Signal::SIGKILL)?;
    let own = std::env::current_exe()?;
    lay_out(&own, &subject.path)?;
    let child = Command::new(own).args(words).spawn()?;
    let check = Pid::from_raw(i32::try_from(child.id())?);
    loop {
        match waitpid(None, None)? {
            WaitStatus::Exited(pid, code) if pid == check => {
                return Ok(ExitCode::from(u8::try_from(code).unwrap_or(u8::MAX)));
            }
            WaitStatus::Signaled(pid, ..) if pid == check => return Ok(ExitCode::FAILURE),
            _ => {}
        }
    }
}

/// Gives the bed its own /proc and empty /run, /tmp and /dev/shm, in which the programs stay where they are.
fn lay_out(own: &Path, subject: &Path) -> Result<()> {
    attach(None, Path::new("/"), None, MsFlags::MS_REC | MsFlags::MS_PRIVATE)?;
    attach(Some("proc"), Path::new("/proc"), Some("proc"), MsFlags::empty())?;
    let beside = |path: &Path| -> Option<PathBuf> {
        if path.is_dir() { Some(path.into()) } else { path.parent().map(Path::to_path_buf) }
    };
    let kept: Vec<(PathBuf, File)> = [own, subject]
        .into_iter()
        .filter_map(beside)
        .filter_map(|path| File::open(&path).ok().map(|file| (path, file)))
        .collect();
    for directory in ["/run", "/tmp", "/dev/shm"] {
        attach(Some("bed"), Path::new(directory), Some("tmpfs"), MsFlags::empty())?;
    }
    for (path, file) in kept.into_iter().filter(|(path, _)| !path.exists()) {
        std::fs::create_dir_all(&path)?;
        let source = format!("/proc/self/fd/{}", file.as_raw_fd());
        attach(Some(&source), &path, None, MsFlags::MS_BIND | MsFlags::MS_REC)?;
    }
    std::fs::create_dir(FILES)?;
    own_devices()?;
    hide_unified()
}

/// Puts nodes of the bed's own over the devices that containers are given: a runtime may change their owner or mode, and
/// the machine's would stay changed.
fn own_devices() -> Result<()> {
    let directory = Path::new("/tmp/devices");
    std::fs::create_dir(directory)?;
    for (name, major, minor) in DEVICES {
        let (node, place) = (directory.join(name), Path::new("/dev").join(name));
        mknod(&node, SFlag::S_IFCHR, Mode::empty(), makedev(*major, *minor))
            .context("a device of the bed's own")?;
        std::fs::set_permissions(&node, std::fs::Permissions::from_mode(0o666))?;
        attach(node.to_str(), &place, None, MsFlags::MS_BIND)?;
    }
    Ok(())
}

/// Leaves the v1 hierarchies alone in sight on a machine with both kinds, since not every runtime takes such a
/// machine: all are to be tried on the same.
fn hide_unified() -> Result<()> {
    let top = Path::new(CGROUPS);
    if !top.join("unified/cgroup.procs").exists() {
        return Ok(());
    }
    let aside = Path::new("/tmp/cgroup");
    std::fs::create_dir(aside)?;
    attach(Some(CGROUPS), aside, None, MsFlags::MS_BIND | MsFlags::MS_REC)?;
    attach(Some("bed"), top, Some("tmpfs"), MsFlags::empty())?;
    for entry in std::fs::read_dir(aside)?.flatten().filter(|entry| entry.file_name() != "unified") {
        let (from, to) = (entry.path(), top.join(entry.file_name()));
        if entry.file_type()?.is_symlink() {
            std::os::unix::fs::symlink(std::fs::read_link(from)?, to)?;
        } else {
            std::fs::create_dir(&to)?;
            attach(from.to_str(), &to, None, MsFlags::MS_BIND)?;
        }
    }
    umount2(aside, MntFlags::MNT_DETACH)?;
    Ok(std::fs::remove_dir(aside)?)
}

fn attach(source: Option<&str>, target: &Path, kind: Option<&str>, flags: MsFlags) -> Result<()> {
    mount(source, target, kind, flags, None::<&str>)
        .with_context(|| format!("cannot mount {}", target.display()))
}

/// Removes the cgroups of a check whose processes are dead; those that were left.
pub(crate) fn sweep(marker: &str) -> Vec<PathBuf> {
    // The dash keeps those of the tenth check from being taken for those of the first.
    let its = format!("{marker}-");
    remove(&|name: &str| name.contains(&its))
}

/// Removes what a runner that was killed has left.
pub(crate) fn sweep_old() {
    let is_old = |name: &str| {
        let runner = name.split_once(MARK).and_then(|(_, rest)| rest.split('-').next());
        runner.is_some_and(|pid| !Path::new("/proc").join(pid).exists())
    };
    // No process waits for these: the next run removes what is still busy.
    drop(remove(&is_old));
}

fn remove(is_wanted: &dyn Fn(&str) -> bool) -> Vec<PathBuf> {
    let mut found = Vec::new();
    collect(Path::new(CGROUPS), is_wanted, &mut found);
    let end = Instant::now() + Duration::from_secs(2);
    let mut left: Vec<PathBuf> = found.clone();
    while !left.is_empty() && Instant::now() < end {
        // The inner ones come last in the list; the kernel may need a moment to be done with the dead.
        left = left
            .into_iter()
            .rev()
            .filter(|group| group.exists() && std::fs::remove_dir(group).is_err())
            .collect();
        left.sort();
        std::thread::sleep(Duration::from_millis(u64::from(!left.is_empty())));
    }
    found
}

fn collect(directory: &Path, is_wanted: &dyn Fn(&str) -> bool, found: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(directory) else { return };
    for entry in entries.flatten().filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())) {
        let path = entry.path();
        if is_wanted(&path.to_string_lossy()) {
            found.push(path.clone());
        }
        collect(&path, is_wanted, found);
    }
}
