//! Leases on disk in the Go plugin's format, so that a node can switch between both plugins and keep its leases.
//!
//! `DIR/NETWORK/IP` contains `CONTAINER\r\nINTERFACE`. `last_reserved_ip.N` contains the last leased address of set N.
//! Every operation locks `lock` with flock(2).
//!
//! A lease appears whole or not at all: it is written to an unnamed file (`O_TMPFILE`) and then linked, so that a crash
//! leaves no empty file. linkat(2) fails with `EEXIST` if the address is leased. `index` finds the leases of an
//! attachment without reading all of them.

use super::index::Index;
use super::range::RangeSet;
use crate::address::parse_address;
use crate::error::{Error, Result};
use crate::lock::exclusive;
use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, linkat, openat, renameat, statat, unlinkat};
use rustix::io::{Errno, read, write};
use std::cell::RefCell;
use std::collections::{BTreeMap, HashSet};
use std::net::IpAddr;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};

/// The lease directory of a network, locked until the value is dropped.
#[derive(Debug)]
pub(super) struct Store {
    directory: OwnedFd,
    path: PathBuf,
    /// `None` if it can't be created; then every lease is read.
    index: Option<RefCell<Index>>,
    /// Closing the file releases the lock.
    lock: OwnedFd,
}

/// A longer file is not a lease.
const LONGEST: usize = 1024;
/// A crashed writer may leave this file on a file system without `O_TMPFILE`. The next writer replaces it.
const DRAFT: &str = "lease.draft";

impl Store {
    /// Opens the directory of a network; creates it if it does not exist.
    pub(super) fn create(path: &Path) -> Result<Store> {
        std::fs::create_dir_all(path).map_err(|why| Error::io(format!("create {}", path.display()), &why))?;
        Store::open(path)?.ok_or_else(|| Error::kernel(format!("open {}", path.display()), Errno::NOENT))
    }

    /// Opens the directory of a network; `None` if it does not exist, and so has no leases.
    pub(super) fn open(path: &Path) -> Result<Option<Store>> {
        let failed = |what: &str, why| Error::kernel(format!("{what} {}", path.display()), why);
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let directory = match openat(CWD, path, flags, Mode::empty()) {
            Err(Errno::NOENT) => return Ok(None),
            other => other.map_err(|why| failed("open", why))?,
        };
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        let lock = openat(&directory, "lock", flags, Mode::from_raw_mode(0o750))
            .map_err(|why| failed("open the lock of", why))?;
        exclusive(&lock, &path.display().to_string())?;
        let index = Index::open(&directory, &lock).ok().map(RefCell::new);
        Ok(Some(Store { directory, path: path.to_owned(), index, lock }))
    }

    /// Leases an address. Returns false if it is leased already.
    pub(super) fn reserve(&self, address: IpAddr, owner: &str) -> Result<bool> {
        let name = address.to_string();
        match self.link_lease(&name, owner) {
            Err(Errno::EXIST) if self.is_torn(&name) => {
                self.unlink(&name)?;
                self.link_lease(&name, owner).map(|()| true).map_err(|why| self.failed("lease", &name, why))
            }
            Err(Errno::EXIST) => Ok(false),
            other => other.map(|()| true).map_err(|why| self.failed("lease", &name, why)),
        }
    }

    /// Returns the last leased address of a set.
    pub(super) fn last(&self, set: &RangeSet) -> Result<Option<IpAddr>> {
        Ok(self.content(&last_name(set.number))?.and_then(|text| parse_address(text.trim())))
    }

    /// Stores the last leased address of a set. The file is replaced atomically.
    pub(super) fn note_last(&self, number: usize, address: IpAddr) -> Result<()> {
        let name = last_name(number);
        let draft = format!("{name}.new");
        let noted = self
            .write_file(&draft, address.to_string().as_bytes())
            .and_then(|()| renameat(&self.directory, draft.as_str(), &self.directory, name.as_str()));
        noted.map_err(|why| self.failed("write", &name, why))
    }

    /// Returns the addresses of an owner, as far as the index knows them.
    pub(super) fn held_by(&self, owner: &str) -> Result<Vec<IpAddr>> {
        let known = self.index.as_ref().and_then(|index| index.borrow().addresses(owner));
        match known {
            None => Ok(self.read_all()?.remove(owner).unwrap_or_default()),
            Some(addresses) => self.confirm(addresses, owner),
        }
    }

    /// Returns those addresses that the owner really holds.
    fn confirm(&self, addresses: Vec<IpAddr>, owner: &str) -> Result<Vec<IpAddr>> {
        let mut held = Vec::new();
        for address in addresses {
            if self.content(&address.to_string())?.is_some_and(|lease| lease.trim() == owner) {
                held.push(address);
            }
        }
        Ok(held)
    }

    /// Stores the current addresses of an owner in the index.
    pub(super) fn note_held(&self, owner: &str, addresses: &[IpAddr]) {
        if let Some(index) = &self.index {
            index.borrow_mut().put(owner, addresses);
        }
    }

    /// Reads every lease and rebuilds the index.
    fn read_all(&self) -> Result<BTreeMap<String, Vec<IpAddr>>> {
        let mut leases: BTreeMap<String, Vec<IpAddr>> = BTreeMap::new();
        self.each_lease(|address, owner| {
            leases.entry(owner.to_owned()).or_default().push(address);
            Ok(())
        })?;
        if let Some(index) = &self.index {
            index.borrow_mut().rebuild(&leases);
        }
        Ok(leases)
    }

