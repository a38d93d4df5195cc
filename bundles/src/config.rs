//! A builder of `config.json` that starts from Docker's defaults.
//!
//! It holds a JSON value, so that a test can also build what the specification forbids.

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

/// The start of every configuration: Docker's mounts, devices, masked and read-only paths, without capabilities.
const BASE: &str = include_str!("data/base.json");
/// Docker's default seccomp profile, as Docker Engine 28 resolves it for x86-64, Linux 4.8 or newer and its default
/// capabilities.
const SECCOMP: &str = include_str!("data/seccomp.json");
/// The default capabilities of a Docker container.
pub const CAPABILITIES: &[&str] = &[
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_FSETID",
    "CAP_FOWNER",
    "CAP_MKNOD",
    "CAP_NET_RAW",
    "CAP_SETGID",
    "CAP_SETUID",
    "CAP_SETFCAP",
    "CAP_SETPCAP",
    "CAP_NET_BIND_SERVICE",
    "CAP_SYS_CHROOT",
    "CAP_KILL",
    "CAP_AUDIT_WRITE",
];

/// Annotation: the lower directories of an overlay root, topmost first, colon-separated; each absolute or relative to the
/// bundle.
pub const OVERLAY_LOWER: &str = "org.tare.overlay.lower";
/// Annotation: the upper directory of an overlay root; without it the root is read-only.
pub const OVERLAY_UPPER: &str = "org.tare.overlay.upper";
/// Annotation: the work directory of the upper one, on the same file system.
pub const OVERLAY_WORK: &str = "org.tare.overlay.work";

/// A `config.json`. Each method changes one thing and returns the whole.
#[derive(Clone, Debug)]
pub struct Config(Value);

impl Config {
    /// The configuration of `docker run`: its mounts, capabilities and seccomp profile.
    ///
    /// # Errors
    /// Only errors in the built-in data, which a test excludes.
    pub fn docker() -> Result<Self> {
        let capabilities = json!(CAPABILITIES);
        let mut config = Self::plain()?;
        for set in ["bounding", "effective", "permitted"] {
            config = config.set(&format!("/process/capabilities/{set}"), capabilities.clone());
        }
        config.seccomp()
    }

    /// A minimal container: no capabilities, no seccomp profile.
    ///
    /// # Errors
    /// Only errors in the built-in data, which a test excludes.
    pub fn plain() -> Result<Self> {
        Ok(Self(serde_json::from_str(BASE).context("the built-in configuration")?))
    }

    /// Adds Docker's default seccomp profile.
    ///
    /// # Errors
    /// Only errors in the built-in data, which a test excludes.
    pub fn seccomp(self) -> Result<Self> {
        let profile: Value = serde_json::from_str(SECCOMP).context("the built-in seccomp profile")?;
        Ok(self.set("/linux/seccomp", profile))
    }

    /// Sets a value by its JSON pointer (RFC 6901), and creates missing objects and arrays on the way. The index `-` appends to
    /// an array.
    #[must_use]
    pub fn set(mut self, pointer: &str, value: impl Into<Value>) -> Self {
        let path: Vec<String> =
            pointer.split('/').skip(1).map(|key| key.replace("~1", "/").replace("~0", "~")).collect();
        self.0 = put(self.0, &path, value.into());
        self
    }

    /// Removes the value at a JSON pointer, if there is one.
    #[must_use]
    pub fn remove(mut self, pointer: &str) -> Self {
        let Some((parent, key)) = pointer.rsplit_once('/') else { return self };
        match self.0.pointer_mut(parent) {
            Some(Value::Object(map)) => drop(map.remove(key)),
            Some(Value::Array(list)) => {
                if let Some(index) = key.parse().ok().filter(|index| *index < list.len()) {
                    drop(list.remove(index));
                }
            }
            _ => {}
        }
        self
    }

    /// Sets the program and its arguments.
    #[must_use]
    pub fn args<S: AsRef<str>>(self, words: &[S]) -> Self {
        let words: Vec<&str> = words.iter().map(AsRef::as_ref).collect();
        self.set("/process/args", json!(words))
    }

    /// Adds `NAME=VALUE` to the environment.
    #[must_use]
    pub fn env(self, pair: &str) -> Self {
        self.set("/process/env/-", pair)
    }

    /// Sets the host name; needs a UTS namespace.
    #[must_use]
    pub fn hostname(self, name: &str) -> Self {
        self.set("/hostname", name)
    }

    /// Sets the memory limit in bytes.
    #[must_use]
    pub fn memory(self, limit_bytes: i64) -> Self {
        self.set("/linux/resources/memory/limit", limit_bytes)
    }

    /// Sets the maximum number of tasks.
    #[must_use]
    pub fn pids(self, limit: i64) -> Self {
        self.set("/linux/resources/pids/limit", limit)
    }

    /// Sets the path of the cgroup, below the root of each hierarchy if it starts with a slash.
    #[must_use]
    pub fn cgroup(self, path: &str) -> Self {
        self.set("/linux/cgroupsPath", path)
    }

