//! A D-Bus client for systemd: method calls, properties, and the results of jobs (D-Bus specification).
//!
//! The client blocks, with a limit. Without a D-Bus daemon it connects to systemd's private socket, as systemctl(1) does.
//!
//! ```text
//! tare                                    bus or systemd
//!   -- AUTH EXTERNAL, DATA, BEGIN -->
//!   <-- DATA, OK --
//!   -- Hello -->                              on a bus only
//!   -- AddMatch JobRemoved, Subscribe -->
//!   -- StartTransientUnit -->
//!   <-- return: /…/job/17 --
//!   <-- signal JobRemoved /…/job/17 done --   may come before the return
//! ```

mod message;

use crate::errno::words;
use crate::fault::{Call, Fault};
use message::{HEAD, Kind, Message, Method};
use rustix::io::Errno;
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with};
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};
use tare_plan::host::Manager;
use tare_plan::step::Value;

/// The limit for one call with its job. systemd's own clients wait 25 seconds for an answer (sd_bus_call(3)).
const LIMIT: Duration = Duration::from_secs(30);

/// The address of the system bus.
const SYSTEM: &str = "unix:path=/run/dbus/system_bus_socket";
/// The private socket of systemd, in `/run` or in `XDG_RUNTIME_DIR`.
const PRIVATE: &str = "systemd/private";

const BUS: Method = Method {
    destination: "org.freedesktop.DBus",
    path: "/org/freedesktop/DBus",
    interface: "org.freedesktop.DBus",
    member: "",
};
const SYSTEMD: Method = Method {
    destination: "org.freedesktop.systemd1",
    path: "/org/freedesktop/systemd1",
    interface: "org.freedesktop.systemd1.Manager",
    member: "",
};

/// The match rule for the end of jobs.
const JOBS: &str = "type='signal',sender='org.freedesktop.systemd1',\
                    interface='org.freedesktop.systemd1.Manager',member='JobRemoved'";

/// Why systemd did not carry out a request.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// The connection failed or ran into its limit.
    Lost(Fault),
    /// No systemd answers at any of these addresses; the errno is that of the last one.
    Unreachable(String, Errno),
    /// systemd has returned an error: its name and its message.
    Refused(String, String),
    /// The job has ended with another result than `done`.
    JobFailed(String),
}

/// A refusal as a fault, with a text for the user.
pub(crate) struct Described {
    pub(crate) fault: Fault,
    /// The reason in words; empty if the fault alone says it.
    pub(crate) text: String,
}

impl Refusal {
    /// Describes the refusal to the user.
    pub(crate) fn describe(self) -> Described {
        let (errno, text) = match self {
            Self::Lost(fault) => return Described { fault, text: String::new() },
            Self::Unreachable(addresses, errno) => {
                (errno, format!("no systemd can be reached at {addresses}: {}", words(errno)))
            }
            Self::Refused(name, text) => {
                let short = name.rsplit('.').next().unwrap_or_default();
                let errno = if short == "AccessDenied" { Errno::ACCESS } else { Errno::PROTO };
                (errno, format!("systemd says {short}: {text}"))
            }
            Self::JobFailed(result) => (Errno::CANCELED, format!("systemd's job ended as {result}")),
        };
        Described { fault: Fault::new(Call::Bus, errno), text }
    }

    /// Whether systemd has returned an error with a name that ends so, such as `.UnitExists`.
    pub(crate) fn is(&self, error: &str) -> bool {
        matches!(self, Self::Refused(name, _) if name.ends_with(error))
    }
}

impl From<std::io::Error> for Refusal {
    fn from(error: std::io::Error) -> Self {
        let errno = Errno::from_io_error(&error).unwrap_or(match error.kind() {
            std::io::ErrorKind::UnexpectedEof => Errno::CONNRESET,
            _ => Errno::IO,
        });
        let errno = if errno == Errno::AGAIN { Errno::TIMEDOUT } else { errno };
        Self::Lost(Fault::new(Call::Bus, errno))
    }
}

type Result<T> = std::result::Result<T, Refusal>;

/// A connection to a bus or to systemd itself.
#[derive(Debug)]
pub(crate) struct Bus {
    stream: BufReader<UnixStream>,
    serial: u32,
    deadline: Instant,
    /// The jobs that have ended, with their results. The signal can arrive before the reply with the name of the job.
    ended: Vec<EndedJob>,
}

/// A finished job of systemd.
#[derive(Debug)]
struct EndedJob {
    path: String,
    result: String,
}

/// The peer of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Peer {
    /// A D-Bus daemon. It routes messages after `Hello`.
    Bus,
    /// systemd itself, which knows no `Hello`.
    Systemd,
}

