//! criu, which writes processes to image files and restores them (criu(8)).
//!
//! tare runs `criu swrk FD` as a child and talks to it over a socket pair (criu.org/RPC):
//!
//! ```text
//! tare                            criu
//!   -- version, feature check -->   answered at once
//!   -- dump or restore ---------->
//!   <-- notice -----------------    criu stops until it gets the answer, for example to let hooks run
//!   -- answer ------------------>
//!   <-- response ---------------
//! ```
//!
//! The verbs `checkpoint` and `restore` use this folder. It may use `mounts` and the floors below.

pub(crate) mod images;
pub(crate) mod message;
pub(crate) mod options;

use crate::channel;
use crate::child::{Child as Restored, Ending, PATH};
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

/// The oldest version of criu with everything that is used here: the notice `orphan-pts-master`, and external namespaces.
const OLDEST: (i32, i32) = (3, 11);

/// The size of criu's longest message.
const MAX_MESSAGE: usize = 16 * 1024;

/// The limit for criu's response after the process that it restores has died.
const RESPONSE_LIMIT_MS: u64 = 3_000;

/// A running criu. It is killed when this value is dropped, together with the restored process if [`Service::restored`] has not
/// taken it.
pub(crate) struct Service {
    child: Child,
    socket: OwnedFd,
    restored: Option<Restored>,
}

/// A callback for notices and the file descriptors passed with them. An error makes criu give up the request.
pub(crate) type Answer<'a> = &'a mut dyn FnMut(&Notice, Option<OwnedFd>) -> Result<()>;

impl Drop for Service {
    fn drop(&mut self) {
        self.end();
    }
}

impl Service {
    /// Starts criu: the program at `path`, or `criu` along PATH. It inherits the file descriptors `inherited` with their numbers.
    pub(crate) fn start(path: Option<&str>, inherited: &[BorrowedFd<'_>]) -> Result<Self> {
        let act = |fault| Error::act("start criu", fault);
        let pair = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None);
        let (socket, theirs) = pair.during(Call::Socket).map_err(act)?;
        let number = theirs.as_raw_fd().to_string();
        // Only the child may inherit them: close-on-exec is off while it is spawned.
        let set_flags = |flags| {
            let mut all = inherited.iter().copied().chain([theirs.as_fd()]);
            all.try_for_each(|fd| fcntl_setfd(fd, flags)).during(Call::Duplicate)
        };
        set_flags(FdFlags::empty()).map_err(act)?;
        let named = std::env::var("PATH").ok().filter(|path| !path.is_empty());
        let mut command = Command::new(path.filter(|path| !path.is_empty()).unwrap_or("criu"));
        command.args(["swrk", &number]).env("PATH", named.as_deref().unwrap_or(PATH));
        let child = command.stdin(Stdio::inherit()).spawn();
        set_flags(FdFlags::CLOEXEC).map_err(act)?;
        let child = child.map_err(|error| {
            let errno = Errno::from_io_error(&error).unwrap_or(Errno::IO);
            let name = path.unwrap_or("criu").to_owned();
            Error::Criu(Error::Program { name, errno }.to_string())
        })?;
        Ok(Self { child, socket, restored: None })
    }

    /// Takes the restored process, which then outlives this value.
    pub(crate) fn restored(&mut self) -> Option<Restored> {
        self.restored.take()
    }

