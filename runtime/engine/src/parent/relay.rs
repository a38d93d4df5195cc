//! The relay between the caller's terminal and the container's terminal, for a foreground `run` or `exec`.

use crate::fault::{Call, During, Fault};
use rustix::event::{PollFd, PollFlags};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::io::Errno;
use rustix::stdio::{stdin, stdout};
use rustix::termios::{OptionalActions, Termios, isatty, tcgetattr, tcgetwinsize, tcsetattr, tcsetwinsize};

/// The size of a buffer, in bytes. When it is full, the reader waits for the writer.
const ROOM: usize = 64 * 1024;

/// Both directions: standard input to the master of the container's terminal, and the master to standard output.
pub(crate) struct Relay {
    master: OwnedFd,
    /// The settings of the caller's terminal, restored at the end.
    saved: Option<Termios>,
    typed: Direction,
    printed: Direction,
}

/// The buffer of one direction, and whether its source is still open.
#[derive(Default)]
struct Direction {
    bytes: Vec<u8>,
    ended: bool,
}

impl Direction {
    fn wants_more(&self) -> bool {
        !self.ended && self.bytes.len() < ROOM
    }

    /// Reads what is available.
    fn fill(&mut self, from: BorrowedFd<'_>) {
        let mut buffer = [0; 4096];
        match rustix::io::read(from, &mut buffer) {
            Ok(0) => self.ended = true,
            Ok(got) => self.bytes.extend_from_slice(buffer.get(..got).unwrap_or_default()),
            Err(Errno::AGAIN | Errno::INTR) => {}
            // EIO: no process has the other end of the terminal open.
            Err(_) => self.ended = true,
        }
    }

    /// Writes what the target accepts. When the reader has closed it, the bytes are dropped.
    fn flush(&mut self, to: BorrowedFd<'_>) {
        match rustix::io::write(to, &self.bytes) {
            Ok(written) => drop(self.bytes.drain(..written)),
            Err(Errno::AGAIN | Errno::INTR) => {}
            Err(_) => self.bytes.clear(),
        }
    }
}

impl Relay {
    /// Puts the caller's terminal, if there is one, into raw mode until this value is dropped.
    pub(crate) fn new(master: OwnedFd) -> Result<Self, Fault> {
        let flags = fcntl_getfl(&master).during(Call::Terminal)?;
        fcntl_setfl(&master, flags | OFlags::NONBLOCK).during(Call::Terminal)?;
        let mut saved = None;
        if isatty(stdin()) {
            let now = tcgetattr(stdin()).during(Call::Terminal)?;
            let mut raw = now.clone();
            raw.make_raw();
            tcsetattr(stdin(), OptionalActions::Now, &raw).during(Call::Terminal)?;
            saved = Some(now);
        }
        let relay = Self { master, saved, typed: Direction::default(), printed: Direction::default() };
        relay.resize();
        Ok(relay)
    }

    /// The events to poll for: the caller's input, the container's output, room in either target.
    pub(crate) fn waits(&self) -> Vec<PollFd<'_>> {
        let mut master = PollFlags::empty();
        master.set(PollFlags::IN, self.printed.wants_more());
        master.set(PollFlags::OUT, !self.typed.bytes.is_empty());
        let input = if self.typed.wants_more() { PollFlags::IN } else { PollFlags::empty() };
        let output = if self.printed.bytes.is_empty() { PollFlags::empty() } else { PollFlags::OUT };
        let mut waits = Vec::new();
        let master = (!master.is_empty()).then(|| PollFd::new(&self.master, master));
        let both = [(input, stdin()), (output, stdout())];
        waits.extend(
            both.into_iter()
                .filter(|(flags, _)| !flags.is_empty())
                .map(|(flags, fd)| PollFd::from_borrowed_fd(fd, flags)),
        );
        waits.extend(master);
        waits
    }

    /// Moves bytes in both directions.
    pub(crate) fn transfer(&mut self, ready: &[bool]) {
        if !ready.contains(&true) {
            return;
        }
        if self.typed.wants_more() && readable(stdin()) {
            self.typed.fill(stdin());
        }
        if self.printed.wants_more() {
            self.printed.fill(self.master.as_fd());
        }
        if !self.typed.bytes.is_empty() {
            self.typed.flush(self.master.as_fd());
        }
        if !self.printed.bytes.is_empty() && writable(stdout()) {
            self.printed.flush(stdout());
        }
    }

    /// Passes on what the container printed before it ended.
    pub(crate) fn drain(&mut self) {
        while !self.printed.ended {
            let before = self.printed.bytes.len();
            self.printed.fill(self.master.as_fd());
            if self.printed.bytes.len() == before {
                break;
            }
        }
        while !self.printed.bytes.is_empty() {
            self.printed.flush(stdout());
        }
    }

    /// Copies the size of the caller's terminal to the container's. Without a terminal there is no size to copy.
    pub(crate) fn resize(&self) {
        if let Ok(size) = tcgetwinsize(stdin()) {
            let _gone = tcsetwinsize(&self.master, size);
        }
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        if let Some(saved) = &self.saved {
            let _gone = tcsetattr(stdin(), OptionalActions::Now, saved);
        }
    }
}

fn readable(fd: BorrowedFd<'_>) -> bool {
    is_ready(fd, PollFlags::IN)
}

fn writable(fd: BorrowedFd<'_>) -> bool {
    is_ready(fd, PollFlags::OUT)
}

fn is_ready(fd: BorrowedFd<'_>, flags: PollFlags) -> bool {
    let now = rustix::event::Timespec { tv_sec: 0, tv_nsec: 0 };
    rustix::event::poll(&mut [PollFd::from_borrowed_fd(fd, flags)], Some(&now)).is_ok_and(|count| count > 0)
}
