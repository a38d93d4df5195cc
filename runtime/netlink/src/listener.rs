//! A socket that receives the kernel's multicast notifications (netlink(7), `nl_groups`).

use crate::message::{Message, messages};
use rustix::buffer::spare_capacity;
use rustix::io::{Errno, Result};
use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{AddressFamily, RecvFlags, SocketFlags, SocketType, bind, recv, socket_with};
use std::os::fd::OwnedFd;
use std::time::Duration;

/// Larger than the kernel's notification about one link.
const BUFFER: usize = 16 * 1024;

/// The notifications that have arrived since the socket was opened and were not read yet.
#[derive(Debug)]
pub struct Listener {
    socket: OwnedFd,
    buffer: Vec<u8>,
}

impl Listener {
    /// Subscribes to multicast groups of rtnetlink in the network namespace of the caller.
    ///
    /// # Errors
    /// The error of socket(2), setsockopt(2) or bind(2).
    pub fn open(groups: u32, timeout: Duration) -> Result<Listener> {
        let socket = socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, None)?;
        set_socket_timeout(&socket, Timeout::Recv, Some(timeout))?;
        bind(&socket, &SocketAddrNetlink::new(0, groups))?;
        Ok(Listener { socket, buffer: Vec::with_capacity(BUFFER) })
    }

    /// Waits for the next notifications.
    ///
    /// # Errors
    /// `EAGAIN` after the timeout, `ENOBUFS` when the kernel dropped notifications, `EINTR` after a signal.
    pub fn receive(&mut self) -> Result<impl Iterator<Item = Message<'_>>> {
        self.buffer.clear();
        let (_, length) = recv(&self.socket, spare_capacity(&mut self.buffer), RecvFlags::TRUNC)?;
        // With MSG_TRUNC the length is that of the whole datagram, which may be more than fits.
        let datagram = self.buffer.get(..length).ok_or(Errno::MSGSIZE)?;
        Ok(messages(datagram))
    }
}
