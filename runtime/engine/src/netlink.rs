//! A netlink socket of the parent's, for links and addresses (netlink(7), rtnetlink(7)): one request, its answers.

use crate::fault::{Call, During, Fault};
use rustix::fd::OwnedFd;
use rustix::io::Errno;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType};

/// `RTM_NEWLINK`
pub(crate) const NEW_LINK: u16 = 16;
const REQUEST: u16 = 0x001;
const ACKNOWLEDGE: u16 = 0x004;
const DUMP: u16 = 0x300;
const CREATE: u16 = 0x600;
/// `NLMSG_ERROR` and `NLMSG_DONE`.
const ERROR: u16 = 2;
const DONE: u16 = 3;
/// `struct nlmsghdr`
const HEADER: usize = 16;
/// As much as the kernel puts into one answer.
const ROOM: usize = 65_536;

/// A socket for links and addresses of the namespace in which it was opened.
pub(crate) struct Socket(OwnedFd);

/// One answer, without its header.
#[derive(Debug)]
pub(crate) struct Message(Vec<u8>);

/// A property of a link or an address.
#[derive(Debug)]
pub(crate) struct Attribute<'bytes> {
    pub(crate) kind: u16,
    value: &'bytes [u8],
}

impl<'bytes> Attribute<'bytes> {
    pub(crate) fn new(kind: u16, value: &'bytes [u8]) -> Self {
        Self { kind, value }
    }
}

impl Socket {
    pub(crate) fn open() -> Result<Self, Fault> {
        // No protocol means number 0, which is that of links and addresses.
        let kind = (AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC);
        rustix::net::socket_with(kind.0, kind.1, kind.2, None).during(Call::NetDevice).map(Self)
    }

    /// Makes or changes something.
    pub(crate) fn change(&mut self, kind: u16, fixed: &[u8], more: &[Attribute<'_>]) -> Result<(), Fault> {
        // Creating is asked for where the kernel needs it; a link that is named by its index is only changed.
        let flags = if kind == NEW_LINK { REQUEST | ACKNOWLEDGE } else { REQUEST | ACKNOWLEDGE | CREATE };
        self.exchange(&request((kind, flags), fixed, more)).map(drop)
    }

    /// Asks for one thing.
    pub(crate) fn ask(
        &mut self,
        kind: u16,
        fixed: &[u8],
        more: &[Attribute<'_>],
    ) -> Result<Vec<Message>, Fault> {
        self.exchange(&request((kind, REQUEST | ACKNOWLEDGE), fixed, more))
    }

    /// Asks for all there are.
    pub(crate) fn dump(&mut self, kind: u16, fixed: &[u8]) -> Result<Vec<Message>, Fault> {
        self.exchange(&request((kind, REQUEST | DUMP), fixed, &[]))
    }

    /// Sends a request and gathers the answers, up to the one that ends them.
    fn exchange(&mut self, request: &[u8]) -> Result<Vec<Message>, Fault> {
        rustix::net::send(&self.0, request, SendFlags::empty()).during(Call::NetDevice)?;
        let mut answers = Vec::new();
        let mut room = vec![0; ROOM];
        loop {
            let (got, _) =
                rustix::net::recv(&self.0, &mut room[..], RecvFlags::empty()).during(Call::NetDevice)?;
            if let Some(outcome) = gather(room.get(..got).unwrap_or_default(), &mut answers) {
                return outcome.map(|()| answers);
            }
        }
    }
}

/// Adds the answers in what was received; returns how it went when the one that ends them is among them.
fn gather(mut bytes: &[u8], answers: &mut Vec<Message>) -> Option<Result<(), Fault>> {
    while let Some((kind, body, after)) = next(bytes) {
        match kind {
            DONE => return Some(Ok(())),
            ERROR => return Some(outcome(body)),
            _ => answers.push(Message(body.to_vec())),
        }
        bytes = after;
    }
    None
}

/// The first message of what was received: its type, its body, and what follows.
fn next(bytes: &[u8]) -> Option<(u16, &[u8], &[u8])> {
    let length = usize::try_from(u32::from_ne_bytes(*bytes.first_chunk()?)).ok()?;
    let kind = u16::from_ne_bytes(*bytes.get(4..)?.first_chunk()?);
    let body = bytes.get(HEADER..length)?;
    Some((kind, body, bytes.get(length.next_multiple_of(4)..).unwrap_or_default()))
}

/// An acknowledgement: a negative errno, or 0.
fn outcome(body: &[u8]) -> Result<(), Fault> {
    let code = body.first_chunk().copied().map_or(0, i32::from_ne_bytes);
    if code == 0 {
        return Ok(());
    }
    let errno = Errno::from_raw_os_error(code.checked_neg().unwrap_or(1).clamp(1, 4095));
    Err(Fault::new(Call::NetDevice, errno))
}

fn request((kind, flags): (u16, u16), fixed: &[u8], attributes: &[Attribute<'_>]) -> Vec<u8> {
    let mut bytes = vec![0; HEADER];
    bytes.extend_from_slice(fixed);
    for attribute in attributes {
        let length = u16::try_from(attribute.value.len() + 4).unwrap_or(u16::MAX);
        bytes.extend_from_slice(&length.to_ne_bytes());
        bytes.extend_from_slice(&attribute.kind.to_ne_bytes());
        bytes.extend_from_slice(attribute.value);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
    }
    let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_ne_bytes();
    let header = length.into_iter().chain(kind.to_ne_bytes()).chain(flags.to_ne_bytes());
    for (place, byte) in bytes.iter_mut().zip(header) {
        *place = byte;
    }
    bytes
}

impl Message {
    pub(crate) fn byte(&self, at: usize) -> Option<u8> {
        self.0.get(at).copied()
    }

    pub(crate) fn word(&self, at: usize) -> Option<i32> {
        self.0.get(at..)?.first_chunk().copied().map(i32::from_ne_bytes)
    }

    /// The attributes after a fixed part of this size.
    pub(crate) fn attributes(&self, fixed: usize) -> impl Iterator<Item = Attribute<'_>> {
        let mut rest = self.0.get(fixed..).unwrap_or_default();
        std::iter::from_fn(move || {
            let length = usize::from(u16::from_ne_bytes(*rest.first_chunk()?));
            let kind = u16::from_ne_bytes(*rest.get(2..)?.first_chunk()?);
            let value = rest.get(4..length)?;
            rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
            Some(Attribute { kind, value })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_can_be_read() {
        let bytes = request(
            (20, REQUEST),
            &[2, 24, 0, 0, 7, 0, 0, 0],
            &[Attribute::new(1, &[10, 0, 0]), Attribute::new(8, &[1])],
        );
        let (kind, body, rest) = next(&bytes).unwrap();
        assert_eq!((kind, rest.len()), (20, 0));
        let message = Message(body.to_vec());
        assert_eq!((message.byte(1), message.word(4)), (Some(24), Some(7)));
        let all: Vec<_> = message.attributes(8).map(|one| (one.kind, one.value.to_vec())).collect();
        assert_eq!(all, [(1, vec![10, 0, 0]), (8, vec![1])]);
    }
}
