//! The channel between the parent and init: fixed-size messages over a socket pair.
//!
//! ```text
//! parent                          init
//!    <- Reached(mounted)             the namespaces are entered, the mounts made
//!    -> HooksDone
//!    <- Reached(ready) [+ terminal]  all is done but to start
//!    -> Committed                    the record is on disk
//!    <- Reached(released)            init lives on alone
//!    <- Failed { step, fault }       at any time, once
//! ```
//! The parent reads nothing else from init, and nothing of it is text but the kernel's own message about a mount.

use crate::fault::{Call, During, Fault};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::io::{Errno, IoSlice, IoSliceMut};
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketFlags, SocketType, recvmsg, sendmsg, socketpair,
};
use std::mem::MaybeUninit;
use tare_plan::step::Signal;

/// The size of the kernel's message that a failure may carry.
const TEXT: usize = 240;

/// The size of every message.
pub(crate) const MESSAGE: usize = TEXT + 16;

/// What init tells the parent.
#[derive(Debug)]
#[allow(clippy::large_enum_variant, reason = "one is read at a time, and the larger may not be allocated")]
pub(crate) enum Message {
    /// It has come so far.
    Reached(Signal),
    /// It has failed and is about to exit.
    Failed(Failure),
}

/// A failed step of init.
#[derive(Debug)]
pub(crate) struct Failure {
    /// The index of the step in init's column; after the wait for `start`, counted from the first step after it.
    pub(crate) step: usize,
    /// What went wrong.
    pub(crate) fault: Fault,
    /// What the kernel says about it, where it says something.
    pub(crate) text: KernelText,
}

/// The kernel's own words, of limited size.
#[derive(Clone, Copy)]
pub(crate) struct KernelText {
    bytes: [u8; TEXT],
    length: usize,
}

impl KernelText {
    pub(crate) const EMPTY: Self = Self { bytes: [0; TEXT], length: 0 };

    /// Reads the message that a file system context holds (fsopen(2)); none is no error.
    pub(crate) fn read(context: BorrowedFd<'_>) -> Self {
        let mut text = Self::EMPTY;
        text.length = rustix::io::read(context, &mut text.bytes).unwrap_or(0);
        text
    }

    /// The words without the level that the kernel puts before them ("e ") and without what is not printable.
    pub(crate) fn to_text(self) -> String {
        let bytes = self.bytes.get(..self.length).unwrap_or_default();
        let words: String = bytes
            .iter()
            .filter(|byte| byte.is_ascii_graphic() || **byte == b' ')
            .map(|byte| char::from(*byte))
            .collect();
        words.strip_prefix("e ").unwrap_or(&words).trim().to_owned()
    }
}

impl std::fmt::Debug for KernelText {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(&self.to_text())
    }
}

/// Makes the two ends: the parent's and init's.
pub(crate) fn pair() -> Result<(OwnedFd, OwnedFd), Fault> {
    socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None).during(Call::Socket)
}

/// Tells init to go on.
pub(crate) fn send_signal(channel: BorrowedFd<'_>, signal: Signal) -> Result<(), Fault> {
    rustix::net::send(channel, &[number(signal)], SendFlags::NOSIGNAL).during(Call::Peer).map(drop)
}

/// Waits until the parent says `signal`; the end of the channel means that the parent is dead.
pub(crate) fn await_signal(channel: BorrowedFd<'_>, signal: Signal) -> Result<(), Fault> {
    let mut byte = [0];
    let (_, got) =
        retry(|| rustix::net::recv(channel, &mut byte[..], RecvFlags::empty())).during(Call::Peer)?;
    if got == 1 && byte == [number(signal)] { Ok(()) } else { Err(Fault::new(Call::Peer, Errno::PIPE)) }
}

/// Tells the parent that init has come so far, and hands it `fd` if there is one.
pub(crate) fn send_reached(
    channel: BorrowedFd<'_>,
    signal: Signal,
    fd: Option<BorrowedFd<'_>>,
) -> Result<(), Fault> {
    let mut message = [0; MESSAGE];
    if let Some(first) = message.first_mut() {
        *first = number(signal);
    }
    send_bytes(channel, &message, fd)
}

/// Tells whoever listens that a step has failed. It is the last thing init says, so that its own failure goes nowhere.
pub(crate) fn send_failed(channel: BorrowedFd<'_>, failure: &Failure) {
    let _ = send_bytes(channel, &encode(failure), None);
}

