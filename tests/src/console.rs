//! The console socket: takes the terminal that a runtime sends, as an engine does.

use std::fs::File;
use std::io::{IoSliceMut, Read as _, Write as _};
use std::mem::MaybeUninit;
use std::os::fd::AsRawFd as _;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};
use rustix::termios::{Winsize, tcgetwinsize, tcsetwinsize};

use crate::process::until;

/// A socket that waits for a terminal.
#[derive(Debug)]
pub struct Console {
    listener: UnixListener,
    path: PathBuf,
}

/// The terminal's master end.
#[derive(Debug)]
pub struct Master {
    file: File,
    seen: String,
}

impl Console {
    /// Listens in the directory.
    ///
    /// # Panics
    /// The socket cannot be made.
    #[must_use]
    pub fn listen(directory: &Path) -> Self {
        let path = directory.join("console");
        // One test may listen twice.
        let _ = std::fs::remove_file(&path);
        let listener = UnixListener::bind(&path).unwrap();
        listener.set_nonblocking(true).unwrap();
        Self { listener, path }
    }

    /// The socket's path.
    #[must_use]
    pub fn path(&self) -> String {
        self.path.to_string_lossy().into_owned()
    }

    /// Takes the terminal, which must come within five seconds.
    ///
    /// # Panics
    /// None comes, or the message holds another number of descriptors than one.
    #[must_use]
    pub fn accept(&self) -> Master {
        let (stream, _) = until(Duration::from_secs(5), || self.listener.accept().ok()).expect("a terminal");
        stream.set_nonblocking(false).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(4))];
        let mut ancillary = RecvAncillaryBuffer::new(&mut space);
        let mut name = [0_u8; 256];
        recvmsg(&stream, &mut [IoSliceMut::new(&mut name)], &mut ancillary, RecvFlags::CMSG_CLOEXEC).unwrap();
        let mut all = Vec::new();
        for message in ancillary.drain() {
            if let RecvAncillaryMessage::ScmRights(descriptors) = message {
                all.extend(descriptors);
            }
        }
        assert_eq!(all.len(), 1, "one descriptor comes with a terminal");
        let file = File::from(all.remove(0));
        // A descriptor of a process has nothing to be read, and does not take this.
        let _ = rustix::io::ioctl_fionbio(&file, true);
        Master { file, seen: String::new() }
    }
}

impl Master {
    /// The process that a descriptor refers to which was sent in the terminal's place (`--pidfd-socket`).
    ///
    /// # Panics
    /// It refers to no process.
    #[must_use]
    pub fn pid(&self) -> i32 {
        let info = format!("/proc/self/fdinfo/{}", self.file.as_raw_fd());
        let text = std::fs::read_to_string(info).unwrap();
        let pid = text.lines().find_map(|line| line.strip_prefix("Pid:")).expect("a process");
        pid.trim().parse().unwrap()
    }

    /// Sets the window's size in rows and columns.
    ///
    /// # Panics
    /// It is no terminal.
    pub fn resize(&self, rows: u16, columns: u16) {
        let size = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        tcsetwinsize(&self.file, size).unwrap();
    }

    /// The window's size in rows and columns.
    ///
    /// # Panics
    /// It is no terminal.
    #[must_use]
    pub fn size(&self) -> (u16, u16) {
        let size = tcgetwinsize(&self.file).unwrap();
        (size.ws_row, size.ws_col)
    }

    /// Types.
    ///
    /// # Panics
    /// The terminal takes nothing.
    pub fn write(&mut self, text: &str) {
        self.file.write_all(text.as_bytes()).unwrap();
    }

    /// Reads until the text has been seen; all that was seen.
    ///
    /// # Panics
    /// It does not come within five seconds.
    #[track_caller]
    pub fn expect(&mut self, text: &str) -> &str {
        let found = until(Duration::from_secs(5), || {
            let mut part = [0_u8; 4096];
            // Nothing to read yet, or the other end is closed: the deadline decides.
            let length = self.file.read(&mut part).unwrap_or(0);
            self.seen.push_str(&String::from_utf8_lossy(&part[..length]));
            self.seen.contains(text).then_some(())
        });
        assert!(found.is_some(), "the terminal does not show {text:?}: {:?}", self.seen);
        &self.seen
    }
}
