//! The directory of image files, and the file that the runtime adds to criu's own.

use crate::error::{Error, Result};
use crate::fault::{Call, During};
use rustix::fd::OwnedFd;
use rustix::fs::{self, CWD, Mode, OFlags};
use std::path::Path;

/// The targets of the standard streams when the container was dumped, as a JSON array. runc reads and writes the same file.
const DESCRIPTORS: &str = "descriptors.json";

/// Opens a directory of images or of logs.
pub(crate) fn open(path: &str, missing: Missing) -> Result<OwnedFd> {
    let act = |fault| Error::act(format!("open the directory {path}"), fault);
    if missing == Missing::Create {
        match fs::mkdirat(CWD, path, Mode::from_raw_mode(0o700)) {
            Ok(()) | Err(rustix::io::Errno::EXIST) => {}
            Err(errno) => return Err(act(crate::fault::Fault::new(Call::MakeDirectory, errno))),
        }
    }
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    fs::openat(CWD, path, flags, Mode::empty()).during(Call::Open).map_err(act)
}

/// What to do about a missing directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Missing {
    /// Create it.
    Create,
    /// Return an error.
    Refuse,
}

/// Writes the targets of a process's standard streams next to the images.
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

/// Reads the targets of the standard streams. Images of another program have no such file, and then no stream is replaced.
pub(crate) fn descriptors(images: &str) -> Vec<String> {
    let text = std::fs::read_to_string(Path::new(images).join(DESCRIPTORS)).unwrap_or_default();
    serde_json::from_str(&text).unwrap_or_default()
}
