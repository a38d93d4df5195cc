//! The wire format of D-Bus messages (D-Bus specification, "Message Format" and "Marshaling").
//!
//! Numbers are little-endian, and a value of N bytes begins at a multiple of N.

use tare_plan::step::Value;

/// The type of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// `METHOD_CALL`
    Call = 1,
    /// `METHOD_RETURN`
    Return = 2,
    /// `ERROR`
    Error = 3,
    /// `SIGNAL`
    Signal = 4,
}

// The codes of header fields (D-Bus specification, "Header Fields").
const PATH: u8 = 1;
const INTERFACE: u8 = 2;
const MEMBER: u8 = 3;
const ERROR_NAME: u8 = 4;
const REPLY_TO: u8 = 5;
const DESTINATION: u8 = 6;
const SIGNATURE: u8 = 8;

/// The size of the fixed part of a header, with the length of the fields at its end.
pub(super) const HEAD: usize = 16;

/// The longest message that is accepted. The specification allows 128 MiB; systemd's answers here have a few hundred bytes.
const MAX_LENGTH: usize = 1 << 20;

/// The address of a method: a bus name, an object path, an interface and a member.
#[derive(Clone, Copy, Debug)]
pub(super) struct Method {
    pub(super) destination: &'static str,
    pub(super) path: &'static str,
    pub(super) interface: &'static str,
    pub(super) member: &'static str,
}

/// Encodes a method call.
pub(super) fn call(method: Method, serial: u32, arguments: &[Value]) -> Vec<u8> {
    let mut body = Encoder::default();
    arguments.iter().for_each(|value| body.value(value));
    let signature: String = arguments.iter().map(Value::signature).collect();
    let mut message = Encoder { bytes: vec![b'l', Kind::Call as u8, 0, 1] };
    message.number(body.bytes.len() as u32);
    message.number(serial);
    let text = |text: &str| Value::Text(text.to_owned());
    let fields = [
        (PATH, Value::ObjectPath(method.path.to_owned())),
        (INTERFACE, text(method.interface)),
        (MEMBER, text(method.member)),
        (DESTINATION, text(method.destination)),
        (SIGNATURE, Value::Signature(signature)),
    ];
    let items = fields
        .into_iter()
        .map(|(code, value)| Value::Struct(vec![Value::Byte(code), Value::Variant(Box::new(value))]));
    message.value(&Value::Array { of: "(yv)".to_owned(), items: items.collect() });
    message.align(8);
    message.bytes.append(&mut body.bytes);
    message.bytes
}

/// Encodes values one after the other, with the padding that their alignment needs.
#[derive(Default)]
struct Encoder {
    bytes: Vec<u8>,
}

impl Encoder {
    fn align(&mut self, to: usize) {
        self.bytes.resize(self.bytes.len().next_multiple_of(to), 0);
    }

    fn put<const N: usize>(&mut self, bytes: [u8; N]) {
        self.align(N);
        self.bytes.extend(bytes);
    }

    fn number(&mut self, number: u32) {
        self.put(number.to_le_bytes());
    }

    fn text(&mut self, text: &str) {
        self.number(text.len() as u32);
        self.bytes.extend(text.as_bytes());
        self.bytes.push(0);
    }

    fn signature(&mut self, text: &str) {
        self.bytes.push(text.len() as u8);
        self.bytes.extend(text.as_bytes());
        self.bytes.push(0);
    }

    fn value(&mut self, value: &Value) {
        match value {
            Value::Bool(value) => self.number(u32::from(*value)),
            Value::Byte(value) => self.bytes.push(*value),
            Value::Int16(value) => self.put(value.to_le_bytes()),
            Value::Uint16(value) => self.put(value.to_le_bytes()),
            Value::Int32(value) => self.put(value.to_le_bytes()),
            Value::Uint32(value) => self.number(*value),
            Value::Int64(value) => self.put(value.to_le_bytes()),
            Value::Uint64(value) => self.put(value.to_le_bytes()),
            Value::Double(value) => self.put(value.to_le_bytes()),
            Value::Text(text) | Value::ObjectPath(text) => self.text(text),
            Value::Signature(text) => self.signature(text),
            Value::Array { of, items } => self.array(of, items),
            Value::Struct(items) => {
                self.align(8);
                items.iter().for_each(|item| self.value(item));
            }
            Value::Variant(value) => {
                self.signature(&value.signature());
                self.value(value);
            }
        }
    }

