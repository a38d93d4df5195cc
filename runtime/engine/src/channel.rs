//! The channel between the parent and init: one pair of `SOCK_SEQPACKET` sockets, which keep the borders of messages.
//!
//! ```text
//! parent                        init
//!   -- 1 byte + fd (per slot) -->     placed: systemd has started the unit, and these are its cgroups
//!   -- mapped ------------------>     the ID mappings of init's new user namespace are written
//!   <-------------- mounted -----     init has joined the namespaces and made the mounts
//!   -- hooks done -------------->     the prestart and createRuntime hooks have run
//!   <-- ready [+ terminal fd] ---     every step before the program's start is done
//!   -- committed --------------->     the record of the container is on disk
//!   <-------------- released ----     init no longer dies with the parent
//!   <-- failed { step, fault } --     instead of any message of init; init exits after it
//! ```
//!
//! A plan contains only the messages that its configuration needs: `mapped` with a new user namespace, the file descriptors
//! with `--systemd-cgroup`, `mounted` and `hooks done` with hooks. The order is always this one ([`Signal::ALL`]).
//!
//! A message to init has one byte. A message to the parent has [`MESSAGE`] bytes. The end of the channel means that the other
//! side is dead. The parent does not trust init, which may have joined the namespaces of a hostile container: it checks sizes and
//! numbers, and of the text it shows printable ASCII characters only.
//!
//! After `start`, init reports a failure on a second pair of sockets. `start` passes one end to init and reads the other
//! ([`receive_failure`]).

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

/// The size of the kernel's message in a failure.
const TEXT: usize = 240;

/// The size of every message to the parent: 16 bytes of numbers, then the text ([`encode`]).
pub(crate) const MESSAGE: usize = TEXT + 16;

/// A message of init.
#[derive(Debug)]
#[allow(
    clippy::large_enum_variant,
    reason = "one is read at a time, and init may not allocate the larger one"
)]
pub(crate) enum Message {
    /// Init has reached this point of its column.
    Reached(Signal),
    /// A step has failed, and init exits.
    Failed(Failure),
}

/// A failed step of init.
#[derive(Debug)]
pub(crate) struct Failure {
    /// The index of the step in init's column; after the wait for `start`, counted from the first step after it.
    pub(crate) step: usize,
    /// The call that failed, and its errno.
    pub(crate) fault: Fault,
    /// The kernel's message about a file system; empty for other failures.
    pub(crate) text: KernelText,
}

/// A message of the kernel, cut to a fixed size, so that init can keep it without an allocation.
#[derive(Clone, Copy)]
pub(crate) struct KernelText {
    bytes: [u8; TEXT],
    length: usize,
}

impl KernelText {
    /// No message.
    pub(crate) const EMPTY: Self = Self { bytes: [0; TEXT], length: 0 };

    /// Reads the oldest message of a file system context (fsopen(2), "Message retrieval interface"). Without a message, read(2)
    /// fails with `ENODATA`, and the text stays empty.
    pub(crate) fn read(context: BorrowedFd<'_>) -> Self {
        let mut text = Self::EMPTY;
        text.length = rustix::io::read(context, &mut text.bytes).unwrap_or(0);
        text
    }

    /// Returns the message without its level ("e " for an error) and without unprintable bytes.
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

/// Creates a channel and returns its two ends.
pub(crate) fn pair() -> Result<(OwnedFd, OwnedFd), Fault> {
    socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None).during(Call::Socket)
}

/// Sends a signal to init. `MSG_NOSIGNAL` turns the `SIGPIPE` of a dead init into an error.
pub(crate) fn send_signal(channel: BorrowedFd<'_>, signal: Signal) -> Result<(), Fault> {
    rustix::net::send(channel, &[number(signal)], SendFlags::NOSIGNAL).during(Call::Peer).map(drop)
}

/// Waits in init until the parent sends `signal`.
///
/// The wait has no limit. It ends when the parent dies, because the channel ends then, and a hook of the parent may take as long
/// as it likes.
pub(crate) fn await_signal(channel: BorrowedFd<'_>, signal: Signal) -> Result<(), Fault> {
    let mut byte = [0];
    let (_, got) =
        retry(|| rustix::net::recv(channel, &mut byte[..], RecvFlags::empty())).during(Call::Peer)?;
    if got == 1 && byte == [number(signal)] { Ok(()) } else { Err(Fault::new(Call::Peer, Errno::PIPE)) }
}

/// Sends a signal to the parent, and passes `fd` with it.
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

/// Sends a failure. It is the last message of init. When the send fails the other side is dead, and there is no process to report
/// that to.
pub(crate) fn send_failed(channel: BorrowedFd<'_>, failure: &Failure) {
    let _ = send_bytes(channel, &encode(failure), None);
}

