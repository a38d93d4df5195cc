//! The record of a container: what there is to undo, and its state (runtime.md, "State").

use crate::cgroup::Cgroup;
use crate::container::process::ProcessId;
use crate::fault::{Call, During, Fault};
use rustix::fd::OwnedFd;
use rustix::fs::{self, CWD, Mode, OFlags};
use rustix::io::Errno;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use tare_plan::context::Keyring;
use tare_plan::host::Manager;
use tare_plan::step::{Status, Unit};

/// The version of the record's form.
const FORM: u64 = 1;

/// Whose pid namespace a container has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pids {
    /// One of its own: its init's end is the end of all in it.
    Own,
    /// The host's, or another container's: its processes outlive its init.
    Shared,
}

/// What is written down about a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The container's id.
    pub id: String,
    /// The bundle's absolute path.
    pub bundle: String,
    /// The root file system's absolute path.
    pub rootfs: String,
    /// The version of the specification that the configuration names.
    pub oci_version: String,
    /// The configuration's annotations.
    pub annotations: BTreeMap<String, String>,
    /// The user who created the container.
    pub owner: u32,
    /// When it was created, in the form of RFC 3339; empty until it is.
    pub created: String,
    /// Its init; nothing until it is created.
    pub init: Option<ProcessId>,
    /// Its cgroups: all that it is in.
    pub cgroups: Vec<Cgroup>,
    /// Those of them that were there before it, and stay.
    pub found: Vec<Cgroup>,
    /// The unit of systemd's that its cgroups are.
    pub unit: Option<Unit>,
    /// Whose pid namespace it has.
    pub pids: Pids,
    /// The session keyring that its processes take.
    pub keyring: Keyring,
    /// The exit code of its init, where `run` waited for it and kept the container: 128 and more for a signal.
    pub exit: Option<i32>,
    /// The groups of resctrl that go with it, in the order in which they are removed.
    pub resctrl: Vec<String>,
    /// Whether hooks run after its start or its deletion, for which the configuration is read again.
    pub late_hooks: bool,
}

impl Record {
    /// The record as it is written.
    pub(crate) fn to_json(&self) -> String {
        json!({
            "form": FORM,
            "id": self.id,
            "bundle": self.bundle,
            "rootfs": self.rootfs,
            "ociVersion": self.oci_version,
            "annotations": self.annotations,
            "owner": self.owner,
            "created": self.created,
            "init": self.init.as_ref().map(|init| json!({ "pid": init.pid, "start": init.start, "boot": init.boot })),
            "cgroups": list(&self.cgroups),
            "found": list(&self.found),
            "unit": self.unit.as_ref().map(|unit| json!({ "name": unit.name, "user": unit.manager == Manager::User })),
            "ownPids": self.pids == Pids::Own,
            "ownKeyring": self.keyring == Keyring::New,
            "exit": self.exit,
            "resctrl": self.resctrl,
            "lateHooks": self.late_hooks,
        })
        .to_string()
    }

    /// Reads a record; one of another form, or damaged, is none.
    pub(crate) fn from_json(text: &[u8]) -> Option<Self> {
        let value: Value = serde_json::from_slice(text).ok()?;
        if value.get("form")?.as_u64()? != FORM {
            return None;
        }
        let text = |key: &str| value.get(key).and_then(Value::as_str).map(str::to_owned);
        let annotations = value.get("annotations").and_then(Value::as_object)?;
        Some(Self {
            id: text("id")?,
            bundle: text("bundle")?,
            rootfs: text("rootfs")?,
            oci_version: text("ociVersion")?,
            annotations: annotations
                .iter()
                .map(|(key, value)| (key.clone(), value.as_str().unwrap_or("").to_owned()))
                .collect(),
            owner: u32::try_from(value.get("owner")?.as_u64()?).ok()?,
            created: text("created")?,
            init: value.get("init").and_then(init),
            cgroups: cgroups(value.get("cgroups")?)?,
            found: cgroups(value.get("found")?)?,
            unit: value.get("unit").and_then(unit),
            pids: if value.get("ownPids")?.as_bool()? { Pids::Own } else { Pids::Shared },
            keyring: if value.get("ownKeyring")?.as_bool()? { Keyring::New } else { Keyring::Inherited },
            exit: value.get("exit")?.as_i64().and_then(|code| i32::try_from(code).ok()),
            resctrl: value
                .get("resctrl")
                .and_then(Value::as_array)
                .map(|list| texts(list))
                .unwrap_or_default(),
            late_hooks: value.get("lateHooks")?.as_bool()?,
        })
    }

    /// The cgroups that go with the container.
    pub(crate) fn own_cgroups(&self) -> Vec<Cgroup> {
        self.cgroups.iter().filter(|cgroup| !self.found.contains(cgroup)).cloned().collect()
    }

    /// The unit that goes with the container. Of one that was never made it is somebody else's, if its cgroup was there before.
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

    /// The state as hooks and callers read it. A container that is not running has pid 0.
    pub fn state(&self, status: Status) -> Value {
        let alive = status != Status::Stopped;
        let pid = self.init.as_ref().filter(|_| alive).map_or(0, |init| init.pid);
        let mut state = Map::new();
        state.insert("ociVersion".to_owned(), json!(self.oci_version));
        state.insert("id".to_owned(), json!(self.id));
        state.insert("pid".to_owned(), json!(pid));
        state.insert("status".to_owned(), json!(status.name()));
        state.insert("bundle".to_owned(), json!(self.bundle));
        if !self.annotations.is_empty() {
            state.insert("annotations".to_owned(), json!(self.annotations));
        }
        Value::Object(state)
    }
}

fn list(cgroups: &[Cgroup]) -> Vec<Value> {
    cgroups.iter().map(|cgroup| json!([cgroup.mount, cgroup.path])).collect()
}

fn texts(list: &[Value]) -> Vec<String> {
    list.iter().filter_map(Value::as_str).map(str::to_owned).collect()
}

fn cgroups(value: &Value) -> Option<Vec<Cgroup>> {
    let one = |pair: &Value| {
        let text = |index: usize| pair.get(index).and_then(Value::as_str).map(str::to_owned);
        Some(Cgroup { mount: text(0)?, path: text(1)? })
    };
    value.as_array()?.iter().map(one).collect()
}

fn unit(value: &Value) -> Option<Unit> {
    let manager = if value.get("user")?.as_bool()? { Manager::User } else { Manager::System };
    Some(Unit { name: value.get("name")?.as_str()?.to_owned(), manager })
}

fn init(value: &Value) -> Option<ProcessId> {
    Some(ProcessId {
        pid: i32::try_from(value.get("pid")?.as_i64()?).ok()?,
        start: value.get("start")?.as_u64()?,
        boot: value.get("boot")?.as_str()?.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

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
        assert_eq!(Record::from_json(record().to_json().as_bytes()), Some(record()));
    }

    #[test]
    fn a_damaged_record_is_none() {
        let text = record().to_json();
        for length in 0..text.len() {
            assert_eq!(Record::from_json(&text.as_bytes()[..length]), None);
        }
    }

    #[test]
    fn a_stopped_container_has_no_pid() {
        assert_eq!(record().state(Status::Stopped)["pid"], 0);
        assert_eq!(record().state(Status::Running)["pid"], 7);
    }
}
