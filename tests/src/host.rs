//! A host for one test: a mount and a network namespace of its own, with empty /run, /tmp and /dev/shm.
//!
//! Whatever a runtime leaves there belongs to the test; what it leaves where all share the machine (cgroups,
//! processes) is known by the test's marker, which every id and environment bears.

use std::fs::File;
use std::io::ErrorKind;
use std::os::fd::AsRawFd as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};
use serde_json::Value;
use tare_bundle::bundle::{Bundle, PAYLOAD};
use tare_bundle::config::Config;
use test_report::Timed;

use crate::container::Container;
use crate::hierarchies;
use crate::leaks::{Snapshot, sweep};
use crate::process::{Call, Output, eventually};
use crate::runtime::{Kind, Runtime, built, kind, program};

static NEXT: AtomicU32 = AtomicU32::new(0);
/// Where the test's own files lie: bundles and the output of commands. All else in /tmp is a leak.
const FILES: &str = "/tmp/test";
/// The runtime's root directory.
const ROOT: &str = "/run/runtime";
/// Where configurations and leases of CNI lie.
const CNI: [&str; 2] = ["/etc/cni", "/var/lib/cni"];
/// The v1 controllers, for a runtime that refuses a machine with both kinds of cgroups.
const V1: &[&str] = &["cpu", "cpuacct", "cpuset", "memory", "devices", "freezer", "blkio", "pids", "systemd"];

/// The host. The thread that made it is inside; dropping it checks for leaks.
#[derive(Debug)]
pub struct Host {
    _timed: Timed,
    marker: String,
    runtime: Runtime,
    before: Snapshot,
    next: AtomicU32,
}

/// Whether the loopback device can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Loopback {
    Up,
    Down,
}

impl Host {
    /// Moves this thread to a new host. Needs root.
    ///
    /// # Panics
    /// The kernel refuses.
    #[must_use]
    #[expect(clippy::new_without_default, reason = "it changes the thread: no default of anything")]
    pub fn new() -> Self {
        Self::with(kind(&program()) == Kind::Crun, &[], Loopback::Down)
    }

    /// Moves this thread to a new host on which engines run: with the v1 hierarchies alone where there are both, since
    /// they make directories next to hierarchies that they don't know; its loopback up; and nothing in the directories in
    /// which all users of CNI keep their networks and leases.
    ///
    /// # Panics
    /// The kernel refuses.
    #[must_use]
    pub fn for_engines() -> Self {
        for directory in CNI {
            std::fs::create_dir_all(directory).unwrap();
        }
        Self::with(hierarchies::v1("memory").is_some(), &CNI, Loopback::Up)
    }

    /// Moves this thread to a new host that shows the v1 hierarchies alone where there are both versions.
    ///
    /// # Panics
    /// The kernel refuses.
    #[must_use]
    pub fn with_v1_alone() -> Self {
        Self::with(hierarchies::v1("memory").is_some(), &[], Loopback::Down)
    }

    /// Moves this thread to a new host whose loopback is up.
    ///
    /// # Panics
    /// The kernel refuses.
    #[must_use]
    pub fn with_loopback() -> Self {
        Self::with(kind(&program()) == Kind::Crun, &[], Loopback::Up)
    }

