//! An index of the leases by attachment, so that `DEL` need not read every lease.
//!
//! The index is a directory next to the leases, which the Go plugin ignores. Each attachment has a dangling symbolic
//! link `.index/CONTAINER,INTERFACE`; its target is the list of addresses. The index is only a hint: every entry is
//! verified in the lease.
//!
//! After every change the modification time of `lock` is set to that of the directory. If the times differ, another
//! program has changed the leases, and the index is rebuilt.

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
/// `NAME_MAX`, the limit of file names.
const LONGEST: usize = 255;

/// The index of a directory of leases.
#[derive(Debug)]
pub(super) struct Index {
    directory: OwnedFd,
    complete: bool,
}

impl Index {
    /// Opens the index; creates its directory if it does not exist.
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

    /// Returns the addresses of an owner; `None` if the index has no entry.
    pub(super) fn addresses(&self, owner: &str) -> Option<Vec<IpAddr>> {
        let name = name_of(owner).filter(|_| self.complete)?;
        match readlinkat(&self.directory, name.as_str(), Vec::new()) {
            Ok(text) => Some(text.to_string_lossy().split(' ').filter_map(parse_address).collect()),
            Err(Errno::NOENT) => Some(Vec::new()),
            Err(_) => None,
        }
    }

    /// Stores the addresses of an owner; removes the entry if there are none.
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

    /// Rebuilds the index from the leases.
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
            // A stale entry is harmless: its addresses are verified.
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

    /// Marks the index as complete by the modification time of `lock`. If this fails, the next call rebuilds the index.
    pub(super) fn seal(&self, leases: &OwnedFd, lock: &OwnedFd) {
        if !self.complete {
            return;
        }
        let _ = changed(leases).and_then(|last_modification| {
            let last_access = Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT };
            futimens(lock, &Timestamps { last_access, last_modification })
        });
    }

    /// Marks the index as incomplete, because leases change without an update of the index.
    pub(super) fn distrust(&mut self) {
        self.complete = false;
    }
}

/// Returns the file name for an owner, `CONTAINER\r\nINTERFACE`. Neither part contains a comma or a slash.
fn name_of(owner: &str) -> Option<String> {
    let name = owner.replace("\r\n", ",");
    let plain = !name.is_empty() && name != "." && name != ".." && !name.contains(['/', '\0']);
    (plain && name.len() <= LONGEST).then_some(name)
}

fn changed(file: &OwnedFd) -> Result<Timespec> {
    let stat = fstat(file)?;
    Ok(Timespec { tv_sec: stat.st_mtime, tv_nsec: i64::try_from(stat.st_mtime_nsec).unwrap_or(0) })
}
