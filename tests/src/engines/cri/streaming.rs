//! The streaming server behind Exec, Attach and PortForward, by WebSocket (RFC 6455): channels of bytes over frames.

use std::io::{BufRead as _, BufReader, ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

/// How long the server may be silent.
const DEADLINE: Duration = Duration::from_secs(20);
/// Kinds of frames.
const BINARY: u8 = 2;
const CLOSE: u8 = 8;

/// A connection whose frames begin with the number of a channel: 0 input, 1 output, 2 errors, 3 the end's status.
#[derive(Debug)]
pub struct Stream {
    socket: BufReader<TcpStream>,
    /// What has come on each of the first five channels.
    seen: [Vec<u8>; 5],
    over: bool,
}

impl Stream {
    /// Connects to the place that an answer names.
    ///
    /// # Panics
    /// The server does not speak WebSocket there.
    #[must_use]
    pub fn open(url: &str) -> Self {
        let (address, path) = url.strip_prefix("http://").unwrap().split_once('/').unwrap();
        let mut socket = TcpStream::connect(address).unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
        write!(
            socket,
            "GET /{path} HTTP/1.1\r\nHost: {address}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Protocol: v4.channel.k8s.io\r\n\r\n"
        )
        .unwrap();
        let mut socket = BufReader::new(socket);
        let mut heading = String::new();
        let end = Instant::now() + DEADLINE;
        while !heading.ends_with("\r\n\r\n") {
            assert!(Instant::now() < end, "no answer from {url}: {heading}");
            let _ = socket.read_line(&mut heading);
        }
        assert!(heading.starts_with("HTTP/1.1 101 "), "{heading}");
        Self { socket, seen: Default::default(), over: false }
    }

    /// Sends bytes on a channel.
    ///
    /// # Panics
    /// They are more than one short frame takes, or no reader takes them.
    pub fn send(&mut self, channel: u8, bytes: &[u8]) {
        let length = u8::try_from(bytes.len() + 1).unwrap();
        assert!(length < 126, "a short frame");
        // What a client sends is masked; nothing is gained by a mask that is not zero.
        let mut frame = vec![0x80 | BINARY, 0x80 | length, 0, 0, 0, 0, channel];
        frame.extend_from_slice(bytes);
        self.socket.get_mut().write_all(&frame).unwrap();
    }

    /// Waits until the text has come on the channel; all that has.
    ///
    /// # Panics
    /// It does not come in time, or the server ends before.
    #[track_caller]
    pub fn expect(&mut self, channel: u8, text: &str) -> String {
        let end = Instant::now() + DEADLINE;
        loop {
            let seen = String::from_utf8_lossy(&self.seen[usize::from(channel)]).into_owned();
            if seen.contains(text) {
                return seen;
            }
            assert!(!self.over && Instant::now() < end, "no {text:?} on channel {channel}: {seen:?}");
            self.receive();
        }
    }

    /// Waits for the end; what has come on the channel.
    ///
    /// # Panics
    /// The end does not come in time.
    #[track_caller]
    pub fn all(&mut self, channel: u8) -> String {
        let end = Instant::now() + DEADLINE;
        while !self.over {
            assert!(Instant::now() < end, "the stream does not end");
            self.receive();
        }
        String::from_utf8_lossy(&self.seen[usize::from(channel)]).into_owned()
    }

    /// Takes one frame, when there is one.
    fn receive(&mut self) {
        match self.socket.fill_buf() {
            Ok([]) => return self.over = true,
            Ok(_) => (),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => return,
            Err(_) => return self.over = true,
        }
        let mut heading = [0_u8; 2];
        self.fill(&mut heading);
        let length = match heading[1] & 0x7f {
            126 => {
                let mut long = [0_u8; 2];
                self.fill(&mut long);
                usize::from(u16::from_be_bytes(long))
            }
            127 => {
                let mut long = [0_u8; 8];
                self.fill(&mut long);
                usize::try_from(u64::from_be_bytes(long)).unwrap()
            }
            short => usize::from(short),
        };
        let mut payload = vec![0_u8; length];
        self.fill(&mut payload);
        match (heading[0] & 0x0f, payload.split_first()) {
            (CLOSE, _) => self.over = true,
            (BINARY, Some((channel, bytes))) => self.seen[usize::from(*channel)].extend_from_slice(bytes),
            _ => (),
        }
    }

    /// Reads to the end of what has begun, however long it takes within the deadline.
    fn fill(&mut self, mut space: &mut [u8]) {
        let end = Instant::now() + DEADLINE;
        while !space.is_empty() {
            assert!(Instant::now() < end, "half a frame");
            if let Ok(length) = self.socket.read(space) {
                assert_ne!(length, 0, "half a frame");
                space = &mut space[length..];
            }
        }
    }
}
