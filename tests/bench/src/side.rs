//! A side of the comparison: a directory of plugins with a host of its own, and calls as runtimes make them.

use std::fs::File;
use std::io::Write as _;
use std::os::fd::AsRawFd as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};
use tare_bundle::network::{inside, new_namespace};

use crate::place::Place;
use crate::trace::{Trace, trace_from};

/// The side.
pub(crate) struct Side {
    /// What the table calls it.
    pub(crate) name: String,
    directory: PathBuf,
    host: File,
    leases: PathBuf,
}

/// A container that plugins connect: a namespace and an id.
pub(crate) struct Container {
    namespace: File,
    id: String,
}

/// One call of a plugin.
#[derive(Clone, Copy)]
pub(crate) struct Call<'a> {
    /// `ADD`, `CHECK`, `DEL`, `VERSION`.
    pub(crate) verb: &'a str,
    /// The configuration, whose `type` is the program.
    pub(crate) config: &'a Value,
    /// The subject.
    pub(crate) container: &'a Container,
}

impl Container {
    /// A new one.
    pub(crate) fn new(id: impl Into<String>) -> Result<Self> {
        Ok(Self { namespace: new_namespace()?, id: id.into() })
    }

    /// Runs `ip` in it.
    pub(crate) fn ip(&self, words: &str) -> Result<()> {
        run_ip(&self.namespace, words, None)
    }

    fn path(&self) -> String {
        path(&self.namespace)
    }
}

fn run_ip(namespace: &File, words: &str, last: Option<String>) -> Result<()> {
    let mut command = Command::new("ip");
    command.args(words.split(' ')).args(last);
    let status = inside(Some(namespace), || command.status())??;
    if status.success() { Ok(()) } else { bail!("ip {words}: it ended with {status}") }
}

fn path(namespace: &File) -> String {
    format!("/proc/{}/fd/{}", std::process::id(), namespace.as_raw_fd())
}

impl Side {
    /// With an empty host.
    pub(crate) fn new(place: &Place, name: &str, directory: &Path) -> Result<Self> {
        let host = new_namespace()?;
        inside(Some(&host), || Command::new("ip").args(["link", "set", "lo", "up"]).status())??;
        let leases = place.directory.join(format!("leases-{name}"));
        let directory = directory.canonicalize().with_context(|| directory.display().to_string())?;
        Ok(Self { name: name.into(), directory, host, leases })
    }

    /// The same host and leases, with the plugins of another directory.
    pub(crate) fn with_plugins(&self, directory: &Path) -> Result<Self> {
        let (host, directory) = (self.host.try_clone()?, directory.canonicalize()?);
        Ok(Self { name: self.name.clone(), directory, host, leases: self.leases.clone() })
    }

    /// The same plugins on a host with nothing but the bridge, which the first `ADD` makes.
    pub(crate) fn on_empty_host(&self, place: &Place) -> Result<Self> {
        Self::new(place, &format!("{}-empty", self.name), &self.directory)
    }

    /// Runs `ip` on the host; a command that ends with `netns` gets the container's namespace.
    pub(crate) fn ip(&self, words: &str, container: &Container) -> Result<()> {
        run_ip(&self.host, words, words.ends_with("netns").then(|| container.path()))
    }

    /// A configuration with the side's own lease directory.
    pub(crate) fn config(&self, plugin: &str, keys: Value) -> Value {
        let mut config = json!({"cniVersion": "1.0.0", "name": "bench", "type": plugin});
        if let (Some(all), Value::Object(keys)) = (config.as_object_mut(), keys) {
            all.extend(keys);
            if plugin == "bridge" {
                all.insert("bridge".into(), "bench0".into());
                all.insert("isGateway".into(), true.into());
                let routes = json!([{"dst": "0.0.0.0/0"}]);
                let ranges = json!([[{"subnet": "10.90.0.0/16"}]]);
                let ipam =
                    json!({"type": "host-local", "dataDir": self.leases, "ranges": ranges, "routes": routes});
                all.insert("ipam".into(), ipam);
            }
        }
        config
    }

    /// Calls a plugin, which must succeed; what it prints.
    pub(crate) fn call(&self, call: &Call<'_>) -> Result<Value> {
        let program = self.program(call)?;
        let mut command = Command::new(&program);
        command.envs(self.variables(call)).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let output = inside(Some(&self.host), || -> Result<_> {
            let mut child = command.spawn()?;
            if let Some(mut input) = child.stdin.take() {
                // A VERSION may end without reading.
                let _ = input.write_all(call.config.to_string().as_bytes());
            }
            Ok(child.wait_with_output()?)
        })??;
        if !output.status.success() {
            bail!("{} {}: {}", program.display(), call.verb, String::from_utf8_lossy(&output.stdout));
        }
        Ok(serde_json::from_slice(&output.stdout).unwrap_or(Value::Null))
    }

    /// Calls a plugin under observation.
    pub(crate) fn trace(&self, call: &Call<'_>) -> Result<Trace> {
        let (program, input) = (self.program(call)?, self.leases.with_extension("input"));
        std::fs::write(&input, call.config.to_string())?;
        let quoted = |text: &str| format!("'{text}'");
        let variables: Vec<String> =
            self.variables(call).iter().map(|(name, value)| format!("{name}={}", quoted(value))).collect();
        let script = format!(
            "exec env {} nsenter --net={} {} <{}",
            variables.join(" "),
            path(&self.host),
            quoted(&program.display().to_string()),
            input.display()
        );
        trace_from(&["/bin/sh".into(), "-c".into(), script], Some(&program))
    }

    fn program(&self, call: &Call<'_>) -> Result<PathBuf> {
        let name =
            call.config.get("type").and_then(Value::as_str).context("a configuration without a type")?;
        let program = self.directory.join(name);
        program.canonicalize().with_context(|| program.display().to_string())
    }

    fn variables(&self, call: &Call<'_>) -> Vec<(&'static str, String)> {
        vec![
            ("CNI_COMMAND", call.verb.into()),
            ("CNI_CONTAINERID", call.container.id.clone()),
            ("CNI_NETNS", call.container.path()),
            ("CNI_IFNAME", "eth0".into()),
            ("CNI_ARGS", "IgnoreUnknown=1".into()),
            ("CNI_PATH", self.directory.display().to_string()),
        ]
    }
}
