//! Examples: ready bundles, each showing one thing.

use std::path::Path;

use anyhow::{Context as _, Result};
use serde_json::json;

use crate::bundle::{Bundle, Layers, PAYLOAD};
use crate::config::Config;

/// One example.
#[derive(Clone, Copy, Debug)]
pub struct Example {
    /// What it is called on the command line.
    pub name: &'static str,
    /// What it shows, in one sentence.
    pub shows: &'static str,
    build: fn(&Bundle, Config) -> Result<Config>,
}

/// All of them.
pub const EXAMPLES: &[Example] = &[
    Example {
        name: "page",
        shows: "serves a page on port 80 with Docker's capabilities and seccomp profile",
        build: |_, config| Ok(config.args(&[PAYLOAD, "serve", "80"]).hostname("page")),
    },
    Example {
        name: "report",
        shows: "prints what a process sees of its sandbox, as JSON",
        build: |_, config| Ok(config.args(&[PAYLOAD, "report"]).hostname("report")),
    },
    Example {
        name: "limits",
        shows: "runs under 32 MiB of memory, 16 processes and half a processor",
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
        shows: "cannot write to its root file system",
        build: |_, config| Ok(config.set("/root/readonly", true).args(&[PAYLOAD, "report", "/", "/dev/shm"])),
    },
    Example { name: "overlay", shows: "two read-only layers and a writable one", build: overlay },
    Example {
        name: "overlay-read-only",
        shows: "two read-only layers and no writable one",
        build: read_only_overlay,
    },
    Example {
        name: "users",
        shows: "root inside is the host's user 100000",
        build: |_, config| Ok(config.map_users(100_000, 65_536).args(&[PAYLOAD, "report"])),
    },
    Example {
        name: "terminal",
        shows: "has a terminal",
        build: |_, config| {
            Ok(config.set("/process/terminal", true).args(&[PAYLOAD, "trap", "WINCH", "TERM"]))
        },
    },
];

impl Example {
    /// The example of that name.
    ///
    /// # Errors
    /// None has the name: the message lists those there are.
    pub fn named(name: &str) -> Result<Self> {
        EXAMPLES.iter().find(|one| one.name == name).copied().with_context(|| {
            let names: Vec<&str> = EXAMPLES.iter().map(|one| one.name).collect();
            format!("no example '{name}': there are {}", names.join(", "))
        })
    }

    /// Makes the bundle in the directory, with the payload as the program inside.
    ///
    /// # Errors
    /// What the file system says, with the path.
    pub fn make(&self, directory: &Path, payload: &Path) -> Result<Bundle> {
        let bundle = Bundle::create(directory)?;
        bundle.payload_root("rootfs", payload)?;
        let config = (self.build)(&bundle, Config::docker()?)?;
        bundle.write(&config)?;
        Ok(bundle)
    }
}

/// The payload's root file system becomes the lowest layer, with a layer above that adds one file.
fn layers(bundle: &Bundle, writable: bool) -> Result<Layers> {
    let base = bundle.path().join("base");
    std::fs::rename(bundle.path().join("rootfs"), &base)
        .with_context(|| format!("cannot make {}", base.display()))?;
    let site = bundle.directory("site/etc")?;
    std::fs::write(site.join("site"), "a file of the upper layer\n")?;
    Ok(Layers { lower: vec!["site".into(), "base".into()], writable })
}

fn overlay(bundle: &Bundle, config: Config) -> Result<Config> {
    let layers = layers(bundle, true)?;
    let config = config.args(&[PAYLOAD, "do", "write /etc/new here", "list /etc", "cat /etc/site"]);
    bundle.overlay(&layers, config)
}

fn read_only_overlay(bundle: &Bundle, config: Config) -> Result<Config> {
    let layers = layers(bundle, false)?;
    bundle.overlay(&layers, config.args(&[PAYLOAD, "report", "/etc"]))
}