/// Sends one message, with a descriptor or without.
fn send_bytes(channel: BorrowedFd<'_>, bytes: &[u8], fd: Option<BorrowedFd<'_>>) -> Result<(), Fault> {
    let mut room = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = SendAncillaryBuffer::new(&mut room);
    let fds = fd.map(|fd| [fd]);
    if let Some(fds) = &fds {
        ancillary.push(SendAncillaryMessage::ScmRights(fds));
    }
    sendmsg(channel, &[IoSlice::new(bytes)], &mut ancillary, SendFlags::NOSIGNAL).during(Call::Peer).map(drop)
}

/// Waits for init's next message and the descriptor that may come with it.
///
/// `limit_ms` bounds the wait, in milliseconds.
pub(crate) fn receive(
    channel: BorrowedFd<'_>,
    limit_ms: Option<u64>,
) -> Result<(Message, Option<OwnedFd>), Fault> {
    await_readable(channel, limit_ms)?;
    let mut bytes = [0; MESSAGE];
    let (got, fd) = receive_bytes(channel, &mut bytes)?;
    if got != MESSAGE {
        return Err(Fault::new(Call::Peer, Errno::PIPE));
    }
    decode(&bytes).map(|message| (message, fd)).ok_or(Fault::new(Call::Peer, Errno::PROTO))
}

/// Waits until something can be read from `channel`, its end included.
pub(crate) fn await_readable(channel: BorrowedFd<'_>, limit_ms: Option<u64>) -> Result<(), Fault> {
    let limit =
        limit_ms.map(|ms| Timespec { tv_sec: (ms / 1000) as i64, tv_nsec: (ms % 1000 * 1_000_000) as i64 });
    let mut waiting = [PollFd::from_borrowed_fd(channel, PollFlags::IN)];
    match retry(|| poll(&mut waiting, limit.as_ref())).during(Call::Peer)? {
        0 => Err(Fault::new(Call::Peer, Errno::TIMEDOUT)),
        _ => Ok(()),
    }
}

/// Receives one message of any kind with at most one descriptor; returns its size.
pub(crate) fn receive_bytes(
    channel: BorrowedFd<'_>,
    bytes: &mut [u8],
) -> Result<(usize, Option<OwnedFd>), Fault> {
    let mut room = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut room);
    let mut buffers = [IoSliceMut::new(bytes)];
    let mut receive = || retry(|| recvmsg(channel, &mut buffers, &mut ancillary, RecvFlags::CMSG_CLOEXEC));
    let got = match receive() {
        // The other side has ended and left something unread. That is told once, before what it said last.
        Err(Errno::CONNRESET) => receive(),
        answer => answer,
    };
    let got = got.during(Call::Peer)?;
    let mut fd = None;
    for message in ancillary.drain() {
        if let RecvAncillaryMessage::ScmRights(mut fds) = message {
            fd = fds.next();
        }
    }
    Ok((got.bytes, fd))
}

/// Repeats a call that a signal interrupted.
pub(crate) fn retry<T>(mut call: impl FnMut() -> rustix::io::Result<T>) -> rustix::io::Result<T> {
    loop {
        match call() {
            Err(Errno::INTR) => {}
            answer => return answer,
        }
    }
}

/// Sends a descriptor with `name` as the message, as console sockets take it.
pub(crate) fn send_descriptor(socket: BorrowedFd<'_>, name: &[u8], fd: BorrowedFd<'_>) -> Result<(), Fault> {
    send_bytes(socket, name, Some(fd))
}

const FAILED: u8 = 0xff;

fn number(signal: Signal) -> u8 {
    signal as u8
}

/// Byte 0 tells the kind; then the step, the call, the errno, the detail and the text.
fn encode(failure: &Failure) -> [u8; MESSAGE] {
    let mut message = [0; MESSAGE];
    let step = u16::try_from(failure.step).unwrap_or(u16::MAX).to_ne_bytes();
    let head = [FAILED, failure.fault.call as u8].into_iter().chain(step);
    let numbers = failure
        .fault
        .errno
        .raw_os_error()
        .to_ne_bytes()
        .into_iter()
        .chain(failure.fault.detail.to_ne_bytes());
    let length = (failure.text.length as u32).to_ne_bytes();
    let all = head.chain(numbers).chain(length).chain(failure.text.bytes);
    for (place, byte) in message.iter_mut().zip(all) {
        *place = byte;
    }
    message
}

