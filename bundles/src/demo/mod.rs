//! The demo: two containers on one bridge, a published port, and nothing left afterwards.
//!
//! It prints each step. A step fails if the machine is not as the step says.

mod container;
mod host;
mod remains;

use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use clap::Args;
use serde_json::{Map, Value, json};
use tare_bundle::bundle::{Bundle, Layers, PAYLOAD};
use tare_bundle::config::Config;
use tare_bundle::network::{Attachment, List, PATIENCE, Plugins};

use container::{Container, Runtime};
use host::Host;
use remains::Remains;

/// The programs of the demo. Default: those next to this program.
#[derive(Args)]
pub(crate) struct Options {
    /// Runtime. Default: tare next to this program
    #[arg(long)]
    runtime: Option<PathBuf>,
    /// Directory of the CNI plugins. Default: ../libexec/cni, or the directory of this program
    #[arg(long)]
    plugins: Option<PathBuf>,
    /// Program inside the containers. Default: tare-payload next to this program
    #[arg(long)]
    payload: Option<PathBuf>,
    /// Use a plain directory as the root, and neither a user nor a time namespace, for a runtime without these
    #[arg(long)]
    plain_root: bool,
    /// Leave CHECK out, for plugins that fail it after their own ADD
    #[arg(long)]
    no_check: bool,
}

/// The published port of the host, and the port of the container.
const PUBLISHED: u16 = 8080;
const INSIDE: u16 = 80;
/// The text of the page.
const TEXT: &str = "hello from the first container";
/// The limits of each container.
const MEMORY_BYTES: i64 = 64 << 20;
const PROCESSES: i64 = 32;
/// The host's uid of root in the container.
const USERS: u32 = 100_000;

/// The network: one bridge with masquerading, addresses from a range, and published ports.
fn network(state: &Path) -> Result<List> {
    let list = json!({
        "cniVersion": "1.0.0",
        "name": "demo",
        "plugins": [
            {
                "type": "bridge", "bridge": "demo0", "isGateway": true, "ipMasq": true, "hairpinMode": true,
                "ipam": {
                    "type": "host-local", "dataDir": state.join("leases"),
                    "ranges": [[{"subnet": "10.89.0.0/24"}]], "routes": [{"dst": "0.0.0.0/0"}],
                },
            },
            {"type": "portmap", "capabilities": {"portMappings": true}, "snat": true},
        ],
    });
    List::parse(list.to_string().as_bytes())
}

