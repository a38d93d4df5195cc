//! The record of a container: what `delete` has to undo, and its state (runtime.md, "State").

mod form;

use crate::cgroup::Cgroup;
use crate::container::process::ProcessId;
use crate::fault::{Call, During, Fault};
use rustix::fd::OwnedFd;
use rustix::fs::{self, CWD, Mode, OFlags};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use tare_plan::context::Keyring;
use tare_plan::step::{Status, Unit};

/// The version of the form in which records are written. A record without a version is an older one of the same form.
const VERSION: u64 = 1;

/// The pid namespace of a container.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "bool", into = "bool")]
pub enum Pids {
    /// Its own: when its init ends, the kernel kills every process in it.
    Own,
    /// The host's, or another container's: its processes outlive its init.
    Shared,
}

/// What is recorded of a container. The fields are written in this order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Record {
    /// The container ID.
    pub id: String,
    /// The bundle's absolute path.
    pub bundle: String,
    /// The root file system's absolute path.
    pub rootfs: String,
    /// The version of the specification that the configuration names.
    pub oci_version: String,
    /// The configuration's annotations.
    pub annotations: BTreeMap<String, String>,
    /// The uid of the user who created the container.
    pub owner: u32,
    /// The time of its creation as in RFC 3339; empty before that.
    pub created: String,
    /// Its init; `None` before it is created.
    pub init: Option<ProcessId>,
    /// All its cgroups.
    pub cgroups: Vec<Cgroup>,
    /// Those of its cgroups that existed before it. They stay when it is deleted.
    pub found: Vec<Cgroup>,
    /// The systemd unit of its cgroups.
    #[serde(with = "form::unit")]
    pub unit: Option<Unit>,
    /// Its pid namespace.
    #[serde(rename = "ownPids")]
    pub pids: Pids,
    /// The session keyring of its processes.
    #[serde(rename = "ownKeyring", with = "form::keyring")]
    pub keyring: Keyring,
    /// The exit code of its init, where `run` waited for it and kept the container: 128 and more for a signal.
    pub exit: Option<i32>,
    /// Its resctrl groups, in the order in which `delete` removes them.
    #[serde(default)]
    pub resctrl: Vec<String>,
    /// Whether hooks run after its start or its deletion. Then the configuration is read again.
    pub late_hooks: bool,
}

/// Why a record can't be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unreadable {
    /// It is cut short, or it is no record.
    Damaged,
    /// A newer runtime has written it.
    Newer(u64),
}

/// The state of a container as hooks read it, in runc's order.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct State<'a> {
    oci_version: &'a str,
    id: &'a str,
    status: &'static str,
    pid: i32,
    bundle: &'a str,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    annotations: &'a BTreeMap<String, String>,
}

impl Record {
    /// The record as it is written.
    pub(crate) fn to_json(&self) -> String {
        let document = form::Document { version: VERSION, record: self };
        // Strings, numbers and lists always have a form in JSON.
        serde_json::to_string(&document).unwrap_or_default()
    }

    /// Reads a record.
    pub(crate) fn from_json(text: &[u8]) -> Result<Self, Unreadable> {
        let form: form::Version = serde_json::from_slice(text).map_err(|_| Unreadable::Damaged)?;
        if form.version > VERSION {
            return Err(Unreadable::Newer(form.version));
        }
        serde_json::from_slice(text).map_err(|_| Unreadable::Damaged)
    }

    /// The cgroups that go with the container.
    pub(crate) fn own_cgroups(&self) -> Vec<Cgroup> {
        self.cgroups.iter().filter(|cgroup| !self.found.contains(cgroup)).cloned().collect()
    }

    /// The unit that goes with the container. If the container was never created and the unit's cgroup existed before, the unit
    /// is another program's.
    pub(crate) fn own_unit(&self) -> Option<&Unit> {
        self.unit.as_ref().filter(|_| self.init.is_some() || self.found.is_empty())
    }

    /// The container's init, which must live.
    pub(crate) fn open_init(&self) -> Result<OwnedFd, Fault> {
        let init = self.init.as_ref().map(ProcessId::open).transpose()?.flatten();
        init.ok_or(Fault::new(Call::Open, Errno::SRCH))
    }

