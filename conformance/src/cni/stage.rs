//! The stage: containers' namespaces, a delegate that notes how it is called, and plugins called as runtimes call them.

use std::fs::File;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use tare_bundle::network::{inside, new_namespace};

use crate::bed::Bed;
use crate::check::lacking;
use crate::command::{Command, Output};

/// Answers as an IPAM plugin does, and notes the verb and its input.
const NOTING: &str = r#"#!/bin/sh
cat >"$NOTES/input-$CNI_COMMAND"
echo "$CNI_COMMAND $CNI_CONTAINERID $CNI_NETNS $CNI_IFNAME $CNI_ARGS $CNI_PATH $OWN" >>"$NOTES/calls"
if [ -e "$NOTES/refuse" ]; then
    echo '{"cniVersion":"1.0.0","code":11,"msg":"not today"}'
    exit 1
fi
if [ "$CNI_COMMAND" = ADD ]; then
    echo '{"cniVersion":"1.0.0","ips":[{"address":"10.5.0.9/24","gateway":"10.5.0.1"}]}'
fi
"#;

/// A container: nothing but its namespace.
pub(crate) struct Container {
    namespace: File,
}

/// The directory under test, with what calls to it need.
pub(crate) struct Stage<'a> {
    bed: &'a Bed,
}

/// One call of a plugin.
pub(crate) struct Call<'a> {
    stage: &'a Stage<'a>,
    plugin: PathBuf,
    input: String,
    variables: Vec<(String, String)>,
}

impl Container {
    /// A new one, without anything in it but a loopback that is down.
    pub(crate) fn new() -> Result<Self> {
        Ok(Self { namespace: new_namespace()? })
    }

    /// The path of its namespace.
    pub(crate) fn path(&self) -> String {
        format!("/proc/{}/fd/{}", std::process::id(), self.namespace.as_raw_fd())
    }

    /// Runs `ip` with these words inside it.
    pub(crate) fn ip(&self, words: &str) -> Result<String> {
        let run = || std::process::Command::new("ip").args(words.split(' ')).output();
        let output = inside(Some(&self.namespace), run)??;
        ensure!(output.status.success(), "ip {words}: {}", String::from_utf8_lossy(&output.stderr));
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }
}

impl<'a> Stage<'a> {
    /// Of a bed.
    pub(crate) fn new(bed: &'a Bed) -> Self {
        Self { bed }
    }

    /// A plugin of the directory.
    pub(crate) fn plugin(&self, name: &str) -> Result<PathBuf> {
        let program = self.bed.subject.path.join(name);
        if program.is_file() { Ok(program) } else { lacking(&format!("the directory has no {name}")) }
    }

    /// Skips where a plugin does not speak a version.
    pub(crate) fn speaks(&self, plugin: &str, version: &str) -> Result<()> {
        let answer = self.call(plugin, "VERSION", &Value::Null)?.run()?.succeeds()?.json()?;
        let all = answer.get("supportedVersions").and_then(Value::as_array).cloned().unwrap_or_default();
        if all.contains(&json!(version)) {
            Ok(())
        } else {
            lacking(&format!("{plugin} does not speak {version}"))
        }
    }

    /// A bridge with host-local, whose leases die with the bed.
    pub(crate) fn bridge(&self, version: &str) -> Value {
        let leases = self.bed.files().join("leases");
        json!({"cniVersion": version, "name": "net", "type": "bridge", "bridge": "br0", "isDefaultGateway": true,
               "ipam": {"type": "host-local", "dataDir": leases, "subnet": "10.5.0.0/24"}})
    }

    /// A bridge whose addresses come from a delegate that notes its calls.
    pub(crate) fn delegating(&self, version: &str) -> Result<Value> {
        let program = self.notes().join("noting");
        std::fs::create_dir_all(self.notes())?;
        std::fs::write(&program, NOTING)?;
        std::fs::set_permissions(&program, PermissionsExt::from_mode(0o755))?;
        Ok(with(&self.bridge(version), "ipam", json!({"type": "noting", "key": "kept"})))
    }

