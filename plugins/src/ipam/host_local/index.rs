//! Which addresses an attachment holds, without reading every lease: one symbolic link for each attachment.
//!
//! The links lie beside the leases, in a directory that the Go plugin passes over: `.index/CONTAINER,INTERFACE` points
//! at nothing, and what it says are addresses. They are a hint and never the truth: what a link says is looked up in
//! the lease, and whether the links are complete is told by the time stamp of `lock`, which is set to that of the
//! directory after every change of ours. Whoever else changes the directory changes its time stamp, and so the links
//! are made anew from the leases.

use crate::address::parse_address;
use rustix::fs::{
    AtFlags, Dir, Mode, OFlags, Timespec, Timestamps, UTIME_OMIT, fstat, futimens, mkdirat, openat,
    readlinkat, symlinkat, unlinkat,
};
use rustix::io::{Errno, Result};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::os::fd::OwnedFd;

const NAME: &str = ".index";
/// The longest name of a file on any file system that leases lie on.
const LONGEST: usize = 255;

/// The links of a directory of leases.
#[derive(Debug)]
pub(super) struct Index {
    directory: OwnedFd,
    complete: bool,
}

impl Index {
    /// Opens the links that lie beside the leases, making their directory if there is none.
    pub(super) fn open(leases: &OwnedFd, lock: &OwnedFd) -> Result<Index> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        let directory = match openat(leases, NAME, flags, Mode::empty()) {
            Err(Errno::NOENT) => {
                mkdirat(leases, NAME, Mode::from_raw_mode(0o755))?;
                openat(leases, NAME, flags, Mode::empty())?
            }
            other => other?,
        };
        Ok(Index { directory, complete: changed(leases)? == changed(lock)? })
    }

    /// The addresses that an owner may hold; `None` when the links do not know.
    pub(super) fn addresses(&self, owner: &str) -> Option<Vec<IpAddr>> {
        let name = name_of(owner).filter(|_| self.complete)?;
        match readlinkat(&self.directory, name.as_str(), Vec::new()) {
            Ok(text) => Some(text.to_string_lossy().split(' ').filter_map(parse_address).collect()),
            Err(Errno::NOENT) => Some(Vec::new()),
            Err(_) => None,
        }
    }

    /// Notes what an owner holds; nothing when it holds nothing any more.
    pub(super) fn put(&mut self, owner: &str, addresses: &[IpAddr]) {
        if self.try_put(owner, addresses).is_err() {
            self.complete = false;
        }
    }

    fn try_put(&self, owner: &str, addresses: &[IpAddr]) -> Result<()> {
        let name = name_of(owner).ok_or(Errno::NAMETOOLONG)?;
        match unlinkat(&self.directory, name.as_str(), AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => {}
            Err(why) => return Err(why),
        }
        let text: Vec<String> = addresses.iter().map(ToString::to_string).collect();
        match text.is_empty() {
            true => Ok(()),
            false => symlinkat(text.join(" "), &self.directory, name.as_str()),
        }
    }

    /// Makes the links that the leases call for, and removes all others.
    pub(super) fn rebuild(&mut self, leases: &BTreeMap<String, Vec<IpAddr>>) {
        self.complete = true;
        let mut stale = self.names().unwrap_or_default();
        for (owner, addresses) in leases {
            if self.addresses(owner).as_ref() != Some(addresses) {
                self.put(owner, addresses);
            }
            stale.remove(&name_of(owner).unwrap_or_default());
        }
        for name in stale {
            // One too many is a link whose addresses are looked up in vain.
            let _ = unlinkat(&self.directory, name.as_str(), AtFlags::empty());
        }
    }

    fn names(&self) -> Result<BTreeSet<String>> {
        let mut names = BTreeSet::new();
        for entry in Dir::read_from(&self.directory)? {
            names.insert(entry?.file_name().to_string_lossy().into_owned());
        }
        Ok(names)
    }

    /// Says in the time stamp of `lock` that the links are complete. Where that fails they are made anew next time.
    pub(super) fn seal(&self, leases: &OwnedFd, lock: &OwnedFd) {
        if !self.complete {
            return;
        }
        let _ = changed(leases).and_then(|last_modification| {
            let last_access = Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT };
            futimens(lock, &Timestamps { last_access, last_modification })
        });
    }

    /// Somebody changes leases without telling which.
    pub(super) fn distrust(&mut self) {
        self.complete = false;
    }
}

/// An owner as a lease has it, `CONTAINER\r\nINTERFACE`, as a file's name; neither part has a comma or a slash.
fn name_of(owner: &str) -> Option<String> {
    let name = owner.replace("\r\n", ",");
    let plain = !name.is_empty() && name != "." && name != ".." && !name.contains(['/', '\0']);
    (plain && name.len() <= LONGEST).then_some(name)
}

fn changed(file: &OwnedFd) -> Result<Timespec> {
    let stat = fstat(file)?;
    Ok(Timespec { tv_sec: stat.st_mtime, tv_nsec: i64::try_from(stat.st_mtime_nsec).unwrap_or(0) })
}
