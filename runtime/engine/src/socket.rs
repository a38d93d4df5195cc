//! Sockets that are reached by path: the caller's console socket, and the one on which init waits.

use crate::fault::{Call, During, Fault};
use crate::inside;
use rustix::fd::{AsRawFd, OwnedFd};
use rustix::fs::OFlags;
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

fn connect_to(path: &str, kind: SocketType) -> Result<OwnedFd, Fault> {
    let socket = rustix::net::socket_with(AddressFamily::UNIX, kind, SocketFlags::CLOEXEC, None)
        .during(Call::Socket)?;
    let address = SocketAddrUnix::new(path).during(Call::Socket)?;
    rustix::net::connect(&socket, &address).during(Call::Socket)?;
    Ok(socket)
}
