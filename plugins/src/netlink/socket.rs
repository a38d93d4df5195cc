//! A netlink socket: sends messages and pairs each with the kernel's answer.

use super::message::{Message, Writer, find_text, messages, read_u32};
use crate::error::{Code, Error, Result};
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

/// Large enough for what the kernel puts into one datagram of a dump.
const BUFFER: usize = 32 * 1024;
/// So many refusals a socket holds in any case, and so many bytes each takes.
const REFUSALS_AT_ONCE: usize = 200;
const REFUSAL: usize = 1024;
const ERROR: u16 = 2;
const DONE: u16 = 3;
/// `NLMSGERR_ATTR_MSG`: the kernel's words.
const ATTRIBUTE_TEXT: u16 = 1;
/// `NLM_F_DUMP_INTR`: what is listed changed while it was listed, so something may be missing.
const INTERRUPTED: u16 = 0x10;
/// So often a list is asked for until it is whole; then what there is has to do.
const ATTEMPTS: u32 = 5;
/// The kernel answers while it is asked; one that does not for so long never will.
const PATIENCE: Duration = Duration::from_secs(60);
/// `NLM_F_ACK_TLVS`: attributes follow the error.
const ACK_ATTRIBUTES: u16 = 0x200;

/// A netlink socket of the namespace in which it was opened.
#[derive(Debug)]
pub struct Socket {
    descriptor: OwnedFd,
    next: u32,
    buffer: Vec<u8>,
}

/// Why the kernel refused a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Its number.
    pub errno: Errno,
    /// Its words, where it has any.
    pub text: String,
}

/// The kernel's answer to one message: the bodies of its replies, or why it refused.
#[derive(Debug)]
pub struct Answer {
    /// Which message it answers.
    pub sequence: u32,
    /// The bodies of the replies, without the netlink header.
    pub outcome: std::result::Result<Vec<Vec<u8>>, Refusal>,
}

impl Socket {
    /// Opens a socket for links, addresses and routes.
    pub(super) fn open_route() -> Result<Socket> {
        let socket = Socket::try_open(None).map_err(cannot_open)?;
        // Kernels before 4.20 have no such option; their dumps are filtered by the reader anyway.
        let _ = enable(&socket.descriptor, NetlinkOption::StrictCheck);
        Ok(socket)
    }

    /// Opens a socket for netfilter; `None` where the kernel has none.
    ///
    /// # Errors
    /// The kernel's.
    pub fn open_netfilter() -> Result<Option<Socket>> {
        match Socket::try_open(Some(netlink::NETFILTER)) {
            Err(Errno::PROTONOSUPPORT) => Ok(None),
            other => other.map(Some).map_err(cannot_open),
        }
    }