impl Bus {
    /// Connects to the first address that answers.
    pub(crate) fn connect(manager: Manager) -> Result<Self> {
        let addresses = addresses(manager);
        let mut why = Errno::NOENT;
        for address in &addresses {
            let peer = if address.ends_with(PRIVATE) { Peer::Systemd } else { Peer::Bus };
            match connect_any(address) {
                Ok(stream) => return Self::authenticate(stream, peer),
                Err(errno) => why = errno,
            }
        }
        Err(Refusal::Unreachable(addresses.join(" or "), why))
    }

    /// Authenticates with `EXTERNAL` and no name: the peer takes the uid from `SO_PEERCRED` (unix(7)). A uid in the message
    /// would be wrong inside a user namespace.
    fn authenticate(mut stream: UnixStream, peer: Peer) -> Result<Self> {
        stream.set_read_timeout(Some(LIMIT))?;
        // systemd discards a message that arrives in the same packet as BEGIN, so the reply is read before the first call.
        stream.write_all(b"\0AUTH EXTERNAL\r\nDATA\r\nBEGIN\r\n")?;
        let refused = || Refusal::Refused("AccessDenied".to_owned(), "the bus knows no such user".to_owned());
        let mut stream = BufReader::new(stream);
        if read_line(&mut stream)? != "DATA" || !read_line(&mut stream)?.starts_with("OK") {
            return Err(refused());
        }
        let deadline = Instant::now() + LIMIT;
        let mut this = Self { stream, serial: 0, deadline, ended: Vec::new() };
        if peer == Peer::Bus {
            this.call_method(Method { member: "Hello", ..BUS }, &[])?;
        }
        Ok(this)
    }

    /// Calls a method of systemd's manager and returns the values of the reply.
    pub(crate) fn call(&mut self, member: &'static str, arguments: &[Value]) -> Result<Vec<String>> {
        self.call_method(Method { member, ..SYSTEMD }, arguments)
    }

    /// Reads a property of systemd's manager.
    pub(crate) fn property(&mut self, name: &str) -> Result<String> {
        let text = |text: &str| Value::Text(text.to_owned());
        let method = Method { interface: "org.freedesktop.DBus.Properties", member: "Get", ..SYSTEMD };
        let answer = self.call_method(method, &[text(SYSTEMD.interface), text(name)])?;
        answer.into_iter().next().ok_or_else(malformed)
    }

    /// Calls a method that returns a job, and waits until the job has ended. [`Bus::watch_jobs`] comes first.
    pub(crate) fn job(&mut self, member: &'static str, arguments: &[Value]) -> Result<()> {
        let job = self.call(member, arguments)?.into_iter().next().ok_or_else(malformed)?;
        loop {
            if let Some(EndedJob { result, .. }) = self.ended.iter().find(|ended| ended.path == job) {
                return if result == "done" { Ok(()) } else { Err(Refusal::JobFailed(result.clone())) };
            }
            let message = self.receive()?;
            self.note(message);
        }
    }

    /// Subscribes to the end of jobs. systemd's private socket sends these signals anyway and has no bus for a match rule, so a
    /// refusal is no error.
    pub(crate) fn watch_jobs(&mut self) -> Result<()> {
        for (method, rule) in [
            (Method { member: "AddMatch", ..BUS }, Some(JOBS)),
            (Method { member: "Subscribe", ..SYSTEMD }, None),
        ] {
            let rule: Vec<Value> = rule.map(|rule| Value::Text(rule.to_owned())).into_iter().collect();
            match self.call_method(method, &rule) {
                Ok(_) | Err(Refusal::Refused(..)) => {}
                Err(refusal) => return Err(refusal),
            }
        }
        Ok(())
    }

    /// Calls a method and waits for the reply. Signals that arrive meanwhile are noted.
    fn call_method(&mut self, method: Method, arguments: &[Value]) -> Result<Vec<String>> {
        self.serial += 1;
        self.deadline = Instant::now() + LIMIT;
        self.stream.get_mut().write_all(&message::call(method, self.serial, arguments))?;
        loop {
            let message = self.receive()?;
            let kind = message.kind;
            if message.reply_to != self.serial || kind == Kind::Signal as u8 {
                self.note(message);
            } else if kind == Kind::Error as u8 {
                let text = message.body.into_iter().next().unwrap_or_default();
                return Err(Refusal::Refused(message.error, text));
            } else if kind == Kind::Return as u8 {
                return Ok(message.body);
            }
        }
    }

    /// Notes the signal `JobRemoved` (number, job, unit, result) and drops every other message.
    fn note(&mut self, message: Message) {
        let removed = message.kind == Kind::Signal as u8 && message.member == "JobRemoved";
        if let [_, path, _, result, ..] = message.body.as_slice()
            && removed
        {
            self.ended.push(EndedJob { path: path.clone(), result: result.clone() });
        }
    }

