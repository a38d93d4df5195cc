//! An interface of the host that is moved into a container's network namespace, renamed, and moved back by `DEL`.

use super::differs;
use crate::attachment::check_interface;
use crate::declaration::{Resource, Undo};
use crate::error::{Code, Error, Result};
use crate::host::{Host, Side};
use crate::rtnetlink::{Link, Move};
use std::cell::Cell;
use std::path::{Path, PathBuf};

/// How the configuration selects the interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Device {
    /// By name.
    Name(String),
    /// By hardware address.
    Mac(Vec<u8>),
    /// By the device's directory below `/sys`.
    Sysfs(PathBuf),
}

/// A moved interface. Inside the container its alias is its former name. The Go plugin stores the name in the same
/// place, so that each plugin can move back what the other has moved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MovedDevice {
    /// The interface; `None` if the configuration can't be read.
    pub device: Option<Device>,
    /// Its name inside the container.
    pub interface: String,
    /// The hardware address that `ADD` has reported, if the caller has passed the result.
    pub reported: Option<String>,
    /// Whether the interface was up on the host, for the undo of a failing `ADD`.
    pub was_up: Cell<bool>,
}

impl Resource for MovedDevice {
    fn add(&self, host: &mut Host) -> Result<Undo> {
        let device = self.device.as_ref().ok_or_else(|| not_found("none is configured"))?;
        let link = device.find(host)?.ok_or_else(|| not_found(&device.to_string()))?;
        if host.look_up(Side::Container, &self.interface)?.is_some() {
            let msg = format!("interface \"{}\" already exists in the container", self.interface);
            return Err(Error::new(Code::Exists, msg).about("CNI_IFNAME"));
        }
        self.was_up.set(link.is_up());
        let (namespace, name) = (host.container_descriptor()?, self.interface.as_str());
        let to = Move { index: link.index, namespace, name, alias: &link.name };
        match host.route(Side::Host)?.move_link(&to)? {
            Ok(()) => Ok(Undo::Remove),
            Err(refusal) => {
                self.return_from_halfway(host, &link)?;
                let what = format!("move {} into the container as {}", link.name, self.interface);
                Err(Error::refused(&what, &refusal))
            }
        }
    }

    fn del(&self, host: &mut Host) -> Result<()> {
        let inside = match host.has_container() {
            true => host.look_up(Side::Container, &self.interface)?,
            false => return self.rename_stray(host),
        };
        match inside {
            None => self.rename_stray(host),
            Some(link) if link.alias.is_empty() => self.excuse_unnamed(host),
            Some(link) => move_back(host, &link),
        }
    }

    fn undo(&self, host: &mut Host) -> Result<()> {
        let name = host.look_up(Side::Container, &self.interface)?.map(|link| link.alias);
        self.del(host)?;
        let Some(name) = name.filter(|_| self.was_up.get()) else { return Ok(()) };
        let index = host.look_up(Side::Host, &name)?.map(|link| link.index);
        index.map_or(Ok(()), |index| host.route(Side::Host)?.set_up(index))
    }

    fn check(&self, host: &mut Host) -> Result<()> {
        let link = host.link(Side::Container, &self.interface)?;
        match link.alias.is_empty() {
            false => Ok(()),
            true => Err(differs(unnamed(&self.interface))),
        }
    }
}

impl MovedDevice {
    /// The kernel moves an interface before it renames it. If the new name is taken, the interface is moved back.
    fn return_from_halfway(&self, host: &mut Host, link: &Link) -> Result<()> {
        if host.route(Side::Host)?.link_by_index(link.index)?.is_some() {
            return Ok(());
        }
        match host.look_up(Side::Container, &link.name)? {
            Some(mut moved) if moved.mac == link.mac => {
                moved.alias.clone_from(&link.name);
                move_back(host, &moved)
            }
            _ => Ok(()),
        }
    }