    fn try_open(protocol: Option<Protocol>) -> rustix::io::Result<Socket> {
        let descriptor =
            socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, protocol)?;
        for option in [NetlinkOption::ExtendedAcknowledgement, NetlinkOption::CappedAcknowledgement] {
            // Only the words of errors depend on these.
            let _ = enable(&descriptor, option);
        }
        set_socket_timeout(&descriptor, Timeout::Recv, Some(PATIENCE))?;
        Ok(Socket { descriptor, next: 1, buffer: Vec::with_capacity(BUFFER) })
    }

    /// A writer whose messages this socket will send.
    pub fn writer(&self) -> Writer {
        Writer::new(self.next)
    }

    /// Sends messages of which each asks for an acknowledgement or is a dump, and waits for all answers. A dump that is
    /// alone and was interrupted is asked for again.
    ///
    /// # Errors
    /// The socket fails; refusals are in the answers.
    pub fn exchange(&mut self, writer: Writer) -> Result<Vec<Answer>> {
        let mut pending = self.exchange_once(&writer)?;
        for _ in 1..ATTEMPTS {
            if !pending.interrupted || pending.answers.len() > 1 {
                break;
            }
            pending = self.exchange_once(&writer)?;
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

    /// Sends a message that is a dump, and reads its replies until one is as wanted. The socket goes with it: the rest of
    /// the dump is not read.
    ///
    /// # Errors
    /// The socket fails.
    pub fn search(mut self, writer: Writer, wanted: impl Fn(&[u8]) -> bool) -> Result<bool> {
        for _ in 0..ATTEMPTS {
            match self.search_once(&writer, &wanted)? {
                Search::Found => return Ok(true),
                Search::Missing => return Ok(false),
                Search::Interrupted => {}
            }
        }
        Ok(false)
    }

    fn search_once(&mut self, writer: &Writer, wanted: &impl Fn(&[u8]) -> bool) -> Result<Search> {
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
            if replies.iter().any(|body| wanted(body)) {
                return Ok(Search::Found);
            }
            match (finished, interrupted) {
                (true, false) => return Ok(Search::Missing),
                (true, true) => return Ok(Search::Interrupted),
                (false, _) => {}
            }
        }
    }

    /// Sends a batch, whose messages are not acknowledged but for the last, and waits until it is decided.
    ///
    /// # Errors
    /// The socket fails; refusals are in the answers, in the order of the messages, and only for those refused.
    pub fn transact(&mut self, writer: Writer, acknowledged: u32) -> Result<Vec<Answer>> {
        let sequences = writer.sequences();
        self.make_room(sequences.len())?;
        self.send(&writer)?;
        let mut pending = Pending::new(sequences.clone());
        while !pending.is_finished(acknowledged) && !pending.is_refused(sequences.start) {
            self.receive(&mut pending)?;
        }
        Ok(pending.answers)
    }

    fn send(&mut self, writer: &Writer) -> Result<()> {
        self.next = writer.sequences().end;
        let failed = |why| Error::kernel("send to the kernel over netlink", why);
        let mut sent = send(&self.descriptor, writer.as_bytes(), SendFlags::empty());
        if sent == Err(Errno::MSGSIZE) {
            // Hundreds of ports are more than a socket takes at once unless it is told.
            let room = writer.as_bytes().len().saturating_mul(2);
            set_socket_send_buffer_size_force(&self.descriptor, room).map_err(failed)?;
            sent = send(&self.descriptor, writer.as_bytes(), SendFlags::empty());
        }
        sent.map(drop).map_err(failed)
    }

    /// Each message of a batch may be refused, and the refusals all wait to be read.
    fn make_room(&self, refusals: usize) -> Result<()> {
        if refusals <= REFUSALS_AT_ONCE {
            return Ok(());
        }
        set_socket_recv_buffer_size_force(&self.descriptor, refusals.saturating_mul(REFUSAL))
            .map_err(|why| Error::kernel("make room for the answers of the kernel", why))
    }

    fn receive(&mut self, pending: &mut Pending) -> Result<()> {
        let failed = |why| Error::kernel("receive from the kernel over netlink", why);
        self.buffer.clear();
        // Not filled with zeroes before: most answers are small, and what is not touched takes no memory.
        let length = match recv(&self.descriptor, spare_capacity(&mut self.buffer), RecvFlags::TRUNC) {
            Err(Errno::INTR) => return Ok(()),
            Err(Errno::AGAIN) => return Err(no_answer()),
            other => other.map_err(failed)?.1,
        };
        let datagram = self.buffer.get(..length).ok_or_else(|| failed(Errno::MSGSIZE))?;
        messages(datagram).for_each(|message| pending.take(&message));
        Ok(())
    }
}

fn cannot_open(why: Errno) -> Error {
    Error::kernel("open a netlink socket", why)
}

fn no_answer() -> Error {
    let seconds = PATIENCE.as_secs();
    Error::new(Code::TryAgain, format!("the kernel has not answered over netlink for {seconds} seconds"))
}

/// What a search came to.
enum Search {
    Found,
    Missing,
    /// It was not found in what may be only a part.
    Interrupted,
}

/// The answers that have come so far, one place for each message sent.
struct Pending {
    answers: Vec<Answer>,
    finished: Vec<bool>,
    first: u32,
    interrupted: bool,
}

