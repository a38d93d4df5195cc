//! Plugins: ours and the Go ones connect and disconnect the same containers in turn.

use std::fs::File;
use std::io::Write as _;
use std::os::fd::AsRawFd as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use serde_json::{Map, Value, json};
use tare_bundle::network::{Attachment, List, Plugins, inside, new_namespace};

use crate::Options;
use crate::place::Place;
use crate::report::Report;
use crate::usage::cost;

/// What the Go plugins are called in the table.
const BASE: &str = "Go";

/// A directory of plugins with a host of its own.
struct Side {
    name: &'static str,
    plugins: Plugins,
    leases: PathBuf,
}

/// Measures both directories and adds the figures.
pub(crate) fn measure(place: &Place, options: &Options, report: &mut Report) -> Result<()> {
    if !options.peer_plugins.join("bridge").is_file() {
        writeln!(std::io::stderr(), "SKIPPED plugins: there are none in {}", options.peer_plugins.display())?;
        return Ok(());
    }
    let sides = [side(place, "tare", &place.programs)?, side(place, BASE, &options.peer_plugins)?];
    for (case, masquerade, ports) in [
        ("bridge+host-local", false, false),
        ("bridge+host-local+ipMasq", true, false),
        ("bridge+host-local+portmap", true, true),
    ] {
        writeln!(std::io::stderr(), "measuring {case}")?;
        for round in 0..=options.plugin_samples {
            for side in &sides {
                let list = list(&side.leases, masquerade, ports)?;
                sample(side, (case, &list, round), report)
                    .with_context(|| format!("{case} with {}", side.name))?;
            }
        }
    }
    Ok(())
}

fn side(place: &Place, name: &'static str, directory: &Path) -> Result<Side> {
    let host = new_namespace()?;
    inside(Some(&host), || std::process::Command::new("ip").args(["link", "set", "lo", "up"]).status())??;
    let cache = place.directory.join(format!("results-{name}"));
    let plugins = Plugins { path: vec![directory.to_path_buf()], cache, host: Some(host) };
    Ok(Side { name, plugins, leases: place.directory.join(format!("leases-{name}")) })
}

fn list(leases: &Path, masquerade: bool, ports: bool) -> Result<List> {
    let mut plugins = vec![json!({
        "type": "bridge", "bridge": "bench0", "isGateway": true, "ipMasq": masquerade,
        "ipam": {
            "type": "host-local", "dataDir": leases,
            "ranges": [[{"subnet": "10.90.0.0/16"}]], "routes": [{"dst": "0.0.0.0/0"}],
        },
    })];
    if ports {
        plugins.push(json!({"type": "portmap", "capabilities": {"portMappings": true}}));
    }
    List::parse(json!({"cniVersion": "1.0.0", "name": "bench", "plugins": plugins}).to_string().as_bytes())
}

fn sample(side: &Side, (case, list, round): (&str, &List, usize), report: &mut Report) -> Result<()> {
    let container: File = new_namespace()?;
    let mapping = json!([{"hostPort": 8080, "containerPort": 80, "protocol": "tcp"}]);
    let attachment = Attachment {
        container: format!("bench-{round}"),
        namespace: format!("/proc/{}/fd/{}", std::process::id(), container.as_raw_fd()),
        interface: "eth0".into(),
        args: [("IgnoreUnknown".to_string(), "1".to_string())].into(),
        capabilities: Map::from_iter([("portMappings".to_string(), mapping as Value)]),
    };
    let add = cost(|| side.plugins.add(list, &attachment).map(drop))?;
    let delete = cost(|| side.plugins.delete(list, &attachment))?;
    // The first round makes the bridge and warms the caches.
    if round > 0 {
        for (verb, cost) in [("ADD", add), ("DEL", delete)] {
            let case = format!("{case} {verb}");
            report.sample((&case, "wall ms"), (side.name, BASE), cost.wall_ms);
            report.sample((&case, "CPU ms"), (side.name, BASE), cost.cpu_ms);
        }
    }
    Ok(())
}
