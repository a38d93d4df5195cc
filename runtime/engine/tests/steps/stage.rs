//! The stage: a host with one bundle. Its container needs nearly every step of `create`.

use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use serde_json::json;
use tare_bundle::bundle::{Bundle as Directory, Layers};
use tare_bundle::config::Config;
use tare_engine::create::{Bundle, make, plan, record};
use tare_engine::delete::{Force, delete};
use tare_engine::parent::Created;
use tare_engine::store::Store;
use tare_engine::{Result, probe};
use tare_plan::context::{CgroupManager, Keyring, Request};
use tare_plan::plan::Plan;
use tare_plan::step::EnterRoot;
use tests::{Host, Snapshot};

/// The limit for the exit of processes without a parent.
const SOON: Duration = Duration::from_secs(1);

/// The kind of container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Its root is a directory.
    Plain,
    /// Its root is an overlay.
    Overlay,
    /// It has eight new namespaces, and an overlay.
    AllNamespaces,
    /// It has no mount namespace of its own.
    HostMounts,
    /// It joins the namespaces of this process, through an intermediate process.
    Joined,
}

/// The host, the bundle and the state directory.
pub(crate) struct Stage {
    pub(crate) host: Host,
    pub(crate) store: Store,
    pub(crate) id: String,
    bundle: Bundle,
    clean: Snapshot,
    descriptors: usize,
    /// The facts about the host for the plan.
    pub(crate) facts: tare_plan::host::Host,
}

impl Stage {
    pub(crate) fn new(kind: Kind) -> Self {
        Self::with(kind, |config| config)
    }

    /// Creates a stage with a changed configuration.
    pub(crate) fn with(kind: Kind, change: impl FnOnce(Config) -> Config) -> Self {
        let host = Host::new();
        let config = change(config(&host));
        let mut container = host.container(config.clone());
        container.deleted_already();
        let directory = Directory::create(container.bundle()).unwrap();
        let config = config.cgroup(&format!("/{}", container.id()));
        let config = match kind {
            Kind::Plain => config,
            Kind::HostMounts => {
                config.share("mount").remove("/linux/maskedPaths").remove("/linux/readonlyPaths")
            }
            Kind::Overlay => overlay(&directory, config),
            Kind::AllNamespaces => {
                let config = overlay(&directory, config).map_users(0, 65_536).namespace("time");
                config.set("/linux/timeOffsets", json!({"monotonic": {"secs": 1000}}))
            }
            Kind::Joined => config.join("pid", "/proc/self/ns/pid").join("ipc", "/proc/self/ns/ipc"),
        };
        directory.write(&config).unwrap();
        let bundle = Bundle::open(container.bundle()).unwrap();
        let store = Store::new(host.runtime().root().to_string_lossy());
        let (id, clean) = (container.id().to_owned(), Snapshot::take(host.marker()));
        let facts = probe::host().unwrap();
        Self { host, store, id, bundle, clean, descriptors: descriptors(), facts }
    }

    fn request(&self) -> Request<'_> {
        Request {
            id: &self.id,
            bundle: &self.bundle.path,
            console_socket: None,
            pivot: EnterRoot::Pivot,
            keyring: Keyring::New,
            preserve_fds: 0,
            pidfd_socket: None,
            cgroup_manager: CgroupManager::Cgroupfs,
        }
    }

    pub(crate) fn plan(&self) -> Plan {
        plan(&self.bundle, &self.facts, &self.request()).unwrap_or_else(|error| panic!("{error}"))
    }

    /// Carries out a plan as `create` does.
    pub(crate) fn make(&self, plan: &Plan) -> Result<Created> {
        let entry = self.store.reserve(&self.id)?;
        let record = record(&self.bundle, &self.facts, &self.request());
        make(&self.bundle, plan, record, entry)
    }

    /// Deletes the container by force. That has to succeed.
    pub(crate) fn delete(&self) {
        let deleted = delete(&self.store, &self.id, Force::Any, &mut |warning| panic!("{warning}"));
        deleted.unwrap_or_else(|error| panic!("delete --force: {error}"));
    }

    /// Waits until no process of the container is left. Returns those that stay.
    pub(crate) fn processes_left(&self) -> Vec<String> {
        let deadline = Instant::now() + SOON;
        loop {
            let mut left = self.clean.since(self.host.marker());
            left.retain(|line| line.starts_with("process "));
            if left.is_empty() || Instant::now() > deadline {
                return left;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Checks that nothing is left on the host, and no file descriptor in this process.
    #[track_caller]
    pub(crate) fn is_clean(&self, when: &str) {
        reap();
        let left = self.clean.leaks(self.host.marker());
        assert!(left.is_empty(), "{when}: left behind {left:#?}");
        assert_eq!(descriptors(), self.descriptors, "{when}: descriptors are left open");
    }
}

/// Reaps all children. A running child is a leak.
#[track_caller]
fn reap() {
    loop {
        match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
            Err(Errno::ECHILD) => return,
            Ok(WaitStatus::StillAlive) => panic!("a child still runs"),
            answer => drop(answer.unwrap()),
        }
    }
}

fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

fn config(host: &Host) -> Config {
    let config = Config::docker().unwrap().args(&["/bin/payload", "sleep", "60"]);
    config
        .env(&format!("TARE_TEST={}", host.marker()))
        .hostname("stage")
        .memory(64 << 20)
        .pids(32)
        .tmpfs("/run", &["size=1m", "tmpcopyup"])
        .bind("/etc", "/mnt/etc", &["rbind", "ro"])
        .set("/linux/sysctl", json!({"net.ipv4.ip_forward": "1"}))
        .set("/process/rlimits", json!([{"type": "RLIMIT_NOFILE", "soft": 512, "hard": 1024}]))
        .set("/process/oomScoreAdj", 100)
        .set("/linux/devices", json!([{"path": "/dev/kmsg", "type": "c", "major": 1, "minor": 11}]))
        .hook("prestart", &["/bin/true"])
        .hook("createRuntime", &["/bin/true"])
        .hook("createContainer", &["/bin/true"])
        .hook("startContainer", &["/bin/payload", "true"])
}

fn overlay(directory: &Directory, config: Config) -> Config {
    std::fs::rename(directory.path().join("rootfs"), directory.path().join("base")).unwrap();
    let layers = Layers { lower: vec!["base".into()], writable: true };
    directory.overlay(&layers, config).unwrap()
}
