//! The codec: writes and reads headers, attributes and nested attributes (netlink(7)).

/// `NLM_F_REQUEST`: set in every message to the kernel.
pub const REQUEST: u16 = 0x1;
/// `NLM_F_ACK`: the kernel acknowledges the message.
pub const ACK: u16 = 0x4;
/// `NLM_F_DUMP`: the kernel returns all entries.
pub const DUMP: u16 = 0x300;
/// `NLM_F_CREATE`: the kernel creates the object if it does not exist.
pub const CREATE: u16 = 0x400;
/// `NLM_F_EXCL`: the kernel refuses with `EEXIST` if the object exists.
pub const EXCLUSIVE: u16 = 0x200;

/// The size of `struct nlmsghdr`.
const HEADER: usize = 16;
/// `NLA_F_NESTED`: the attribute contains attributes.
pub const NESTED: u16 = 0x8000;
/// `NLA_TYPE_MASK`: the type of an attribute without its flags.
const TYPE_MASK: u16 = 0x3fff;

/// Builds one or more messages that are sent in one datagram.
#[derive(Debug)]
pub struct Writer {
    bytes: Vec<u8>,
    /// The sequence numbers of the first message and of the one after the last.
    first: u32,
    next: u32,
    /// Where the last message starts.
    last: usize,
}

/// The type of a message and its flags, without `NLM_F_REQUEST`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Op(pub u16, pub u16);

/// The writer inside a message, where only attributes are added.
pub type Attributes = Writer;

/// Encodes attributes without a message around them.
pub fn encode_attributes(attributes: impl FnOnce(&mut Attributes)) -> Vec<u8> {
    let mut writer = Writer::new(0);
    attributes(&mut writer);
    writer.bytes
}

impl Writer {
    /// Creates an empty writer; `first` is the sequence number of the first message.
    pub fn new(first: u32) -> Self {
        Self { bytes: Vec::with_capacity(1024), first, next: first, last: 0 }
    }

    /// Adds a message: its header, its fixed part and its attributes.
    pub fn message(&mut self, Op(kind, flags): Op, fixed: &[u8], attributes: impl FnOnce(&mut Attributes)) {
        let start = self.bytes.len();
        self.last = start;
        self.bytes.extend([0; 4]);
        self.bytes.extend(kind.to_ne_bytes());
        self.bytes.extend((flags | REQUEST).to_ne_bytes());
        self.bytes.extend(self.next.to_ne_bytes());
        self.bytes.extend([0; 4]);
        self.bytes.extend(fixed);
        self.pad();
        attributes(self);
        let length = u32::try_from(self.bytes.len() - start).unwrap_or(u32::MAX);
        self.patch(start, &length.to_ne_bytes());
        self.next = self.next.wrapping_add(1);
    }

    /// Asks the kernel to acknowledge the last message. Returns its sequence number.
    pub fn acknowledge_last(&mut self) -> u32 {
        let flags = self.last + 6;
        let present = read_u16(&self.bytes, flags).unwrap_or(REQUEST);
        self.patch(flags, &(present | ACK).to_ne_bytes());
        self.next.wrapping_sub(1)
    }

    /// Adds an attribute.
    pub fn bytes(&mut self, kind: u16, payload: &[u8]) {
        let length = u16::try_from(payload.len() + 4).unwrap_or(u16::MAX);
        self.bytes.extend(length.to_ne_bytes());
        self.bytes.extend(kind.to_ne_bytes());
        self.bytes.extend(payload);
        self.pad();
    }

    /// Adds a string with a terminating NUL.
    pub fn text(&mut self, kind: u16, text: &str) {
        let mut payload = text.as_bytes().to_vec();
        payload.push(0);
        self.bytes(kind, &payload);
    }

    /// Adds a number in host byte order, as rtnetlink encodes them.
    pub fn number(&mut self, kind: u16, number: u32) {
        self.bytes(kind, &number.to_ne_bytes());
    }

    /// Adds a number in network byte order, as netfilter encodes them.
    pub fn number_be(&mut self, kind: u16, number: u32) {
        self.bytes(kind, &number.to_be_bytes());
    }

    /// Adds an attribute that contains attributes.
    pub fn nest(&mut self, kind: u16, attributes: impl FnOnce(&mut Attributes)) {
        let start = self.bytes.len();
        self.bytes(kind | NESTED, &[]);
        attributes(self);
        self.close(start);
    }

    /// Adds an attribute that contains a fixed part and then attributes (`VETH_INFO_PEER`).
    pub fn nest_after(&mut self, kind: u16, fixed: &[u8], attributes: impl FnOnce(&mut Attributes)) {
        let start = self.bytes.len();
        self.bytes(kind | NESTED, fixed);
        attributes(self);
        self.close(start);
    }