    /// Removes the namespace of this kind from the list: the container then shares that of the runtime.
    #[must_use]
    pub fn share(mut self, kind: &str) -> Self {
        if let Some(Value::Array(list)) = self.0.pointer_mut("/linux/namespaces") {
            list.retain(|one| one.get("type").and_then(Value::as_str) != Some(kind));
        }
        self
    }

    /// Adds a new namespace of this kind.
    #[must_use]
    pub fn namespace(self, kind: &str) -> Self {
        self.share(kind).set("/linux/namespaces/-", json!({"type": kind}))
    }

    /// Joins an existing namespace of this kind.
    #[must_use]
    pub fn join(self, kind: &str, path: &str) -> Self {
        self.share(kind).set("/linux/namespaces/-", json!({"type": kind, "path": path}))
    }

    /// Adds a user namespace: container IDs from 0 are host IDs from `first`.
    #[must_use]
    pub fn map_users(self, first: u32, size: u32) -> Self {
        let mapping = json!([{"containerID": 0, "hostID": first, "size": size}]);
        self.namespace("user").set("/linux/uidMappings", mapping.clone()).set("/linux/gidMappings", mapping)
    }

    /// Adds a mount at the end, as the object of the specification.
    #[must_use]
    pub fn mount(self, mount: Value) -> Self {
        self.set("/mounts/-", mount)
    }

    /// Adds a tmpfs.
    #[must_use]
    pub fn tmpfs(self, destination: &str, options: &[&str]) -> Self {
        self.mount(
            json!({"destination": destination, "type": "tmpfs", "source": "tmpfs", "options": options}),
        )
    }

    /// Adds a bind mount of a host path; with `rbind` in the options a recursive one.
    #[must_use]
    pub fn bind(self, source: &str, destination: &str, options: &[&str]) -> Self {
        let kind = (!options.contains(&"rbind")).then_some("bind");
        let options: Vec<&str> = kind.into_iter().chain(options.iter().copied()).collect();
        self.mount(json!({"destination": destination, "type": "bind", "source": source, "options": options}))
    }

    /// Adds a hook of the named kind.
    #[must_use]
    pub fn hook(self, kind: &str, args: &[&str]) -> Self {
        let path = args.first().copied().unwrap_or_default();
        self.set(&format!("/hooks/{kind}/-"), json!({"path": path, "args": args}))
    }

    /// Adds an annotation.
    #[must_use]
    pub fn annotation(self, key: &str, value: &str) -> Self {
        self.set(&format!("/annotations/{}", key.replace('~', "~0").replace('/', "~1")), value)
    }

    /// Makes the root file system an overlay, by annotations that only tare reads.
    #[must_use]
    pub fn overlay(self, lower: &[String], writable: Option<(&str, &str)>) -> Self {
        let config = self.annotation(OVERLAY_LOWER, &lower.join(":"));
        match writable {
            Some((upper, work)) => config.annotation(OVERLAY_UPPER, upper).annotation(OVERLAY_WORK, work),
            None => config,
        }
    }

    /// The configuration as JSON.
    #[must_use]
    pub fn value(&self) -> &Value {
        &self.0
    }
}

/// Sets a value at the end of the path; missing objects and arrays are created.
fn put(place: Value, path: &[String], value: Value) -> Value {
    let Some((key, rest)) = path.split_first() else { return value };
    match place {
        Value::Array(mut list) => {
            match key.parse::<usize>().ok().and_then(|index| list.get_mut(index)) {
                Some(element) => *element = put(element.take(), rest, value),
                None => list.push(put(Value::Null, rest, value)),
            }
            list.into()
        }
        Value::Null if key == "-" => vec![put(Value::Null, rest, value)].into(),
        Value::Object(mut map) => {
            let old = map.remove(key).unwrap_or_default();
            map.insert(key.clone(), put(old, rest, value));
            map.into()
        }
        _ => put(json!({}), path, value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn built_in_data_is_complete() {
        let config = Config::docker().unwrap();
        assert_eq!(config.value()["linux"]["seccomp"]["defaultAction"], "SCMP_ACT_ERRNO");
        assert_eq!(config.value()["process"]["capabilities"]["bounding"][0], "CAP_CHOWN");
    }

    #[test]
    fn set_creates_missing_values_and_appends() {
        let config = Config(json!({"a": [1]}));
        let config = config.set("/a/-", 2).set("/a/0", 0).set("/b/c~1d/-", "x");
        assert_eq!(*config.value(), json!({"a": [0, 2], "b": {"c/d": ["x"]}}));
    }

    #[test]
    fn remove_removes_members_and_elements_and_ignores_missing_ones() {
        let config = Config(json!({"a": [1, 2], "b": 3}));
        let config = config.remove("/a/0").remove("/b").remove("/c/d");
        assert_eq!(*config.value(), json!({"a": [2]}));
    }

    #[test]
    fn a_namespace_is_listed_once() {
        let config =
            Config::plain().unwrap().namespace("user").join("user", "/proc/1/ns/user").share("network");
        let list = config.value()["linux"]["namespaces"].as_array().unwrap();
        assert_eq!(list.iter().filter(|one| one["type"] == "user").count(), 1);
        assert!(!list.iter().any(|one| one["type"] == "network"));
    }
}
