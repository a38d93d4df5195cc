//! The state directory (`--root`), with a directory for each container.
//!
//! ```text
//! ROOT/ID/              created first; a verb that changes the container holds its lock (flock(2))
//! ROOT/ID/record.json   the record, written before create changes the host, and again with the pid of init
//! ROOT/ID/cgroup        a symbolic link to the name of the cgroup: delete --force needs it if the record is damaged
//! ROOT/ID/config.json   a copy of the configuration of create
//! ROOT/ID/start         the start socket, on which a created init waits
//! ROOT/ID/notify/       the directory of the NOTIFY_SOCKET that is mounted into the container
//! ```
//!
//! A file is written under another name and renamed, so a reader without the lock sees either the old or the new file.

use crate::container::record::{Record, Unreadable};
use crate::error::{Error, Result};
use crate::fault::{Call, During, Fault};
use rustix::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use rustix::fs::{self, AtFlags, CWD, Dir, FileType, FlockOperation, Mode, OFlags};
use rustix::io::Errno;
use std::time::Duration;
use tare_sys::lock::{LockError, lock_exclusive};

/// The limit for the lock of a container that another verb is changing. A verb holds it for milliseconds, unless a hook is slow.
const LOCK_LIMIT: Duration = Duration::from_secs(8);

const RECORD: &str = "record.json";
const CONFIG: &str = "config.json";
const CGROUP: &str = "cgroup";
/// A file before its rename.
const NEXT: &str = "next";
/// The directory of the notify socket.
const NOTIFY: &str = "notify";
/// The start socket.
pub(crate) const START: &str = "start";

/// A state directory.
#[derive(Debug)]
pub struct Store {
    path: String,
}

/// The directory of one container. Verbs that change the container hold its lock.
#[derive(Debug)]
pub struct Entry {
    store: String,
    id: String,
    directory: OwnedFd,
    /// Whether a drop of this value leaves the directory in place.
    keep: bool,
}

impl Store {
    /// Refers to the state directory at `path`, which need not exist.
    pub fn new(path: impl Into<String>) -> Self {
        Self { path: path.into() }
    }

    /// Creates the directory of a new container and locks it. mkdir(2) is atomic, so one of two calls with the same ID fails.
    ///
    /// # Errors
    /// [`Error::Exists`] when a container has the ID, [`Error::InvalidId`] when it is malformed.
    pub fn reserve(&self, id: &str) -> Result<Entry> {
        check_id(id)?;
        let root = self.make_root()?;
        match fs::mkdirat(&root, id, Mode::from_raw_mode(0o711)) {
            Ok(()) => {}
            Err(Errno::EXIST) => return Err(Error::Exists(id.to_owned())),
            Err(errno) => {
                return Err(self.error("make a directory in", Fault::new(Call::MakeDirectory, errno)));
            }
        }
        let directory = open_directory(root.as_fd(), id)
            .map_err(|fault| self.error("open the new directory in", fault))?;
        let entry = Entry { store: self.path.clone(), id: id.to_owned(), directory, keep: false };
        entry.lock()?;
        Ok(entry)
    }