    /// An interface of the configured name without an alias belongs to the container, if the device is on the host.
    fn excuse_unnamed(&self, host: &mut Host) -> Result<()> {
        let at_home = match &self.device {
            None => true,
            Some(device) => device.find(host)?.is_some(),
        };
        if at_home { Ok(()) } else { Err(Error::new(Code::Io, unnamed(&self.interface))) }
    }

    /// A hardware device survives its container's namespace: the kernel moves it to the host under the name that it had
    /// there, or under another one.
    fn rename_stray(&self, host: &mut Host) -> Result<()> {
        let Some(stray) = self.find_stray(host)? else { return Ok(()) };
        let is_free = host.look_up(Side::Host, &stray.alias)?.is_none();
        if stray.alias == stray.name || !is_free || check_interface(&stray.alias).is_err() {
            return Ok(());
        }
        let route = host.route(Side::Host)?;
        route.set_down(stray.index)?;
        route.rename(stray.index, &stray.alias, "")
    }

    /// Other programs set aliases too. The device must have the configured name as its alias, or the hardware address
    /// that `ADD` has reported.
    fn find_stray(&self, host: &mut Host) -> Result<Option<Link>> {
        match &self.device {
            None => Ok(None),
            Some(Device::Name(name)) => {
                let all = host.route(Side::Host)?.links()?;
                Ok(all.into_iter().find(|link| link.alias == *name))
            }
            Some(device) => {
                let found = device.find(host)?;
                Ok(found.filter(|link| self.reported.as_ref() == Some(&link.mac_text())))
            }
        }
    }
}

impl Device {
    fn find(&self, host: &mut Host) -> Result<Option<Link>> {
        match self {
            Device::Name(name) => host.look_up(Side::Host, name),
            Device::Mac(mac) => {
                Ok(host.route(Side::Host)?.links()?.into_iter().find(|link| link.mac == *mac))
            }
            Device::Sysfs(directory) => {
                let mut found =
                    interfaces_of(directory).into_iter().map(|name| host.look_up(Side::Host, &name));
                let usable = |link: &Option<Link>| link.as_ref().is_some_and(|link| !link.is_loopback());
                // Returns the first usable interface, or the first error.
                found.find(|found| found.as_ref().map_or(true, usable)).unwrap_or(Ok(None))
            }
        }
    }
}

impl std::fmt::Display for Device {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Device::Name(name) => write!(f, "no interface has the name {name}"),
            Device::Mac(mac) => {
                write!(f, "no interface has the hardware address {}", crate::rtnetlink::spell_mac(mac))
            }
            Device::Sysfs(directory) => write!(f, "{} contains no interface", directory.display()),
        }
    }
}

fn not_found(why: &str) -> Error {
    Error::config(format!("failed to find host device: {why}"))
}

fn unnamed(interface: &str) -> String {
    format!("failed to find original ifname for \"{interface}\" (alias is not set)")
}

/// Moves the interface back under its former name, down and without an alias. The name is looked up first, because the
/// kernel would move the interface before it refuses the name.
fn move_back(host: &mut Host, link: &Link) -> Result<()> {
    let Link { index, alias, name, .. } = link;
    if host.look_up(Side::Host, alias)?.is_some() {
        let msg = format!("cannot move {name} back as {alias}: the host has another interface of that name");
        return Err(Error::new(Code::Exists, msg));
    }
    let to = Move { index: *index, namespace: host.home_descriptor(), name: alias, alias: "" };
    let moved = host.route(Side::Container)?.move_link(&to)?;
    moved.map_err(|refusal| Error::refused(format!("move {name} back as {alias}"), &refusal))
}

/// Returns the names in `net` of a device's directory, or of the virtio device in it.
fn interfaces_of(directory: &Path) -> Vec<String> {
    let mut names = entries(&directory.join("net"));
    for inner in entries(directory).into_iter().filter(|name| name.starts_with("virtio")) {
        names.extend(entries(&directory.join(inner).join("net")));
    }
    names
}

/// An unreadable directory has no entries: the device has no network interface.
fn entries(directory: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries.filter_map(|entry| entry.file_name().into_string().ok()).collect();
    names.sort();
    names
}
