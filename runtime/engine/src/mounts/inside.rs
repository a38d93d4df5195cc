//! The inside of a root file system: paths that are resolved within it, whatever links the image holds.
//!
//! No path string of the container is used in any other way. What a path turned out to be is kept as a descriptor, and
//! what is mounted, made or written afterwards is that descriptor, never the path a second time.

use crate::fault::{Call, During, Fault};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{self, AtFlags, CWD, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;
use std::ffi::CStr;

/// The longest path that the kernel takes, with its end.
const PATH_MAX: usize = 4096;

/// How often a resolution is tried again that a rename elsewhere disturbed (openat2(2), EAGAIN).
const ATTEMPTS: usize = 128;

/// How many links to what is missing are followed on one way.
const LINKS: usize = 16;

/// A root file system, seen through a descriptor of its topmost directory.
#[derive(Clone, Copy)]
pub(crate) struct Inside<'fd> {
    root: BorrowedFd<'fd>,
}

/// The directory that a path ends in, and the last name of the path.
pub(crate) struct Entry<'path> {
    pub(crate) directory: OwnedFd,
    pub(crate) name: &'path CStr,
}

impl<'fd> Inside<'fd> {
    pub(crate) fn new(root: BorrowedFd<'fd>) -> Self {
        Self { root }
    }

    /// Opens `path` inside the root. Magic links (`/proc/PID/fd/N` and their like) are never followed.
    pub(crate) fn open(self, path: &CStr, flags: OFlags) -> Result<OwnedFd, Fault> {
        self.resolve(path, flags, ResolveFlags::empty())
    }

    /// Opens `path` inside the root and refuses symbolic links on the way and at its end.
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

    /// Opens the directory `path`, and makes it, and those above it, where they are missing.
    pub(crate) fn make_directory(self, path: &CStr) -> Result<OwnedFd, Fault> {
        self.make_directory_by(path, LINKS)
    }

    fn make_directory_by(self, path: &CStr, links: usize) -> Result<OwnedFd, Fault> {
        match self.open(path, OFlags::PATH | OFlags::DIRECTORY) {
            Err(Fault { errno: Errno::NOENT, .. }) => self.make_missing(path, links),
            answer => answer,
        }
    }

    /// Walks down `path`, one more component at a time, and makes what is missing in the directory above it. Where a link leads to
    /// what is missing, that is made: inside the root, as all else.
    fn make_missing(self, path: &CStr, links: usize) -> Result<OwnedFd, Fault> {
        let mut last = self.open(c".", OFlags::PATH | OFlags::DIRECTORY)?;
        let mut prefix = Prefixes::of(path)?;
        while let Some((above, name)) = prefix.next() {
            last = match self.open(above, OFlags::PATH | OFlags::DIRECTORY) {
                Err(Fault { errno: Errno::NOENT, .. }) => {
                    let mut text = [0; PATH_MAX];
                    if let Some(link) = link_at(last.as_fd(), name, &mut text)? {
                        let mut room = [0; PATH_MAX];
                        let (above, rest) = prefix.around();
                        return self.make_directory_by(led_to(&mut room, above, link, rest)?, fewer(links)?);
                    }
                    make_in(last.as_fd(), name)?
                }
                answer => answer?,
            };
        }
        Ok(last)
    }

