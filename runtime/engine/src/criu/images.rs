//! The directory of a checkpoint's images, and what is kept there beside criu's own files.

use crate::error::{Error, Result};
use crate::fault::{Call, During};
use rustix::fd::OwnedFd;
use rustix::fs::{self, CWD, Mode, OFlags};
use std::path::Path;

/// Where the standard streams led when the container was dumped, as runc keeps it.
const DESCRIPTORS: &str = "descriptors.json";

/// Opens a directory; one that is not there yet is made where `make` says so.
pub(crate) fn open(path: &str, missing: Missing) -> Result<OwnedFd> {
    let act = |fault| Error::act(format!("open the directory {path}"), fault);
    if missing == Missing::Made {
        match fs::mkdirat(CWD, path, Mode::from_raw_mode(0o700)) {
            Ok(()) | Err(rustix::io::Errno::EXIST) => {}
            Err(errno) => return Err(act(crate::fault::Fault::new(Call::MakeDirectory, errno))),
        }
    }
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    fs::openat(CWD, path, flags, Mode::empty()).during(Call::Open).map_err(act)
}

/// What becomes of a directory that is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Missing {
    /// It is made.
    Made,
    /// It is an error.
    Refused,
}

/// Notes where the standard streams of a process lead.
pub(crate) fn keep_descriptors(images: &str, pid: i32) -> Result<()> {
    let target = |number: i32| {
        let link = std::fs::read_link(format!("/proc/{pid}/fd/{number}"));
        link.map_or_else(|_| "/dev/null".to_owned(), |target| target.to_string_lossy().into_owned())
    };
    let text = serde_json::json!([target(0), target(1), target(2)]).to_string();
    let path = Path::new(images).join(DESCRIPTORS);
    std::fs::write(&path, text)
        .map_err(|error| Error::Criu(format!("cannot write {}: {error}", path.display())))
}

/// Where they led; nothing of images that somebody else has made.
pub(crate) fn descriptors(images: &str) -> Vec<String> {
    let text = std::fs::read_to_string(Path::new(images).join(DESCRIPTORS)).unwrap_or_default();
    serde_json::from_str(&text).unwrap_or_default()
}
