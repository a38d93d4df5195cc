//! An interface of the host that is lent to a container: moved into its namespace under another name, and brought back.

use super::differs;
use crate::attachment::check_interface;
use crate::declaration::{Resource, Undo};
use crate::error::{Code, Error, Result};
use crate::host::{Host, Side};
use crate::rtnetlink::{Link, Move};
use std::cell::Cell;
use std::path::{Path, PathBuf};

/// Which interface of the host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Device {
    /// The one of this name.
    Name(String),
    /// The one with this hardware address.
    Mac(Vec<u8>),
    /// That of the device with this directory below `/sys`.
    Sysfs(PathBuf),
}

/// An interface lent to a container. Inside, its alias says what it was called on the host: the Go plugin keeps the
/// name in the same place, so either brings back what the other lent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MovedDevice {
    /// Which one; `None` when the configuration can't be read any more.
    pub device: Option<Device>,
    /// Its name inside the container.
    pub interface: String,
    /// The hardware address that `ADD` reported, if the caller passed its result on.
    pub reported: Option<String>,
    /// Whether it was up on the host, for the way back of a failing `ADD`.
    pub was_up: Cell<bool>,
}

impl Resource for MovedDevice {
    fn add(&self, host: &mut Host) -> Result<Undo> {
        let device = self.device.as_ref().ok_or_else(|| not_found("none is given"))?;
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
            Some(link) => bring_back(host, &link),
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
    /// The kernel moves before it renames; where the new name was taken in between, the link goes back.
    fn return_from_halfway(&self, host: &mut Host, link: &Link) -> Result<()> {
        if host.route(Side::Host)?.link_by_index(link.index)?.is_some() {
            return Ok(());
        }
        match host.look_up(Side::Container, &link.name)? {
            Some(mut moved) if moved.mac == link.mac => {
                moved.alias.clone_from(&link.name);
                bring_back(host, &moved)
            }
            _ => Ok(()),
        }
    }

    /// What is called like the interface inside has nothing written on it. If the device is at home, that is none of
    /// ours.
    fn excuse_unnamed(&self, host: &mut Host) -> Result<()> {
        let at_home = match &self.device {
            None => true,
            Some(device) => device.find(host)?.is_some(),
        };
        if at_home { Ok(()) } else { Err(Error::new(Code::Io, unnamed(&self.interface))) }
    }

    /// A device of hardware outlives its container's namespace: the kernel puts it back under the name that it had in
    /// there, or another one.
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

    /// People write aliases too: it must be the name in the configuration, or on what `ADD` has reported.
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
                // The first that is usable, or the first error.
                found.find(|found| found.as_ref().map_or(true, usable)).unwrap_or(Ok(None))
            }
        }
    }
}

impl std::fmt::Display for Device {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Device::Name(name) => write!(f, "no interface is called {name}"),
            Device::Mac(mac) => {
                write!(f, "no interface has the hardware address {}", crate::rtnetlink::spell_mac(mac))
            }
            Device::Sysfs(directory) => write!(f, "no interface is described in {}", directory.display()),
        }
    }
}

fn not_found(why: &str) -> Error {
    Error::config(format!("failed to find host device: {why}"))
}

fn unnamed(interface: &str) -> String {
    format!("failed to find original ifname for \"{interface}\" (alias is not set)")
}

/// Back under its old name, down and with nothing written on it. That name is looked for first: the kernel would move
/// the link before it found it taken.
fn bring_back(host: &mut Host, link: &Link) -> Result<()> {
    let Link { index, alias, name, .. } = link;
    if host.look_up(Side::Host, alias)?.is_some() {
        let msg = format!("cannot bring {name} back as {alias}: the host has another interface of that name");
        return Err(Error::new(Code::Exists, msg));
    }
    let to = Move { index: *index, namespace: host.home_descriptor(), name: alias, alias: "" };
    let moved = host.route(Side::Container)?.move_link(&to)?;
    moved.map_err(|refusal| Error::refused(format!("bring {name} back as {alias}"), &refusal))
}

/// The names below `net` of a device's directory, or of the virtio device in it.
fn interfaces_of(directory: &Path) -> Vec<String> {
    let mut names = entries(&directory.join("net"));
    for inner in entries(directory).into_iter().filter(|name| name.starts_with("virtio")) {
        names.extend(entries(&directory.join(inner).join("net")));
    }
    names
}

/// What can't be read has none: the device is not of the kind that has interfaces.
fn entries(directory: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries.filter_map(|entry| entry.file_name().into_string().ok()).collect();
    names.sort();
    names
}
