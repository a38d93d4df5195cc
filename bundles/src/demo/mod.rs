//! The demo: two containers on one bridge, a published port, and nothing left afterwards.
//!
//! It tells its story as it goes, one step after the other; each step fails when what it shows is not so.

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

use container::Container;
use host::Host;
use remains::Remains;

/// Where the demo finds what it shows. By default everything lies beside this program.
#[derive(Args)]
pub(crate) struct Options {
    /// The runtime.
    #[arg(long)]
    runtime: Option<PathBuf>,
    /// The directory of the CNI plugins.
    #[arg(long)]
    plugins: Option<PathBuf>,
    /// The program inside the containers.
    #[arg(long)]
    payload: Option<PathBuf>,
    /// Give the containers a plain directory as their root and neither a user nor a time namespace, for a runtime that
    /// knows none of these.
    #[arg(long)]
    plain_root: bool,
    /// Leave CHECK out, for plugins that find fault with their own work.
    #[arg(long)]
    no_check: bool,
}

/// The port of the host that is published, and the container's.
const PUBLISHED: u16 = 8080;
const INSIDE: u16 = 80;
/// What the page says.
const TEXT: &str = "hello from the first container";
/// The limits of each container.
const MEMORY_BYTES: i64 = 64 << 20;
const PROCESSES: i64 = 32;
/// The user of the host that is root inside.
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

/// The loopback interface, which is a network of its own.
fn loopback() -> Result<List> {
    List::parse(br#"{"cniVersion": "1.0.0", "name": "loopback", "plugins": [{"type": "loopback"}]}"#)
}

/// Plays the demo from the beginning to the end.
///
/// # Errors
/// Something is not as it should be: what, and what was said about it.
pub(crate) fn play(options: &Options) -> Result<()> {
    let beside = |name: &str| std::env::current_exe().map(|exe| exe.with_file_name(name));
    let state = State::create()?;
    let stage = Stage {
        runtime: options.runtime.clone().map_or_else(|| beside("tare"), Ok)?,
        payload: options.payload.clone().map_or_else(|| beside("tare-payload"), Ok)?,
        plain_root: options.plain_root,
        no_check: options.no_check,
        plugins: options.plugins.clone().map_or_else(plugins_beside, Ok)?,
        state: state.0.clone(),
    };
    say(&format!("the runtime is {}", stage.runtime.display()))?;
    say(&format!("the plugins are those in {}", stage.plugins.display()))?;
    let before = Remains::look(&state.0)?;
    stage.play()?;
    head("nothing is left")?;
    before.compare(&Remains::look(&state.0)?)?;
    say("processes, mounts, control groups, interfaces and rules of this machine are as they were before")?;
    head("done")
}

/// As they are installed, or as they are built.
fn plugins_beside() -> std::io::Result<PathBuf> {
    let program = std::env::current_exe()?;
    let installed = program.with_file_name("../libexec/cni");
    Ok(if installed.is_dir() { installed } else { program.with_file_name("") })
}

/// The demo's own directory, gone at the end.
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
        // Nobody is left to tell.
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
        say("created: its namespaces, root file system and limits are there, and it waits")?;
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

        head("what there is now")?;
        show(&[&first, &second])?;
        self.check(&plugins, &network, &[&first_link, &second_link])?;

        head("the end of both")?;
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
        Container::new(host, id, bundle, (&self.runtime, &self.state.join("runtime")))
    }

    /// The layer that both containers share, made once: what a container runs from must not change under it.
    fn base(&self) -> Result<String> {
        let base = self.state.join("base");
        if !base.is_dir() {
            Bundle::create(&self.state)?.payload_root("base", &self.payload)?;
        }
        Ok(base.to_string_lossy().into_owned())
    }

    /// Fetches the page with the payload as the client, run wherever `run` runs it.
    fn fetch(&self, from: &str, address: &str, run: impl Fn(&[&str]) -> Result<String>) -> Result<()> {
        let url = format!("http://{address}:{PUBLISHED}/");
        let page = run(&[&self.payload.to_string_lossy(), "fetch", &url])?;
        if !page.starts_with(TEXT) {
            bail!("{url} gives another page: {page:?}");
        }
        say(&format!("{from}: {url} gives {:?}", page.lines().collect::<Vec<_>>().join(", ")))
    }

    /// On the demo's own host: no container, no lease, no port of one, no rule that still names one.
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
        remains::empty_group("tare-demo")?;
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

/// Connects the loopback and the network; the container's address.
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
        say(&format!("    namespaces of its own: {}", container.namespaces()?.join(", ")))?;
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