    fn receive(&mut self) -> Result<Message> {
        let mut head = [0; HEAD];
        self.fill(&mut head)?;
        let length = message::length(&head).ok_or_else(malformed)?;
        let mut bytes = head.to_vec();
        bytes.resize(length, 0);
        self.fill(bytes.get_mut(HEAD..).unwrap_or_default())?;
        message::read(&bytes).ok_or_else(malformed)
    }

    /// Reads `bytes.len()` bytes before the deadline of the call. Signals of other units do not extend the deadline.
    fn fill(&mut self, bytes: &mut [u8]) -> Result<()> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(Refusal::Lost(Fault::new(Call::Bus, Errno::TIMEDOUT)));
        }
        self.stream.get_ref().set_read_timeout(Some(left))?;
        Ok(self.stream.read_exact(bytes)?)
    }
}

fn malformed() -> Refusal {
    Refusal::Lost(Fault::new(Call::Bus, Errno::PROTO))
}

/// Reads one line of the authentication protocol, at most 256 bytes.
fn read_line(stream: &mut BufReader<UnixStream>) -> Result<String> {
    let mut line = Vec::new();
    stream.take(256).read_until(b'\n', &mut line)?;
    if line.ends_with(b"\n") {
        Ok(String::from_utf8_lossy(&line).trim_end().to_owned())
    } else {
        Err(std::io::Error::from(std::io::ErrorKind::UnexpectedEof).into())
    }
}

/// Returns the addresses of a systemd instance in the order in which they are tried.
fn addresses(manager: Manager) -> Vec<String> {
    let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    match manager {
        Manager::System => {
            let bus = variable("DBUS_SYSTEM_BUS_ADDRESS");
            let private = bus.is_none().then(|| format!("unix:path=/run/{PRIVATE}"));
            std::iter::once(bus.unwrap_or_else(|| SYSTEM.to_owned())).chain(private).collect()
        }
        Manager::User => {
            let own = format!("/run/user/{}", rustix::process::getuid().as_raw());
            let directory = variable("XDG_RUNTIME_DIR").unwrap_or(own);
            let named = variable("DBUS_SESSION_BUS_ADDRESS");
            let own = ["bus", PRIVATE].map(|name| format!("unix:path={directory}/{name}"));
            named.into_iter().chain(own).collect()
        }
    }
}

/// Connects to the first of several semicolon-separated addresses that answers (D-Bus specification, "Server Addresses").
fn connect_any(addresses: &str) -> rustix::io::Result<UnixStream> {
    let mut last = Err(Errno::INVAL);
    for address in addresses.split(';') {
        let options = address.strip_prefix("unix:").unwrap_or_default().split(',');
        for connected in options.filter_map(connect_option) {
            if connected.is_ok() {
                return connected;
            }
            last = connected;
        }
    }
    last
}

/// Connects to the socket of an option `path=…` or `abstract=…`; `None` for another option of an address.
fn connect_option(option: &str) -> Option<rustix::io::Result<UnixStream>> {
    let (key, value) = option.split_once('=')?;
    let address = match key {
        "path" => SocketAddrUnix::new(unescape(value)),
        "abstract" => SocketAddrUnix::new_abstract_name(unescape(value).as_bytes()),
        _ => return None,
    };
    Some(address.and_then(|address| connect_to(&address)))
}

/// Connects to a socket within [`LIMIT`]. connect(2) waits while the queue of the listener is full, and the limit for sends is
/// that of connect(2) too (socket(7), `SO_SNDTIMEO`).
fn connect_to(address: &SocketAddrUnix) -> rustix::io::Result<UnixStream> {
    let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    set_socket_timeout(&socket, Timeout::Send, Some(LIMIT))?;
    match connect(&socket, address) {
        Ok(()) => Ok(socket.into()),
        Err(Errno::AGAIN) => Err(Errno::TIMEDOUT),
        Err(errno) => Err(errno),
    }
}

/// Decodes a value of an address, in which `%` and two hexadecimal digits stand for a byte.
fn unescape(text: &str) -> String {
    let mut parts = text.split('%');
    let mut bytes = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        let digits = part.get(..2).and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match digits {
            Some(byte) => {
                bytes.push(byte);
                bytes.extend(part.get(2..).unwrap_or_default().as_bytes());
            }
            None => bytes.extend(part.as_bytes()),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::unescape;

    #[test]
    fn escaped_bytes_of_an_address_are_decoded() {
        assert_eq!(unescape("/run/user/1000/bus"), "/run/user/1000/bus");
        assert_eq!(unescape("/tmp/a%2cb%3b"), "/tmp/a,b;");
        assert_eq!(unescape("%zz"), "zz");
    }
}