    fn close(&mut self, start: usize) {
        let length = u16::try_from(self.bytes.len() - start).unwrap_or(u16::MAX);
        self.patch(start, &length.to_ne_bytes());
    }

    fn pad(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }

    fn patch(&mut self, at: usize, value: &[u8]) {
        if let Some(place) = self.bytes.get_mut(at..at + value.len()) {
            place.copy_from_slice(value);
        }
    }

    /// The encoded messages.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The sequence numbers of the messages.
    pub(crate) fn sequences(&self) -> std::ops::Range<u32> {
        self.first..self.next
    }
}

/// A received message.
#[derive(Clone, Copy, Debug)]
pub struct Message<'a> {
    /// `nlmsg_type`
    pub kind: u16,
    /// `nlmsg_flags`
    pub flags: u16,
    /// The sequence number of the request it answers.
    pub sequence: u32,
    /// The bytes after the header.
    pub body: &'a [u8],
}

/// Returns the messages of a datagram up to the first truncated one.
pub(crate) fn messages(mut bytes: &[u8]) -> impl Iterator<Item = Message<'_>> {
    std::iter::from_fn(move || {
        let length = usize::try_from(read_u32(bytes, 0)?).ok()?;
        let body = bytes.get(HEADER..length)?;
        let kind = read_u16(bytes, 4)?;
        let message = Message { kind, flags: read_u16(bytes, 6)?, sequence: read_u32(bytes, 8)?, body };
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some(message)
    })
}

/// Returns the attributes and their types up to the first truncated one.
pub fn attributes(bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    flagged_attributes(bytes).map(|(kind, payload)| (kind & TYPE_MASK, payload))
}

/// Like [`attributes`], but leaves flags such as `NESTED` in the type.
pub fn flagged_attributes(mut bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let length = usize::from(read_u16(bytes, 0)?);
        let kind = read_u16(bytes, 2)?;
        let payload = bytes.get(4..length)?;
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some((kind, payload))
    })
}

/// Returns the first attribute of a type.
pub fn find(bytes: &[u8], kind: u16) -> Option<&[u8]> {
    attributes(bytes).find(|(found, _)| *found == kind).map(|(_, payload)| payload)
}

/// Returns the first attribute of a type as a string without its terminating NUL; empty if there is none.
pub fn find_text(bytes: &[u8], kind: u16) -> String {
    let payload = find(bytes, kind).unwrap_or_default();
    let text = payload.split(|byte| *byte == 0).next().unwrap_or_default();
    String::from_utf8_lossy(text).into_owned()
}

/// Returns the first attribute of a type as a number in host byte order.
pub fn find_u32(bytes: &[u8], kind: u16) -> Option<u32> {
    find(bytes, kind).and_then(|payload| read_u32(payload, 0))
}

/// Reads a 32-bit number in host byte order at an offset.
pub fn read_u32(bytes: &[u8], at: usize) -> Option<u32> {
    let slice = bytes.get(at..at + 4)?;
    slice.try_into().ok().map(u32::from_ne_bytes)
}

/// Reads a 16-bit number in host byte order at an offset.
pub fn read_u16(bytes: &[u8], at: usize) -> Option<u16> {
    let slice = bytes.get(at..at + 2)?;
    slice.try_into().ok().map(u16::from_ne_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_survives_encoding_and_decoding() {
        let mut writer = Writer::new(7);
        writer.message(Op(16, CREATE), &[1, 2, 3, 4], |w| {
            w.text(3, "eth0");
            w.nest(18, |w| w.number(1, 5));
        });
        writer.message(Op(17, 0), &[], |_| {});
        let read: Vec<Message<'_>> = messages(writer.as_bytes()).collect();
        assert_eq!((read.len(), read[0].kind, read[0].sequence, read[1].sequence), (2, 16, 7, 8));
        let body = &read[0].body[4..];
        assert_eq!(find_text(body, 3), "eth0");
        assert_eq!(find_u32(find(body, 18).unwrap(), 1), Some(5));
        assert_eq!(writer.sequences(), 7..9);
    }

    #[test]
    fn truncated_bytes_end_the_iteration() {
        let mut writer = Writer::new(0);
        writer.message(Op(1, 0), &[], |w| w.text(1, "abcdef"));
        let bytes = writer.as_bytes();
        for length in 0..bytes.len() {
            assert_eq!(messages(&bytes[..length]).count(), 0);
        }
        assert_eq!(
            attributes(&[3, 0, 1, 0]).count(),
            0,
            "a length below that of the attribute's header must not loop"
        );
        assert_eq!(attributes(&[0; 8]).count(), 0);
    }
}
