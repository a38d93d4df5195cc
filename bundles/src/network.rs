//! Runs the plugins of a CNI network configuration list (CNI specification, section 4).
//!
//! Plugins are looked up along a path. The result of ADD is kept in a file: CHECK and DEL take their `prevResult` from it.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use base64::prelude::{BASE64_STANDARD, Engine as _};
use nix::sched::{CloneFlags, setns};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use serde_json::{Map, Value, json};

/// A network configuration list: a name, a version and the plugins' configurations in the order of ADD.
#[derive(Clone, Debug)]
pub struct List {
    /// The network's name.
    pub name: String,
    /// The version of the specification (`cniVersion`).
    pub version: String,
    /// Whether CHECK does nothing.
    pub disable_check: bool,
    /// Each plugin's own configuration.
    pub plugins: Vec<Map<String, Value>>,
    /// The list as it was written, for the kept result.
    pub source: Vec<u8>,
}

/// An attachment: one interface of one container.
#[derive(Clone, Debug)]
pub struct Attachment {
    /// The container ID.
    pub container: String,
    /// The path of its network namespace; empty if it no longer exists, which only DEL accepts.
    pub namespace: String,
    /// The name of the interface inside.
    pub interface: String,
    /// `CNI_ARGS`, as pairs.
    pub args: BTreeMap<String, String>,
    /// Capability arguments, such as `portMappings`. A plugin gets those that it declares.
    pub capabilities: Map<String, Value>,
}

/// The directories of plugins and results, and the host's network namespace.
#[derive(Debug)]
pub struct Plugins {
    /// The directories searched for programs.
    pub path: Vec<PathBuf>,
    /// The directory of kept results.
    pub cache: PathBuf,
    /// The host's network namespace. Default: that of the caller.
    pub host: Option<File>,
    /// The time after which a plugin and its children are killed.
    pub limit: Duration,
}

/// The default limit. A plugin that waits for an answer from the network waits less.
pub const PATIENCE: Duration = Duration::from_secs(120);

impl List {
    /// Reads a list.
    ///
    /// # Errors
    /// It is not JSON, or lacks a name or plugins.
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        let value: Value = serde_json::from_slice(bytes).context("the network list is not JSON")?;
        let text = |key: &str| value.get(key).and_then(Value::as_str).map(String::from);
        let plugins =
            value.get("plugins").and_then(Value::as_array).context("the network list has no plugins")?;
        let plugins: Vec<Map<String, Value>> = plugins
            .iter()
            .map(|plugin| plugin.as_object().cloned().context("a plugin's configuration is no object"))
            .collect::<Result<_>>()?;
        if plugins.is_empty() {
            bail!("the network list has no plugins");
        }
        Ok(Self {
            name: text("name").context("the network list has no name")?,
            version: text("cniVersion").unwrap_or_else(|| "0.1.0".into()),
            disable_check: matches!(value.get("disableCheck"), Some(Value::Bool(true)))
                || text("disableCheck").is_some_and(|word| word.eq_ignore_ascii_case("true")),
            plugins,
            source: bytes.to_vec(),
        })
    }

    /// The request of one plugin (specification, "Deriving request configuration from plugin configuration").
    fn request(
        &self,
        plugin: &Map<String, Value>,
        attachment: &Attachment,
        previous: Option<&Value>,
    ) -> Value {
        let mut request = plugin.clone();
        let declared = request.remove("capabilities");
        let wanted: Map<String, Value> = attachment
            .capabilities
            .iter()
            .filter(|(name, _)| declared.as_ref().and_then(|all| all.get(*name)) == Some(&Value::Bool(true)))
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect();
        if !wanted.is_empty() {
            request.insert("runtimeConfig".into(), wanted.into());
        }
        if let Some(previous) = previous {
            request.insert("prevResult".into(), previous.clone());
        }
        request.insert("name".into(), self.name.clone().into());
        request.insert("cniVersion".into(), self.version.clone().into());
        request.into()
    }

    /// Whether the version has CHECK and passes the result to DEL (0.4.0 and newer).
    fn has_check(&self) -> bool {
        !matches!(self.version.as_str(), "0.1.0" | "0.2.0" | "0.3.0" | "0.3.1")
    }
}

