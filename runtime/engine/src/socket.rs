//! Sockets that are reached by path: the caller's console socket, and the one on which init waits.

use crate::fault::{Call, During, Fault};
use crate::mounts::inside;
use rustix::fd::{AsRawFd, OwnedFd};
use rustix::fs::{Mode, OFlags};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};
use std::ffi::CStr;

/// Connects to a stream socket of the caller. The path may be longer than an address holds.
pub(crate) fn connect(path: &CStr) -> Result<OwnedFd, Fault> {
    let place = inside::open_host(path, OFlags::PATH)?;
    connect_to(&format!("/proc/self/fd/{}", place.as_raw_fd()), SocketType::STREAM)
}

/// Connects to a datagram socket; `ECONNREFUSED` means that nobody holds its other end any more.
pub(crate) fn connect_datagram(path: &str) -> Result<OwnedFd, Fault> {
    connect_to(path, SocketType::DGRAM)
}

/// Makes the socket on which init waits, in the container's directory: whoever may write to it may start the container.
pub(crate) fn listen(path: &str) -> Result<OwnedFd, Fault> {
    let socket = make(SocketType::DGRAM)?;
    let address = SocketAddrUnix::new(path).during(Call::Socket)?;
    // The mask decides who may write to the socket, and the caller's may be anything.
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
