//! A connection to a bus: just what it takes to ask systemd for something and to hear what became of it (D-Bus specification).
//!
//! It blocks, with a limit, and speaks to one peer. Where no bus runs, systemd's own socket is spoken to, as its tools do.

mod message;

use crate::fault::{Call, Fault};
use message::{HEAD, Kind, Message, Method};
use rustix::io::Errno;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixStream};
use std::time::{Duration, Instant};
use tare_plan::host::Manager;
use tare_plan::step::Value;

/// How long systemd may take to answer, and to do what it is asked.
const PATIENCE: Duration = Duration::from_secs(30);

/// The bus of the machine.
const SYSTEM: &str = "unix:path=/run/dbus/system_bus_socket";
/// systemd's own socket.
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

/// The news of jobs that have ended.
const JOBS: &str = "type='signal',sender='org.freedesktop.systemd1',\
                    interface='org.freedesktop.systemd1.Manager',member='JobRemoved'";

/// Why something asked of systemd was not done.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// The connection failed.
    Lost(Fault),
    /// There is no systemd to be asked: the addresses that were tried, and why the last was none.
    Nobody(String, Errno),
    /// systemd has refused: the name of the error, and what it says.
    Refused(String, String),
    /// The job that it made of it has ended otherwise than done.
    Undone(String),
}

impl Refusal {
    /// What went wrong, for those that take a fault and the words for it.
    pub(crate) fn told(self) -> (Fault, String) {
        match self {
            Self::Lost(fault) => (fault, String::new()),
            Self::Nobody(tried, errno) => {
                let why = crate::errno::words(errno);
                (Fault::new(Call::Bus, errno), format!("no systemd can be reached at {tried}: {why}"))
            }
            Self::Refused(name, text) => {
                let short = name.rsplit('.').next().unwrap_or_default().to_owned();
                let errno = if short == "AccessDenied" { Errno::ACCESS } else { Errno::PROTO };
                (Fault::new(Call::Bus, errno), format!("systemd says {short}: {text}"))
            }
            Self::Undone(result) => {
                (Fault::new(Call::Bus, Errno::CANCELED), format!("systemd's job ended as {result}"))
            }
        }
    }

    /// Whether systemd has refused with this error.
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

type Answer<T> = Result<T, Refusal>;

/// A connection.
#[derive(Debug)]
pub(crate) struct Bus {
    stream: BufReader<UnixStream>,
    serial: u32,
    deadline: Instant,
    /// Jobs that are known to have ended, and how.
    ended: Vec<(String, String)>,
}

impl Bus {
    /// Connects to the bus on which a systemd is.
    pub(crate) fn connect(manager: Manager) -> Answer<Self> {
        let addresses = addresses(manager);
        let mut why = Errno::NOENT;
        for address in &addresses {
            match dial(address) {
                Ok(stream) => return Self::greet(stream, !address.ends_with(PRIVATE)),
                Err(error) => why = Errno::from_io_error(&error).unwrap_or(Errno::INVAL),
            }
        }
        Err(Refusal::Nobody(addresses.join(" or "), why))
    }

    /// Says who is there, and, to a bus, hello. The kernel tells the other side who is there, in its own numbers, so that
    /// a user namespace makes no difference.
    fn greet(mut stream: UnixStream, bus: bool) -> Answer<Self> {
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        // All at once, as systemd's own tools do: it overlooks a message that arrives in one piece with the beginning.
        stream.write_all(b"\0AUTH EXTERNAL\r\nDATA\r\nBEGIN\r\n")?;
        let refused = || Refusal::Refused("AccessDenied".to_owned(), "the bus knows no such user".to_owned());
        let mut stream = BufReader::new(stream);
        if read_line(&mut stream)? != "DATA" || !read_line(&mut stream)?.starts_with("OK") {
            return Err(refused());
        }
        let deadline = Instant::now() + PATIENCE;
        let mut this = Self { stream, serial: 0, deadline, ended: Vec::new() };
        if bus {
            this.ask(Method { member: "Hello", ..BUS }, &[])?;
        }
        Ok(this)
    }

    /// Asks systemd for something, and returns what it answers.
    pub(crate) fn call(&mut self, member: &'static str, arguments: &[Value]) -> Answer<Vec<String>> {
        self.ask(Method { member, ..SYSTEMD }, arguments)
    }

    /// Asks for a property of systemd itself.
    pub(crate) fn property(&mut self, name: &str) -> Answer<String> {
        let text = |text: &str| Value::Text(text.to_owned());
        let method = Method { interface: "org.freedesktop.DBus.Properties", member: "Get", ..SYSTEMD };
        let answer = self.ask(method, &[text(SYSTEMD.interface), text(name)])?;
        answer.into_iter().next().ok_or_else(nonsense)
    }

