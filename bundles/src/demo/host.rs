//! The demo's host: a network namespace that stands for one, and another that stands for its neighbour on the wire.

use std::fs::File;
use std::os::fd::AsRawFd as _;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};
use tare_bundle::network::{inside, new_namespace};

/// The host's address on the wire (one of those set aside for documentation).
pub(crate) const ADDRESS: &str = "192.0.2.1";
/// The neighbour's.
pub(crate) const NEIGHBOUR: &str = "192.0.2.2";

/// Both namespaces; they are gone when this is, and with them all that was made inside.
pub(crate) struct Host {
    host: File,
    neighbour: File,
}

/// Where a command is run.
type Place = fn(&Host, &[&str]) -> Result<String>;

impl Host {
    /// Makes the two and the wire between them.
    pub(crate) fn create() -> Result<Self> {
        let host = Self { host: new_namespace()?, neighbour: new_namespace()? };
        let other = format!("/proc/{}/fd/{}", std::process::id(), host.neighbour.as_raw_fd());
        let words = "link add wire type veth peer name wire netns";
        host.inside(&[&["ip"], words.split(' ').collect::<Vec<_>>().as_slice(), &[&other]].concat())?;
        for (place, address) in [(Self::inside as Place, ADDRESS), (Self::at_neighbour, NEIGHBOUR)] {
            place(&host, &["ip", "link", "set", "lo", "up"])?;
            place(&host, &["ip", "address", "add", &format!("{address}/24"), "dev", "wire"])?;
            place(&host, &["ip", "link", "set", "wire", "up"])?;
        }
        Ok(host)
    }

    /// A descriptor of the host's namespace.
    pub(crate) fn namespace(&self) -> Result<File> {
        Ok(self.host.try_clone()?)
    }

    /// Runs a command on the host; what it prints.
    pub(crate) fn inside(&self, words: &[&str]) -> Result<String> {
        inside(Some(&self.host), || run(words))?
    }

    /// Runs a command at the neighbour; what it prints.
    pub(crate) fn at_neighbour(&self, words: &[&str]) -> Result<String> {
        inside(Some(&self.neighbour), || run(words))?
    }

    /// The names of the host's interfaces.
    pub(crate) fn interfaces(&self) -> Result<Vec<String>> {
        let text = self.inside(&["ip", "-oneline", "link", "show"])?;
        let name = |line: &str| line.split(": ").nth(1)?.split('@').next().map(String::from);
        Ok(text.lines().filter_map(name).collect())
    }
}

fn run(words: &[&str]) -> Result<String> {
    let [program, args @ ..] = words else { bail!("no command") };
    let output = Command::new(program)
        .args(args)
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("cannot run {program}"))?;
    if !output.status.success() {
        bail!("{}: {}", words.join(" "), String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
