//! A watch over the links of a namespace: what the kernel tells of them by itself (rtnetlink(7), `RTMGRP_LINK`).

use super::link::{Link, NEW};
use super::message::messages;
use crate::error::{Error, Result};
use rustix::buffer::spare_capacity;
use rustix::io::Errno;
use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{AddressFamily, RecvFlags, SocketFlags, SocketType, bind, recv, socket_with};
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

/// As long as the Go plugins wait.
const LIMIT: Duration = Duration::from_secs(5);
const GROUP_OF_LINKS: u32 = 1;
/// More than the kernel tells of one link.
const BUFFER: usize = 16 * 1024;

/// What has been told since it was opened, and not been heard yet.
///
/// Whoever asks for a link instead waits for the lock of all links, which the kernel holds while it opens a port and while
/// the new container announces itself to all others.
#[derive(Debug)]
pub struct Watch {
    descriptor: OwnedFd,
    buffer: Vec<u8>,
}

impl Watch {
    /// Begins to watch the namespace the process is in.
    ///
    /// # Errors
    /// The kernel's.
    pub fn open() -> Result<Watch> {
        listen().map(|descriptor| Watch { descriptor, buffer: Vec::with_capacity(BUFFER) }).map_err(failed)
    }

    /// Waits until the link of a number is told to be operational. `false`: it was not for five seconds, or the kernel had
    /// more to tell than it keeps.
    ///
    /// # Errors
    /// The kernel's.
    pub fn until_operational(&mut self, index: u32) -> Result<bool> {
        let begin = Instant::now();
        while begin.elapsed() < LIMIT {
            self.buffer.clear();
            let length = match recv(&self.descriptor, spare_capacity(&mut self.buffer), RecvFlags::TRUNC) {
                Err(Errno::INTR) => continue,
                Err(Errno::AGAIN | Errno::NOBUFS) => return Ok(false),
                other => other.map_err(failed)?.1,
            };
            let datagram = self.buffer.get(..length).unwrap_or_default();
            let mut told =
                messages(datagram).filter(|it| it.kind == NEW).filter_map(|it| Link::read(it.body));
            if told.any(|link| link.index == index && link.is_operational()) {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

fn listen() -> rustix::io::Result<OwnedFd> {
    let descriptor = socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, None)?;
    set_socket_timeout(&descriptor, Timeout::Recv, Some(LIMIT))?;
    bind(&descriptor, &SocketAddrNetlink::new(0, GROUP_OF_LINKS))?;
    Ok(descriptor)
}

fn failed(why: Errno) -> Error {
    Error::kernel("watch network interfaces", why)
}