/// Reads a message; whatever does not mean anything is nothing.
fn decode(message: &[u8; MESSAGE]) -> Option<Message> {
    let kind = *message.first()?;
    if kind != FAILED {
        return Signal::ALL.into_iter().find(|signal| number(*signal) == kind).map(Message::Reached);
    }
    let word = |at: usize| message.get(at..at + 4).and_then(|bytes| <[u8; 4]>::try_from(bytes).ok());
    let call = Call::from_number(*message.get(1)?)?;
    let step = u16::from_ne_bytes([*message.get(2)?, *message.get(3)?]).into();
    let errno = Errno::from_raw_os_error(i32::from_ne_bytes(word(4)?).clamp(1, 4095));
    let fault = Fault::new(call, errno).detail(u32::from_ne_bytes(word(8)?));
    let length = (u32::from_ne_bytes(word(12)?) as usize).min(TEXT);
    let bytes = <[u8; TEXT]>::try_from(message.get(16..)?).ok()?;
    Some(Message::Failed(Failure { step, fault, text: KernelText { bytes, length } }))
}

/// The failure that a message tells of, if it does.
pub(crate) fn failure_in(bytes: &[u8; MESSAGE]) -> Option<Failure> {
    match decode(bytes) {
        Some(Message::Failed(failure)) => Some(failure),
        _ => None,
    }
}

/// Reads the failure that a started init sends; its end without one means that the program was executed.
pub(crate) fn receive_failure(reply: &OwnedFd, limit_ms: Option<u64>) -> Result<Option<Failure>, Fault> {
    await_readable(reply.as_fd(), limit_ms)?;
    let mut bytes = [0; MESSAGE];
    let got = retry(|| rustix::io::read(reply, &mut bytes)).during(Call::Peer)?;
    match (got, failure_in(&bytes)) {
        (0, _) => Ok(None),
        (MESSAGE, Some(failure)) => Ok(Some(failure)),
        _ => Err(Fault::new(Call::Peer, Errno::PROTO)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_survives_the_channel() {
        let (parent, init) = pair().unwrap();
        let fault = Fault::new(Call::FsOption, Errno::INVAL).detail(7);
        send_failed(init.as_fd(), &Failure { step: 300, fault, text: KernelText::EMPTY });
        let (message, fd) = receive(parent.as_fd(), Some(1000)).unwrap();
        let Message::Failed(failure) = message else { panic!("{message:?}") };
        assert_eq!((failure.step, failure.fault), (300, fault));
        assert!(fd.is_none());
    }

    #[test]
    fn a_failure_is_heard_although_init_left_a_message_unread() {
        let (parent, init) = pair().unwrap();
        send_signal(parent.as_fd(), Signal::Mapped).unwrap();
        let fault = Fault::new(Call::Open, Errno::NOENT);
        send_failed(init.as_fd(), &Failure { step: 3, fault, text: KernelText::EMPTY });
        drop(init);
        let (message, _) = receive(parent.as_fd(), Some(1000)).unwrap();
        assert!(matches!(message, Message::Failed(failure) if failure.step == 3));
    }

    #[test]
    fn a_descriptor_comes_with_its_signal() {
        let (parent, init) = pair().unwrap();
        send_reached(init.as_fd(), Signal::Ready, Some(parent.as_fd())).unwrap();
        let (message, fd) = receive(parent.as_fd(), Some(1000)).unwrap();
        assert!(matches!(message, Message::Reached(Signal::Ready)) && fd.is_some());
    }

    #[test]
    fn a_dead_peer_is_told_at_once() {
        let (parent, init) = pair().unwrap();
        drop(init);
        assert_eq!(receive(parent.as_fd(), None).unwrap_err().errno, Errno::PIPE);
    }

    #[test]
    fn bytes_that_mean_nothing_are_refused() {
        let (parent, init) = pair().unwrap();
        send_bytes(init.as_fd(), &[0x77; MESSAGE], None).unwrap();
        assert_eq!(receive(parent.as_fd(), None).unwrap_err().errno, Errno::PROTO);
    }
}
