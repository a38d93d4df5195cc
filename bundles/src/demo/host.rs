//! The demo's host and its neighbour: two network namespaces joined by a veth pair.

use std::fs::File;
use std::os::fd::AsRawFd as _;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};
use tare_bundle::network::{inside, new_namespace};

/// The host's address, from the range for documentation (RFC 5737).
pub(crate) const ADDRESS: &str = "192.0.2.1";
/// The neighbour's address.
pub(crate) const NEIGHBOUR: &str = "192.0.2.2";

/// Both namespaces. They end with this value, and with them everything in them.
pub(crate) struct Host {
    host: File,
    neighbour: File,
}

/// A way to run a command: on the host, or at the neighbour.
type Place = fn(&Host, &[&str]) -> Result<String>;

impl Host {
    /// Creates both, and the veth pair between them.
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

    /// A file descriptor of the host's namespace.
    pub(crate) fn namespace(&self) -> Result<File> {
        Ok(self.host.try_clone()?)
    }

    /// Runs a command on the host and returns its output.
    pub(crate) fn inside(&self, words: &[&str]) -> Result<String> {
        inside(Some(&self.host), || run(words))?
    }

    /// Runs a command at the neighbour and returns its output.
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