    /// Asks systemd for something that it makes a job of, and waits until that is done.
    pub(crate) fn job(&mut self, member: &'static str, arguments: &[Value]) -> Answer<()> {
        let job = self.call(member, arguments)?.into_iter().next().ok_or_else(nonsense)?;
        loop {
            if let Some((_, result)) = self.ended.iter().find(|(ended, _)| *ended == job) {
                return if result == "done" { Ok(()) } else { Err(Refusal::Undone(result.clone())) };
            }
            let message = self.receive()?;
            self.note(message);
        }
    }

    /// Lets systemd tell of jobs. Its own socket does so unasked, and has nobody who would know about rules.
    pub(crate) fn watch_jobs(&mut self) -> Answer<()> {
        for (method, rule) in [
            (Method { member: "AddMatch", ..BUS }, Some(JOBS)),
            (Method { member: "Subscribe", ..SYSTEMD }, None),
        ] {
            let rule: Vec<Value> = rule.map(|rule| Value::Text(rule.to_owned())).into_iter().collect();
            match self.ask(method, &rule) {
                Ok(_) | Err(Refusal::Refused(..)) => {}
                Err(refusal) => return Err(refusal),
            }
        }
        Ok(())
    }

    /// Calls a method, and waits for its answer.
    fn ask(&mut self, method: Method, arguments: &[Value]) -> Answer<Vec<String>> {
        self.serial += 1;
        self.deadline = Instant::now() + PATIENCE;
        self.stream.get_mut().write_all(&message::call(method, self.serial, arguments))?;
        loop {
            let message = self.receive()?;
            let kind = message.kind;
            if message.reply_to != self.serial || kind == Kind::Signal as u8 {
                self.note(message);
            } else if kind == Kind::Refusal as u8 {
                let text = message.body.into_iter().next().unwrap_or_default();
                return Err(Refusal::Refused(message.error, text));
            } else if kind == Kind::Answer as u8 {
                return Ok(message.body);
            }
        }
    }

    /// Notes the end of a job; other messages are for nobody here.
    fn note(&mut self, message: Message) {
        let news = message.kind == Kind::Signal as u8 && message.member == "JobRemoved";
        if let [_, job, _, result, ..] = message.body.as_slice()
            && news
        {
            self.ended.push((job.clone(), result.clone()));
        }
    }

    fn receive(&mut self) -> Answer<Message> {
        let mut head = [0; HEAD];
        self.fill(&mut head)?;
        let length = message::length(&head).ok_or_else(nonsense)?;
        let mut bytes = head.to_vec();
        bytes.resize(length, 0);
        self.fill(bytes.get_mut(HEAD..).unwrap_or_default())?;
        message::read(&bytes).ok_or_else(nonsense)
    }

    /// Reads as many bytes, before it is too late. A bus that is never silent has no more time than one that is.
    fn fill(&mut self, bytes: &mut [u8]) -> Answer<()> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(Refusal::Lost(Fault::new(Call::Bus, Errno::TIMEDOUT)));
        }
        self.stream.get_ref().set_read_timeout(Some(left))?;
        Ok(self.stream.read_exact(bytes)?)
    }
}

fn nonsense() -> Refusal {
    Refusal::Lost(Fault::new(Call::Bus, Errno::PROTO))
}

/// Reads a line of the greeting, which is short.
fn read_line(stream: &mut BufReader<UnixStream>) -> Answer<String> {
    let mut line = Vec::new();
    stream.take(256).read_until(b'\n', &mut line)?;
    if line.ends_with(b"\n") {
        Ok(String::from_utf8_lossy(&line).trim_end().to_owned())
    } else {
        Err(std::io::Error::from(std::io::ErrorKind::UnexpectedEof).into())
    }
}

/// Where a systemd can be reached, in the order in which that is tried.
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

/// Connects to an address of the bus's form, or to the first of several parted by semicolons that answers.
fn dial(addresses: &str) -> std::io::Result<UnixStream> {
    let mut last = Err(std::io::Error::from_raw_os_error(Errno::INVAL.raw_os_error()));
    for address in addresses.split(';') {
        let pairs = address.strip_prefix("unix:").unwrap_or_default().split(',');
        for dialled in pairs.filter_map(|pair| dial_one(pair.split_once('=')?)) {
            if dialled.is_ok() {
                return dialled;
            }
            last = dialled;
        }
    }
    last
}

/// Connects to where a pair of an address says, if it says where.
fn dial_one((key, value): (&str, &str)) -> Option<std::io::Result<UnixStream>> {
    match key {
        "path" => Some(UnixStream::connect(unescape(value))),
        "abstract" => {
            let address = SocketAddr::from_abstract_name(unescape(value));
            Some(address.and_then(|address| UnixStream::connect_addr(&address)))
        }
        _ => None,
    }
}

/// A value of an address: what is not plain stands there as `%` and two digits.
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
    fn addresses_may_hold_any_byte() {
        assert_eq!(unescape("/run/user/1000/bus"), "/run/user/1000/bus");
        assert_eq!(unescape("/tmp/a%2cb%3b"), "/tmp/a,b;");
        assert_eq!(unescape("%zz"), "zz");
    }
}
