//! Netlink, synchronously: the messages that plugins need, over sockets of rustix.
//!
//! Written here rather than taken: the codec crates know rtnetlink but not nf_tables, of which half the messages are,
//! and an asynchronous layer costs more than an `ADD` spends in the kernel's routing code. `plugins/README.md` has the figures.

mod address;
mod conntrack;
mod link;
mod made;
mod message;
mod protocol;
mod route;
mod socket;
mod vlan;
mod watch;

pub use address::{Assigned, Detection};
pub use conntrack::forget_connections;
pub use link::{Link, UP, interface_number, parse_mac, spell_mac};
pub use made::{Move, NewBridge, NewVeth, Port};
pub(crate) use message::{ACK, DUMP, NESTED, flagged_attributes, written};
pub use message::{
    Attributes, CREATE, EXCLUSIVE, Message, Op, Writer, attributes, find, find_text, find_u32,
};
pub use protocol::Inet6;
pub use route::{Installed, Settlement};
pub use socket::{Answer, Refusal, Socket};
pub use vlan::PortVlans;
pub use watch::Watch;

use crate::error::{Error, Result};

/// A socket for links, addresses and routes of the namespace in which it was opened; it stays there when the process
/// moves to another one, so one thread serves both sides of a veth pair.
#[derive(Debug)]
pub struct Route {
    socket: Socket,
}

impl Route {
    /// Opens a socket in the namespace the process is in.
    ///
    /// # Errors
    /// The kernel's.
    pub fn open() -> Result<Route> {
        Ok(Route { socket: Socket::open_route()? })
    }

    /// Sends one message and returns the replies to it.
    fn ask(&mut self, what: &str, build: impl FnOnce(&mut Writer)) -> Result<Vec<Vec<u8>>> {
        let mut writer = self.socket.writer();
        build(&mut writer);
        let answers = self.socket.exchange(writer)?;
        let mut replies = Vec::new();
        for answer in answers {
            replies.extend(answer.outcome.map_err(|refusal| refusal.error(what))?);
        }
        Ok(replies)
    }

    /// Sends several messages at once; the answers stand in the order of the messages.
    fn ask_each(&mut self, build: impl FnOnce(&mut Writer)) -> Result<Vec<Answer>> {
        let mut writer = self.socket.writer();
        build(&mut writer);
        self.socket.exchange(writer)
    }
}

impl Refusal {
    /// The error for people; `what` is what was tried, with its object.
    pub fn error(&self, what: &str) -> Error {
        let error = Error::kernel(what, self.errno);
        match self.text.is_empty() {
            true => error,
            false => error.about(self.text.clone()),
        }
    }
}
