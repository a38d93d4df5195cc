//! criu, which freezes processes to files and brings them back: its service, as a child that ends with the request.

pub(crate) mod images;
pub(crate) mod message;
pub(crate) mod options;

use crate::PATH;
use crate::channel;
use crate::child::{Child as Restored, Ending};
use crate::error::{Error, Result};
use crate::fault::{Call, During, Fault};
use message::{Features, Kind, Notice, Request, Response};
use prost::Message;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use rustix::io::{Errno, FdFlags, fcntl_setfd};
use rustix::net::{AddressFamily, SendFlags, SocketFlags, SocketType, socketpair};
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use std::process::{Child, Command, Stdio};
use tare_sys::clone::Spawned;

/// The oldest version that speaks of all that is asked here: the notice about terminals, and external namespaces.
const OLDEST: (i32, i32) = (3, 11);

/// The longest message that criu sends.
const ROOM: usize = 16 * 1024;

/// How long criu may take to say what it has to, when the process that it restores has ended.
const LAST_WORDS_MS: u64 = 3_000;

/// A running service. It ends when this value goes, and after it the process that it has restored, unless somebody took that.
pub(crate) struct Service {
    child: Child,
    socket: OwnedFd,
    restored: Option<Restored>,
}

/// What a notice is answered with; an error ends the request.
pub(crate) type Answer<'a> = &'a mut dyn FnMut(&Notice, Option<OwnedFd>) -> Result<()>;

impl Drop for Service {
    fn drop(&mut self) {
        self.end();
    }
}

impl Service {
    /// Starts criu at `path`, or wherever PATH has it, with copies of `kept` under the numbers they have here.
    pub(crate) fn start(path: Option<&str>, kept: &[BorrowedFd<'_>]) -> Result<Self> {
        let act = |fault| Error::act("start criu", fault);
        let pair = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None);
        let (socket, theirs) = pair.during(Call::Socket).map_err(act)?;
        let number = theirs.as_raw_fd().to_string();
        let hand_on = |flags| {
            let mut all = kept.iter().copied().chain([theirs.as_fd()]);
            all.try_for_each(|fd| fcntl_setfd(fd, flags)).during(Call::Duplicate)
        };
        hand_on(FdFlags::empty()).map_err(act)?;
        let named = std::env::var("PATH").ok().filter(|path| !path.is_empty());
        let mut command = Command::new(path.filter(|path| !path.is_empty()).unwrap_or("criu"));
        command.args(["swrk", &number]).env("PATH", named.as_deref().unwrap_or(PATH));
        let child = command.stdin(Stdio::inherit()).spawn();
        hand_on(FdFlags::CLOEXEC).map_err(act)?;
        let child = child.map_err(|error| {
            let errno = Errno::from_io_error(&error).unwrap_or(Errno::IO);
            let name = path.unwrap_or("criu").to_owned();
            Error::Criu(Error::Program { name, errno }.to_string())
        })?;
        Ok(Self { child, socket, restored: None })
    }

    /// Hands out the process that was restored.
    pub(crate) fn restored(&mut self) -> Option<Restored> {
        self.restored.take()
    }