impl Plugins {
    /// Runs ADD of each plugin in order, with the result of the plugin before it, and keeps the last result. If one fails, it
    /// runs DEL of the whole list.
    ///
    /// # Errors
    /// A plugin is missing, or its own error.
    pub fn add(&self, list: &List, attachment: &Attachment) -> Result<Value> {
        let result = self.add_each(list, attachment);
        match &result {
            Ok(value) => self.keep(list, attachment, value)?,
            // ADD's error is the one to report. An error of DEL would only follow from it.
            Err(_) => drop(self.delete(list, attachment)),
        }
        result
    }

    fn add_each(&self, list: &List, attachment: &Attachment) -> Result<Value> {
        let mut previous = None;
        for plugin in &list.plugins {
            let request = list.request(plugin, attachment, previous.as_ref());
            previous = self.call("ADD", &request, attachment)?;
        }
        previous.context("the last plugin gave no result")
    }

    /// Runs CHECK of each plugin, unless the list disables it.
    ///
    /// # Errors
    /// The version has no CHECK, ADD was not run, or a plugin's own error.
    pub fn check(&self, list: &List, attachment: &Attachment) -> Result<()> {
        if !list.has_check() {
            bail!("configuration version \"{}\" does not support the CHECK command", list.version);
        }
        if list.disable_check {
            return Ok(());
        }
        let result = self.kept(list, attachment).context("nothing was added")?;
        for plugin in &list.plugins {
            self.call("CHECK", &list.request(plugin, attachment, Some(&result)), attachment)?;
        }
        Ok(())
    }

    /// Runs DEL of each plugin in reverse order, also after one has failed, and removes the kept result if none has.
    ///
    /// # Errors
    /// The first error of a plugin.
    pub fn delete(&self, list: &List, attachment: &Attachment) -> Result<()> {
        let result = self.kept(list, attachment).filter(|_| list.has_check());
        let mut outcome = Ok(());
        for plugin in list.plugins.iter().rev() {
            let request = list.request(plugin, attachment, result.as_ref());
            outcome = outcome.and(self.call("DEL", &request, attachment).map(drop));
        }
        if outcome.is_ok() {
            // Without a successful ADD there is none.
            let _ = std::fs::remove_file(self.file(list, attachment));
        }
        outcome
    }

    /// The kept result of an attachment.
    #[must_use]
    pub fn kept(&self, list: &List, attachment: &Attachment) -> Option<Value> {
        let bytes = std::fs::read(self.file(list, attachment)).ok()?;
        serde_json::from_slice::<Value>(&bytes).ok()?.get("result").cloned()
    }

    fn file(&self, list: &List, attachment: &Attachment) -> PathBuf {
        self.cache.join(format!("{}-{}-{}", list.name, attachment.container, attachment.interface))
    }

    fn keep(&self, list: &List, attachment: &Attachment, result: &Value) -> Result<()> {
        let record = json!({
            "kind": "cniCacheV1", "containerId": attachment.container, "ifName": attachment.interface,
            "config": BASE64_STANDARD.encode(&list.source), "networkName": list.name, "netns": attachment.namespace, "capabilityArgs": attachment.capabilities,
            "cniArgs": attachment.args.iter().collect::<Vec<_>>(), "result": result,
        });
        let file = self.file(list, attachment);
        // A configuration may hold secrets.
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&self.cache)
            .with_context(|| format!("cannot make {}", self.cache.display()))?;
        let mut options = std::fs::OpenOptions::new();
        let open = options.write(true).create(true).truncate(true).mode(0o600).open(&file);
        open.and_then(|mut open| open.write_all(record.to_string().as_bytes()))
            .with_context(|| format!("cannot write {}", file.display()))
    }

    /// Runs one plugin and returns its result.
    fn call(&self, verb: &str, request: &Value, attachment: &Attachment) -> Result<Option<Value>> {
        let kind = request.get("type").and_then(Value::as_str).context("a plugin has no type")?;
        let program = self.find(kind)?;
        let args: Vec<String> =
            attachment.args.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let path = std::env::join_paths(&self.path).context("the plugins' path")?;
        let mut command = Command::new(&program);
        command
            .env("CNI_COMMAND", verb)
            .env("CNI_CONTAINERID", &attachment.container)
            .env("CNI_NETNS", &attachment.namespace)
            .env("CNI_IFNAME", &attachment.interface)
            .env("CNI_ARGS", args.join(";"))
            .env("CNI_PATH", path)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let output = inside(self.host.as_ref(), || exchange(command, request, self.limit))?
            .with_context(|| format!("cannot run {}", program.display()))?;
        let answer: Option<Value> = serde_json::from_slice(&output.stdout).ok();
        if output.status.success() {
            return Ok(answer);
        }
        let message = answer.as_ref().and_then(|answer| answer.get("msg")).and_then(Value::as_str);
        let details = answer.as_ref().and_then(|answer| answer.get("details")).and_then(Value::as_str);
        let errors = String::from_utf8_lossy(&output.stderr);
        bail!("{kind} {verb}: {} {}", message.unwrap_or(errors.trim()), details.unwrap_or_default());
    }

    fn find(&self, kind: &str) -> Result<PathBuf> {
        if kind.contains('/') {
            bail!("the plugin name {kind} has a slash");
        }
        self.path
            .iter()
            .map(|directory| directory.join(kind))
            .find(|program| program.is_file())
            .with_context(|| format!("no plugin {kind} in {}", shown(&self.path)))
    }
}

