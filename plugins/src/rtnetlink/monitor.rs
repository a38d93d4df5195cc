//! Waits for the kernel's notifications about links (rtnetlink(7), `RTMGRP_LINK`).

use super::link::Link;
use crate::error::{Error, Result};
use rustix::io::Errno;
use std::time::{Duration, Instant};
use tare_netlink::Listener;
use tare_netlink::link::NEW;

/// The Go plugins wait as long.
const LIMIT: Duration = Duration::from_secs(5);
/// `RTMGRP_LINK`
const LINKS: u32 = 1;

/// The notifications about the links of a network namespace.
///
/// A request for the link would wait for the RTNL lock, which the kernel holds while it opens a bridge port and while a new
/// container's gratuitous ARP is flooded to all other ports. Notifications need no lock.
#[derive(Debug)]
pub struct LinkMonitor(Listener);

impl LinkMonitor {
    /// Subscribes to the links of the current network namespace.
    ///
    /// # Errors
    /// The kernel's error.
    pub fn open() -> Result<LinkMonitor> {
        Listener::open(LINKS, LIMIT).map(LinkMonitor).map_err(failed)
    }

    /// Waits until the link with this index is operational. Returns `false` after five seconds, or when the kernel dropped
    /// notifications.
    ///
    /// # Errors
    /// The kernel's error.
    pub fn until_operational(&mut self, index: u32) -> Result<bool> {
        let begin = Instant::now();
        while begin.elapsed() < LIMIT {
            let notifications = match self.0.receive() {
                Err(Errno::INTR) => continue,
                Err(Errno::AGAIN | Errno::NOBUFS) => return Ok(false),
                other => other.map_err(failed)?,
            };
            let mut links = notifications.filter(|it| it.kind == NEW).filter_map(|it| Link::read(it.body));
            if links.any(|link| link.index == index && link.is_operational()) {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

fn failed(why: Errno) -> Error {
    Error::kernel("watch network interfaces", why)
}