    /// Encodes an array: the length of its items, padding, the items. The length does not count the padding.
    fn array(&mut self, of: &str, items: &[Value]) {
        self.number(0);
        let at = self.bytes.len();
        self.align(alignment(of));
        let start = self.bytes.len();
        items.iter().for_each(|item| self.value(item));
        let length = ((self.bytes.len() - start) as u32).to_le_bytes();
        if let Some(place) = at.checked_sub(4).and_then(|place| self.bytes.get_mut(place..at)) {
            place.copy_from_slice(&length);
        }
    }
}

/// Returns the alignment of a type (D-Bus specification, "Summary of D-Bus marshaling").
fn alignment(signature: &str) -> usize {
    match signature.bytes().next() {
        Some(b'n' | b'q') => 2,
        Some(b'b' | b'i' | b'u' | b's' | b'o' | b'a' | b'h') => 4,
        Some(b'x' | b't' | b'd' | b'(' | b'{') => 8,
        _ => 1,
    }
}

/// A received message, with the header fields that this client needs.
#[derive(Debug, Default)]
pub(super) struct Message {
    /// Its type, a [`Kind`].
    pub(super) kind: u8,
    /// The serial number of the call to which this is the reply; 0 for a signal.
    pub(super) reply_to: u32,
    /// The name of a signal.
    pub(super) member: String,
    /// The name of an error.
    pub(super) error: String,
    /// The values of the body as texts, up to the first array or struct.
    pub(super) body: Vec<String>,
}

/// Returns the length of the whole message from its first [`HEAD`] bytes; `None` for a malformed or too long one.
pub(super) fn length(head: &[u8; HEAD]) -> Option<usize> {
    let word = |at: usize| Some(u32::from_le_bytes(head.get(at..at + 4)?.try_into().ok()?) as usize);
    let fields = (HEAD + word(12)?).next_multiple_of(8);
    let all = fields.checked_add(word(4)?)?;
    (head.first() == Some(&b'l') && head.get(3) == Some(&1) && all <= MAX_LENGTH).then_some(all)
}

/// Decodes a whole message; `None` for a malformed one.
pub(super) fn read(bytes: &[u8]) -> Option<Message> {
    let mut message = Message { kind: *bytes.get(1)?, ..Message::default() };
    let mut header = Decoder { bytes, at: 12 };
    let end = 16 + header.number()? as usize;
    let mut signature = String::new();
    while header.at < end {
        header.align(8);
        let code = header.byte()?;
        let kind = header.signature()?;
        match (code, kind.as_str()) {
            (MEMBER, "s") => message.member = header.text()?,
            (ERROR_NAME, "s") => message.error = header.text()?,
            (REPLY_TO, "u") => message.reply_to = header.number()?,
            (SIGNATURE, "g") => signature = header.signature()?,
            (_, kind) => drop(header.simple(kind.bytes().next()?)?),
        }
    }
    let mut body = Decoder { bytes: bytes.get(end.next_multiple_of(8)..)?, at: 0 };
    for kind in signature.bytes() {
        // No method that is called here needs a value after an array or a struct.
        let Some(value) = body.simple(kind) else { break };
        message.body.push(value);
    }
    Some(message)
}

/// Decodes values. Every function returns `None` at the end of the bytes.
struct Decoder<'bytes> {
    bytes: &'bytes [u8],
    at: usize,
}