    /// Opens `path` if it is there, and makes it an empty file, with the directories above it, if it is not.
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
        if let Some(link) = link_at(entry.directory.as_fd(), entry.name, &mut text)? {
            let bytes = path.to_bytes();
            let above = bytes.iter().rposition(|byte| *byte == b'/').and_then(|slash| bytes.get(..slash));
            let mut room = [0; PATH_MAX];
            let led = led_to(&mut room, above.unwrap_or_default(), link, b"")?;
            return self.make_file_by(led, fewer(links)?);
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

    /// The directory in which `path` ends, made where it is missing, and the name in it.
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

/// Reads the link `name` in `directory`; anything else is none.
fn link_at<'room>(
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

/// Where a link in the directory `above` leads, with `rest` behind it.
fn led_to<'room>(
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

/// One link less that may be followed.
fn fewer(links: usize) -> Result<usize, Fault> {
    links.checked_sub(1).ok_or(Fault::new(Call::Open, Errno::LOOP))
}

/// Makes the directory `name` in `directory` and opens it; a link of that name is refused.
fn make_in(directory: BorrowedFd<'_>, name: &CStr) -> Result<OwnedFd, Fault> {
    match fs::mkdirat(directory, name, Mode::from_raw_mode(0o755)) {
        Ok(()) | Err(Errno::EXIST) => {}
        Err(errno) => return Err(Fault::new(Call::MakeDirectory, errno)),
    }
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    fs::openat(directory, name, flags, Mode::empty()).during(Call::Open)
}

/// The leading parts of a path, each one component longer than the one before, without allocation.
struct Prefixes {
    path: [u8; PATH_MAX],
    name: [u8; 256],
    length: usize,
    end: usize,
}

impl Prefixes {
    fn of(path: &CStr) -> Result<Self, Fault> {
        let mut room = [0; PATH_MAX];
        let length = terminated(&mut room, path.to_bytes())?.count_bytes();
        Ok(Self { path: room, name: [0; 256], length, end: 0 })
    }

    /// What is before the part that was given last, and what after it.
    fn around(&self) -> (&[u8], &[u8]) {
        let part = self.path.get(..self.end).unwrap_or_default();
        let above = part.iter().rposition(|byte| *byte == b'/').and_then(|slash| part.get(..slash));
        (above.unwrap_or_default(), self.path.get(self.end + 1..self.length).unwrap_or_default())
    }

    /// The next longer part, and its last component.
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

/// Copies `text` into `room` and ends it.
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

/// Whether `file` lies in a file system of the type that `magic` stands for (statfs(2)).
pub(crate) fn is_on(file: BorrowedFd<'_>, magic: u64) -> Result<bool, Fault> {
    Ok(fs::fstatfs(file).during(Call::Stat)?.f_type as u64 == magic)
}

/// Opens a path of the host.
pub(crate) fn open_host(path: &CStr, flags: OFlags) -> Result<OwnedFd, Fault> {
    fs::openat(CWD, path, flags | OFlags::CLOEXEC, Mode::empty()).during(Call::Open)
}

/// What `file` is.
pub(crate) fn stat(file: BorrowedFd<'_>) -> Result<fs::Stat, Fault> {
    fs::statat(file, c"", AtFlags::EMPTY_PATH).during(Call::Stat)
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Scratch(std::path::PathBuf);

    impl Scratch {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("tare-inside-{name}-{}", std::process::id()));
            std::fs::create_dir_all(&path).unwrap();
            Self(path)
        }

        fn open(&self) -> OwnedFd {
            std::fs::File::open(&self.0).unwrap().into()
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn directories_above_are_made() {
        let scratch = Scratch::new("made");
        let root = scratch.open();
        Inside::new(root.as_fd()).make_directory(c"a//b/c").unwrap();
        assert!(scratch.0.join("a/b/c").is_dir());
    }

    #[test]
    fn an_absolute_link_is_followed_inside_the_root() {
        let scratch = Scratch::new("link");
        std::fs::create_dir(scratch.0.join("etc")).unwrap();
        std::os::unix::fs::symlink("/etc", scratch.0.join("link")).unwrap();
        let root = scratch.open();
        Inside::new(root.as_fd()).make_directory(c"link/tare-test/deep").unwrap();
        assert!(scratch.0.join("etc/tare-test/deep").is_dir());
        assert!(!std::path::Path::new("/etc/tare-test").exists());
    }

    #[test]
    fn dots_do_not_leave_the_root() {
        let scratch = Scratch::new("dots");
        let root = scratch.open();
        Inside::new(root.as_fd()).make_directory(c"../../../x").unwrap();
        assert!(scratch.0.join("x").is_dir());
    }

    #[test]
    fn what_a_dangling_link_leads_to_is_made_inside_the_root() {
        let scratch = Scratch::new("dangling");
        std::os::unix::fs::symlink("/nowhere/tare", scratch.0.join("link")).unwrap();
        std::os::unix::fs::symlink("../up", scratch.0.join("relative")).unwrap();
        let root = scratch.open();
        let inside = Inside::new(root.as_fd());
        inside.make_directory(c"link/below").unwrap();
        assert!(scratch.0.join("nowhere/tare/below").is_dir());
        assert!(!std::path::Path::new("/nowhere").exists());
        inside.make_directory(c"relative").unwrap();
        assert!(scratch.0.join("up").is_dir());
        std::os::unix::fs::symlink("missing/file", scratch.0.join("nowhere/to")).unwrap();
        inside.make_file(c"nowhere/to").unwrap();
        assert!(scratch.0.join("nowhere/missing/file").is_file());
    }

    #[test]
    fn links_that_lead_to_each_other_are_refused() {
        let scratch = Scratch::new("round");
        std::os::unix::fs::symlink("two/x", scratch.0.join("one")).unwrap();
        std::os::unix::fs::symlink("one/x", scratch.0.join("two")).unwrap();
        let root = scratch.open();
        assert!(Inside::new(root.as_fd()).make_directory(c"one/below").is_err());
    }

    #[test]
    fn a_file_is_made_once() {
        let scratch = Scratch::new("file");
        let root = scratch.open();
        let inside = Inside::new(root.as_fd());
        inside.make_file(c"etc/hosts").unwrap();
        std::fs::write(scratch.0.join("etc/hosts"), "kept").unwrap();
        inside.make_file(c"etc/hosts").unwrap();
        assert_eq!(std::fs::read_to_string(scratch.0.join("etc/hosts")).unwrap(), "kept");
    }
}
