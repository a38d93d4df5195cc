//! Networks: runs the plugins of a CNI network configuration list, as section 4 of the CNI specification has it.
//!
//! The plugins are programs found along a path. The result of an ADD is kept in a file, from which CHECK and DEL
//! take their `prevResult`. Named networks, which store lists, will be built on [`List`].

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use nix::sched::{CloneFlags, setns};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use serde_json::{Map, Value, json};

/// A network configuration list: a name, a version and the plugins' configurations in the order of ADD.
#[derive(Clone, Debug)]
pub struct List {
    /// The network's name.
    pub name: String,
    /// The version of the specification that the plugins are spoken to in.
    pub version: String,
    /// Whether CHECK does nothing.
    pub disable_check: bool,
    /// Each plugin's own configuration.
    pub plugins: Vec<Map<String, Value>>,
    /// The list as it was written, to be kept beside results.
    pub source: Vec<u8>,
}

/// What is to be connected: one interface of one container.
#[derive(Clone, Debug)]
pub struct Attachment {
    /// The container's id.
    pub container: String,
    /// The path of its network namespace; empty when it is gone, which only DEL accepts.
    pub namespace: String,
    /// The name of the interface inside.
    pub interface: String,
    /// `CNI_ARGS`: pairs for the plugins.
    pub args: BTreeMap<String, String>,
    /// Capability arguments, such as `portMappings`; a plugin gets those whose capability it declares.
    pub capabilities: Map<String, Value>,
}

/// Where plugins are found and results are kept, and the network namespace that is the host.
#[derive(Debug)]
pub struct Plugins {
    /// The directories searched for programs.
    pub path: Vec<PathBuf>,
    /// The directory of kept results.
    pub cache: PathBuf,
    /// The network namespace that plugins take for the host's; without it, the caller's own.
    pub host: Option<File>,
    /// How long one plugin may take before it is killed, with whatever it has started.
    pub limit: Duration,
}

/// The limit that callers take who know nothing better: a plugin that waits for an answer of the network waits less.
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

    /// What one plugin is given on standard input (specification, "Deriving request configuration from plugin
    /// configuration").
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

    /// Whether the version knows CHECK and passes the result to DEL (0.4.0 and above).
    fn has_check(&self) -> bool {
        !matches!(self.version.as_str(), "0.1.0" | "0.2.0" | "0.3.0" | "0.3.1")
    }
}

