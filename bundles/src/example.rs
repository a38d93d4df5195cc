//! Example bundles, each for one feature.

use std::path::Path;

use anyhow::{Context as _, Result};
use serde_json::json;

use crate::bundle::{Bundle, Layers, PAYLOAD};
use crate::config::Config;

/// One example.
#[derive(Clone, Copy, Debug)]
pub struct Example {
    /// Its name on the command line.
    pub name: &'static str,
    /// The feature that it shows.
    pub shows: &'static str,
    build: fn(&Bundle, Config) -> Result<Config>,
}

/// All examples.
pub const EXAMPLES: &[Example] = &[
    Example {
        name: "page",
        shows: "page on port 80, with Docker's capabilities and seccomp profile",
        build: |_, config| Ok(config.args(&[PAYLOAD, "serve", "80"]).hostname("page")),
    },
    Example {
        name: "report",
        shows: "what a process sees of its sandbox, as JSON",
        build: |_, config| Ok(config.args(&[PAYLOAD, "report"]).hostname("report")),
    },
    Example {
        name: "limits",
        shows: "limits: 32 MiB of memory, 16 processes, half a CPU",
        build: |_, config| {
            let cpu = json!({"shares": 512, "quota": 50_000, "period": 100_000});
            Ok(config
                .memory(32 << 20)
                .pids(16)
                .set("/linux/resources/cpu", cpu)
                .args(&[PAYLOAD, "fork", "64"]))
        },
    },
    Example {
        name: "read-only",
        shows: "read-only root file system",
        build: |_, config| Ok(config.set("/root/readonly", true).args(&[PAYLOAD, "report", "/", "/dev/shm"])),
    },
    Example { name: "overlay", shows: "overlay of two read-only layers and a writable one", build: overlay },
    Example { name: "overlay-read-only", shows: "overlay of two read-only layers", build: read_only_overlay },
    Example {
        name: "users",
        shows: "user namespace: root is the host's uid 100000",
        build: |_, config| Ok(config.map_users(100_000, 65_536).args(&[PAYLOAD, "report"])),
    },
    Example {
        name: "terminal",
        shows: "program with a terminal",
        build: |_, config| {
            Ok(config.set("/process/terminal", true).args(&[PAYLOAD, "trap", "WINCH", "TERM"]))
        },
    },
];

impl Example {
    /// Finds an example by its name.
    ///
    /// # Errors
    /// There is none of this name. The message lists all names.
    pub fn named(name: &str) -> Result<Self> {
        EXAMPLES.iter().find(|one| one.name == name).copied().with_context(|| {
            let names: Vec<&str> = EXAMPLES.iter().map(|one| one.name).collect();
            format!("no example '{name}': expected one of {}", names.join(", "))
        })
    }

    /// Makes the bundle in a directory, with the payload as the program inside.
    ///
    /// # Errors
    /// The error of the file system, with the path.
    pub fn make(&self, directory: &Path, payload: &Path) -> Result<Bundle> {
        let bundle = Bundle::create(directory)?;
        bundle.payload_root("rootfs", payload)?;
        let config = (self.build)(&bundle, Config::docker()?)?;
        bundle.write(&config)?;
        Ok(bundle)
    }
}

/// Turns the payload's root file system into the lowest layer, and adds a layer with one file above it.
fn lower_layers(bundle: &Bundle) -> Result<Vec<String>> {
    let base = bundle.path().join("base");
    std::fs::rename(bundle.path().join("rootfs"), &base)
        .with_context(|| format!("cannot make {}", base.display()))?;
    let site = bundle.directory("site/etc")?;
    std::fs::write(site.join("site"), "a file of the upper layer\n")?;
    Ok(vec!["site".into(), "base".into()])
}

fn overlay(bundle: &Bundle, config: Config) -> Result<Config> {
    let layers = Layers { lower: lower_layers(bundle)?, writable: true };
    let config = config.args(&[PAYLOAD, "do", "write /etc/new here", "list /etc", "cat /etc/site"]);
    bundle.overlay(&layers, config)
}

fn read_only_overlay(bundle: &Bundle, config: Config) -> Result<Config> {
    let layers = Layers { lower: lower_layers(bundle)?, writable: false };
    bundle.overlay(&layers, config.args(&[PAYLOAD, "report", "/etc"]))
}