    /// Returns all leased addresses.
    pub(super) fn leased(&self) -> Result<HashSet<IpAddr>> {
        Ok(self.names()?.iter().filter_map(|name| parse_address(name)).collect())
    }

    /// Releases all leases of an owner. If it has none, releases the leases that contain only its container ID, the
    /// format of very old releases.
    ///
    /// An owner without an index entry may still have leases: another program may have written them within the same
    /// clock tick as our last change.
    pub(super) fn release(&self, owner: &str, container: &str) -> Result<()> {
        let mut held = self.held_by(owner)?;
        if held.is_empty() {
            let mut all = self.read_all()?;
            held = all.remove(owner).or_else(|| all.remove(container)).unwrap_or_default();
        }
        held.into_iter().try_for_each(|address| self.forget(address))?;
        self.note_held(owner, &[]);
        Ok(())
    }

    /// Whether an owner holds a lease, or its container holds one in the format of very old releases.
    pub(super) fn knows(&self, owner: &str, container: &str) -> Result<bool> {
        if !self.held_by(owner)?.is_empty() {
            return Ok(true);
        }
        let all = self.read_all()?;
        Ok([owner, container].iter().any(|owner| all.contains_key(*owner)))
    }

    /// Releases all leases that `keep` does not accept, and those without content.
    pub(super) fn keep_only(&self, keep: impl Fn(&str) -> bool) -> Result<()> {
        if let Some(index) = &self.index {
            index.borrow_mut().distrust();
        }
        self.each_lease(|address, lease| if keep(lease) { Ok(()) } else { self.forget(address) })
    }

    /// Releases one lease; a missing one is no error.
    pub(super) fn forget(&self, address: IpAddr) -> Result<()> {
        self.unlink(&address.to_string())
    }

    fn unlink(&self, name: &str) -> Result<()> {
        match unlinkat(&self.directory, name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(why) => Err(self.failed("remove", name, why)),
        }
    }

    /// Calls `act` with the address and the content of every lease.
    fn each_lease(&self, mut act: impl FnMut(IpAddr, &str) -> Result<()>) -> Result<()> {
        for name in self.names()? {
            let Some(address) = parse_address(&name) else { continue };
            if let Some(content) = self.content(&name)? {
                act(address, content.trim())?;
            }
        }
        Ok(())
    }

    fn names(&self) -> Result<Vec<String>> {
        let failed = |why| self.failed("list", "", why);
        let mut names = Vec::new();
        for entry in Dir::read_from(&self.directory).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            names.push(entry.file_name().to_string_lossy().into_owned());
        }
        Ok(names)
    }

    /// Returns the content of a small file; `None` if it does not exist.
    fn content(&self, name: &str) -> Result<Option<String>> {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK;
        let file = match openat(&self.directory, name, flags, Mode::empty()) {
            Err(Errno::NOENT | Errno::LOOP | Errno::ISDIR) => return Ok(None),
            other => other.map_err(|why| self.failed("open", name, why))?,
        };
        let mut bytes = [0; LONGEST];
        let length = read(&file, &mut bytes).map_err(|why| self.failed("read", name, why))?;
        Ok(bytes.get(..length).map(|bytes| String::from_utf8_lossy(bytes).into_owned()))
    }

    /// Whether a lease is empty. Another plugin that was killed leaves such files. No one is writing it, because the
    /// directory is locked.
    fn is_torn(&self, name: &str) -> bool {
        let stat = statat(&self.directory, name, AtFlags::SYMLINK_NOFOLLOW);
        stat.is_ok_and(|stat| {
            stat.st_size == 0 && FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile
        })
    }

    fn link_lease(&self, name: &str, owner: &str) -> rustix::io::Result<()> {
        let flags = OFlags::WRONLY | OFlags::TMPFILE | OFlags::CLOEXEC;
        match openat(&self.directory, ".", flags, Mode::from_raw_mode(0o600)) {
            Ok(file) => {
                write_all(&file, owner.as_bytes())?;
                let unnamed = format!("/proc/self/fd/{}", file.as_raw_fd());
                linkat(CWD, unnamed.as_str(), &self.directory, name, AtFlags::SYMLINK_FOLLOW)
            }
            Err(Errno::OPNOTSUPP | Errno::ISDIR | Errno::INVAL) => self.link_draft(name, owner),
            Err(why) => Err(why),
        }
    }

    /// Creates a lease on a file system without `O_TMPFILE`.
    fn link_draft(&self, name: &str, owner: &str) -> rustix::io::Result<()> {
        self.write_file(DRAFT, owner.as_bytes())?;
        let linked = linkat(&self.directory, DRAFT, &self.directory, name, AtFlags::empty());
        unlinkat(&self.directory, DRAFT, AtFlags::empty())?;
        linked
    }

    fn write_file(&self, name: &str, content: &[u8]) -> rustix::io::Result<()> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        write_all(&openat(&self.directory, name, flags, Mode::from_raw_mode(0o600))?, content)
    }

    fn failed(&self, what: &str, name: &str, why: Errno) -> Error {
        Error::kernel(format!("{what} {}", self.path.join(name).display()), why)
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        if let Some(index) = &self.index {
            index.borrow().seal(&self.directory, &self.lock);
        }
    }
}

fn last_name(number: usize) -> String {
    format!("last_reserved_ip.{number}")
}

/// The kernel does not split such short writes. A short write means that the disk is full.
fn write_all(file: &OwnedFd, content: &[u8]) -> rustix::io::Result<()> {
    match write(file, content)? {
        length if length == content.len() => Ok(()),
        _ => Err(Errno::NOSPC),
    }
}