    fn with(v1_alone: bool, emptied: &[&str], loopback: Loopback) -> Self {
        let timed = Timed::start();
        let marker = format!("t{}x{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let _ = built();
        unshare(CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWNET).expect("a host of its own needs root");
        mount(None::<&str>, "/", None::<&str>, MsFlags::MS_REC | MsFlags::MS_PRIVATE, None::<&str>).unwrap();
        empty_directories(emptied);
        if v1_alone {
            only_v1();
        }
        std::fs::create_dir(FILES).unwrap();
        std::fs::create_dir(ROOT).unwrap();
        if loopback == Loopback::Up {
            Call::new("ip", Path::new(FILES)).args(["link", "set", "lo", "up"]).run().ok();
        }
        let runtime = Runtime::new(Path::new(ROOT), Path::new(FILES), &marker);
        let before = Snapshot::take(&marker);
        Self { _timed: timed, marker, runtime, before, next: AtomicU32::new(0) }
    }

    /// The runtime under test.
    #[must_use]
    pub fn runtime(&self) -> &Runtime {
        &self.runtime
    }

    /// A copy of the runtime for a rootless user: the checkout may lie in a directory that only root can enter.
    ///
    /// # Panics
    /// It cannot be copied.
    #[must_use]
    pub fn program_for_all(&self) -> PathBuf {
        let copy = self.files().join(self.runtime.program().file_name().unwrap());
        if !copy.exists() {
            std::fs::copy(self.runtime.program(), &copy).unwrap();
            becomes_executable(&copy);
        }
        copy
    }

    /// A directory for the test's own files, which the leak check passes over.
    #[must_use]
    pub fn files(&self) -> &Path {
        Path::new(FILES)
    }

    /// The text by which what belongs to this test is known on the machine.
    #[must_use]
    pub fn marker(&self) -> &str {
        &self.marker
    }

    /// An id that no other test uses.
    #[must_use]
    pub fn id(&self) -> String {
        format!("{}-{}", self.marker, self.next.fetch_add(1, Ordering::Relaxed))
    }

    /// The least configuration, to run the payload with these words: all namespaces, no capability, and a control
    /// group that [`Container::cgroup`] finds.
    #[must_use]
    pub fn config(&self, words: &[&str]) -> Config {
        // Peers as old as Debian's refuse newer versions of the specification; one test tries those.
        let config = Config::plain().unwrap().set("/ociVersion", "1.0.2");
        config.args(&[&[PAYLOAD], words].concat()).env(&format!("TARE_TEST={}", self.marker))
    }

    /// A container of that configuration, in a bundle whose root file system holds the payload. Nothing is created.
    #[must_use]
    pub fn container(&self, config: Config) -> Container {
        let id = self.id();
        let bundle = Bundle::create(&self.files().join(&id)).unwrap();
        let root = bundle.payload_root("rootfs", &payload()).unwrap();
        becomes_executable(&root.join(PAYLOAD.trim_start_matches('/')));
        let config = if config.value().pointer("/linux/cgroupsPath").is_none() {
            config.cgroup(&format!("/{id}"))
        } else {
            config
        };
        bundle.write(&config).unwrap();
        self.adopt(id, bundle.path())
    }

    /// A container of that configuration which has been created and started.
    ///
    /// # Panics
    /// The runtime refuses either.
    #[track_caller]
    #[must_use]
    pub fn running(&self, config: Config) -> Container {
        let mut container = self.container(config);
        container.create();
        container.start();
        container
    }

    /// A container with a bundle that the test has made.
    #[must_use]
    pub fn adopt(&self, id: String, bundle: &Path) -> Container {
        Container { runtime: self.runtime.clone(), id, bundle: bundle.into(), created: None, deleted: false }
    }

    /// Runs the configuration in the foreground to its end.
    #[must_use]
    pub fn run(&self, config: Config) -> Output {
        let mut container = self.container(config);
        let output = container.run();
        // The runtime must have deleted it: what is left now is a leak.
        container.deleted = true;
        output
    }

    /// Runs the payload's report under the configuration; `paths` are what it probes besides.
    #[track_caller]
    #[must_use]
    pub fn report(&self, config: Config, paths: &[&str]) -> Value {
        self.run(config.args(&[&[PAYLOAD, "report"], paths].concat())).ok().json()
    }

    /// Runs any other program on this host to its end, successfully.
    #[track_caller]
    pub fn tool(&self, words: &[&str]) -> Output {
        Call::new(words[0], self.files()).args(&words[1..]).run().ok()
    }

    /// Ends the test's processes and removes its cgroups, for a test that has found a leak and goes on.
    pub fn sweep(&self) {
        sweep(&self.marker);
    }

    /// What has been left on the machine since the test began, each in one line.
    #[must_use]
    pub fn leaks(&self) -> Vec<String> {
        self.before.leaks(&self.marker)
    }

    /// Checks that nothing has been left on the machine since the test began.
    ///
    /// # Panics
    /// Something has.
    #[track_caller]
    pub fn is_clean(&self) {
        let leaks = self.leaks();
        assert!(leaks.is_empty(), "left behind: {leaks:#?}");
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        if std::thread::panicking() {
            sweep(&self.marker);
        } else {
            self.is_clean();
        }
    }
}

/// The payload of the same build.
pub(crate) fn payload() -> PathBuf {
    built().join("tare-payload")
}

/// Waits until a program that has just been written can be executed. A process that another thread has started has this one's
/// descriptors until it executes its own program, and a file that is open for writing can't be executed (execve(2), ETXTBSY).
fn becomes_executable(program: &Path) {
    eventually("the program can be executed", || {
        let output = Command::new(program).arg("true").output();
        !output.is_err_and(|error| error.kind() == ErrorKind::ExecutableFileBusy)
    });
}

/// Puts an empty file system on each directory that runtimes leave things in; what the test needs below one of them
/// (a checkout in /tmp) stays where it is.
fn empty_directories(more: &[&str]) {
    let program = program();
    let checkout = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().unwrap();
    let needed = [checkout, built(), program.parent().unwrap().into()];
    let kept: Vec<(PathBuf, File)> =
        needed.into_iter().filter_map(|path| File::open(&path).ok().map(|file| (path, file))).collect();
    for directory in ["/run", "/tmp", "/dev/shm"].iter().chain(more).copied() {
        mount(Some("test"), directory, Some("tmpfs"), MsFlags::empty(), Some("mode=1777")).unwrap();
    }
    for (path, file) in kept {
        if !path.exists() {
            std::fs::create_dir_all(&path).unwrap();
            let source = format!("/proc/self/fd/{}", file.as_raw_fd());
            mount(
                Some(source.as_str()),
                &path,
                None::<&str>,
                MsFlags::MS_BIND | MsFlags::MS_REC,
                None::<&str>,
            )
            .unwrap();
        }
    }
}

/// Shows only the v1 hierarchies under /sys/fs/cgroup.
fn only_v1() {
    let real = "/tmp/cgroup";
    std::fs::create_dir(real).unwrap();
    mount(Some("/sys/fs/cgroup"), real, None::<&str>, MsFlags::MS_BIND | MsFlags::MS_REC, None::<&str>)
        .unwrap();
    mount(Some("test"), "/sys/fs/cgroup", Some("tmpfs"), MsFlags::empty(), Some("mode=755")).unwrap();
    for controller in V1 {
        let (source, target) = (format!("{real}/{controller}"), format!("/sys/fs/cgroup/{controller}"));
        std::fs::create_dir(&target).unwrap();
        mount(Some(source.as_str()), target.as_str(), None::<&str>, MsFlags::MS_BIND, None::<&str>).unwrap();
    }
    umount2(real, MntFlags::MNT_DETACH).unwrap();
    std::fs::remove_dir(real).unwrap();
}
