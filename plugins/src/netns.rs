//! Network namespaces: opened by path, compared, entered and left.

use crate::error::{Code, Error, Result, spell};
use rustix::fs::{CWD, Mode, OFlags, fstat, openat, statfs};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use std::os::fd::{AsFd, OwnedFd};

/// An open network namespace.
#[derive(Debug)]
pub struct Netns(OwnedFd);

/// `NSFS_MAGIC` and `PROC_SUPER_MAGIC`, the file systems of namespace files.
const NAMESPACE_FILE_SYSTEMS: [i64; 2] = [0x6e73_6673, 0x9fa0];

impl Netns {
    /// Opens the namespace of this process.
    ///
    /// # Errors
    /// `/proc` is not mounted.
    pub fn own() -> Result<Netns> {
        open("/proc/thread-self/ns/net")
    }

    /// Opens the namespace at a path.
    ///
    /// # Errors
    /// Code 8 with the Go plugins' texts: no such file, or a file that is not a namespace.
    pub fn open(path: &str) -> Result<Netns> {
        let failed = |why: String| Error::new(Code::Netns, format!("failed to open netns \"{path}\": {why}"));
        let kind =
            statfs(path).map_err(|why| failed(format!("failed to Statfs \"{path}\": {}", spell(why))))?;
        if !NAMESPACE_FILE_SYSTEMS.contains(&kind.f_type) {
            return Err(failed(format!("unknown FS magic on \"{path}\": {:x}", kind.f_type)));
        }
        open(path)
    }

    /// Opens the namespace at a path; `None` if it is gone, which is no error for `DEL`.
    pub fn open_if_there(path: &str) -> Option<Netns> {
        if path.is_empty() { None } else { Netns::open(path).ok() }
    }

    /// Whether both are the same namespace.
    ///
    /// # Errors
    /// The error of fstat(2).
    pub fn is(&self, other: &Netns) -> Result<bool> {
        let id = |netns: &Netns| -> Result<_> {
            let stat = fstat(&netns.0).map_err(|why| Error::kernel("stat a network namespace", why))?;
            Ok((stat.st_dev, stat.st_ino))
        };
        Ok(id(self)? == id(other)?)
    }

    /// Runs `act` in the namespace and returns to `home` in any case.
    ///
    /// # Errors
    /// Those of `act`; setns(2) failed.
    pub fn run<T>(&self, home: &Netns, act: impl FnOnce() -> Result<T>) -> Result<T> {
        self.enter()?;
        let answer = act();
        home.enter()?;
        answer
    }

    fn enter(&self) -> Result<()> {
        move_into_link_name_space(self.0.as_fd(), Some(LinkNameSpaceType::Network))
            .map_err(|why| Error::kernel("enter the network namespace", why))
    }

    /// Returns the file descriptor, for netlink messages that refer to the namespace by it.
    pub fn descriptor(&self) -> u32 {
        use std::os::fd::AsRawFd;
        self.0.as_raw_fd().unsigned_abs()
    }
}

fn open(path: &str) -> Result<Netns> {
    openat(CWD, path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())
        .map(Netns)
        .map_err(|why| Error::new(Code::Netns, format!("failed to open netns \"{path}\": {}", spell(why))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_namespace_has_the_go_plugins_text() {
        assert_eq!(
            Netns::open("/no/such").unwrap_err().msg,
            "failed to open netns \"/no/such\": failed to Statfs \"/no/such\": no such file or directory"
        );
    }

    #[test]
    fn a_file_that_is_not_a_namespace_is_refused() {
        let error = Netns::open("/etc/passwd").unwrap_err();
        assert!(error.msg.contains("unknown FS magic on \"/etc/passwd\""), "{error}");
    }

    #[test]
    fn a_namespace_equals_itself() {
        assert!(Netns::own().unwrap().is(&Netns::open("/proc/self/ns/net").unwrap()).unwrap());
    }
}
