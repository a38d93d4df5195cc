//! The state directory: one directory for each container, in which everything about it is recorded.
//!
//! ```text
//! ROOT/ID/              made first; its lock (flock) is held by whoever changes the container
//! ROOT/ID/record.json   what there is to undo, written before any of it is made; then the state
//! ROOT/ID/cgroup        a link whose text is the name of the cgroup, for the case that the record is damaged
//! ROOT/ID/config.json   the configuration as it was when the container was created
//! ROOT/ID/start         the socket on which init waits to be started
//! ROOT/ID/notify/       the directory of the socket on which it tells that it is ready, where somebody wants to know
//! ```
//! Files appear whole or not at all: they are written under another name and renamed.

use crate::container::record::{Record, Unreadable};
use crate::error::{Error, Result};
use crate::fault::{Call, During, Fault};
use rustix::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use rustix::fs::{self, AtFlags, CWD, Dir, FileType, FlockOperation, Mode, OFlags};
use rustix::io::Errno;
use std::time::Duration;
use tare_sys::lock::{LockError, lock_exclusive};

/// How long a verb waits for another one that is changing the same container.
const LOCK_LIMIT: Duration = Duration::from_secs(8);

const RECORD: &str = "record.json";
const CONFIG: &str = "config.json";
const CGROUP: &str = "cgroup";
/// A file on its way to its name.
const NEXT: &str = "next";
/// The directory of the socket for the notice.
const NOTIFY: &str = "notify";
/// The name of the socket on which init waits.
pub(crate) const START: &str = "start";

/// Where containers are recorded.
#[derive(Debug)]
pub struct Store {
    path: String,
}

/// A container's directory, locked.
#[derive(Debug)]
pub struct Entry {
    store: String,
    id: String,
    directory: OwnedFd,
    keep: bool,
}

impl Store {
    /// A store at `path`; nothing is looked at or made.
    pub fn new(path: impl Into<String>) -> Self {
        Self { path: path.into() }
    }

    /// Makes a container's directory, of which there can be but one.
    ///
    /// # Errors
    /// [`Error::Exists`] when the id is taken, [`Error::InvalidId`] when it is none.
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

