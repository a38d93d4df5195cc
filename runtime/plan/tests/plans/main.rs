//! Plans as data: their steps, and invariants between the steps of the parent and of init.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "a test that can't go on should stop, and says what it measured"
)]

mod cgroups;
mod columns;
mod exec;
mod fields;
mod file_systems;
mod generator;
mod golden;
mod identity;
mod limits;
mod refused;
mod restore;
mod samples;
mod units;

use tare_plan::context::{CgroupManager, Keyring, Request};
use tare_plan::create::create;
use tare_plan::host::Manager;
use tare_plan::host::{CgroupVersion, Hierarchy, Host, Kernel, Privilege, Systemd};
use tare_plan::plan::Plan;
use tare_plan::spec::{self, Mistake};
use tare_plan::step::EnterRoot;

/// The cgroup v1 hierarchies as distributions mount them.
const V1: &[&str] = &[
    "cpuset",
    "cpu",
    "cpuacct",
    "blkio",
    "memory",
    "devices",
    "freezer",
    "net_cls",
    "perf_event",
    "net_prio",
    "hugetlb",
    "pids",
    "rdma",
    "misc",
    "name=systemd",
];
const V2: &[&str] = &["cpuset", "cpu", "io", "memory", "hugetlb", "pids", "rdma", "misc"];

/// The cgroup hierarchies of a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cgroups {
    Hybrid,
    V1,
    V2,
}

impl Cgroups {
    pub(crate) const ALL: [Self; 3] = [Self::Hybrid, Self::V1, Self::V2];
}

/// A host with fixed facts.
pub(crate) fn host(cgroups: Cgroups, privilege: Privilege) -> Host {
    let v1 = V1.iter().map(|name| Hierarchy {
        mount: format!("/sys/fs/cgroup/{}", name.trim_start_matches("name=")),
        version: CgroupVersion::V1,
        controllers: vec![(*name).to_owned()],
    });
    let v2 = |mount: &str, controllers: &[&str]| Hierarchy {
        mount: mount.to_owned(),
        version: CgroupVersion::V2,
        controllers: controllers.iter().map(|name| (*name).to_owned()).collect(),
    };
    let hierarchies = match cgroups {
        Cgroups::Hybrid => v1.chain([v2("/sys/fs/cgroup/unified", &[])]).collect(),
        Cgroups::V1 => v1.collect(),
        Cgroups::V2 => vec![v2("/sys/fs/cgroup", V2)],
    };
    let kernel = Kernel { major: 6, minor: 1 };
    Host { hierarchies, privilege, capabilities: (1 << 41) - 1, kernel, kcore: true, ..Host::default() }
}

/// A systemd with fixed facts.
pub(crate) fn systemd(privilege: Privilege) -> Systemd {
    let (manager, cgroup) = match privilege {
        Privilege::Root => (Manager::System, ""),
        Privilege::User { .. } => (Manager::User, "/user.slice/user-1000.slice/user@1000.service"),
    };
    Systemd { manager, version: 252, cgroup: cgroup.to_owned() }
}

pub(crate) fn request<'text>(console_socket: Option<&'text str>) -> Request<'text> {
    Request {
        id: "box",
        bundle: "/bundle",
        console_socket,
        pivot: EnterRoot::Pivot,
        keyring: Keyring::New,
        preserve_fds: 0,
        pidfd_socket: None,
        cgroup_manager: CgroupManager::Cgroupfs,
    }
}

/// Reads, checks and plans a config.json.
pub(crate) fn plan(bytes: &[u8], host: &Host, request: &Request<'_>) -> Result<Plan, Vec<Mistake>> {
    create(&spec::load(bytes).and_then(spec::check)?, host, request)
}

pub(crate) fn lines(mistakes: &[Mistake]) -> Vec<String> {
    mistakes.iter().map(ToString::to_string).collect()
}
