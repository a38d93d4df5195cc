//! Path lookups confined to a root file system, whatever symbolic links the image contains.
//!
//! Every path of a container is looked up here, once, with openat2(2) and `RESOLVE_IN_ROOT`. The result is a file descriptor,
//! and later steps mount, create and write through it. A second lookup of the same path could end elsewhere, because another
//! container may share the files and exchange a directory for a symbolic link meanwhile (CVE-2021-30465, CVE-2019-19921).

use crate::fault::{Call, During, Fault};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{self, AtFlags, CWD, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;
use std::ffi::CStr;

/// The longest path that the kernel accepts, with its terminating zero (limits.h, `PATH_MAX`).
const PATH_MAX: usize = 4096;

/// The number of lookups before the error is final. A rename anywhere on the host can make a lookup fail with `EAGAIN`
/// (openat2(2)).
const ATTEMPTS: usize = 128;

/// The number of dangling symbolic links that one path may contain. The kernel allows 40 links in all (path_resolution(7)).
const LINKS: usize = 16;

/// The root directory of a container, to which lookups are confined.
#[derive(Clone, Copy)]
pub(crate) struct RootDir<'fd> {
    root: BorrowedFd<'fd>,
}

/// The last component of a path, and the directory that contains it.
pub(crate) struct Entry<'path> {
    pub(crate) directory: OwnedFd,
    pub(crate) name: &'path CStr,
}

impl<'fd> RootDir<'fd> {
    /// Confines lookups to the directory `root`.
    pub(crate) fn new(root: BorrowedFd<'fd>) -> Self {
        Self { root }
    }

    /// Opens `path` inside the root. A magic link such as `/proc/PID/fd/N` leads out of any root, so it is an error (symlink(7)).
    pub(crate) fn open(self, path: &CStr, flags: OFlags) -> Result<OwnedFd, Fault> {
        self.resolve(path, flags, ResolveFlags::empty())
    }

    /// Opens `path` inside the root. A symbolic link in any component is an error.
    pub(crate) fn open_without_links(self, path: &CStr, flags: OFlags) -> Result<OwnedFd, Fault> {
        self.resolve(path, flags, ResolveFlags::NO_SYMLINKS)
    }

    fn resolve(self, path: &CStr, flags: OFlags, more: ResolveFlags) -> Result<OwnedFd, Fault> {
        let path = if path.is_empty() { c"." } else { path };
        let how = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS | more;
        for _ in 0..ATTEMPTS {
            match fs::openat2(self.root, path, flags | OFlags::CLOEXEC, Mode::empty(), how) {
                Err(Errno::AGAIN) => {}
                answer => return answer.during(Call::Open),
            }
        }
        Err(Fault::new(Call::Open, Errno::AGAIN))
    }

    /// Opens the directory `path`. Missing components are created.
    pub(crate) fn make_directory(self, path: &CStr) -> Result<OwnedFd, Fault> {
        self.make_directory_by(path, LINKS)
    }

    fn make_directory_by(self, path: &CStr, links: usize) -> Result<OwnedFd, Fault> {
        match self.open(path, OFlags::PATH | OFlags::DIRECTORY) {
            Err(Fault { errno: Errno::NOENT, .. }) => self.make_missing(path, links),
            answer => answer,
        }
    }

    /// Looks up longer and longer prefixes of `path` and creates each missing directory in the one before.
    ///
    /// A dangling symbolic link is followed by hand, and its target is created, inside the root too. Images have such links
    /// (`/var/run` to a `/run` that is not in the image).
    fn make_missing(self, path: &CStr, links: usize) -> Result<OwnedFd, Fault> {
        let mut last = self.open(c".", OFlags::PATH | OFlags::DIRECTORY)?;
        let mut prefix = PathPrefixes::of(path)?;
        while let Some((above, name)) = prefix.next() {
            last = match self.open(above, OFlags::PATH | OFlags::DIRECTORY) {
                Err(Fault { errno: Errno::NOENT, .. }) => {
                    let mut text = [0; PATH_MAX];
                    if let Some(link) = read_link(last.as_fd(), name, &mut text)? {
                        let mut room = [0; PATH_MAX];
                        let (above, rest) = prefix.around();
                        let target = link_target(&mut room, above, link, rest)?;
                        return self.make_directory_by(target, one_fewer(links)?);
                    }
                    make_in(last.as_fd(), name)?
                }
                answer => answer?,
            };
        }
        Ok(last)
    }

    /// Opens `path`. A missing file is created empty, and its missing directories too.
    pub(crate) fn make_file(self, path: &CStr) -> Result<OwnedFd, Fault> {
        self.make_file_by(path, LINKS)
    }

