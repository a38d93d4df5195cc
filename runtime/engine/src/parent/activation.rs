//! What systemd hands to a service and hears from it: listening sockets (sd_listen_fds(3)), and the notice that it is ready
//! (sd_notify(3)).

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

/// Where the container finds the socket for its notice.
const INSIDE: &str = "/run/notify";
/// The socket's name, in the container and in the container's directory.
const SOCKET: &str = "notify.sock";

/// What the caller's environment says of systemd's ways.
#[derive(Debug, Default)]
pub struct Activation {
    /// How many listening sockets are handed on, from descriptor 3 on.
    pub sockets: u32,
    /// Variables for the container's process.
    pub variables: Vec<String>,
    /// Whether somebody waits for the notice.
    pub notifies: bool,
}

impl Activation {
    /// Reads `LISTEN_FDS`, unless it was meant for another process, and `NOTIFY_SOCKET`.
    pub fn of_environment() -> Self {
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let meant = variable("LISTEN_PID").is_none_or(|pid| pid == std::process::id().to_string());
        let sockets = variable("LISTEN_FDS").filter(|_| meant).and_then(|count| count.parse().ok());
        let sockets = sockets.unwrap_or(0);
        let mut variables = Vec::new();
        if sockets > 0 {
            // In the container it is process 1 that they are meant for.
            variables.extend([format!("LISTEN_FDS={sockets}"), "LISTEN_PID=1".to_owned()]);
            variables.extend(variable("LISTEN_FDNAMES").map(|names| format!("LISTEN_FDNAMES={names}")));
        }
        let notifies = std::env::var_os("NOTIFY_SOCKET").is_some_and(|path| !path.is_empty());
        if notifies {
            variables.push(format!("NOTIFY_SOCKET={INSIDE}/{SOCKET}"));
        }
        Self { sockets, variables, notifies }
    }

    /// The mount that shows the container the directory of its socket, `source` on the host.
    pub(crate) fn mount(source: &str) -> Value {
        let options = ["bind", "nosuid", "noexec", "nodev", "ro"];
        json!({ "destination": INSIDE, "type": "bind", "source": source, "options": options })
    }
}

/// The socket on which a container gives notice, and where that goes.
pub(crate) struct Notice {
    socket: OwnedFd,
    host: SocketAddrUnix,
    pid: i32,
}

impl Notice {
    /// Listens for the container of `entry`, whose init is `pid`; nothing where nobody waits for its notice.
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

    /// Takes one message. Of all that services tell, only that it is ready is passed on, with who it is: the rest is not the
    /// container's to say. Tells whether it was that.
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

    /// Waits until the container is ready, or has ended.
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

/// The address of systemd's socket: a path, or, after `@`, a name.
fn address(text: &[u8]) -> std::result::Result<SocketAddrUnix, Fault> {
    match text.strip_prefix(b"@") {
        Some(name) => SocketAddrUnix::new_abstract_name(name),
        None => SocketAddrUnix::new(text),
    }
    .during(Call::Socket)
}

/// A socket to which every user may write: the service may be any.
fn bind(path: &str) -> std::result::Result<OwnedFd, Fault> {
    let socket = rustix::net::socket_with(AddressFamily::UNIX, SocketType::DGRAM, SocketFlags::CLOEXEC, None)
        .during(Call::Socket)?;
    // An earlier start that was interrupted has left its own.
    let _ = fs::unlink(path);
    let address = SocketAddrUnix::new(path).during(Call::Socket)?;
    // The mask decides who may write to it: no path is followed a second time, which the container could have exchanged.
    let mask = rustix::process::umask(Mode::empty());
    let bound = rustix::net::bind(&socket, &address).during(Call::Socket);
    rustix::process::umask(mask);
    bound.map(|()| socket)
}
