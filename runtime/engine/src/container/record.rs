//! The record of a container, `record.json`: what `delete` has to undo, and the state (runtime.md, "State").

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
use tare_plan::footprint::PidNamespace;
use tare_plan::step::{Status, Unit};

/// The version of the format. A record without a version is an older one in the same format.
const VERSION: u64 = 1;

/// The record of a container. The fields are written in this order.
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
    /// Its cgroup in each hierarchy.
    #[serde(with = "form::cgroups")]
    pub cgroups: Vec<Cgroup>,
    /// The cgroups that existed before the container. They stay when it is deleted.
    #[serde(with = "form::cgroups")]
    pub found: Vec<Cgroup>,
    /// The systemd unit of its cgroups.
    #[serde(with = "form::unit")]
    pub unit: Option<Unit>,
    /// Its pid namespace. In its own one, the kernel kills every process when init ends; in a shared one they outlive init.
    #[serde(rename = "ownPids", with = "form::pid_namespace")]
    pub pid_namespace: PidNamespace,
    /// The session keyring of its processes.
    #[serde(rename = "ownKeyring", with = "form::keyring")]
    pub keyring: Keyring,
    /// The exit code of its init, 128 plus the number for a signal. Only `run --keep` knows and records it.
    pub exit: Option<i32>,
    /// Its resctrl groups, in the order in which `delete` removes them.
    #[serde(default)]
    pub resctrl: Vec<String>,
    /// Whether the configuration has poststart or poststop hooks.
    pub late_hooks: bool,
}

/// Why a record can't be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unreadable {
    /// It is truncated or no record at all.
    Damaged,
    /// A newer runtime has written it, in this version of the format.
    Newer(u64),
}

/// The state that hooks read (runtime.md, "State"), in runc's order.
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
    /// Encodes the record.
    pub(crate) fn to_json(&self) -> String {
        let document = form::Document { version: VERSION, record: self };
        // The encoder fails only for map keys that are no strings.
        serde_json::to_string(&document).unwrap_or_default()
    }

    /// Decodes a record. The version comes first, because a newer format may differ in everything else.
    pub(crate) fn from_json(text: &[u8]) -> Result<Self, Unreadable> {
        let form: form::Version = serde_json::from_slice(text).map_err(|_| Unreadable::Damaged)?;
        if form.version > VERSION {
            return Err(Unreadable::Newer(form.version));
        }
        serde_json::from_slice(text).map_err(|_| Unreadable::Damaged)
    }

    /// Returns the cgroups that `delete` removes: those that the container has created.
    pub(crate) fn own_cgroups(&self) -> Vec<Cgroup> {
        self.cgroups.iter().filter(|cgroup| !self.found.contains(cgroup)).cloned().collect()
    }

    /// Returns the unit that `delete` stops. If `create` did not finish and the cgroup existed before, the unit belongs to another
    /// program.
    pub(crate) fn own_unit(&self) -> Option<&Unit> {
        self.unit.as_ref().filter(|_| self.init.is_some() || self.found.is_empty())
    }

    /// Opens a pidfd of init. It is an error if init does not run.
    pub(crate) fn open_init(&self) -> Result<OwnedFd, Fault> {
        let init = self.init.as_ref().map(ProcessId::open).transpose()?.flatten();
        init.ok_or(Fault::new(Call::Open, Errno::SRCH))
    }

    /// Opens the root directory of init. The check comes after the open, because the pid may have passed to another process before.
    pub(crate) fn open_root(&self) -> Result<OwnedFd, Fault> {
        let gone = Fault::new(Call::Open, Errno::SRCH);
        let init = self.init.as_ref().ok_or(gone)?;
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = fs::openat(CWD, format!("/proc/{}/root", init.pid), flags, Mode::empty());
        let root = root.during(Call::Open)?;
        if init.is_alive() { Ok(root) } else { Err(gone) }
    }

    /// Returns the pid of init, or 0 for a stopped container.
    pub(crate) fn pid(&self, status: Status) -> i32 {
        let alive = status != Status::Stopped;
        self.init.as_ref().filter(|_| alive).map_or(0, |init| init.pid)
    }

    /// Encodes the state that hooks get on standard input.
    pub(crate) fn state(&self, status: Status) -> String {
        let state = State {
            oci_version: &self.oci_version,
            id: &self.id,
            status: status.name(),
            pid: self.pid(status),
            bundle: &self.bundle,
            annotations: &self.annotations,
        };
        // The encoder fails only for map keys that are no strings.
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
            pid_namespace: PidNamespace::Own,
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
    fn hooks_get_the_state_in_runcs_order() {
        let state = r#"{"ociVersion":"1.3.0","id":"a","status":"created","pid":7,"bundle":"/b","annotations":{"k":"v"}}"#;
        assert_eq!(record().state(Status::Created), state);
    }

    #[test]
    fn a_stopped_container_has_no_pid() {
        assert_eq!(record().pid(Status::Stopped), 0);
        assert_eq!(record().pid(Status::Running), 7);
    }
}
