//! criu, which freezes processes to files and brings them back: its service, as a child that ends with the request.

pub(crate) mod images;
pub(crate) mod message;
pub(crate) mod options;

use crate::PATH;
use crate::channel;
use crate::error::{Error, Result};
use crate::fault::{Call, During, Fault};
use message::{Features, Kind, Notice, Request, Response};
use prost::Message;
use rustix::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use rustix::io::{Errno, FdFlags, fcntl_setfd};
use rustix::net::{AddressFamily, SendFlags, SocketFlags, SocketType, socketpair};
use rustix::process::Pid;
use std::process::{Child, Command, Stdio};

/// The oldest version that speaks of all that is asked here: the notice about terminals, and external namespaces.
const OLDEST: (i32, i32) = (3, 11);

/// The longest message that criu sends.
const ROOM: usize = 16 * 1024;

/// A running service. It ends when this value goes.
pub(crate) struct Service {
    child: Child,
    socket: OwnedFd,
}

/// What a notice is answered with; an error ends the request.
pub(crate) type Answer<'a> = &'a mut dyn FnMut(&Notice, Option<OwnedFd>) -> Result<()>;

impl Drop for Service {
    fn drop(&mut self) {
        // It has answered, or is of no use any more; either way it is waited for.
        let _ = self.child.kill();
        let _ = self.child.wait();
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
        Ok(Self { child, socket })
    }

    /// The service's own process.
    pub(crate) fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    /// Makes sure that this criu is new enough.
    pub(crate) fn check_version(&self) -> Result<()> {
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
    pub(crate) fn check_features(&self, wanted: &Features) -> Result<()> {
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
    pub(crate) fn serve(&self, request: &Request, answer: Answer<'_>) -> Result<Response> {
        self.send(request)?;
        // criu takes back what it has done when a notice is refused, and says so in the end.
        let mut refused = Ok(());
        loop {
            let (response, descriptor) = self.receive()?;
            if response.kind != i32::from(Kind::Notify) {
                return refused.map(|()| response);
            }
            let told = answer(&response.notice.unwrap_or_default(), descriptor);
            let kind = Kind::Notify.into();
            self.send(&Request { kind, notify_success: Some(told.is_ok()), ..Request::default() })?;
            refused = refused.and(told);
        }
    }

    fn ask(&self, request: &Request) -> Result<Response> {
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