    /// Checks that an id is valid and that no container has it.
    ///
    /// # Errors
    /// [`Error::InvalidId`], [`Error::Exists`].
    pub fn check_free(&self, id: &str) -> Result<()> {
        match self.look(id) {
            Ok(_) => Err(Error::Exists(id.to_owned())),
            Err(Error::NotFound(_)) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Opens a container's directory and locks it, waiting a while for whoever holds the lock.
    ///
    /// # Errors
    /// [`Error::NotFound`] when there is no such container.
    pub fn open(&self, id: &str) -> Result<Entry> {
        let entry = self.look(id)?;
        entry.lock()?;
        Ok(entry)
    }

    /// Opens a container's directory without its lock: for verbs that only read what is replaced whole.
    ///
    /// # Errors
    /// [`Error::NotFound`] when there is no such container.
    pub fn look(&self, id: &str) -> Result<Entry> {
        check_id(id)?;
        let missing = || Error::NotFound(id.to_owned());
        let root = open_directory(CWD, &self.path).map_err(|_| missing())?;
        let directory = open_directory(root.as_fd(), id).map_err(|_| missing())?;
        Ok(Entry { store: self.path.clone(), id: id.to_owned(), directory, keep: true })
    }

    /// The ids of all containers, in order. A store that is not there has none.
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

    /// Where a container's notice would arrive.
    pub(crate) fn notify_directory(&self, id: &str) -> String {
        format!("{}/{id}/{NOTIFY}", self.path)
    }

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
    /// The container's id.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The path of this directory.
    pub(crate) fn path(&self) -> String {
        format!("{}/{}", self.store, self.id)
    }

    /// The path at which a socket in this directory can be bound or reached, however long the directory's own is.
    pub(crate) fn socket_path(&self) -> String {
        format!("/proc/self/fd/{}/{START}", self.directory.as_raw_fd())
    }

    /// Makes the directory of the socket for the notice.
    pub(crate) fn make_notify_directory(&self) -> Result<()> {
        let made =
            fs::mkdirat(&self.directory, NOTIFY, Mode::from_raw_mode(0o755)).during(Call::MakeDirectory);
        made.map_err(|fault| self.error("make a directory for", fault))
    }

    /// Whether there is that directory.
    pub(crate) fn has_notify(&self) -> bool {
        fs::statat(&self.directory, NOTIFY, AtFlags::SYMLINK_NOFOLLOW).is_ok()
    }

    /// The path of a file in it, however long the directory's own is.
    pub(crate) fn notify_path(&self, name: &str) -> String {
        format!("/proc/self/fd/{}/{NOTIFY}/{name}", self.directory.as_raw_fd())
    }

    fn lock(&self) -> Result<()> {
        lock_exclusive(&self.directory, LOCK_LIMIT).map_err(|error| match error {
            LockError::Timeout(limit) => Error::LockTimeout { id: self.id.clone(), limit },
            LockError::Kernel(errno) => self.error("lock", Fault::new(Call::Wait, errno)),
        })?;
        self.still_there()
    }

    /// Lets others change the container.
    pub(crate) fn unlock(&self) {
        // A lock that can't be given back goes with the descriptor.
        let _ = fs::flock(&self.directory, FlockOperation::Unlock);
    }

    /// Takes the lock again.
    ///
    /// # Errors
    /// [`Error::NotFound`] when the container was deleted meanwhile.
    pub(crate) fn relock(&self) -> Result<()> {
        self.lock()
    }

    /// Whoever held the lock before may have deleted the container.
    fn still_there(&self) -> Result<()> {
        let stat =
            fs::fstat(&self.directory).during(Call::Stat).map_err(|fault| self.error("look at", fault))?;
        if stat.st_nlink == 0 { Err(Error::NotFound(self.id.clone())) } else { Ok(()) }
    }

    /// Writes the record for the first time.
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

    /// Keeps a copy of the configuration.
    pub(crate) fn keep_config(&self, config: &[u8]) -> Result<()> {
        self.write(CONFIG, config).map_err(|fault| self.error("write the configuration of", fault))
    }

    /// Reads the record.
    ///
    /// # Errors
    /// [`Error::Damaged`] when it does not exist yet or is cut short, [`Error::NewerRecord`] when a newer runtime wrote it.
    pub(crate) fn record(&self) -> Result<Record> {
        let damaged = || Error::Damaged(self.id.clone());
        let text = self.read(RECORD).map_err(|_| damaged())?;
        Record::from_json(&text).map_err(|why| match why {
            Unreadable::Damaged => damaged(),
            Unreadable::Newer(version) => Error::NewerRecord { id: self.id.clone(), version },
        })
    }

    /// The name of the container's cgroup, which was written down before it was made.
    pub(crate) fn cgroup(&self) -> Option<String> {
        let name = fs::readlinkat(&self.directory, CGROUP, Vec::new()).ok()?;
        name.into_string().ok()
    }

    /// Reads the kept configuration.
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

    /// Writes a file under another name and renames it, so that it is whole whenever it is seen. What an interrupted call
    /// leaves is overwritten by the next one, or goes with the directory.
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

    /// Keeps the container when this value goes.
    pub(crate) fn keep(&mut self) {
        self.keep = true;
    }

    /// Removes the directory and all that is in it; the record goes last, so that what is interrupted can be finished.
    pub(crate) fn remove(&mut self) -> Result<()> {
        self.keep = true;
        self.remove_files().map_err(|fault| self.error("remove the state of", fault))
    }

    fn remove_files(&self) -> std::result::Result<(), Fault> {
        if let Ok(notify) = open_directory(self.directory.as_fd(), NOTIFY) {
            remove_below(&notify)?;
            present(fs::unlinkat(&self.directory, NOTIFY, AtFlags::REMOVEDIR))?;
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
            present(fs::unlinkat(&self.directory, name.as_c_str(), AtFlags::empty()))?;
        }
        let root = open_directory(CWD, &self.store)?;
        present(fs::unlinkat(&root, self.id.as_str(), AtFlags::REMOVEDIR))
    }

    pub(crate) fn error(&self, verb: &str, fault: Fault) -> Error {
        Error::act(format!("{verb} container {}", self.id), fault)
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        if !self.keep {
            // Nothing was kept of the container, and there is nobody left to tell but `delete --force`, which tries again.
            let _ = self.remove_files();
        }
    }
}

/// What is gone already needs no removal.
fn present(removed: rustix::io::Result<()>) -> std::result::Result<(), Fault> {
    match removed {
        Err(Errno::NOENT) => Ok(()),
        answer => answer.during(Call::Write),
    }
}

/// Removes all that is in a directory to which a container may have written: no link is followed.
fn remove_below(directory: &OwnedFd) -> std::result::Result<(), Fault> {
    for entry in Dir::read_from(directory).during(Call::Read)?.filter_map(std::result::Result::ok) {
        let name = entry.file_name();
        if matches!(name.to_bytes(), b"." | b"..") {
            continue;
        }
        if entry.file_type() != FileType::Directory {
            present(fs::unlinkat(directory, name, AtFlags::empty()))?;
            continue;
        }
        let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let below = fs::openat(directory, name, flags, Mode::empty()).during(Call::Open)?;
        remove_below(&below)?;
        present(fs::unlinkat(directory, name, AtFlags::REMOVEDIR))?;
    }
    Ok(())
}

fn open_directory(above: BorrowedFd<'_>, path: &str) -> std::result::Result<OwnedFd, Fault> {
    let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    fs::openat(above, path, flags, Mode::empty()).during(Call::Open)
}

/// An id is a file name of letters, digits, `_`, `+`, `-` and `.`, as runc has it.
fn check_id(id: &str) -> Result<()> {
    let letters = id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_+-.".contains(&byte));
    let named = !id.is_empty() && id != "." && id != ".." && id.len() <= 255;
    if letters && named { Ok(()) } else { Err(Error::InvalidId(id.to_owned())) }
}

#[cfg(test)]
mod tests {
    use super::check_id;

    #[test]
    fn an_id_is_one_plain_file_name() {
        for good in ["a", "web_1", "A+b-c.d", "..."] {
            assert!(check_id(good).is_ok(), "{good}");
        }
        for bad in ["", ".", "..", "a/b", "a b", "a\n", "ä"] {
            assert!(check_id(bad).is_err(), "{bad}");
        }
    }
}
