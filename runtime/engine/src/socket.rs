//! Unix sockets with a path: the caller's console socket, and the start socket of a created container.

use crate::fault::{Call, During, Fault};
use crate::mounts::root_dir;
use rustix::fd::{AsRawFd, OwnedFd};
use rustix::fs::{Mode, OFlags};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};
use std::ffi::CStr;

/// Connects to a stream socket of the caller, such as `--console-socket`.
///
/// An address holds 107 bytes (unix(7)), and a path may be longer. So the address is the name of an open file descriptor.
///
/// connect(2) waits while the queue of the listener is full. There is no limit: the caller has created the socket for this
/// connection.
pub(crate) fn connect(path: &CStr) -> Result<OwnedFd, Fault> {
    let place = root_dir::open_host(path, OFlags::PATH)?;
    connect_to(&format!("/proc/self/fd/{}", place.as_raw_fd()), SocketType::STREAM)
}

/// Connects to a datagram socket. The error `ECONNREFUSED` means that no process has the socket open any more.
pub(crate) fn connect_datagram(path: &str) -> Result<OwnedFd, Fault> {
    connect_to(path, SocketType::DGRAM)
}

/// Creates the start socket of a container. A process with write permission on the socket can start the container.
pub(crate) fn listen(path: &str) -> Result<OwnedFd, Fault> {
    let socket = make(SocketType::DGRAM)?;
    let address = SocketAddrUnix::new(path).during(Call::Socket)?;
    // bind(2) applies the umask to the mode of the socket. The umask of the caller may be 0.
    let mask = rustix::process::umask(Mode::from_raw_mode(0o177));
    let bound = rustix::net::bind(&socket, &address).during(Call::Socket);
    rustix::process::umask(mask);
    bound.map(|()| socket)
}

fn connect_to(path: &str, kind: SocketType) -> Result<OwnedFd, Fault> {
    let socket = make(kind)?;
    let address = SocketAddrUnix::new(path).during(Call::Socket)?;
    rustix::net::connect(&socket, &address).during(Call::Socket)?;
    Ok(socket)
}

fn make(kind: SocketType) -> Result<OwnedFd, Fault> {
    rustix::net::socket_with(AddressFamily::UNIX, kind, SocketFlags::CLOEXEC, None).during(Call::Socket)
}