impl Plugins {
    /// Connects: runs each plugin's ADD in order, each with the result of the one before, and keeps the last result.
    /// When one refuses, the whole list is taken down again.
    ///
    /// # Errors
    /// A plugin is missing or refuses: its own message.
    pub fn add(&self, list: &List, attachment: &Attachment) -> Result<Value> {
        let result = self.add_each(list, attachment);
        match &result {
            Ok(value) => self.keep(list, attachment, value)?,
            // The first error is the one to tell; what DEL says of a half-made network adds nothing.
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

    /// Checks that all is as ADD left it. Does nothing when the list says so.
    ///
    /// # Errors
    /// The version has no CHECK, nothing was added, or a plugin finds something amiss.
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

    /// Disconnects: runs each plugin's DEL in reverse order, all of them even when one refuses, and forgets the
    /// result when all went well.
    ///
    /// # Errors
    /// The first plugin's message.
    pub fn delete(&self, list: &List, attachment: &Attachment) -> Result<()> {
        let result = self.kept(list, attachment).filter(|_| list.has_check());
        let mut outcome = Ok(());
        for plugin in list.plugins.iter().rev() {
            let request = list.request(plugin, attachment, result.as_ref());
            outcome = outcome.and(self.call("DEL", &request, attachment).map(drop));
        }
        if outcome.is_ok() {
            // It is not there when ADD never came to its end.
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
            "config": base64(&list.source), "networkName": list.name, "netns": attachment.namespace, "capabilityArgs": attachment.capabilities,
            "cniArgs": attachment.args.iter().collect::<Vec<_>>(), "result": result,
        });
        let file = self.file(list, attachment);
        // A configuration may hold what is not for everybody.
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

    /// Runs one plugin; what it prints when it succeeds.
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
        let (succeeded, said, grumbled) =
            inside(self.host.as_ref(), || converse(command, request, self.limit))?
                .with_context(|| format!("cannot run {}", program.display()))?;
        let answer: Option<Value> = serde_json::from_slice(&said).ok();
        if succeeded {
            return Ok(answer);
        }
        let told = answer.as_ref().and_then(|answer| answer.get("msg")).and_then(Value::as_str);
        let details = answer.as_ref().and_then(|answer| answer.get("details")).and_then(Value::as_str);
        let grumbled = String::from_utf8_lossy(&grumbled);
        bail!("{kind} {verb}: {} {}", told.unwrap_or(grumbled.trim()), details.unwrap_or_default());
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

/// Whether it succeeded, standard output, standard error.
type Said = (bool, Vec<u8>, Vec<u8>);

fn converse(mut command: Command, request: &Value, limit: Duration) -> Result<Said> {
    let mut child = command.process_group(0).spawn()?;
    let (input, said, grumbled) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let group = Pid::from_raw(i32::try_from(child.id())?);
    std::thread::scope(|scope| {
        let (done, ended) = channel::<()>();
        // Until the child has been waited for, its number is nobody else's.
        let watchdog = scope.spawn(move || {
            let overdue = matches!(ended.recv_timeout(limit), Err(RecvTimeoutError::Timeout));
            if overdue {
                // It may have ended in this very moment.
                let _ = killpg(group, Signal::SIGKILL);
            }
            overdue
        });
        scope.spawn(move || {
            // A plugin may end without having read it all; what it then prints says why.
            input.map(|mut input| input.write_all(request.to_string().as_bytes()))
        });
        let grumbled = scope.spawn(move || read_all(grumbled));
        let said = read_all(said);
        let grumbled = grumbled.join().unwrap_or_else(|_| Ok(Vec::new()));
        drop(done);
        let overdue = watchdog.join().unwrap_or(false);
        let status = child.wait()?;
        if overdue {
            bail!("it was not done after {} seconds", limit.as_secs());
        }
        Ok((status.success(), said?, grumbled?))
    })
}

fn read_all(stream: Option<impl Read>) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    if let Some(mut stream) = stream {
        stream.read_to_end(&mut bytes)?;
    }
    Ok(bytes)
}

/// Base 64 with padding, as the Go library keeps configurations.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let digit = |number: u32| DIGITS.get(number as usize & 63).map_or('=', |digit| char::from(*digit));
    let group = |chunk: &[u8]| {
        let number =
            (0..3).fold(0, |number, place| number << 8 | u32::from(chunk.get(place).copied().unwrap_or(0)));
        let digits = [18, 12, 6, 0].map(|shift| digit(number >> shift));
        digits.into_iter().take(chunk.len() + 1).chain("==".chars().skip(chunk.len() - 1)).collect::<String>()
    };
    bytes.chunks(3).map(group).collect()
}

/// Does something with the network namespace as one's own, and is back afterwards: it is done by a thread of its own,
/// which ends there.
///
/// # Errors
/// The namespace cannot be entered, or what was done in it panicked.
pub fn inside<T: Send>(namespace: Option<&File>, work: impl FnOnce() -> T + Send) -> Result<T> {
    let Some(namespace) = namespace else { return Ok(work()) };
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| -> Result<T> {
            setns(namespace, CloneFlags::CLONE_NEWNET).context("cannot enter the network namespace")?;
            Ok(work())
        });
        thread.join().map_err(|_| anyhow::anyhow!("what was done in the network namespace panicked"))?
    })
}

/// Makes a network namespace, which lasts as long as the descriptor (and whoever is in it), with its loopback down.
///
/// # Errors
/// The kernel refuses a new namespace.
pub fn new_namespace() -> Result<File> {
    let thread = std::thread::spawn(|| -> Result<File> {
        nix::sched::unshare(CloneFlags::CLONE_NEWNET).context("cannot make a network namespace")?;
        Ok(File::open("/proc/thread-self/ns/net")?)
    });
    thread.join().map_err(|_| anyhow::anyhow!("the thread that makes the namespace panicked"))?
}

#[cfg(test)]
mod tests {
    use super::base64;

    #[test]
    fn base_64_is_padded_to_four() {
        let all = ["", "f", "fo", "foo", "foob", "fooba", "foobar"].map(|text| base64(text.as_bytes()));
        assert_eq!(all, ["", "Zg==", "Zm8=", "Zm9v", "Zm9vYg==", "Zm9vYmE=", "Zm9vYmFy"]);
        assert_eq!(base64(&[0xff, 0xfe]), "//4=");
    }
}