    /// Checks that a container ID is valid and that no container has it.
    ///
    /// # Errors
    /// [`Error::InvalidId`] or [`Error::Exists`].
    pub fn check_free(&self, id: &str) -> Result<()> {
        match self.open_unlocked(id) {
            Ok(_) => Err(Error::Exists(id.to_owned())),
            Err(Error::NotFound(_)) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Opens a container's directory and locks it. Waits at most 8 seconds for another verb that holds the lock.
    ///
    /// # Errors
    /// [`Error::NotFound`] when there is no such container.
    pub fn open(&self, id: &str) -> Result<Entry> {
        let entry = self.open_unlocked(id)?;
        entry.lock()?;
        Ok(entry)
    }

    /// Opens a container's directory without the lock, for verbs that only read.
    ///
    /// # Errors
    /// [`Error::NotFound`] when there is no such container.
    pub fn open_unlocked(&self, id: &str) -> Result<Entry> {
        check_id(id)?;
        let missing = || Error::NotFound(id.to_owned());
        let root = open_directory(CWD, &self.path).map_err(|_| missing())?;
        let directory = open_directory(root.as_fd(), id).map_err(|_| missing())?;
        Ok(Entry { store: self.path.clone(), id: id.to_owned(), directory, keep: true })
    }

    /// Returns the IDs of all containers, sorted. A missing state directory has no containers.
    ///
    /// # Errors
    /// When the directory can't be read.
    pub fn ids(&self) -> Result<Vec<String>> {
        let root = match fs::open(self.path.as_str(), OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()) {
            Err(Errno::NOENT) => return Ok(Vec::new()),
            answer => answer.during(Call::Open).map_err(|fault| self.error("open", fault))?,
        };
        let mut ids = Vec::new();
        for entry in Dir::read_from(&root).during(Call::Open).map_err(|fault| self.error("read", fault))? {
            let entry = entry.during(Call::Read).map_err(|fault| self.error("read", fault))?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if entry.file_type() == FileType::Directory && check_id(&name).is_ok() {
                ids.push(name);
            }
        }
        ids.sort_unstable();
        Ok(ids)
    }

    /// Returns the path of a container's notify directory, which need not exist.
    pub(crate) fn notify_directory(&self, id: &str) -> String {
        format!("{}/{id}/{NOTIFY}", self.path)
    }

    /// Opens the state directory or creates it. Others may pass through it (mode 0711) but not list the containers.
    fn make_root(&self) -> Result<OwnedFd> {
        if let Ok(root) = open_directory(CWD, &self.path) {
            return Ok(root);
        }
        std::fs::create_dir_all(&self.path)
            .and_then(|()| {
                use std::os::unix::fs::PermissionsExt;
                std::fs::set_permissions(&self.path, std::fs::Permissions::from_mode(0o711))
            })
            .map_err(|error| {
                let errno = Errno::from_io_error(&error).unwrap_or(Errno::IO);
                self.error("make", Fault::new(Call::MakeDirectory, errno))
            })?;
        open_directory(CWD, &self.path).map_err(|fault| self.error("open", fault))
    }

    fn error(&self, verb: &str, fault: Fault) -> Error {
        Error::act(format!("{verb} the state directory {}", self.path), fault)
    }
}

impl Entry {
    /// The container ID.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The path of this directory.
    pub(crate) fn path(&self) -> String {
        format!("{}/{}", self.store, self.id)
    }

    /// Returns a short path of the start socket. The address of a Unix socket has 107 bytes at most (unix(7)), and `--root` may be
    /// longer.
    pub(crate) fn socket_path(&self) -> String {
        format!("/proc/self/fd/{}/{START}", self.directory.as_raw_fd())
    }

    /// Creates the notify directory. The container's user has to reach the socket in it.
    pub(crate) fn make_notify_directory(&self) -> Result<()> {
        let made =
            fs::mkdirat(&self.directory, NOTIFY, Mode::from_raw_mode(0o755)).during(Call::MakeDirectory);
        made.map_err(|fault| self.error("make a directory for", fault))
    }

    /// Whether the container has a notify directory.
    pub(crate) fn has_notify(&self) -> bool {
        fs::statat(&self.directory, NOTIFY, AtFlags::SYMLINK_NOFOLLOW).is_ok()
    }

    /// Returns a short path of a socket in the notify directory, as [`Entry::socket_path`].
    pub(crate) fn notify_path(&self, name: &str) -> String {
        format!("/proc/self/fd/{}/{NOTIFY}/{name}", self.directory.as_raw_fd())
    }

    fn lock(&self) -> Result<()> {
        lock_exclusive(&self.directory, LOCK_LIMIT).map_err(|error| match error {
            LockError::Timeout(limit) => Error::LockTimeout { id: self.id.clone(), limit },
            LockError::Kernel(errno) => self.error("lock", Fault::new(Call::Wait, errno)),
        })?;
        self.check_exists()
    }

    /// Releases the lock.
    pub(crate) fn unlock(&self) {
        // flock(2) fails here only for an invalid file descriptor. The lock ends with the descriptor at the latest.
        let _ = fs::flock(&self.directory, FlockOperation::Unlock);
    }

    /// Takes the lock again.
    ///
    /// # Errors
    /// [`Error::NotFound`] when the container was deleted meanwhile.
    pub(crate) fn relock(&self) -> Result<()> {
        self.lock()
    }

    /// Checks that the verb which held the lock before has not deleted the container: a removed directory has no links.
    fn check_exists(&self) -> Result<()> {
        let stat =
            fs::fstat(&self.directory).during(Call::Stat).map_err(|fault| self.error("look at", fault))?;
        if stat.st_nlink == 0 { Err(Error::NotFound(self.id.clone())) } else { Ok(()) }
    }

    /// Writes the first record and the link with the cgroup's name.
    pub(crate) fn begin(&self, record: &Record) -> Result<()> {
        let name = record.cgroups.first().map_or("", |cgroup| cgroup.path.as_str());
        let named = match name {
            "" => Ok(()),
            name => fs::symlinkat(name, &self.directory, CGROUP).during(Call::Symlink),
        };
        let begun = named.and_then(|()| self.write(RECORD, record.to_json().as_bytes()));
        begun.map_err(|fault| self.error("write the record of", fault))
    }

    /// Replaces the record.
    pub(crate) fn commit(&self, record: &Record) -> Result<()> {
        let written = self.write(RECORD, record.to_json().as_bytes());
        written.map_err(|fault| self.error("write the record of", fault))
    }

    /// Writes a copy of the configuration.
    pub(crate) fn keep_config(&self, config: &[u8]) -> Result<()> {
        self.write(CONFIG, config).map_err(|fault| self.error("write the configuration of", fault))
    }

    /// Reads the record.
    ///
    /// # Errors
    /// [`Error::Damaged`] when it is missing or truncated, [`Error::NewerRecord`] when a newer runtime has written it.
    pub(crate) fn record(&self) -> Result<Record> {
        let damaged = || Error::Damaged(self.id.clone());
        let text = self.read(RECORD).map_err(|_| damaged())?;
        Record::from_json(&text).map_err(|why| match why {
            Unreadable::Damaged => damaged(),
            Unreadable::Newer(version) => Error::NewerRecord { id: self.id.clone(), version },
        })
    }

    /// Returns the name of the container's cgroup from the link.
    pub(crate) fn cgroup(&self) -> Option<String> {
        let name = fs::readlinkat(&self.directory, CGROUP, Vec::new()).ok()?;
        name.into_string().ok()
    }

    /// Reads the copy of the configuration.
    pub(crate) fn config(&self) -> Result<Vec<u8>> {
        self.read(CONFIG)
    }

    fn read(&self, name: &str) -> Result<Vec<u8>> {
        let file = fs::openat(&self.directory, name, OFlags::CLOEXEC | OFlags::NOFOLLOW, Mode::empty());
        let file = file.map_err(|_| Error::NotFound(self.id.clone()))?;
        let mut text = Vec::new();
        std::io::Read::read_to_end(&mut std::fs::File::from(file), &mut text)
            .map_err(|_| self.error("read", Fault::new(Call::Read, Errno::IO)))?;
        Ok(text)
    }

    /// Writes a file under another name and renames it. If the runtime is killed in between, the next write overwrites the
    /// file, or `delete` removes it.
    fn write(&self, name: &str, content: &[u8]) -> std::result::Result<(), Fault> {
        let flags = OFlags::CREATE | OFlags::TRUNC | OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file =
            fs::openat(&self.directory, NEXT, flags, Mode::from_raw_mode(0o600)).during(Call::MakeFile)?;
        let mut rest = content;
        while !rest.is_empty() {
            let written = rustix::io::write(&file, rest).during(Call::Write)?;
            rest = rest.get(written..).unwrap_or_default();
        }
        fs::renameat(&self.directory, NEXT, &self.directory, name).during(Call::Write)
    }

    /// Leaves the directory in place when this value is dropped.
    pub(crate) fn keep(&mut self) {
        self.keep = true;
    }

    /// Removes the directory. The record is the last file: while it exists, an interrupted `delete` can be repeated.
    pub(crate) fn remove(&mut self) -> Result<()> {
        self.keep = true;
        self.remove_files().map_err(|fault| self.error("remove the state of", fault))
    }

    fn remove_files(&self) -> std::result::Result<(), Fault> {
        if let Ok(notify) = open_directory(self.directory.as_fd(), NOTIFY) {
            remove_below(&notify)?;
            ignore_missing(fs::unlinkat(&self.directory, NOTIFY, AtFlags::REMOVEDIR))?;
        }
        let names: Vec<_> = Dir::read_from(&self.directory)
            .during(Call::Read)?
            .filter_map(std::result::Result::ok)
            .filter(|entry| entry.file_type() != FileType::Directory)
            .map(|entry| entry.file_name().to_owned())
            .collect();
        let (last, others): (Vec<_>, Vec<_>) =
            names.into_iter().partition(|name| name.to_bytes() == RECORD.as_bytes());
        for name in others.iter().chain(&last) {
            ignore_missing(fs::unlinkat(&self.directory, name.as_c_str(), AtFlags::empty()))?;
        }
        let root = open_directory(CWD, &self.store)?;
        ignore_missing(fs::unlinkat(&root, self.id.as_str(), AtFlags::REMOVEDIR))
    }

    /// Returns an error such as `cannot start container ID: …`.
    pub(crate) fn error(&self, verb: &str, fault: Fault) -> Error {
        Error::act(format!("{verb} container {}", self.id), fault)
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        if !self.keep {
            // create has failed and reports its own error. What stays here, delete --force removes.
            let _ = self.remove_files();
        }
    }
}

/// Ignores the error of a file that another process has removed.
fn ignore_missing(removed: rustix::io::Result<()>) -> std::result::Result<(), Fault> {
    match removed {
        Err(Errno::NOENT) => Ok(()),
        answer => answer.during(Call::Write),
    }
}

/// Removes everything in a directory. The container may have written to it, so no symbolic link is followed.
fn remove_below(directory: &OwnedFd) -> std::result::Result<(), Fault> {
    for entry in Dir::read_from(directory).during(Call::Read)?.filter_map(std::result::Result::ok) {
        let name = entry.file_name();
        if matches!(name.to_bytes(), b"." | b"..") {
            continue;
        }
        if entry.file_type() != FileType::Directory {
            ignore_missing(fs::unlinkat(directory, name, AtFlags::empty()))?;
            continue;
        }
        let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let below = fs::openat(directory, name, flags, Mode::empty()).during(Call::Open)?;
        remove_below(&below)?;
        ignore_missing(fs::unlinkat(directory, name, AtFlags::REMOVEDIR))?;
    }
    Ok(())
}

fn open_directory(above: BorrowedFd<'_>, path: &str) -> std::result::Result<OwnedFd, Fault> {
    let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    fs::openat(above, path, flags, Mode::empty()).during(Call::Open)
}

/// Checks a container ID: a file name of ASCII letters, digits, `_`, `+`, `-` and `.`, as in runc.
fn check_id(id: &str) -> Result<()> {
    let allowed = id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_+-.".contains(&byte));
    let is_name = !id.is_empty() && id != "." && id != ".." && id.len() <= 255;
    if allowed && is_name { Ok(()) } else { Err(Error::InvalidId(id.to_owned())) }
}

#[cfg(test)]
mod tests {
    use super::check_id;

    #[test]
    fn an_id_is_a_file_name_of_certain_characters() {
        for good in ["a", "web_1", "A+b-c.d", "..."] {
            assert!(check_id(good).is_ok(), "{good}");
        }
        for bad in ["", ".", "..", "a/b", "a b", "a\n", "ä"] {
            assert!(check_id(bad).is_err(), "{bad}");
        }
    }
}