    /// The root directory of that init. It may have ended before the directory was opened, but not after.
    pub(crate) fn open_root(&self) -> Result<OwnedFd, Fault> {
        let gone = Fault::new(Call::Open, Errno::SRCH);
        let init = self.init.as_ref().ok_or(gone)?;
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = fs::openat(CWD, format!("/proc/{}/root", init.pid), flags, Mode::empty());
        let root = root.during(Call::Open)?;
        if init.is_alive() { Ok(root) } else { Err(gone) }
    }

    /// The pid of its init; 0 once that has ended.
    pub(crate) fn pid(&self, status: Status) -> i32 {
        let alive = status != Status::Stopped;
        self.init.as_ref().filter(|_| alive).map_or(0, |init| init.pid)
    }

    /// The state that hooks get on standard input, as JSON.
    pub(crate) fn state(&self, status: Status) -> String {
        let state = State {
            oci_version: &self.oci_version,
            id: &self.id,
            status: status.name(),
            pid: self.pid(status),
            bundle: &self.bundle,
            annotations: &self.annotations,
        };
        // Strings and numbers always have a form in JSON.
        serde_json::to_string(&state).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tare_plan::host::Manager;

    fn record() -> Record {
        Record {
            id: "a".to_owned(),
            bundle: "/b".to_owned(),
            rootfs: "/b/rootfs".to_owned(),
            oci_version: "1.3.0".to_owned(),
            annotations: BTreeMap::from([("k".to_owned(), "v".to_owned())]),
            owner: 0,
            created: "2026-11-21T00:00:00Z".to_owned(),
            init: Some(ProcessId { pid: 7, start: 99, boot: "x".to_owned() }),
            cgroups: vec![Cgroup { mount: "/sys/fs/cgroup/pids".to_owned(), path: "a".to_owned() }],
            found: Vec::new(),
            unit: Some(Unit { name: "a.scope".to_owned(), manager: Manager::User }),
            pids: Pids::Own,
            keyring: Keyring::New,
            exit: None,
            resctrl: vec!["/sys/fs/resctrl/a".to_owned()],
            late_hooks: false,
        }
    }

    #[test]
    fn a_record_is_read_as_it_was_written() {
        assert_eq!(Record::from_json(record().to_json().as_bytes()), Ok(record()));
    }

    #[test]
    fn keys_are_written_in_declared_order() {
        let text = record().to_json();
        let keys =
            ["version", "id", "bundle", "rootfs", "ociVersion", "annotations", "owner", "created", "init"];
        let places: Vec<usize> = keys.iter().map(|key| text.find(&format!("\"{key}\":")).unwrap()).collect();
        assert!(places.is_sorted(), "{text}");
        assert!(text.starts_with("{\"version\":1,\"id\":\"a\","), "{text}");
    }

    #[test]
    fn an_older_record_without_a_version_is_read() {
        let text = r#"{"annotations":{"k":"v"},"bundle":"/b","cgroups":[["/sys/fs/cgroup/pids","a"]],
            "created":"2026-11-21T00:00:00Z","exit":null,"form":1,"found":[],"id":"a",
            "init":{"boot":"x","pid":7,"start":99},"lateHooks":false,"ociVersion":"1.3.0","ownKeyring":true,
            "ownPids":true,"owner":0,"resctrl":["/sys/fs/resctrl/a"],"rootfs":"/b/rootfs",
            "unit":{"name":"a.scope","user":true}}"#;
        assert_eq!(Record::from_json(text.as_bytes()), Ok(record()));
    }

    #[test]
    fn a_newer_record_is_refused_with_its_version() {
        let text = record().to_json().replacen("\"version\":1", "\"version\":2", 1);
        assert_eq!(Record::from_json(text.as_bytes()), Err(Unreadable::Newer(2)));
    }

    #[test]
    fn a_damaged_record_is_refused() {
        let text = record().to_json();
        for length in 0..text.len() {
            assert_eq!(Record::from_json(&text.as_bytes()[..length]), Err(Unreadable::Damaged));
        }
    }

    #[test]
    fn hooks_get_the_state_in_the_order_of_runc() {
        let state = r#"{"ociVersion":"1.3.0","id":"a","status":"created","pid":7,"bundle":"/b","annotations":{"k":"v"}}"#;
        assert_eq!(record().state(Status::Created), state);
    }

    #[test]
    fn a_stopped_container_has_no_pid() {
        assert_eq!(record().pid(Status::Stopped), 0);
        assert_eq!(record().pid(Status::Running), 7);
    }
}