    /// Kills and reaps criu, which has answered or has failed. The wait has no limit: a SIGKILL ends it.
    fn end(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// The pid of criu.
    pub(crate) fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    /// Checks that criu has at least the version [`OLDEST`].
    pub(crate) fn check_version(&mut self) -> Result<()> {
        let answer =
            self.ask(&Request { kind: Kind::Version.into(), keep_open: Some(true), ..Request::default() })?;
        let version = answer.version.unwrap_or_default();
        let (major, minor) = (version.major, version.minor);
        if (major, minor) >= OLDEST {
            return Ok(());
        }
        let (oldest_major, oldest_minor) = OLDEST;
        Err(Error::Criu(format!(
            "criu {major}.{minor} is too old: {oldest_major}.{oldest_minor} or newer is needed"
        )))
    }

    /// Checks that criu and the kernel have the features that the options need.
    pub(crate) fn check_features(&mut self, needed: &Features) -> Result<()> {
        let request = Request {
            kind: Kind::FeatureCheck.into(),
            keep_open: Some(true),
            features: Some(needed.clone()),
            ..Request::default()
        };
        let found = self.ask(&request)?.features.unwrap_or_default();
        let lacks = |needed: Option<bool>, found: Option<bool>| needed == Some(true) && found != Some(true);
        if lacks(needed.memory_tracking, found.memory_tracking) {
            return Err(Error::Criu(
                "this kernel does not track memory changes, as --pre-dump needs".to_owned(),
            ));
        }
        if lacks(needed.lazy_pages, found.lazy_pages) {
            return Err(Error::Criu(
                "this kernel does not support userfaultfd, as --lazy-pages needs".to_owned(),
            ));
        }
        Ok(())
    }

    /// Sends a request and returns criu's response. Notices before it go to `answer`.
    pub(crate) fn serve(&mut self, request: &Request, answer: Answer<'_>) -> Result<Response> {
        self.send(request)?;
        // After a refused notice criu undoes its work and responds with an error. The reason of the refusal is the better error.
        let mut refused = Ok(());
        loop {
            self.await_message()?;
            let (response, descriptor) = self.receive()?;
            if response.kind != i32::from(Kind::Notify) {
                return refused.map(|()| response);
            }
            let notice = response.notice.unwrap_or_default();
            self.note_restored(&notice)?;
            let answered = answer(&notice, descriptor);
            let kind = Kind::Notify.into();
            self.send(&Request { kind, notify_success: Some(answered.is_ok()), ..Request::default() })?;
            refused = refused.and(answered);
        }
    }

    /// Notes the restored process. With `restore_sibling` it is a child of tare and not of criu, so tare has to reap it.
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

    /// Waits for a message of criu, or for the end of the restored process. criu does not notice if that process dies in the middle of
    /// a restore, and would never send anything again.
    ///
    /// The wait has no limit: the images may be large, and with `--lazy-pages` they come over the network. The end of criu ends it.
    fn await_message(&mut self) -> Result<()> {
        let Some(process) = self.restored.as_ref().and_then(Restored::pidfd) else { return Ok(()) };
        let mut waiting =
            [self.socket.as_fd(), process].map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN));
        let waited = channel::retry(|| poll(&mut waiting, None)).during(Call::Wait);
        waited.map_err(|fault| Error::act("receive a response of criu", fault))?;
        let [message, _] = &waiting;
        if !message.revents().is_empty()
            || channel::await_readable(self.socket.as_fd(), Some(RESPONSE_LIMIT_MS)).is_ok()
        {
            return Ok(());
        }
        // criu traces the process. Its parent can wait for a traced process only after the tracer has ended (ptrace(2)).
        self.end();
        let ending = self.restored.as_ref().map_or(Ending::Unknown, Restored::ending);
        Err(Error::Criu(format!("the process that criu was restoring has ended: {ending}")))
    }

    /// Sends a request without notices.
    fn ask(&mut self, request: &Request) -> Result<Response> {
        self.serve(request, &mut |_, _| Ok(()))
    }

    fn send(&self, request: &Request) -> Result<()> {
        let sent = rustix::net::send(&self.socket, &request.encode_to_vec(), SendFlags::NOSIGNAL);
        sent.during(Call::Peer).map(drop).map_err(|fault| Error::act("send a request to criu", fault))
    }

    fn receive(&self) -> Result<(Response, Option<OwnedFd>)> {
        let act = |fault| Error::act("receive a response of criu", fault);
        let mut bytes = vec![0; MAX_MESSAGE];
        let (got, descriptor) = channel::receive_bytes(self.socket.as_fd(), &mut bytes).map_err(act)?;
        if got == 0 {
            return Err(act(Fault::new(Call::Peer, Errno::PIPE)));
        }
        let response = Response::decode(bytes.get(..got).unwrap_or_default());
        let response = response.map_err(|_| act(Fault::new(Call::Peer, Errno::PROTO)))?;
        Ok((response, descriptor))
    }
}

/// Returns a successful response, or an error in runc's words with the path of criu's log. Podman prints it.
pub(crate) fn success(response: Response, what: &str, log: &str) -> Result<Response> {
    if response.success {
        return Ok(response);
    }
    let said = response.message.filter(|text| !text.is_empty()).map(|text| format!(": {text}"));
    let (errno, said) = (response.errno.unwrap_or(0), said.unwrap_or_default());
    Err(Error::Criu(format!("criu failed: type {what} errno {errno}{said}: log file: {log}")))
}
