//! A netlink socket that sends messages and waits for the kernel's answers.

use crate::message::{Writer, messages};
use crate::pending::{Answer, Pending};
use rustix::buffer::spare_capacity;
use rustix::io::Errno;
use rustix::net::sockopt::{
    Timeout, set_socket_recv_buffer_size_force, set_socket_send_buffer_size_force, set_socket_timeout,
};
use rustix::net::{
    AddressFamily, Protocol, RecvFlags, SendFlags, SocketFlags, SocketType, netlink, recv, send, socket_with,
};
use std::os::fd::OwnedFd;
use std::time::Duration;
use tare_sys::netlink::{NetlinkOption, enable};

/// The kernel puts at most this much into one datagram of a dump.
const BUFFER: usize = 32 * 1024;
/// The default receive buffer of a socket holds this many refusals, at this many bytes each.
const REFUSALS_AT_ONCE: usize = 200;
const REFUSAL: usize = 1024;
/// How often a dump is repeated until it is complete. After that the incomplete list is returned.
const ATTEMPTS: u32 = 5;
/// The kernel answers during the call of send(2). A kernel that is silent for this long never answers.
pub const RECEIVE_TIMEOUT: Duration = Duration::from_secs(60);

/// A netlink socket of the network namespace in which it was opened.
#[derive(Debug)]
pub struct Socket {
    descriptor: OwnedFd,
    next: u32,
    buffer: Vec<u8>,
}

/// Why an exchange failed. The kernel's refusals are in the [`Answer`]s instead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// The kernel did not accept the datagram.
    Send(Errno),
    /// The receive buffer could not be enlarged.
    Enlarge(Errno),
    /// No answer could be read.
    Receive(Errno),
    /// The kernel did not answer within [`RECEIVE_TIMEOUT`].
    Timeout,
}

/// The result of an exchange.
type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// The error number of the failed call.
    pub fn errno(self) -> Errno {
        match self {
            Error::Send(errno) | Error::Enlarge(errno) | Error::Receive(errno) => errno,
            Error::Timeout => Errno::TIMEDOUT,
        }
    }
}

impl Socket {
    /// Opens a socket for links, addresses and routes (rtnetlink(7)).
    ///
    /// # Errors
    /// The error of socket(2) or setsockopt(2).
    pub fn open_route() -> rustix::io::Result<Socket> {
        // Without a protocol the socket is one of NETLINK_ROUTE, number 0.
        let socket = Socket::open(None)?;
        // Kernels before 4.20 do not have this option; there the reader filters dumps anyway.
        let _ = enable(&socket.descriptor, NetlinkOption::StrictCheck);
        Ok(socket)
    }

    /// Opens a socket for netfilter; `None` if the kernel has no netfilter over netlink.
    ///
    /// # Errors
    /// The error of socket(2) or setsockopt(2).
    pub fn open_netfilter() -> rustix::io::Result<Option<Socket>> {
        match Socket::open(Some(netlink::NETFILTER)) {
            Err(Errno::PROTONOSUPPORT) => Ok(None),
            other => other.map(Some),
        }
    }