    fn make_file_by(self, path: &CStr, links: usize) -> Result<OwnedFd, Fault> {
        match self.open(path, OFlags::PATH) {
            Err(Fault { errno: Errno::NOENT, .. }) => {}
            answer => return answer,
        }
        let entry = self.entry(path)?;
        let mut text = [0; PATH_MAX];
        if let Some(link) = read_link(entry.directory.as_fd(), entry.name, &mut text)? {
            let bytes = path.to_bytes();
            let above = bytes.iter().rposition(|byte| *byte == b'/').and_then(|slash| bytes.get(..slash));
            let mut room = [0; PATH_MAX];
            let target = link_target(&mut room, above.unwrap_or_default(), link, b"")?;
            return self.make_file_by(target, one_fewer(links)?);
        }
        let flags = OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::WRONLY;
        fs::openat(&entry.directory, entry.name, flags, Mode::from_raw_mode(0o644)).during(Call::MakeFile)?;
        fs::openat(
            &entry.directory,
            entry.name,
            OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC,
            Mode::empty(),
        )
        .during(Call::Open)
    }

    /// Opens the directory that contains the last component of `path`. Missing directories are created.
    pub(crate) fn entry(self, path: &CStr) -> Result<Entry<'_>, Fault> {
        let bytes = path.to_bytes_with_nul();
        let Some(slash) = bytes.iter().rposition(|byte| *byte == b'/') else {
            return Ok(Entry { directory: self.make_directory(c".")?, name: path });
        };
        let (above, name) = bytes.split_at(slash);
        let mut room = [0; PATH_MAX];
        let directory = self.make_directory(terminated(&mut room, above)?)?;
        Ok(Entry { directory, name: c_str(name.get(1..).unwrap_or_default())? })
    }
}

/// Reads the symbolic link `name` in `directory`; `None` for any other file and for a missing one.
fn read_link<'room>(
    directory: BorrowedFd<'_>,
    name: &CStr,
    room: &'room mut [u8; PATH_MAX],
) -> Result<Option<&'room [u8]>, Fault> {
    match fs::readlinkat_raw(directory, name, room.as_mut_slice()) {
        Ok(length) => Ok(room.get(..length)),
        Err(Errno::INVAL | Errno::NOENT) => Ok(None),
        Err(errno) => Err(Fault::new(Call::Open, errno)),
    }
}

/// Returns the path after a symbolic link is substituted: `link` relative to the directory `above`, then `rest`.
fn link_target<'room>(
    room: &'room mut [u8; PATH_MAX],
    above: &[u8],
    link: &[u8],
    rest: &[u8],
) -> Result<&'room CStr, Fault> {
    let above = if link.starts_with(b"/") { b"" } else { above };
    let parts = [above, b"/", link, b"/", rest];
    let parts = if rest.is_empty() { parts.get(..3).unwrap_or_default() } else { &parts };
    let mut length = 0;
    for part in parts {
        let end = length + part.len();
        let place = room.get_mut(length..end).filter(|_| end < PATH_MAX);
        place.ok_or(Fault::new(Call::Open, Errno::NAMETOOLONG))?.copy_from_slice(part);
        length = end;
    }
    c_str(room)
}

/// Counts one followed link. Links in a circle end as in the kernel, with `ELOOP`.
fn one_fewer(links: usize) -> Result<usize, Fault> {
    links.checked_sub(1).ok_or(Fault::new(Call::Open, Errno::LOOP))
}

/// Creates the directory `name` in `directory` and opens it. A symbolic link that another process puts there meanwhile is an
/// error.
fn make_in(directory: BorrowedFd<'_>, name: &CStr) -> Result<OwnedFd, Fault> {
    match fs::mkdirat(directory, name, Mode::from_raw_mode(0o755)) {
        Ok(()) | Err(Errno::EXIST) => {}
        Err(errno) => return Err(Fault::new(Call::MakeDirectory, errno)),
    }
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    fs::openat(directory, name, flags, Mode::empty()).during(Call::Open)
}

/// The prefixes of a path, each one component longer than the one before. Init calls this, so it does not allocate.
struct PathPrefixes {
    path: [u8; PATH_MAX],
    name: [u8; 256],
    length: usize,
    end: usize,
}

impl PathPrefixes {
    fn of(path: &CStr) -> Result<Self, Fault> {
        let mut room = [0; PATH_MAX];
        let length = terminated(&mut room, path.to_bytes())?.count_bytes();
        Ok(Self { path: room, name: [0; 256], length, end: 0 })
    }

    /// Returns the path before and after the last component of the current prefix.
    fn around(&self) -> (&[u8], &[u8]) {
        let part = self.path.get(..self.end).unwrap_or_default();
        let above = part.iter().rposition(|byte| *byte == b'/').and_then(|slash| part.get(..slash));
        (above.unwrap_or_default(), self.path.get(self.end + 1..self.length).unwrap_or_default())
    }

    /// Returns the next prefix and its last component.
    fn next(&mut self) -> Option<(&CStr, &CStr)> {
        if self.end > 0 && self.end < self.length {
            *self.path.get_mut(self.end)? = b'/';
        }
        let mut start = self.end;
        while self.path.get(start) == Some(&b'/') {
            start += 1;
        }
        let rest = self.path.get(start..self.length).filter(|rest| !rest.is_empty())?;
        let size = rest.iter().position(|byte| *byte == b'/').unwrap_or(rest.len());
        self.end = start + size;
        self.name = [0; 256];
        let name = self.path.get(start..self.end)?;
        self.name.get_mut(..size)?.copy_from_slice(name);
        *self.path.get_mut(self.end)? = 0;
        let prefix = CStr::from_bytes_until_nul(&self.path).ok()?;
        Some((prefix, CStr::from_bytes_until_nul(&self.name).ok()?))
    }
}