/// Sends one message, with or without a file descriptor (unix(7), `SCM_RIGHTS`).
fn send_bytes(channel: BorrowedFd<'_>, bytes: &[u8], fd: Option<BorrowedFd<'_>>) -> Result<(), Fault> {
    let mut room = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = SendAncillaryBuffer::new(&mut room);
    let fds = fd.map(|fd| [fd]);
    if let Some(fds) = &fds {
        ancillary.push(SendAncillaryMessage::ScmRights(fds));
    }
    sendmsg(channel, &[IoSlice::new(bytes)], &mut ancillary, SendFlags::NOSIGNAL).during(Call::Peer).map(drop)
}

/// Waits at most `limit_ms` milliseconds for the next message of init. Returns the message and the file descriptor passed
/// with it.
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

/// Waits at most `limit_ms` milliseconds until `channel` has a message or has ended.
pub(crate) fn await_readable(channel: BorrowedFd<'_>, limit_ms: Option<u64>) -> Result<(), Fault> {
    let limit =
        limit_ms.map(|ms| Timespec { tv_sec: (ms / 1000) as i64, tv_nsec: (ms % 1000 * 1_000_000) as i64 });
    let mut waiting = [PollFd::from_borrowed_fd(channel, PollFlags::IN)];
    match retry(|| poll(&mut waiting, limit.as_ref())).during(Call::Peer)? {
        0 => Err(Fault::new(Call::Peer, Errno::TIMEDOUT)),
        _ => Ok(()),
    }
}

/// Receives one message with at most one file descriptor. Returns the size of the message, 0 at the end of the channel.
///
/// There is room for one descriptor only, so a sender can't fill the table of this process: the kernel closes the others
/// (unix(7), `MSG_CTRUNC`).
pub(crate) fn receive_bytes(
    channel: BorrowedFd<'_>,
    bytes: &mut [u8],
) -> Result<(usize, Option<OwnedFd>), Fault> {
    let mut room = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut room);
    let mut buffers = [IoSliceMut::new(bytes)];
    let mut receive = || retry(|| recvmsg(channel, &mut buffers, &mut ancillary, RecvFlags::CMSG_CLOEXEC));
    let got = match receive() {
        // The other side has closed its socket with unread messages in it. The kernel reports that once, and then the messages
        // that the other side had sent before.
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

/// Passes a file descriptor with `name` as the message. The receiver of a console socket reads the name of the terminal there.
pub(crate) fn send_descriptor(socket: BorrowedFd<'_>, name: &[u8], fd: BorrowedFd<'_>) -> Result<(), Fault> {
    send_bytes(socket, name, Some(fd))
}

/// The first byte of a failure. Other messages begin with the number of a signal.
const FAILED: u8 = 0xff;

fn number(signal: Signal) -> u8 {
    signal as u8
}

/// Encodes a failure, in the byte order of this machine:
///
/// ```text
/// 0      1     2     4      8       12           16
/// 0xff | call | step | errno | detail | text length | text
/// ```
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

/// Decodes a message. Returns `None` for an unknown signal or call. The errno is clamped to the numbers that Linux uses.
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

/// Decodes a message that is a failure; `None` for any other.
pub(crate) fn failure_in(bytes: &[u8; MESSAGE]) -> Option<Failure> {
    match decode(bytes) {
        Some(Message::Failed(failure)) => Some(failure),
        _ => None,
    }
}

/// Reads the failure of an init that `start` has released. exec(2) closes the socket, so its end without a message means that
/// the program runs.
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
    fn a_failure_arrives_although_init_left_a_message_unread() {
        let (parent, init) = pair().unwrap();
        send_signal(parent.as_fd(), Signal::Mapped).unwrap();
        let fault = Fault::new(Call::Open, Errno::NOENT);
        send_failed(init.as_fd(), &Failure { step: 3, fault, text: KernelText::EMPTY });
        drop(init);
        let (message, _) = receive(parent.as_fd(), Some(1000)).unwrap();
        assert!(matches!(message, Message::Failed(failure) if failure.step == 3));
    }

    #[test]
    fn a_file_descriptor_arrives_with_its_signal() {
        let (parent, init) = pair().unwrap();
        send_reached(init.as_fd(), Signal::Ready, Some(parent.as_fd())).unwrap();
        let (message, fd) = receive(parent.as_fd(), Some(1000)).unwrap();
        assert!(matches!(message, Message::Reached(Signal::Ready)) && fd.is_some());
    }

    #[test]
    fn a_dead_peer_is_an_error_at_once() {
        let (parent, init) = pair().unwrap();
        drop(init);
        assert_eq!(receive(parent.as_fd(), None).unwrap_err().errno, Errno::PIPE);
    }

    #[test]
    fn a_message_with_an_unknown_signal_is_refused() {
        let (parent, init) = pair().unwrap();
        send_bytes(init.as_fd(), &[0x77; MESSAGE], None).unwrap();
        assert_eq!(receive(parent.as_fd(), None).unwrap_err().errno, Errno::PROTO);
    }
}