    fn open(protocol: Option<Protocol>) -> rustix::io::Result<Socket> {
        let descriptor =
            socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, protocol)?;
        for option in [NetlinkOption::ExtendedAcknowledgement, NetlinkOption::CappedAcknowledgement] {
            // An old kernel refuses. Only the texts of errors depend on these options.
            let _ = enable(&descriptor, option);
        }
        set_socket_timeout(&descriptor, Timeout::Recv, Some(RECEIVE_TIMEOUT))?;
        Ok(Socket { descriptor, next: 1, buffer: Vec::with_capacity(BUFFER) })
    }

    /// Creates a writer for messages to send over this socket.
    pub fn writer(&self) -> Writer {
        Writer::new(self.next)
    }

    /// Builds messages, sends them in one datagram and returns one answer for each, in their order.
    ///
    /// # Errors
    /// As [`Socket::exchange`].
    pub fn request(&mut self, build: impl FnOnce(&mut Writer)) -> Result<Vec<Answer>> {
        let mut writer = self.writer();
        build(&mut writer);
        self.exchange(&writer)
    }

    /// Sends messages and waits for all answers. Each message must ask for an acknowledgement or be a dump. An interrupted
    /// dump is repeated if it is the only message.
    ///
    /// # Errors
    /// The socket's errors; refusals are in the answers.
    pub fn exchange(&mut self, writer: &Writer) -> Result<Vec<Answer>> {
        let mut pending = self.exchange_once(writer)?;
        for _ in 1..ATTEMPTS {
            if !pending.interrupted || pending.answers.len() > 1 {
                break;
            }
            pending = self.exchange_once(writer)?;
        }
        Ok(pending.answers)
    }

    fn exchange_once(&mut self, writer: &Writer) -> Result<Pending> {
        let sequences = writer.sequences();
        self.send(writer)?;
        let last = sequences.end.wrapping_sub(1);
        let mut pending = Pending::new(sequences);
        while !pending.is_finished(last) {
            self.receive(&mut pending)?;
        }
        Ok(pending)
    }

    /// Sends a dump and reads its replies until one matches. Consumes the socket, because the rest of the dump stays unread.
    ///
    /// # Errors
    /// The socket's errors.
    pub fn search(mut self, writer: &Writer, matches: impl Fn(&[u8]) -> bool) -> Result<bool> {
        for _ in 0..ATTEMPTS {
            match self.search_once(writer, &matches)? {
                Search::Found => return Ok(true),
                Search::Missing => return Ok(false),
                Search::Interrupted => {}
            }
        }
        Ok(false)
    }

    fn search_once(&mut self, writer: &Writer, matches: &impl Fn(&[u8]) -> bool) -> Result<Search> {
        let sequences = writer.sequences();
        self.send(writer)?;
        let mut interrupted = false;
        loop {
            let mut pending = Pending::new(sequences.clone());
            self.receive(&mut pending)?;
            interrupted |= pending.interrupted;
            let finished = pending.is_finished(sequences.start);
            let answer = pending.answers.pop();
            let replies = answer.and_then(|answer| answer.outcome.ok()).unwrap_or_default();
            if replies.iter().any(|body| matches(body)) {
                return Ok(Search::Found);
            }
            match (finished, interrupted) {
                (true, false) => return Ok(Search::Missing),
                (true, true) => return Ok(Search::Interrupted),
                (false, _) => {}
            }
        }
    }

    /// Sends a transaction and waits until the kernel has committed or refused it. Only the message with the sequence number
    /// `acknowledged` asks for an acknowledgement.
    ///
    /// # Errors
    /// The socket's errors; refusals are in the answers to the refused messages.
    pub fn transact(&mut self, writer: &Writer, acknowledged: u32) -> Result<Vec<Answer>> {
        let sequences = writer.sequences();
        self.enlarge_receive_buffer(sequences.len())?;
        self.send(writer)?;
        let mut pending = Pending::new(sequences.clone());
        while !pending.is_finished(acknowledged) && !pending.is_refused(sequences.start) {
            self.receive(&mut pending)?;
        }
        Ok(pending.answers)
    }

    fn send(&mut self, writer: &Writer) -> Result<()> {
        self.next = writer.sequences().end;
        let mut sent = send(&self.descriptor, writer.as_bytes(), SendFlags::empty());
        if sent == Err(Errno::MSGSIZE) {
            // Hundreds of published ports do not fit into the default send buffer.
            let size = writer.as_bytes().len().saturating_mul(2);
            set_socket_send_buffer_size_force(&self.descriptor, size).map_err(Error::Send)?;
            sent = send(&self.descriptor, writer.as_bytes(), SendFlags::empty());
        }
        sent.map(drop).map_err(Error::Send)
    }

    /// The kernel may refuse each message of a transaction, and the socket must hold all refusals until they are read.
    fn enlarge_receive_buffer(&self, refusals: usize) -> Result<()> {
        if refusals <= REFUSALS_AT_ONCE {
            return Ok(());
        }
        set_socket_recv_buffer_size_force(&self.descriptor, refusals.saturating_mul(REFUSAL))
            .map_err(Error::Enlarge)
    }

    fn receive(&mut self, pending: &mut Pending) -> Result<()> {
        self.buffer.clear();
        // The buffer is not zeroed first: most answers are small, and pages that are not touched take no memory.
        let length = match recv(&self.descriptor, spare_capacity(&mut self.buffer), RecvFlags::TRUNC) {
            Err(Errno::INTR) => return Ok(()),
            Err(Errno::AGAIN) => return Err(Error::Timeout),
            other => other.map_err(Error::Receive)?.1,
        };
        let datagram = self.buffer.get(..length).ok_or(Error::Receive(Errno::MSGSIZE))?;
        messages(datagram).for_each(|message| pending.add(&message));
        Ok(())
    }
}

/// The outcome of one attempt to search a dump.
enum Search {
    Found,
    Missing,
    /// Not found, but the dump may be incomplete.
    Interrupted,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::Op;

    #[test]
    fn a_silent_kernel_ends_the_wait_after_the_timeout() {
        let mut socket = Socket::open_route().unwrap();
        let timeout = rustix::net::sockopt::socket_timeout(&socket.descriptor, Timeout::Recv);
        assert_eq!(timeout, Ok(Some(RECEIVE_TIMEOUT)));
        let short = Duration::from_millis(20);
        set_socket_timeout(&socket.descriptor, Timeout::Recv, Some(short)).unwrap();
        // `NLMSG_NOOP` without a request for an acknowledgement has no answer.
        let outcome = socket.request(|w| w.message(Op(1, 0), &[], |_| {}));
        assert_eq!(outcome.unwrap_err(), Error::Timeout);
    }
}