impl Decoder<'_> {
    fn align(&mut self, to: usize) {
        self.at = self.at.next_multiple_of(to);
    }

    fn take(&mut self, length: usize) -> Option<&[u8]> {
        let end = self.at.checked_add(length)?;
        let taken = self.bytes.get(self.at..end)?;
        self.at = end;
        Some(taken)
    }

    fn byte(&mut self) -> Option<u8> {
        self.take(1)?.first().copied()
    }

    fn number(&mut self) -> Option<u32> {
        self.align(4);
        Some(u32::from_le_bytes(self.take(4)?.try_into().ok()?))
    }

    fn long(&mut self) -> Option<u64> {
        self.align(8);
        Some(u64::from_le_bytes(self.take(8)?.try_into().ok()?))
    }

    fn text_of(&mut self, length: usize) -> Option<String> {
        let text = std::str::from_utf8(self.take(length)?).ok()?.to_owned();
        (self.byte()? == 0).then_some(text)
    }

    fn text(&mut self) -> Option<String> {
        let length = self.number()? as usize;
        self.text_of(length)
    }

    fn signature(&mut self) -> Option<String> {
        let length = self.byte()?.into();
        self.text_of(length)
    }

    /// Decodes a value of a basic type as text. A variant is decoded as the value that it contains.
    fn simple(&mut self, kind: u8) -> Option<String> {
        match kind {
            b's' | b'o' => self.text(),
            b'g' => self.signature(),
            b'y' => self.byte().map(|value| value.to_string()),
            b'u' | b'b' | b'i' | b'h' => self.number().map(|value| value.to_string()),
            b't' | b'x' => self.long().map(|value| value.to_string()),
            b'v' => match self.signature()?.as_bytes() {
                [kind] if *kind != b'v' => self.simple(*kind),
                _ => None,
            },
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const METHOD: Method =
        Method { destination: "org.example.Name", path: "/a/b", interface: "org.example.One", member: "Do" };

    #[test]
    fn a_call_is_encoded_as_the_specification_says() {
        let bytes = call(METHOD, 7, &[Value::Text("x".to_owned()), Value::Uint64(5)]);
        assert_eq!(&bytes[..12], [b'l', 1, 0, 1, 16, 0, 0, 0, 7, 0, 0, 0]);
        // "x" with its length and its zero, padding, then the number at a multiple of eight bytes.
        assert_eq!(&bytes[bytes.len() - 16..], [1, 0, 0, 0, b'x', 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(length(bytes[..HEAD].try_into().unwrap()), Some(bytes.len()));
        let message = read(&bytes).unwrap();
        assert_eq!((message.kind, message.member.as_str()), (1, "Do"));
        assert_eq!(message.body, ["x", "5"]);
    }

    #[test]
    fn the_first_struct_of_an_array_is_aligned_to_eight_bytes() {
        let mut out = Encoder::default();
        let item =
            Value::Struct(vec![Value::Text("k".to_owned()), Value::Variant(Box::new(Value::Bool(true)))]);
        out.value(&Value::Array { of: "(sv)".to_owned(), items: vec![item] });
        assert_eq!(
            out.bytes,
            [16, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, b'k', 0, 1, b'b', 0, 0, 0, 0, 1, 0, 0, 0]
        );
        let mut empty = Encoder::default();
        empty.value(&Value::Array { of: "(sv)".to_owned(), items: Vec::new() });
        assert_eq!(empty.bytes, [0; 8]);
    }

    #[test]
    fn a_truncated_or_corrupt_message_does_not_panic() {
        let bytes = call(METHOD, 7, &[Value::Text("hello".to_owned())]);
        for end in 16..bytes.len() {
            let _ = read(&bytes[..end]);
        }
        for at in 0..bytes.len() {
            let mut corrupt = bytes.clone();
            corrupt[at] ^= 0xff;
            let _ = read(&corrupt);
        }
        let mut long: [u8; HEAD] = bytes[..HEAD].try_into().unwrap();
        long[4..8].fill(0xff);
        assert_eq!(length(&long), None);
    }
}