/// The loopback interface, a network of its own.
fn loopback() -> Result<List> {
    List::parse(br#"{"cniVersion": "1.0.0", "name": "loopback", "plugins": [{"type": "loopback"}]}"#)
}

/// Runs the demo.
///
/// # Errors
/// The step that failed, with its reason.
pub(crate) fn play(options: &Options) -> Result<()> {
    let next_to_this = |name: &str| std::env::current_exe().map(|exe| exe.with_file_name(name));
    let state = State::create()?;
    let stage = Stage {
        runtime: options.runtime.clone().map_or_else(|| next_to_this("tare"), Ok)?,
        payload: options.payload.clone().map_or_else(|| next_to_this("tare-payload"), Ok)?,
        plain_root: options.plain_root,
        no_check: options.no_check,
        plugins: options.plugins.clone().map_or_else(default_plugins, Ok)?,
        state: state.0.clone(),
    };
    say(&format!("the runtime is {}", stage.runtime.display()))?;
    say(&format!("the plugins are those in {}", stage.plugins.display()))?;
    let before = Remains::look(&state.0)?;
    stage.play()?;
    head("nothing is left")?;
    before.compare(&Remains::look(&state.0)?)?;
    say("processes, mounts, cgroups, interfaces and rules of this machine are as before")?;
    head("done")
}

/// The plugins where `make install` puts them, or where they are built.
fn default_plugins() -> std::io::Result<PathBuf> {
    let program = std::env::current_exe()?;
    let installed = program.with_file_name("../libexec/cni");
    Ok(if installed.is_dir() { installed } else { program.with_file_name("") })
}

/// The demo's own directory, removed at the end.
struct State(PathBuf);

impl State {
    fn create() -> Result<Self> {
        let path = std::env::temp_dir().join(format!("tare-demo-{}", std::process::id()));
        std::fs::create_dir_all(&path).with_context(|| format!("cannot make {}", path.display()))?;
        Ok(Self(path))
    }
}

impl Drop for State {
    fn drop(&mut self) {
        // The demo is over and has printed its result.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

struct Stage {
    runtime: PathBuf,
    payload: PathBuf,
    plugins: PathBuf,
    plain_root: bool,
    no_check: bool,
    state: PathBuf,
}

impl Stage {
    fn play(&self) -> Result<()> {
        head("a host: a network namespace with an address, and a neighbour")?;
        let host = Host::create()?;
        say(&format!("the host is {} and its neighbour {}", host::ADDRESS, host::NEIGHBOUR))?;
        let plugins = Plugins {
            path: vec![self.plugins.clone()],
            cache: self.state.join("results"),
            host: Some(host.namespace()?),
            limit: PATIENCE,
        };
        let network = network(&self.state)?;

        head("the first container: serves a page, its port 80 published as 8080 of the host")?;
        let mut first = self.container(&host, "web", &[PAYLOAD, "serve", &INSIDE.to_string(), TEXT])?;
        first.create()?;
        say("created: it has its namespaces, root file system and limits, and waits for start")?;
        let ports = json!([{"hostPort": PUBLISHED, "containerPort": INSIDE, "protocol": "tcp"}]);
        let first_link = attachment(&first, Map::from_iter([("portMappings".to_string(), ports)]));
        let address = connect(&plugins, &network, &first_link)?;
        first.start()?;
        first.printed("ready")?;
        say("started: it serves")?;

        head("the page, through the published port")?;
        self.fetch("from the host, by its address", host::ADDRESS, |words| host.inside(words))?;
        self.fetch("from the host, by 127.0.0.1", "127.0.0.1", |words| host.inside(words))?;
        self.fetch("from the host's neighbour", host::ADDRESS, |words| host.at_neighbour(words))?;

        head("the second container: fetches the page by the first one's address")?;
        let fetch = format!("fetch http://{address}:{INSIDE}/");
        let mut second = self.container(&host, "client", &[PAYLOAD, "do", &fetch, "sleep 600"])?;
        second.create()?;
        let second_link = attachment(&second, Map::new());
        connect(&plugins, &network, &second_link)?;
        second.start()?;
        say(&format!("it got: {}", second.printed(TEXT)?))?;

        head("both containers as the kernel has them")?;
        show(&[&first, &second])?;
        self.check(&plugins, &network, &[&first_link, &second_link])?;

        head("stop and delete both")?;
        for (container, link) in [(&mut first, &first_link), (&mut second, &second_link)] {
            container.stop()?;
            plugins.delete(&network, link)?;
            plugins.delete(&loopback()?, &Attachment { interface: "lo".into(), ..link.clone() })?;
            container.delete()?;
            say(&format!("{} is stopped, disconnected and deleted", container.id))?;
        }
        self.is_empty(&host)
    }

    fn check(&self, plugins: &Plugins, network: &List, links: &[&Attachment]) -> Result<()> {
        if self.no_check {
            return say("CHECK is left out");
        }
        for link in links {
            plugins.check(network, link)?;
        }
        say("CHECK finds both attachments as ADD left them")
    }

    fn container<'h>(&self, host: &'h Host, name: &str, args: &[&str]) -> Result<Container<'h>> {
        let bundle = Bundle::create(&self.state.join(name))?;
        let id = format!("demo-{}-{name}", std::process::id());
        let config = Config::docker()?
            .set("/ociVersion", "1.0.2")
            .args(args)
            .hostname(name)
            .memory(MEMORY_BYTES)
            .pids(PROCESSES)
            .cgroup(&format!("/tare-demo/{id}"));
        let config = if self.plain_root {
            bundle.payload_root("rootfs", &self.payload)?;
            config
        } else {
            let site = bundle.directory("site/etc")?;
            std::fs::write(site.join("motd"), format!("this is {name}\n"))?;
            let base = self.base()?;
            let config = config.map_users(USERS, 65_536).namespace("time");
            bundle.overlay(&Layers { lower: vec!["site".into(), base], writable: true }, config)?
        };
        bundle.write(&config)?;
        Container::new(
            host,
            id,
            bundle,
            Runtime { program: self.runtime.clone(), root: self.state.join("runtime") },
        )
    }

    /// The layer that both containers share, created once: the lower layer of a mounted overlay must not change.
    fn base(&self) -> Result<String> {
        let base = self.state.join("base");
        if !base.is_dir() {
            Bundle::create(&self.state)?.payload_root("base", &self.payload)?;
        }
        Ok(base.to_string_lossy().into_owned())
    }

    /// Fetches the page with the payload as the client, started by `run`.
    fn fetch(&self, from: &str, address: &str, run: impl Fn(&[&str]) -> Result<String>) -> Result<()> {
        let url = format!("http://{address}:{PUBLISHED}/");
        let page = run(&[&self.payload.to_string_lossy(), "fetch", &url])?;
        if !page.starts_with(TEXT) {
            bail!("{url} gives another page: {page:?}");
        }
        say(&format!("{from}: {url} gives {:?}", page.lines().collect::<Vec<_>>().join(", ")))
    }

    /// Checks that the demo's own host has no container, lease, result or rule left.
    fn is_empty(&self, host: &Host) -> Result<()> {
        let leases = remains::names(&self.state.join("leases/demo"))
            .into_iter()
            .filter(|name| name.starts_with("10."));
        let results = remains::names(&self.state.join("results"));
        let containers = remains::names(&self.state.join("runtime"));
        let rules = host.inside(&["nft", "list", "ruleset"])?;
        let rules = rules.lines().filter(|line| line.contains("demo-") || line.contains("10.89.0."));
        let left: Vec<String> = leases
            .chain(results)
            .chain(containers)
            .chain(rules.map(|line| line.trim().to_string()))
            .collect();
        if !left.is_empty() {
            bail!("left behind on the host: {left:#?}");
        }
        let links = host.interfaces()?;
        if links.iter().any(|link| link.starts_with("veth")) {
            bail!("an interface of a container is left: {links:?}");
        }
        remains::remove_cgroup("tare-demo")?;
        say(&format!("no container, lease, result or rule is left; the interfaces are {}", links.join(", ")))
    }
}

fn attachment(container: &Container, capabilities: Map<String, Value>) -> Attachment {
    Attachment {
        container: container.id.clone(),
        namespace: container.network_namespace(),
        interface: "eth0".into(),
        args: [("IgnoreUnknown".to_string(), "1".to_string())].into(),
        capabilities,
    }
}

/// Connects the loopback and the network, and returns the container's address.
fn connect(plugins: &Plugins, network: &List, link: &Attachment) -> Result<String> {
    plugins.add(
        &loopback()?,
        &Attachment { interface: "lo".into(), capabilities: Map::new(), ..link.clone() },
    )?;
    let result = plugins.add(network, link)?;
    let address =
        result.pointer("/ips/0/address").and_then(Value::as_str).context("the network gave no address")?;
    say(&format!("connected: eth0 has {address} on the bridge demo0"))?;
    Ok(address.split('/').next().unwrap_or(address).to_string())
}

fn show(containers: &[&Container]) -> Result<()> {
    for container in containers {
        let state = container.state()?;
        say(&format!(
            "{}: {} as process {}, bundle {}",
            container.id,
            state.get("status").and_then(Value::as_str).unwrap_or("?"),
            state.get("pid").and_then(Value::as_i64).unwrap_or(0),
            state.get("bundle").and_then(Value::as_str).unwrap_or("?"),
        ))?;
        let (memory, processes) = container.limits()?;
        if memory != MEMORY_BYTES.to_string() || processes != PROCESSES.to_string() {
            bail!("the kernel has other limits: {memory} bytes, {processes} processes");
        }
        say(&format!("    the kernel's limits: {memory} bytes of memory, {processes} processes"))?;
        say(&format!(
            "    a seccomp filter: {}, the root file system: {}",
            container.filtered()?,
            container.root_kind()?
        ))?;
        say(&format!("    own namespaces: {}", container.namespaces()?.join(", ")))?;
        say(&format!("    addresses: {}", container.addresses()?))?;
    }
    Ok(())
}

fn head(text: &str) -> Result<()> {
    Ok(writeln!(std::io::stdout(), "\n== {text}")?)
}

fn say(text: &str) -> Result<()> {
    Ok(writeln!(std::io::stdout(), "   {text}")?)
}