impl Pending {
    fn new(sequences: std::ops::Range<u32>) -> Self {
        let first = sequences.start;
        let answers: Vec<Answer> =
            sequences.map(|sequence| Answer { sequence, outcome: Ok(Vec::new()) }).collect();
        Self { finished: vec![false; answers.len()], answers, first, interrupted: false }
    }

    fn place(&self, sequence: u32) -> usize {
        usize::try_from(sequence.wrapping_sub(self.first)).unwrap_or(usize::MAX)
    }

    fn is_finished(&self, sequence: u32) -> bool {
        self.finished.get(self.place(sequence)).copied().unwrap_or(true)
    }

    fn is_refused(&self, sequence: u32) -> bool {
        self.answers.get(self.place(sequence)).is_none_or(|answer| answer.outcome.is_err())
    }

    /// Answers to messages of an earlier exchange have no place here and are dropped.
    fn take(&mut self, message: &Message<'_>) {
        let place = self.place(message.sequence);
        let (Some(answer), Some(finished)) = (self.answers.get_mut(place), self.finished.get_mut(place))
        else {
            return;
        };
        self.interrupted |= message.flags & INTERRUPTED != 0;
        match message.kind {
            ERROR => {
                if let Some(refusal) = refusal(message) {
                    answer.outcome = Err(refusal);
                }
                *finished = true;
            }
            DONE => *finished = true,
            _ => {
                if let Ok(replies) = &mut answer.outcome {
                    replies.push(message.body.to_vec());
                }
            }
        }
    }
}

/// `None` when the "error" is an acknowledgement.
fn refusal(message: &Message<'_>) -> Option<Refusal> {
    let number = i32::from_ne_bytes(message.body.get(..4)?.try_into().ok()?);
    let errno = if number == 0 { return None } else { Errno::from_raw_os_error(number.wrapping_neg()) };
    let text = match message.flags & ACK_ATTRIBUTES {
        0 => String::new(),
        _ => find_text(words_of(message).unwrap_or_default(), ATTRIBUTE_TEXT),
    };
    Some(Refusal { errno, text })
}

/// The attributes after the error number and the header of the request, or all of the request when it is repeated.
fn words_of<'a>(message: &Message<'a>) -> Option<&'a [u8]> {
    const CAPPED: u16 = 0x100;
    let repeated = match message.flags & CAPPED {
        0 => usize::try_from(read_u32(message.body, 4)?).ok()?.next_multiple_of(4),
        _ => 16,
    };
    message.body.get(4 + repeated..)
}

#[cfg(test)]
mod tests {
    use super::super::message::Op;
    use super::*;

    #[test]
    fn a_kernel_that_does_not_answer_is_not_waited_for_without_end() {
        let mut socket = Socket::open_route().unwrap();
        let short = Duration::from_millis(20);
        set_socket_timeout(&socket.descriptor, Timeout::Recv, Some(short)).unwrap();
        let mut writer = socket.writer();
        // `NLMSG_NOOP`, and no acknowledgement asked for.
        writer.message(Op(1, 0), &[], |_| {});
        let error = socket.exchange(writer).unwrap_err();
        assert_eq!(error.code, 11);
        assert_eq!(error.msg, "the kernel has not answered over netlink for 60 seconds");
        let patience = rustix::net::sockopt::socket_timeout;
        let fresh = Socket::open_route().unwrap();
        assert_eq!(patience(&fresh.descriptor, Timeout::Recv), Ok(Some(PATIENCE)));
    }

    #[test]
    fn a_list_that_changed_while_it_was_listed_is_known_as_such() {
        let told = |flags| {
            let mut pending = Pending::new(7..8);
            pending.take(&Message { kind: 16, flags, sequence: 7, body: &[0; 16] });
            (pending.interrupted, pending.answers.len())
        };
        assert_eq!((told(2), told(2 | INTERRUPTED)), ((false, 1), (true, 1)));
    }
}
