//! Socket activation: listening sockets (sd_listen_fds(3)), and the readiness message to systemd (sd_notify(3)).
//!
//! May use `container`, `channel` and what lies below them.

use crate::channel::{receive_bytes, retry};
use crate::container::store::Entry;
use crate::error::Result;
use crate::fault::{Call, During, Fault};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{self, Mode};
use rustix::net::{AddressFamily, SendFlags, SocketAddrUnix, SocketFlags, SocketType};
use serde_json::{Value, json};
use std::os::unix::ffi::OsStrExt;

/// Where the container finds the notify socket.
const INSIDE: &str = "/run/notify";
/// The name of the socket, in the container and in the state directory.
const SOCKET: &str = "notify.sock";

/// The activation that the environment of the caller asks for.
#[derive(Debug, Default)]
pub struct Activation {
    /// The number of listening sockets, from file descriptor 3 on.
    pub sockets: u32,
    /// Environment variables for the container's process.
    pub variables: Vec<String>,
    /// Whether `NOTIFY_SOCKET` is set: a supervisor waits for the container to be ready.
    pub notifies: bool,
}

impl Activation {
    /// Reads `LISTEN_FDS`, unless `LISTEN_PID` names another process, and `NOTIFY_SOCKET`.
    pub fn of_environment() -> Self {
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let meant = variable("LISTEN_PID").is_none_or(|pid| pid == std::process::id().to_string());
        let sockets = variable("LISTEN_FDS").filter(|_| meant).and_then(|count| count.parse().ok());
        let sockets = sockets.unwrap_or(0);
        let mut variables = Vec::new();
        if sockets > 0 {
            // In a pid namespace of its own the container's process has pid 1.
            variables.extend([format!("LISTEN_FDS={sockets}"), "LISTEN_PID=1".to_owned()]);
            variables.extend(variable("LISTEN_FDNAMES").map(|names| format!("LISTEN_FDNAMES={names}")));
        }
        let notifies = std::env::var_os("NOTIFY_SOCKET").is_some_and(|path| !path.is_empty());
        if notifies {
            variables.push(format!("NOTIFY_SOCKET={INSIDE}/{SOCKET}"));
        }
        Self { sockets, variables, notifies }
    }

    /// The bind mount of the socket's directory in the container. `source` is the directory on the host.
    pub(crate) fn mount(source: &str) -> Value {
        let options = ["bind", "nosuid", "noexec", "nodev", "ro"];
        json!({ "destination": INSIDE, "type": "bind", "source": source, "options": options })
    }
}

/// The notify socket of a container, and the address of the supervisor's socket.
pub(crate) struct Notice {
    socket: OwnedFd,
    host: SocketAddrUnix,
    pid: i32,
}

impl Notice {
    /// Binds the socket for the container of `entry`, whose init is `pid`. Returns `None` without `NOTIFY_SOCKET`.
    pub(crate) fn listen(entry: &Entry, pid: i32) -> Result<Option<Self>> {
        let Some(host) = std::env::var_os("NOTIFY_SOCKET").filter(|path| !path.is_empty()) else {
            return Ok(None);
        };
        if !entry.has_notify() {
            return Ok(None);
        }
        let fail = |fault| entry.error("listen for the notice of", fault);
        let host = address(host.as_bytes()).map_err(fail)?;
        let socket = bind(&entry.notify_path(SOCKET)).map_err(fail)?;
        Ok(Some(Self { socket, host, pid }))
    }

    pub(crate) fn socket(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    /// Receives one message. Only `READY=1` is passed on, with the pid of init: the container may not send systemd anything
    /// else. Returns whether it was that.
    pub(crate) fn pass_on(&self) -> std::result::Result<bool, Fault> {
        let mut bytes = [0; 4096];
        let (got, _) = receive_bytes(self.socket.as_fd(), &mut bytes)?;
        let text = bytes.get(..got).unwrap_or_default();
        let Some(ready) = text.split(|byte| *byte == b'\n').find(|line| line.starts_with(b"READY=")) else {
            return Ok(false);
        };
        let message = [ready, format!("\nMAINPID={}\n", self.pid).as_bytes()].concat();
        let flags = SocketFlags::CLOEXEC;
        let socket = rustix::net::socket_with(AddressFamily::UNIX, SocketType::DGRAM, flags, None)
            .during(Call::Socket)?;
        rustix::net::sendto(&socket, &message, SendFlags::NOSIGNAL, &self.host).during(Call::Socket)?;
        Ok(true)
    }

    /// Waits until the container is ready or has ended.
    pub(crate) fn wait(&self, init: BorrowedFd<'_>) -> std::result::Result<(), Fault> {
        loop {
            let mut waiting = [
                PollFd::from_borrowed_fd(self.socket(), PollFlags::IN),
                PollFd::from_borrowed_fd(init, PollFlags::IN),
            ];
            retry(|| poll(&mut waiting, None)).during(Call::Wait)?;
            let spoke = waiting.first().is_some_and(|socket| !socket.revents().is_empty());
            if !spoke || self.pass_on()? {
                return Ok(());
            }
        }
    }
}

/// The address of systemd's socket: a path, or an abstract name after `@`.
fn address(text: &[u8]) -> std::result::Result<SocketAddrUnix, Fault> {
    match text.strip_prefix(b"@") {
        Some(name) => SocketAddrUnix::new_abstract_name(name),
        None => SocketAddrUnix::new(text),
    }
    .during(Call::Socket)
}

/// Binds a socket that every user may write to, since the service may run as any user.
fn bind(path: &str) -> std::result::Result<OwnedFd, Fault> {
    let socket = rustix::net::socket_with(AddressFamily::UNIX, SocketType::DGRAM, SocketFlags::CLOEXEC, None)
        .during(Call::Socket)?;
    // Removes the socket of an earlier start that was interrupted.
    let _ = fs::unlink(path);
    let address = SocketAddrUnix::new(path).during(Call::Socket)?;
    // The umask decides the mode. A chmod(2) by path could follow a link that the container made.
    let mask = rustix::process::umask(Mode::empty());
    let bound = rustix::net::bind(&socket, &address).during(Call::Socket);
    rustix::process::umask(mask);
    bound.map(|()| socket)
}
