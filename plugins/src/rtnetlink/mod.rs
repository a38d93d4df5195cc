//! Links, addresses and routes over rtnetlink(7), on top of the codec and the socket of `runtime/netlink`.

mod address;
mod link;
mod link_change;
mod monitor;
mod protocol;
mod route;
mod vlan;

pub(crate) use address::family_number;
pub use address::{Assigned, Detection};
pub use link::{Link, interface_number, parse_mac, spell_mac};
pub use link_change::{Move, NewBridge, NewVeth, Port};
pub use monitor::LinkMonitor;
pub use protocol::Inet6;
pub use route::{Installed, InterfaceSetup};
pub use tare_netlink::link::UP;
pub use vlan::PortVlans;

use crate::error::{Error, Result};
use rustix::io::Errno;
use tare_netlink::{Answer, Socket, Writer};

/// A socket for links, addresses and routes. It belongs to the network namespace in which it was opened, also after the
/// process has entered another one, so that one process serves both ends of a veth pair.
#[derive(Debug)]
pub struct Route {
    socket: Socket,
}

impl Route {
    /// Opens a socket in the current network namespace.
    ///
    /// # Errors
    /// The kernel's error.
    pub fn open() -> Result<Route> {
        Ok(Route { socket: Socket::open_route().map_err(cannot_open)? })
    }

    /// Sends messages and returns all replies; `what` is the text of the error.
    fn ask(&mut self, what: &str, build: impl FnOnce(&mut Writer)) -> Result<Vec<Vec<u8>>> {
        let answers = self.ask_each(build)?;
        let mut replies = Vec::new();
        for answer in answers {
            replies.extend(answer.outcome.map_err(|refusal| Error::refused(what, &refusal))?);
        }
        Ok(replies)
    }

    /// Sends messages and returns the answer to each, in their order.
    fn ask_each(&mut self, build: impl FnOnce(&mut Writer)) -> Result<Vec<Answer>> {
        Ok(self.socket.request(build)?)
    }
}

/// The error when a netlink socket can't be opened.
pub(crate) fn cannot_open(why: Errno) -> Error {
    Error::kernel("open a netlink socket", why)
}