    /// Ends it. It has answered, or is of no use any more; either way it is waited for.
    fn end(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// The service's own process.
    pub(crate) fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    /// Makes sure that this criu is new enough.
    pub(crate) fn check_version(&mut self) -> Result<()> {
        let answer =
            self.ask(&Request { kind: Kind::Version.into(), keep_open: Some(true), ..Request::default() })?;
        let version = answer.version.unwrap_or_default();
        let (major, minor) = (version.major, version.minor);
        if (major, minor) >= OLDEST {
            return Ok(());
        }
        let (wanted_major, wanted_minor) = OLDEST;
        Err(Error::Criu(format!(
            "criu {major}.{minor} is too old: {wanted_major}.{wanted_minor} or newer is needed"
        )))
    }

    /// Makes sure that criu and the kernel can do what an option asks for.
    pub(crate) fn check_features(&mut self, wanted: &Features) -> Result<()> {
        let request = Request {
            kind: Kind::FeatureCheck.into(),
            keep_open: Some(true),
            features: Some(wanted.clone()),
            ..Request::default()
        };
        let found = self.ask(&request)?.features.unwrap_or_default();
        let lacks = |wanted: Option<bool>, found: Option<bool>| wanted == Some(true) && found != Some(true);
        if lacks(wanted.memory_tracking, found.memory_tracking) {
            return Err(Error::Criu(
                "this kernel does not track memory changes, as --pre-dump needs".to_owned(),
            ));
        }
        if lacks(wanted.lazy_pages, found.lazy_pages) {
            return Err(Error::Criu(
                "this kernel can't bring pages back late, as --lazy-pages needs".to_owned(),
            ));
        }
        Ok(())
    }

    /// Sends a request and returns its answer; notices on the way are answered as `answer` says.
    pub(crate) fn serve(&mut self, request: &Request, answer: Answer<'_>) -> Result<Response> {
        self.send(request)?;
        // criu takes back what it has done when a notice is refused, and says so in the end.
        let mut refused = Ok(());
        loop {
            self.await_word()?;
            let (response, descriptor) = self.receive()?;
            if response.kind != i32::from(Kind::Notify) {
                return refused.map(|()| response);
            }
            let notice = response.notice.unwrap_or_default();
            self.note_restored(&notice)?;
            let told = answer(&notice, descriptor);
            let kind = Kind::Notify.into();
            self.send(&Request { kind, notify_success: Some(told.is_ok()), ..Request::default() })?;
            refused = refused.and(told);
        }
    }

    /// Notes who is restored, which is a child of this process and not of criu's.
    fn note_restored(&mut self, notice: &Notice) -> Result<()> {
        if let Some(pid) = notice.pid.and_then(Pid::from_raw)
            && self.restored.is_none()
        {
            let pidfd = pidfd_open(pid, PidfdFlags::empty()).during(Call::Open);
            let pidfd = pidfd.map_err(|fault| Error::act("find the restored process", fault))?;
            self.restored = Some(Restored::of(Spawned { pid, pidfd }));
        }
        Ok(())
    }

    /// Waits until criu says something. When the process that it restores ends at the wrong moment, criu does not notice: it
    /// would never say anything again.
    fn await_word(&mut self) -> Result<()> {
        let Some(process) = self.restored.as_ref().and_then(Restored::pidfd) else { return Ok(()) };
        let mut waiting =
            [self.socket.as_fd(), process].map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN));
        let waited = channel::retry(|| poll(&mut waiting, None)).during(Call::Wait);
        waited.map_err(|fault| Error::act("hear from criu", fault))?;
        let [word, _] = &waiting;
        if !word.revents().is_empty()
            || channel::await_readable(self.socket.as_fd(), Some(LAST_WORDS_MS)).is_ok()
        {
            return Ok(());
        }
        // It traces the process, whose end is told to its parent when criu's is.
        self.end();
        let ending = self.restored.as_ref().map_or(Ending::Unknown, Restored::ending);
        Err(Error::Criu(format!("the process that criu was restoring has ended: {ending}")))
    }

    fn ask(&mut self, request: &Request) -> Result<Response> {
        self.serve(request, &mut |_, _| Ok(()))
    }

    fn send(&self, request: &Request) -> Result<()> {
        let sent = rustix::net::send(&self.socket, &request.encode_to_vec(), SendFlags::NOSIGNAL);
        sent.during(Call::Peer).map(drop).map_err(|fault| Error::act("speak to criu", fault))
    }

    fn receive(&self) -> Result<(Response, Option<OwnedFd>)> {
        let hear = |fault| Error::act("hear from criu", fault);
        let mut bytes = vec![0; ROOM];
        let (got, descriptor) = channel::receive_bytes(self.socket.as_fd(), &mut bytes).map_err(hear)?;
        if got == 0 {
            return Err(hear(Fault::new(Call::Peer, Errno::PIPE)));
        }
        let response = Response::decode(bytes.get(..got).unwrap_or_default());
        let response = response.map_err(|_| hear(Fault::new(Call::Peer, Errno::PROTO)))?;
        Ok((response, descriptor))
    }
}

/// An answer that is not a success, in runc's words, with the place of the log that says more.
pub(crate) fn success(response: Response, what: &str, log: &str) -> Result<Response> {
    if response.success {
        return Ok(response);
    }
    let said = response.message.filter(|text| !text.is_empty()).map(|text| format!(": {text}"));
    let (errno, said) = (response.errno.unwrap_or(0), said.unwrap_or_default());
    Err(Error::Criu(format!("criu failed: type {what} errno {errno}{said}: log file: {log}")))
}