fn shown(path: &[PathBuf]) -> String {
    path.iter().map(|directory| Path::display(directory).to_string()).collect::<Vec<_>>().join(":")
}

/// Runs a command with the request on standard input, and kills its process group after `limit`.
fn exchange(mut command: Command, request: &Value, limit: Duration) -> Result<Output> {
    let mut child = command.process_group(0).spawn()?;
    let (input, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let group = Pid::from_raw(i32::try_from(child.id())?);
    std::thread::scope(|scope| {
        let (done, ended) = channel::<()>();
        // The pid is not reused before the child has been waited for.
        let watchdog = scope.spawn(move || {
            let overdue = matches!(ended.recv_timeout(limit), Err(RecvTimeoutError::Timeout));
            if overdue {
                // It may have ended just now.
                let _ = killpg(group, Signal::SIGKILL);
            }
            overdue
        });
        scope.spawn(move || {
            // A plugin may end before it has read everything; its output then says why.
            input.map(|mut input| input.write_all(request.to_string().as_bytes()))
        });
        let stderr = scope.spawn(move || read_all(stderr));
        let stdout = read_all(stdout);
        let stderr = stderr.join().unwrap_or_else(|_| Ok(Vec::new()));
        drop(done);
        let overdue = watchdog.join().unwrap_or(false);
        let status = child.wait()?;
        if overdue {
            bail!("it did not end within {} seconds", limit.as_secs());
        }
        Ok(Output { status, stdout: stdout?, stderr: stderr? })
    })
}

fn read_all(stream: Option<impl Read>) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    if let Some(mut stream) = stream {
        stream.read_to_end(&mut bytes)?;
    }
    Ok(bytes)
}

/// Runs `work` in a network namespace, on a thread of its own, so that the caller stays in its own.
///
/// # Errors
/// The namespace cannot be entered, or `work` panicked.
pub fn inside<T: Send>(namespace: Option<&File>, work: impl FnOnce() -> T + Send) -> Result<T> {
    let Some(namespace) = namespace else { return Ok(work()) };
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| -> Result<T> {
            setns(namespace, CloneFlags::CLONE_NEWNET).context("cannot enter the network namespace")?;
            Ok(work())
        });
        thread.join().map_err(|_| anyhow::anyhow!("the thread in the network namespace panicked"))?
    })
}

/// Creates a network namespace with its loopback down. It exists as long as the file descriptor, or a process in it.
///
/// # Errors
/// The kernel refuses a new namespace.
pub fn new_namespace() -> Result<File> {
    let thread = std::thread::spawn(|| -> Result<File> {
        nix::sched::unshare(CloneFlags::CLONE_NEWNET).context("cannot create a network namespace")?;
        Ok(File::open("/proc/thread-self/ns/net")?)
    });
    thread.join().map_err(|_| anyhow::anyhow!("the thread that creates the namespace panicked"))?
}