/// Copies `text` to `room` with a terminating zero.
fn terminated<'room>(room: &'room mut [u8; PATH_MAX], text: &[u8]) -> Result<&'room CStr, Fault> {
    let too_long = Fault::new(Call::Open, Errno::NAMETOOLONG);
    if text.len() >= PATH_MAX {
        return Err(too_long);
    }
    room.get_mut(..text.len()).ok_or(too_long)?.copy_from_slice(text);
    c_str(room)
}

fn c_str(bytes: &[u8]) -> Result<&CStr, Fault> {
    CStr::from_bytes_until_nul(bytes).map_err(|_| Fault::new(Call::Open, Errno::INVAL))
}

/// Whether `file` is in a file system of the type `magic` (statfs(2)).
pub(crate) fn is_on(file: BorrowedFd<'_>, magic: u64) -> Result<bool, Fault> {
    Ok(fs::fstatfs(file).during(Call::Stat)?.f_type as u64 == magic)
}

/// Opens a path of the host, which the configuration's author controls and the container does not.
pub(crate) fn open_host(path: &CStr, flags: OFlags) -> Result<OwnedFd, Fault> {
    fs::openat(CWD, path, flags | OFlags::CLOEXEC, Mode::empty()).during(Call::Open)
}

/// Returns the status of an open file, also of one opened with `O_PATH` (stat(2), `AT_EMPTY_PATH`).
pub(crate) fn stat(file: BorrowedFd<'_>) -> Result<fs::Stat, Fault> {
    fs::statat(file, c"", AtFlags::EMPTY_PATH).during(Call::Stat)
}

#[cfg(test)]
mod tests {
    use super::*;

    struct TempDir(std::path::PathBuf);

    impl TempDir {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("tare-root-dir-{name}-{}", std::process::id()));
            std::fs::create_dir_all(&path).unwrap();
            Self(path)
        }

        fn open(&self) -> OwnedFd {
            std::fs::File::open(&self.0).unwrap().into()
        }
    }

    impl Drop for TempDir {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn missing_parent_directories_are_created() {
        let temp = TempDir::new("made");
        let root = temp.open();
        RootDir::new(root.as_fd()).make_directory(c"a//b/c").unwrap();
        assert!(temp.0.join("a/b/c").is_dir());
    }

    #[test]
    fn an_absolute_link_is_followed_inside_the_root() {
        let temp = TempDir::new("link");
        std::fs::create_dir(temp.0.join("etc")).unwrap();
        std::os::unix::fs::symlink("/etc", temp.0.join("link")).unwrap();
        let root = temp.open();
        RootDir::new(root.as_fd()).make_directory(c"link/tare-test/deep").unwrap();
        assert!(temp.0.join("etc/tare-test/deep").is_dir());
        assert!(!std::path::Path::new("/etc/tare-test").exists());
    }

    #[test]
    fn dot_dot_does_not_leave_the_root() {
        let temp = TempDir::new("dots");
        let root = temp.open();
        RootDir::new(root.as_fd()).make_directory(c"../../../x").unwrap();
        assert!(temp.0.join("x").is_dir());
    }

    #[test]
    fn the_target_of_a_dangling_link_is_created_inside_the_root() {
        let temp = TempDir::new("dangling");
        std::os::unix::fs::symlink("/nowhere/tare", temp.0.join("link")).unwrap();
        std::os::unix::fs::symlink("../up", temp.0.join("relative")).unwrap();
        let root = temp.open();
        let root_dir = RootDir::new(root.as_fd());
        root_dir.make_directory(c"link/below").unwrap();
        assert!(temp.0.join("nowhere/tare/below").is_dir());
        assert!(!std::path::Path::new("/nowhere").exists());
        root_dir.make_directory(c"relative").unwrap();
        assert!(temp.0.join("up").is_dir());
        std::os::unix::fs::symlink("missing/file", temp.0.join("nowhere/to")).unwrap();
        root_dir.make_file(c"nowhere/to").unwrap();
        assert!(temp.0.join("nowhere/missing/file").is_file());
    }

    #[test]
    fn a_circle_of_links_is_an_error() {
        let temp = TempDir::new("round");
        std::os::unix::fs::symlink("two/x", temp.0.join("one")).unwrap();
        std::os::unix::fs::symlink("one/x", temp.0.join("two")).unwrap();
        let root = temp.open();
        assert!(RootDir::new(root.as_fd()).make_directory(c"one/below").is_err());
    }

    #[test]
    fn an_existing_file_is_kept() {
        let temp = TempDir::new("file");
        let root = temp.open();
        let root_dir = RootDir::new(root.as_fd());
        root_dir.make_file(c"etc/hosts").unwrap();
        std::fs::write(temp.0.join("etc/hosts"), "kept").unwrap();
        root_dir.make_file(c"etc/hosts").unwrap();
        assert_eq!(std::fs::read_to_string(temp.0.join("etc/hosts")).unwrap(), "kept");
    }
}