    /// Where the delegate notes its calls.
    pub(crate) fn notes(&self) -> PathBuf {
        self.bed.files().join("notes")
    }

    /// How the delegate was called: one line each.
    pub(crate) fn calls(&self) -> Vec<String> {
        let text = std::fs::read_to_string(self.notes().join("calls")).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    /// A call about a container that is not there; variables can be changed.
    pub(crate) fn call(&'a self, plugin: &str, verb: &str, config: &Value) -> Result<Call<'a>> {
        let path = format!("{}:{}", self.bed.subject.path.display(), self.notes().display());
        let call = Call {
            stage: self,
            plugin: self.plugin(plugin)?,
            input: config.to_string(),
            variables: Vec::new(),
        };
        let notes = self.notes().display().to_string();
        let fixed = [
            ("CNI_COMMAND", verb),
            ("CNI_CONTAINERID", "c1"),
            ("CNI_NETNS", ""),
            ("CNI_IFNAME", "eth0"),
            ("CNI_ARGS", ""),
            ("CNI_PATH", &path),
            ("NOTES", &notes),
            ("OWN", "own"),
        ];
        Ok(fixed.into_iter().fold(call, |call, (name, value)| call.variable(name, value)))
    }

    /// `ADD` of a container, which must succeed.
    pub(crate) fn add(&self, config: &Value, container: &Container) -> Result<Value> {
        self.call(kind(config)?, "ADD", config)?.of(container).run()?.succeeds()?.json()
    }
}

fn kind(config: &Value) -> Result<&str> {
    config.get("type").and_then(Value::as_str).context("a configuration without a type")
}

impl Call<'_> {
    /// Sets a variable.
    pub(crate) fn variable(mut self, name: &str, value: &str) -> Self {
        self.variables.retain(|(known, _)| known != name);
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Takes a variable away.
    pub(crate) fn without(mut self, name: &str) -> Self {
        self.variables.retain(|(known, _)| known != name);
        self
    }

    /// Is about a container.
    pub(crate) fn of(self, container: &Container) -> Self {
        let path = container.path();
        self.variable("CNI_NETNS", &path)
    }

    /// Is about another id.
    pub(crate) fn id(self, id: &str) -> Self {
        self.variable("CNI_CONTAINERID", id)
    }

    /// Runs it to its end.
    pub(crate) fn run(self) -> Result<Output> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let Self { stage, plugin, input, variables } = self;
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let file = stage.bed.files().join(format!("input-{number}"));
        std::fs::write(&file, input)?;
        let (input, path) = (File::open(file)?, std::env::var_os("PATH").unwrap_or_default());
        let command = Command::new(plugin, stage.bed.files()).with(|command| {
            command.stdin(input).env_clear().env("PATH", path).envs(variables);
        });
        command.run()
    }
}

/// The configuration with the result that `CHECK`, `DEL` and the next plugin are given.
pub(crate) fn with_result(config: &Value, result: &Value) -> Value {
    with(config, "prevResult", result.clone())
}

/// The configuration with one more key.
pub(crate) fn with(config: &Value, key: &str, value: Value) -> Value {
    let mut config = config.clone();
    if let Some(object) = config.as_object_mut() {
        object.insert(key.to_owned(), value);
    }
    config
}

/// The configuration with one more key below `ipam`.
pub(crate) fn with_ipam(config: &Value, key: &str, value: Value) -> Value {
    let ipam = config.get("ipam").cloned().unwrap_or_else(|| json!({}));
    with(config, "ipam", with(&ipam, key, value))
}

/// That a call failed as the specification has it: an error on standard output, with a code and a message.
pub(crate) fn refused(output: Output) -> Result<Value> {
    let error = output.fails()?.json()?;
    ensure!(error.get("code").is_some_and(Value::is_u64), "the error has no code: {error}");
    ensure!(error.get("msg").is_some_and(Value::is_string), "the error has no msg: {error}");
    Ok(error)
}
